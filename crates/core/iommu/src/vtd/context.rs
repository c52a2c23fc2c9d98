//! Root and context tables (VT-d 9.1, 9.3) of legacy mode.

use core::sync::atomic::Ordering;

use dxgk_hw::{FrameSource, MachineMemory, Pfn, RequesterId, UnitError};
use dxgk_iopt::vtd::spec::{AddressWidth, ContextEntryHigh, ContextEntryLow, RootEntryLow, TranslationType};

const LOST: UnitError = UnitError::Unsupported("its tables in RAM");

/// The root table of a unit.
#[derive(Debug)]
pub(super) struct ContextTables {
    root: Pfn,
}

impl ContextTables {
    /// Over a zeroed frame.
    pub(super) const fn new(root: Pfn) -> Self {
        Self { root }
    }

    /// The root entry of a bus: an even word of the root table.
    fn context_table(&self, memory: &dyn MachineMemory, bus: u8) -> Result<Option<Pfn>, UnitError> {
        let words = memory.live(self.root).ok_or(LOST)?;
        let entry = RootEntryLow::from_bits(words[usize::from(bus) * 2].load(Ordering::Relaxed));
        Ok(entry.p().then(|| Pfn::new(entry.ctp())))
    }

    /// The domain number in a requester's context entry, if the entry is present.
    pub(super) fn present(
        &self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<Option<u16>, UnitError> {
        let Some(table) = self.context_table(memory, requester.bus())? else { return Ok(None) };
        let words = memory.live(table).ok_or(LOST)?;
        let at = usize::from(requester.devfn()) * 2;
        let low = ContextEntryLow::from_bits(words[at].load(Ordering::Relaxed));
        let high = ContextEntryHigh::from_bits(words[at + 1].load(Ordering::Relaxed));
        Ok(low.p().then(|| high.did()))
    }

    /// Makes a requester's context entry not present.
    pub(super) fn clear(&self, memory: &dyn MachineMemory, requester: RequesterId) -> Result<(), UnitError> {
        if let Some(table) = self.context_table(memory, requester.bus())? {
            let words = memory.live(table).ok_or(LOST)?;
            words[usize::from(requester.devfn()) * 2].store(0, Ordering::Release);
        }
        Ok(())
    }

    /// Makes a requester's context entry, which is not present, present. The entry is two words, and the unit may
    /// look at any time: the word with the present bit is written last.
    pub(super) fn set(
        &self,
        memory: &dyn MachineMemory,
        frames: &dyn FrameSource,
        requester: RequesterId,
        (low, high): (ContextEntryLow, ContextEntryHigh),
    ) -> Result<(), UnitError> {
        let at = usize::from(requester.devfn()) * 2;
        let existing = self.context_table(memory, requester.bus())?;
        let table = match existing {
            Some(table) => table,
            None => frames.take_frame().ok_or(UnitError::NoResources)?,
        };
        let Some(words) = memory.live(table) else {
            if existing.is_none() {
                frames.give_frame(table);
            }
            return Err(LOST);
        };
        words[at + 1].store(high.into_bits(), Ordering::Relaxed);
        words[at].store(low.into_bits(), Ordering::Release);
        if existing.is_none() {
            let entry = RootEntryLow::new().with_p(true).with_ctp(table.get());
            let root = memory.live(self.root).ok_or(LOST)?;
            root[usize::from(requester.bus()) * 2].store(entry.into_bits(), Ordering::Release);
        }
        Ok(())
    }
}

/// A context entry that translates by a root table.
pub(super) fn translating(root: Pfn, aw: AddressWidth, domain: u16) -> (ContextEntryLow, ContextEntryHigh) {
    let low = ContextEntryLow::new()
        .with_p(true)
        .with_tt(TranslationType::Untranslated)
        .with_ssptptr(root.get() & ((1 << 52) - 1));
    (low, ContextEntryHigh::new().with_aw(aw).with_did(domain))
}

/// A context entry that lets everything through. `aw` must be the widest that the unit has (9.3).
pub(super) fn passing(aw: AddressWidth, domain: u16) -> (ContextEntryLow, ContextEntryHigh) {
    let low = ContextEntryLow::new().with_p(true).with_tt(TranslationType::PassThrough);
    (low, ContextEntryHigh::new().with_aw(aw).with_did(domain))
}
