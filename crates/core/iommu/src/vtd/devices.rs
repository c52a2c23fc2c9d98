//! The device tables of either mode.

use dxgk_hw::{FrameSource, MachineMemory, Pfn, RequesterId, UnitError};
use dxgk_iopt::vtd::spec::AddressWidth;

use super::context::{self, ContextTables};
use super::pasid::{self, PasidTables};
use super::unit::Mode;

/// Where a requester's requests go, as its entry says it.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    Passing(AddressWidth),
    SecondStage(Pfn, AddressWidth),
    FirstStage(Pfn, AddressWidth),
}

/// Root table and what hangs on it.
#[derive(Debug)]
pub(super) enum DeviceTables {
    Legacy(ContextTables),
    Scalable(PasidTables),
}

impl DeviceTables {
    /// Over a zeroed frame for the root table.
    pub(super) const fn new(mode: Mode, root: Pfn) -> Self {
        match mode {
            Mode::Legacy => Self::Legacy(ContextTables::new(root)),
            Mode::Scalable => Self::Scalable(PasidTables::new(root)),
        }
    }

    /// The domain number in a requester's entry, if the entry is present.
    pub(super) fn present(
        &self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<Option<u16>, UnitError> {
        match self {
            Self::Legacy(tables) => tables.present(memory, requester),
            Self::Scalable(tables) => tables.present(memory, requester),
        }
    }

    /// Makes a requester's entry not present.
    pub(super) fn clear(&self, memory: &dyn MachineMemory, requester: RequesterId) -> Result<(), UnitError> {
        match self {
            Self::Legacy(tables) => tables.clear(memory, requester),
            Self::Scalable(tables) => tables.clear(memory, requester),
        }
    }

    /// Makes a requester's entry, which is not present, present.
    pub(super) fn set(
        &self,
        memory: &dyn MachineMemory,
        frames: &dyn FrameSource,
        requester: RequesterId,
        entry: Entry,
        domain: u16,
    ) -> Result<(), UnitError> {
        match (self, entry) {
            (Self::Legacy(tables), Entry::Passing(aw)) => {
                tables.set(memory, frames, requester, context::passing(aw, domain))
            }
            (Self::Legacy(tables), Entry::SecondStage(root, aw)) => {
                tables.set(memory, frames, requester, context::translating(root, aw, domain))
            }
            (Self::Legacy(_), Entry::FirstStage(..)) => {
                Err(UnitError::Unsupported("first-stage translation in legacy mode"))
            }
            (Self::Scalable(tables), entry) => {
                let entry = match entry {
                    Entry::Passing(aw) => pasid::passing(aw, domain),
                    Entry::SecondStage(root, aw) => pasid::second_stage(root, aw, domain),
                    Entry::FirstStage(root, aw) => pasid::first_stage(root, aw, domain),
                };
                tables.set(memory, frames, requester, entry)
            }
        }
    }
}
