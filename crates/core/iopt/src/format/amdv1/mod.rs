//! AMD-Vi host page tables, version 1, modes 3 to 6: so many levels of 512 entries, the sixth of 128 (AMD IOMMU
//! Specification, document 48882, revision 3.10, section 2.2.3).
//!
//! Every power of two from 4 KiB up is a leaf size but 512 GiB, which hardware is known to get wrong. A size
//! between two levels' own is Next Level 7: the same entry stands in as many places as it covers.

pub mod spec;

use dxgk_hw::{Access, PAGE_SHIFT, Pfn};

use super::{Entry, Fault, Format, Leaf, Malformed, Stop, Used};
use spec::{LEAF, PageTableEntry, SIZED_LEAF};

/// log2 of the entries of every table below level 6.
const INDEX_BITS: u32 = 9;
/// The level that has no leaves, and whose tables are cut short by the 64 bits of an address.
const TOP: u32 = 6;
/// Physical addresses have 52 bits.
const OUTPUT_WIDTH: u32 = 52;

/// The format in a mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmdV1 {
    mode: u32,
    tracks: bool,
}

impl AmdV1 {
    /// Three levels, 39 bits.
    pub const MODE_3: Self = Self { mode: 3, tracks: false };
    /// Four levels, 48 bits.
    pub const MODE_4: Self = Self { mode: 4, tracks: false };
    /// Five levels, 57 bits.
    pub const MODE_5: Self = Self { mode: 5, tracks: false };
    /// Six levels, 64 bits.
    pub const MODE_6: Self = Self { mode: 6, tracks: false };

    /// The same for a unit that notes accesses and writes (HAD set in the device table entry).
    #[must_use]
    pub const fn with_tracking(self) -> Self {
        Self { tracks: true, ..self }
    }
}

fn access_of(entry: PageTableEntry) -> Access {
    let mut access = Access::empty();
    access.set(Access::READ, entry.ir());
    access.set(Access::WRITE, entry.iw());
    access
}

fn entry(access: Access, page: u64) -> PageTableEntry {
    PageTableEntry::new()
        .with_pr(true)
        .with_ir(access.contains(Access::READ))
        .with_iw(access.contains(Access::WRITE))
        .with_addr(page & ((1 << (OUTPUT_WIDTH - PAGE_SHIFT)) - 1))
}

