//! What all units have in common: how a request goes in, and what comes out of it.

mod config;
mod iotlb;
mod structure_cache;

use dxgk_event::FaultReason;
use dxgk_hw::{LogicalAddr, NotRam, PhysAddr, Registers, RequesterId};

pub use config::UnitConfig;
pub(crate) use iotlb::{Iotlb, Tag, Translation};
pub(crate) use structure_cache::{Below, StructureCache};

/// An IOMMU: registers on the one side, requests on the other.
pub(crate) trait Unit: Registers {
    /// Translates one request, which must not cross a 4 KiB page, and lets `access` happen where it leads, all under
    /// the unit's lock. The value says whether the address was translated.
    fn access(
        &self,
        requester: RequesterId,
        at: LogicalAddr,
        write: bool,
        access: &mut dyn FnMut(PhysAddr) -> Result<(), NotRam>,
    ) -> Result<bool, Refusal>;
}

/// A request that was let through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Translated {
    pub at: PhysAddr,
    /// Whether tables said so, or the request passed unchanged.
    pub by_tables: bool,
    pub domain: u16,
    pub entry: u64,
    pub entry_at: u64,
    pub level: u8,
    pub cached: bool,
}

/// A request that was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// The unit's record; zeros when it made none (reporting disabled, no free record, no fault of the unit's).
    pub record: [u64; 2],
    pub reason: FaultReason,
    pub entry: u64,
    pub entry_at: u64,
    pub level: u8,
    pub cached: bool,
    pub domain: u16,
    pub by_tables: bool,
}

impl Refusal {
    /// A request that never met an entry and that no unit recorded.
    pub(crate) const fn unrecorded(reason: FaultReason) -> Self {
        Self {
            record: [0; 2],
            reason,
            entry: 0,
            entry_at: 0,
            level: 0,
            cached: false,
            domain: 0,
            by_tables: false,
        }
    }
}

impl Translated {
    /// A request that passes as it is.
    pub(crate) fn unchanged(at: LogicalAddr, domain: u16) -> Self {
        // The one place where an address is on both sides: nothing translates it.
        let at = PhysAddr::new(at.get());
        Self { at, by_tables: false, domain, entry: 0, entry_at: 0, level: 0, cached: false }
    }

    /// A request that `translation` leads on.
    pub(crate) fn through(translation: &Translation, at: LogicalAddr, domain: u16, cached: bool) -> Self {
        Self {
            at: PhysAddr::new(translation.base | at.get() & translation.mask()),
            by_tables: true,
            domain,
            entry: translation.entry,
            entry_at: translation.entry_at,
            level: translation.level,
            cached,
        }
    }

    /// Lets the access happen where the request leads; says whether tables led it there.
    pub(crate) fn access(
        &self,
        access: &mut dyn FnMut(PhysAddr) -> Result<(), NotRam>,
    ) -> Result<bool, Refusal> {
        access(self.at).map(|()| self.by_tables).map_err(|NotRam(_)| self.no_memory())
    }

    /// The request led to something that is not memory. The unit has done its part and records nothing.
    fn no_memory(&self) -> Refusal {
        Refusal {
            record: [0; 2],
            reason: FaultReason::NoMemory,
            entry: self.entry,
            entry_at: self.entry_at,
            level: self.level,
            cached: self.cached,
            domain: self.domain,
            by_tables: self.by_tables,
        }
    }
}
