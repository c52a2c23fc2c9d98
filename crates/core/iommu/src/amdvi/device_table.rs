//! The device table (manual 2.2.2): every requester has an entry, and every entry blocks until it is told otherwise.

use core::sync::atomic::{AtomicU64, Ordering};

use dxgk_hw::{FrameSource, MachineMemory, Pfn, RequesterId, UnitError};
use dxgk_iopt::amdvi::spec::{DTE_WORDS, DteFirst, DteSecond};

const LOST: UnitError = UnitError::Unsupported("its device table in RAM");
/// Pages of a table for all of 2^16 requesters.
pub(super) const PAGES: u64 = 512;
const ENTRIES_PER_PAGE: u16 = 128;

/// An entry: the words that are ever anything but 0.
pub(super) type Entry = (DteFirst, DteSecond);

/// Valid, no tables, no permission.
pub(super) fn blocking(domain: u16) -> Entry {
    (DteFirst::new().with_v(true).with_tv(true), DteSecond::new().with_domain_id(domain))
}

/// Valid, no tables, every permission.
pub(super) fn passing(domain: u16) -> Entry {
    let (first, second) = blocking(domain);
    (first.with_ir(true).with_iw(true), second)
}

/// Through tables of so many levels.
pub(super) fn translating(root: Pfn, levels: u32, domain: u16) -> Entry {
    let (first, second) = passing(domain);
    (first.with_mode(levels as u8).with_root(root.get() & ((1 << 40) - 1)), second)
}

/// The table.
#[derive(Debug)]
pub(super) struct DeviceTable {
    base: Pfn,
}

impl DeviceTable {
    /// A table in which every entry blocks. No unit knows it yet.
    pub(super) fn new(
        memory: &dyn MachineMemory,
        frames: &dyn FrameSource,
        domain: u16,
    ) -> Result<Self, UnitError> {
        let base = frames.take_run(PAGES).ok_or(UnitError::NoResources)?;
        let table = Self { base };
        for requester in 0..=u16::MAX {
            if let Err(error) = table.set(memory, RequesterId(requester), blocking(domain)) {
                frames.give_run(base, PAGES);
                return Err(error);
            }
        }
        Ok(table)
    }

    pub(super) const fn base(&self) -> Pfn {
        self.base
    }

    fn entry<'a>(
        &self,
        memory: &'a dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<&'a [AtomicU64], UnitError> {
        let page = self.base.checked_add(u64::from(requester.0 / ENTRIES_PER_PAGE)).ok_or(LOST)?;
        let first = usize::from(requester.0 % ENTRIES_PER_PAGE) * DTE_WORDS;
        memory.live(page).and_then(|words| words.get(first..first + DTE_WORDS)).ok_or(LOST)
    }

    /// The domain of a requester's entry.
    pub(super) fn domain(
        &self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<u16, UnitError> {
        let second = self.entry(memory, requester)?.get(1).ok_or(LOST)?;
        Ok(DteSecond::from_bits(second.load(Ordering::Relaxed)).domain_id())
    }

    /// Writes a requester's entry. The unit may look at any time: permissions go first and come last, and are in the
    /// first word.
    pub(super) fn set(
        &self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
        (first, second): Entry,
    ) -> Result<(), UnitError> {
        let words = self.entry(memory, requester)?;
        if let [low, high, ..] = words {
            low.store(blocking(0).0.into_bits(), Ordering::Release);
            high.store(second.into_bits(), Ordering::Release);
            low.store(first.into_bits(), Ordering::Release);
        }
        Ok(())
    }
}
