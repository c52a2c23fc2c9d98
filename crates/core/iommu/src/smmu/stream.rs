//! The stream table (manual 3.3, 5.1, 5.2): linear, or of two levels with a second-level table a bus' 256 streams where
//! the unit has that; and context descriptors (5.4), one a stream.

use core::sync::atomic::{AtomicU64, Ordering};

use dxgk_hw::{FrameSource, MachineMemory, Pfn, RequesterId, UnitError};
use dxgk_iopt::smmu::spec::{
    CdFirst, L1StreamDescriptor, STE_BYTES, STE_WORDS, SteFirst, SteSecond, SteThird, StreamConfig,
    StreamTableConfig, TableAddress,
};

const LOST: UnitError = UnitError::Unsupported("its stream table in RAM");
/// Streams are requesters.
const SID_BITS: u8 = 16;
/// StreamID bits that index the second level: 6, 8 or 10 are possible (our choice: a bus).
const SPLIT: u8 = 8;
/// Pages of a second-level table, and of a linear one.
const BUS_PAGES: u64 = (STE_BYTES << SPLIT) >> 12;
const LINEAR_PAGES: u64 = (STE_BYTES << SID_BITS) >> 12;
/// Entries a page.
const PAGE_STREAMS: u16 = (4096 / STE_BYTES) as u16;

/// Words of an entry that are ever anything but 0: the first four.
pub(super) type Entry = [u64; 4];

fn entry(config: StreamConfig) -> (SteFirst, SteSecond) {
    // Shareability as it comes in.
    (SteFirst::new().with_v(true).with_config(config), SteSecond::new().with_shcfg(1))
}

/// Everything passes.
pub(super) fn passing() -> Entry {
    let (first, second) = entry(StreamConfig::BYPASS);
    [first.into_bits(), second.into_bits(), 0, 0]
}

/// Through the context descriptor at the start of a frame.
pub(super) fn stage_1(descriptor: Pfn) -> Entry {
    let (first, second) = entry(StreamConfig::STAGE_1);
    let first = first.with_s1contextptr((descriptor.get() << 6) & ((1 << 46) - 1));
    // Descriptors are inner shareable and write-back.
    [first.into_bits(), second.with_s1c(0b11_01_01).into_bits(), 0, 0]
}

/// Through stage 2 tables.
pub(super) fn stage_2(root: Pfn, third: SteThird) -> Entry {
    let (first, second) = entry(StreamConfig::STAGE_2);
    let fourth = TableAddress::new().with_ttb((root.get() << 8) & ((1 << 48) - 1));
    [first.into_bits(), second.into_bits(), third.into_bits(), fourth.into_bits()]
}

/// Fills a context descriptor at the start of a zeroed frame.
pub(super) fn describe(
    memory: &dyn MachineMemory,
    frame: Pfn,
    root: Pfn,
    first: CdFirst,
) -> Result<(), UnitError> {
    let words = memory.live(frame).ok_or(LOST)?;
    let table = TableAddress::new().with_ttb((root.get() << 8) & ((1 << 48) - 1));
    // Memory attribute 0 is normal write-back, which is what leaves say.
    let attributes = 0xff;
    for (word, value) in words.iter().zip([0, table.into_bits(), 0, attributes]).skip(1) {
        word.store(value, Ordering::Relaxed);
    }
    if let Some(word) = words.first() {
        word.store(first.into_bits(), Ordering::Release);
    }
    Ok(())
}

/// The table.
#[derive(Debug)]
pub(super) struct StreamTable {
    base: Pfn,
    two_level: bool,
}

impl StreamTable {
    /// An empty table, which blocks every stream.
    pub(super) fn new(frames: &dyn FrameSource, two_level: bool) -> Result<Self, UnitError> {
        let pages = if two_level { 1 } else { LINEAR_PAGES };
        let base = frames.take_run(pages).ok_or(UnitError::NoResources)?;
        Ok(Self { base, two_level })
    }

    pub(super) const fn base(&self) -> Pfn {
        self.base
    }

    pub(super) fn config(&self) -> StreamTableConfig {
        let config = StreamTableConfig::new().with_log2size(SID_BITS);
        if self.two_level { config.with_fmt(1).with_split(SPLIT) } else { config }
    }

    /// A bus' descriptor.
    fn bus<'a>(
        &self,
        memory: &'a dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<&'a AtomicU64, UnitError> {
        memory.live(self.base).and_then(|words| words.get(usize::from(requester.bus()))).ok_or(LOST)
    }

    /// A requester's entry, if there is a table for its bus.
    fn entry<'a>(
        &self,
        memory: &'a dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<Option<&'a [AtomicU64]>, UnitError> {
        let (table, nth) = if self.two_level {
            let descriptor =
                L1StreamDescriptor::from_bits(self.bus(memory, requester)?.load(Ordering::Relaxed));
            if descriptor.span() == 0 {
                return Ok(None);
            }
            (Pfn::new(descriptor.l2ptr() >> 6), u16::from(requester.devfn()))
        } else {
            (self.base, requester.0)
        };
        let page = table.checked_add(u64::from(nth / PAGE_STREAMS)).ok_or(LOST)?;
        let first = usize::from(nth % PAGE_STREAMS) * STE_WORDS;
        memory.live(page).and_then(|words| words.get(first..first + STE_WORDS)).ok_or(LOST).map(Some)
    }

    /// Whether a requester's entry is valid.
    pub(super) fn is_valid(
        &self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<bool, UnitError> {
        let first = self.entry(memory, requester)?.and_then(|words| words.first());
        Ok(first.is_some_and(|word| SteFirst::from_bits(word.load(Ordering::Relaxed)).v()))
    }

    /// Makes a requester's entry not valid.
    pub(super) fn clear(&self, memory: &dyn MachineMemory, requester: RequesterId) -> Result<(), UnitError> {
        if let Some(word) = self.entry(memory, requester)?.and_then(|words| words.first()) {
            word.store(0, Ordering::Release);
        }
        Ok(())
    }

    /// Makes a requester's entry, which is not valid, valid. The unit may look at any time: the word that says so is
    /// written last.
    pub(super) fn set(
        &self,
        memory: &dyn MachineMemory,
        frames: &dyn FrameSource,
        requester: RequesterId,
        entry: Entry,
    ) -> Result<(), UnitError> {
        if self.entry(memory, requester)?.is_none() {
            let table = frames.take_run(BUS_PAGES).ok_or(UnitError::NoResources)?;
            let descriptor = L1StreamDescriptor::new()
                .with_span(SPLIT + 1)
                .with_l2ptr((table.get() << 6) & ((1 << 46) - 1));
            self.bus(memory, requester)?.store(descriptor.into_bits(), Ordering::Release);
        }
        let words = self.entry(memory, requester)?.ok_or(LOST)?;
        for (word, value) in words.iter().zip(entry).skip(1) {
            word.store(value, Ordering::Relaxed);
        }
        if let Some(word) = words.first() {
            word.store(entry[0], Ordering::Release);
        }
        Ok(())
    }
}