impl Format for AmdV1 {
    fn name(&self) -> &'static str {
        match self.mode {
            3 => "amdv1-3",
            5 => "amdv1-5",
            6 => "amdv1-6",
            _ => "amdv1-4",
        }
    }

    fn root_level(&self) -> u32 {
        self.mode
    }

    fn width(&self) -> u32 {
        self.span_shift(self.mode)
    }

    fn output_width(&self) -> u32 {
        OUTPUT_WIDTH
    }

    fn entry_shift(&self, level: u32) -> u32 {
        PAGE_SHIFT + level.saturating_sub(1) * INDEX_BITS
    }

    fn index_bits(&self, level: u32) -> u32 {
        if level >= TOP { u64::BITS - (PAGE_SHIFT + (TOP - 1) * INDEX_BITS) } else { INDEX_BITS }
    }

    fn leaf_sizes(&self, level: u32) -> u64 {
        if level >= TOP {
            return 0;
        }
        // A leaf never fills a table: that would be the next level's own size. And its frame must be one of 52 bits.
        let below = 1u64 << self.span_shift(level).min(OUTPUT_WIDTH);
        (below - (1 << self.entry_shift(level))) & !(1 << 39)
    }

    fn expresses(&self, access: Access) -> bool {
        !access.is_empty()
    }

    fn table(&self, _level: u32, next: u32, table: Pfn) -> u64 {
        entry(Access::all(), table.get()).with_next_level((next & 7) as u8).into_bits()
    }

    fn leaf(&self, level: u32, leaf: Leaf, _part: u64) -> u64 {
        if leaf.shift <= self.entry_shift(level) {
            return entry(leaf.access, leaf.frame.get()).with_next_level(LEAF).into_bits();
        }
        let ones = (1u64 << (leaf.shift - PAGE_SHIFT - 1)) - 1;
        entry(leaf.access, leaf.frame.get() & !(ones << 1 | 1) | ones).with_next_level(SIZED_LEAF).into_bits()
    }

    fn with_access(&self, _level: u32, word: u64, access: Access) -> u64 {
        PageTableEntry::from_bits(word)
            .with_ir(access.contains(Access::READ))
            .with_iw(access.contains(Access::WRITE))
            .into_bits()
    }

    fn decode(&self, level: u32, word: u64) -> Entry {
        let entry = PageTableEntry::from_bits(word);
        if !entry.pr() {
            return Entry::Absent;
        }
        let reserved = PageTableEntry::new().with_reserved_52(0x7f);
        let (next, page, access) = (entry.next_level(), entry.addr(), access_of(entry));
        if next != LEAF && next != SIZED_LEAF {
            let bits = word & reserved.with_u(true).with_fc(true).into_bits();
            return match u32::from(next) {
                next if next >= level => Entry::Malformed(Malformed::NextLevel(next)),
                _ if bits != 0 => Entry::Malformed(Malformed::Reserved(bits)),
                level => Entry::Table { table: Pfn::new(page), level, access },
            };
        }
        let own = self.entry_shift(level);
        let shift = if next == LEAF { own } else { PAGE_SHIFT + 1 + page.trailing_ones() };
        let below_size = if next == LEAF { (1u64 << (shift - PAGE_SHIFT)) - 1 } else { 0 };
        let bits = word & (reserved.with_addr(below_size & ((1 << 40) - 1)).into_bits());
        if self.leaf_sizes(level) == 0 {
            Entry::Malformed(Malformed::LeafLevel)
        } else if shift < own || shift >= self.span_shift(level).min(OUTPUT_WIDTH) {
            Entry::Malformed(Malformed::LeafSize(shift))
        } else if bits != 0 {
            Entry::Malformed(Malformed::Reserved(bits))
        } else {
            let frame = Pfn::new(page >> (shift - PAGE_SHIFT) << (shift - PAGE_SHIFT));
            Entry::Leaf(Leaf { frame, shift, access })
        }
    }

    fn fault(&self, _level: u32, stop: Stop, access: Access) -> Fault {
        // Events and the flags in them: section 2.5.
        let (code, name) = match (stop, access.contains(Access::WRITE)) {
            (Stop::Unreadable, _) => (4, "PAGE_TAB_HARDWARE_ERROR"),
            (Stop::NotPresent | Stop::BeyondWidth, false) => (2, "IO_PAGE_FAULT, read, PR=0"),
            (Stop::NotPresent | Stop::BeyondWidth, true) => (2, "IO_PAGE_FAULT, write, PR=0"),
            (Stop::NoPermission, false) => (2, "IO_PAGE_FAULT, read, PR=1 PE=1"),
            (Stop::NoPermission, true) => (2, "IO_PAGE_FAULT, write, PR=1 PE=1"),
            (Stop::Malformed(_), _) => (2, "IO_PAGE_FAULT, PR=1 RZ=1"),
        };
        Fault { code, name }
    }

    fn full_mark(&self) -> u64 {
        PageTableEntry::new().with_ignored_1(1).into_bits()
    }

    fn used(&self, _level: u32, word: u64) -> Option<Used> {
        let entry = PageTableEntry::from_bits(word);
        self.tracks.then(|| Used { accessed: entry.a(), dirty: entry.d() })
    }

    fn unused(&self, _level: u32, word: u64) -> u64 {
        PageTableEntry::from_bits(word).with_a(false).with_d(false).into_bits()
    }

    fn skips_levels(&self) -> bool {
        true
    }
}
