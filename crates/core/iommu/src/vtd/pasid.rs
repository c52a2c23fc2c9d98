//! The device tables of scalable mode (VT-d 9.2, 9.4 to 9.6): root and context entries, and for each requester a PASID
//! directory and a PASID table of its own, of which the first entry is used: that of requests without PASID.

use core::sync::atomic::{AtomicU64, Ordering};

use dxgk_hw::{FrameSource, MachineMemory, Pfn, RequesterId, UnitError};
use dxgk_iopt::vtd::spec::{
    AddressWidth, PASID_ENTRY_WORDS, PasidDirectoryEntry, PasidEntryFirst, PasidEntrySecond, PasidEntryThird,
    PasidTranslationType, RootEntryLow, SCALABLE_CONTEXT_WORDS, ScalableContextLow,
};

use crate::driven::take_frames;

const LOST: UnitError = UnitError::Unsupported("its tables in RAM");
const ADDRESS: u64 = (1 << 52) - 1;

/// The words of a PASID-table entry that are ever anything but 0.
pub(super) type Entry = [u64; 3];

fn entry(pgtt: PasidTranslationType, domain: u16) -> (PasidEntryFirst, PasidEntrySecond) {
    (PasidEntryFirst::new().with_p(true).with_pgtt(pgtt), PasidEntrySecond::new().with_did(domain))
}

/// Through second-stage tables.
pub(super) fn second_stage(root: Pfn, aw: AddressWidth, domain: u16) -> Entry {
    let (first, second) = entry(PasidTranslationType::SECOND_STAGE, domain);
    [first.with_aw(aw).with_ssptptr(root.get() & ADDRESS).into_bits(), second.into_bits(), 0]
}

/// Through first-stage tables of four levels. The manual has the width ignored then; QEMU's unit (10.0) takes it for
/// that of canonical addresses.
pub(super) fn first_stage(root: Pfn, aw: AddressWidth, domain: u16) -> Entry {
    let (first, second) = entry(PasidTranslationType::FIRST_STAGE, domain);
    let third = PasidEntryThird::new().with_fsptptr(root.get() & ADDRESS);
    [first.with_aw(aw).into_bits(), second.into_bits(), third.into_bits()]
}

/// Everything passes.
pub(super) fn passing(aw: AddressWidth, domain: u16) -> Entry {
    let (first, second) = entry(PasidTranslationType::PASS_THROUGH, domain);
    [first.with_aw(aw).into_bits(), second.into_bits(), 0]
}

/// The root table of a unit.
#[derive(Debug)]
pub(super) struct PasidTables {
    root: Pfn,
}

fn word(memory: &dyn MachineMemory, table: Pfn, index: usize) -> Result<&AtomicU64, UnitError> {
    memory.live(table).and_then(|words| words.get(index)).ok_or(LOST)
}

impl PasidTables {
    /// Over a zeroed frame.
    pub(super) const fn new(root: Pfn) -> Self {
        Self { root }
    }

    /// The half of the root entry that a requester's context table hangs on.
    fn root_entry<'a>(
        &self,
        memory: &'a dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<&'a AtomicU64, UnitError> {
        let half = usize::from(requester.bus()) * 2 + usize::from(requester.devfn() >> 7);
        word(memory, self.root, half)
    }

    /// A requester's PASID table, if it has one.
    fn pasid_table(
        &self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<Option<Pfn>, UnitError> {
        let root = RootEntryLow::from_bits(self.root_entry(memory, requester)?.load(Ordering::Relaxed));
        if !root.p() {
            return Ok(None);
        }
        let context = word(memory, Pfn::new(root.ctp()), context_index(requester))?;
        let context = ScalableContextLow::from_bits(context.load(Ordering::Relaxed));
        if !context.p() {
            return Ok(None);
        }
        let directory = word(memory, Pfn::new(context.pasiddirptr()), 0)?.load(Ordering::Relaxed);
        Ok(Some(Pfn::new(PasidDirectoryEntry::from_bits(directory).smptblptr())))
    }

    /// The domain number in a requester's PASID-table entry, if that is present.
    pub(super) fn present(
        &self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<Option<u16>, UnitError> {
        let Some(table) = self.pasid_table(memory, requester)? else { return Ok(None) };
        let first = PasidEntryFirst::from_bits(word(memory, table, 0)?.load(Ordering::Relaxed));
        let second = PasidEntrySecond::from_bits(word(memory, table, 1)?.load(Ordering::Relaxed));
        Ok(first.p().then(|| second.did()))
    }

    /// Makes a requester's PASID-table entry not present. Its tables stay, for the next time.
    pub(super) fn clear(&self, memory: &dyn MachineMemory, requester: RequesterId) -> Result<(), UnitError> {
        if let Some(table) = self.pasid_table(memory, requester)? {
            word(memory, table, 0)?.store(0, Ordering::Release);
        }
        Ok(())
    }

    /// Makes a requester's PASID-table entry, which is not present, present. The unit may look at any time: words
    /// with a present bit are written last, from the lowest table up.
    pub(super) fn set(
        &self,
        memory: &dyn MachineMemory,
        frames: &dyn FrameSource,
        requester: RequesterId,
        entry: Entry,
    ) -> Result<(), UnitError> {
        if let Some(table) = self.pasid_table(memory, requester)? {
            return fill(memory, table, entry);
        }
        let [directory, table] = take_frames(frames)?;
        let result = self.link(memory, frames, requester, entry, directory, table);
        if result.is_err() {
            frames.give_frame(directory);
            frames.give_frame(table);
        }
        result
    }

    fn link(
        &self,
        memory: &dyn MachineMemory,
        frames: &dyn FrameSource,
        requester: RequesterId,
        entry: Entry,
        directory: Pfn,
        table: Pfn,
    ) -> Result<(), UnitError> {
        fill(memory, table, entry)?;
        let to_table = PasidDirectoryEntry::new().with_p(true).with_smptblptr(table.get() & ADDRESS);
        word(memory, directory, 0)?.store(to_table.into_bits(), Ordering::Release);
        let to_directory =
            ScalableContextLow::new().with_p(true).with_pasiddirptr(directory.get() & ADDRESS).into_bits();
        let root = self.root_entry(memory, requester)?;
        let existing = RootEntryLow::from_bits(root.load(Ordering::Relaxed));
        if existing.p() {
            let context = word(memory, Pfn::new(existing.ctp()), context_index(requester))?;
            context.store(to_directory, Ordering::Release);
            return Ok(());
        }
        let contexts = frames.take_frame().ok_or(UnitError::NoResources)?;
        match word(memory, contexts, context_index(requester)) {
            Ok(context) => context.store(to_directory, Ordering::Release),
            Err(error) => {
                frames.give_frame(contexts);
                return Err(error);
            }
        }
        let to_contexts = RootEntryLow::new().with_p(true).with_ctp(contexts.get() & ADDRESS);
        root.store(to_contexts.into_bits(), Ordering::Release);
        Ok(())
    }
}

/// The first word of a requester's entry in its context table.
fn context_index(requester: RequesterId) -> usize {
    usize::from(requester.devfn() & 0x7f) * SCALABLE_CONTEXT_WORDS
}

fn fill(memory: &dyn MachineMemory, table: Pfn, entry: Entry) -> Result<(), UnitError> {
    let words = memory.live(table).and_then(|words| words.get(..PASID_ENTRY_WORDS)).ok_or(LOST)?;
    for (word, value) in words.iter().zip(entry).skip(1) {
        word.store(value, Ordering::Relaxed);
    }
    if let Some(first) = words.first() {
        first.store(entry[0], Ordering::Release);
    }
    Ok(())
}
