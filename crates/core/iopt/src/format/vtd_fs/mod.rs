//! VT-d first stage, 4 levels of 512 entries, in scalable mode (VT-d Architecture Specification, revision 4.1,
//! chapter 3.6).
//!
//! Input addresses must be canonical: bits 63 to 48 equal bit 47 (3.6, 9.7). This code maps in the lower half only
//! (our choice: logical addresses count from 0); it walks both.

pub mod spec;

use dxgk_hw::{Access, LogicalPage, PAGE_SHIFT, Pfn};

use super::{Entry, Fault, Format, Leaf, Malformed, Stop, Used};
use spec::FirstStageEntry;

/// log2 of the entries of every table.
const INDEX_BITS: u32 = 9;
/// Levels; the fifth (CAP_REG.FS5LP) is not used here.
const LEVELS: u32 = 4;
const WIDTH: u32 = PAGE_SHIFT + LEVELS * INDEX_BITS;

/// The format with a choice of leaf sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VtdFirstStage {
    leaves: u64,
    tracks: bool,
}

impl VtdFirstStage {
    /// Four levels, leaves of 4 KiB, 2 MiB and 1 GiB. Entries are written with accessed and dirty set, so that
    /// hardware need not write to tables.
    pub const LEVELS_4: Self = Self { leaves: 1 << 12 | 1 << 21 | 1 << 30, tracks: false };

    /// The same without leaves of 1 GiB, for a unit that does not report CAP_REG.FS1GP.
    #[must_use]
    pub const fn without_1g(self) -> Self {
        Self { leaves: self.leaves & !(1 << 30), ..self }
    }

    /// The same with accessed and dirty left to hardware.
    #[must_use]
    pub const fn with_tracking(self) -> Self {
        Self { tracks: true, ..self }
    }

    fn entry(&self, access: Access, frame: Pfn) -> FirstStageEntry {
        FirstStageEntry::new()
            .with_p(true)
            .with_rw(access.contains(Access::WRITE))
            .with_us(true)
            .with_a(!self.tracks)
            .with_addr(frame.get() & ((1 << 40) - 1))
    }
}

fn access_of(entry: FirstStageEntry) -> Access {
    match (entry.us(), entry.rw()) {
        (false, _) => Access::empty(),
        (true, false) => Access::READ,
        (true, true) => Access::all(),
    }
}

impl Format for VtdFirstStage {
    fn name(&self) -> &'static str {
        "vtd-fs4"
    }

    fn root_level(&self) -> u32 {
        LEVELS
    }

    fn width(&self) -> u32 {
        WIDTH
    }

    fn output_width(&self) -> u32 {
        52
    }

    fn entry_shift(&self, level: u32) -> u32 {
        PAGE_SHIFT + level.saturating_sub(1) * INDEX_BITS
    }

    fn index_bits(&self, _level: u32) -> u32 {
        INDEX_BITS
    }

    fn leaf_sizes(&self, level: u32) -> u64 {
        self.leaves & 1 << self.entry_shift(level)
    }

    fn expresses(&self, access: Access) -> bool {
        access.contains(Access::READ)
    }

    fn table(&self, _level: u32, _next: u32, table: Pfn) -> u64 {
        self.entry(Access::all(), table).into_bits()
    }

    fn leaf(&self, level: u32, leaf: Leaf, _part: u64) -> u64 {
        let dirty = !self.tracks && leaf.access.contains(Access::WRITE);
        self.entry(leaf.access, leaf.frame).with_d(dirty).with_ps(level > 1).into_bits()
    }

    fn with_access(&self, _level: u32, word: u64, access: Access) -> u64 {
        let (entry, writes) = (FirstStageEntry::from_bits(word), access.contains(Access::WRITE));
        // Where hardware is to note nothing, dirty is set beforehand in whatever may be written.
        entry.with_rw(writes).with_d(entry.d() || (writes && !self.tracks)).into_bits()
    }

    fn decode(&self, level: u32, word: u64) -> Entry {
        let entry = FirstStageEntry::from_bits(word);
        if !entry.p() {
            return Entry::Absent;
        }
        let access = access_of(entry);
        let page = entry.addr();
        if level > 1 && !entry.ps() {
            return Entry::Table { table: Pfn::new(page), level: level - 1, access };
        }
        let shift = self.entry_shift(level);
        if self.leaf_sizes(level) == 0 {
            return Entry::Malformed(Malformed::LeafLevel);
        }
        let below_size = (1u64 << (shift - PAGE_SHIFT)) - 1;
        // Bit 0 of the field is PAT in a large leaf.
        match page & below_size & !1 {
            0 => Entry::Leaf(Leaf { frame: Pfn::new(page & !below_size), shift, access }),
            bits => Entry::Malformed(Malformed::Reserved(bits << PAGE_SHIFT)),
        }
    }

    fn fault(&self, _level: u32, stop: Stop, access: Access) -> Fault {
        // Scalable mode's reasons (7.1.3).
        let (code, name) = match stop {
            Stop::BeyondWidth => (0x80, "address not canonical"),
            Stop::Unreadable => (0x70, "first-stage paging entry not accessible"),
            Stop::NotPresent => (0x71, "first-stage paging entry not present"),
            Stop::Malformed(_) => (0x72, "reserved field of a first-stage paging entry set"),
            Stop::NoPermission if access.contains(Access::WRITE) => (0x85, "no write permission"),
            // Reads need no permission but the privilege's.
            Stop::NoPermission => (0x81, "user privilege, and U/S is clear"),
        };
        Fault { code, name }
    }

    fn full_mark(&self) -> u64 {
        FirstStageEntry::new().with_ignored_52(1).into_bits()
    }

    fn used(&self, _level: u32, word: u64) -> Option<Used> {
        let entry = FirstStageEntry::from_bits(word);
        self.tracks.then(|| Used { accessed: entry.a(), dirty: entry.d() })
    }

    fn unused(&self, _level: u32, word: u64) -> u64 {
        FirstStageEntry::from_bits(word).with_a(false).with_d(false).into_bits()
    }

    fn end(&self) -> LogicalPage {
        LogicalPage::new(1 << (WIDTH - 1 - PAGE_SHIFT))
    }

    fn canonical(&self, page: LogicalPage) -> LogicalPage {
        let above = u64::BITS - WIDTH;
        // An arithmetic shift copies bit 47 upwards.
        let address = ((page.get() << PAGE_SHIFT << above).cast_signed() >> above).cast_unsigned();
        LogicalPage::new(address >> PAGE_SHIFT)
    }
}
