//! VT-d second stage, 3 to 5 levels of 512 entries (VT-d Architecture Specification, revision 4.1, chapter 3.7).

pub mod spec;

use dxgk_hw::{Access, PAGE_SHIFT, Pfn};

use super::{Entry, Fault, Format, Leaf, Malformed, Stop, Used};
use crate::vtd::spec::FaultReason;
use spec::SecondStageEntry;

/// log2 of the entries of every table.
const INDEX_BITS: u32 = 9;

/// The format with a number of levels and a choice of leaf sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VtdSecondStage {
    levels: u32,
    leaves: u64,
    tracks: bool,
}

impl VtdSecondStage {
    /// Three levels, 39 bits, leaves of 4 KiB, 2 MiB and 1 GiB.
    pub const LEVELS_3: Self = Self::with_levels(3);
    /// Four levels, 48 bits, the same leaves.
    pub const LEVELS_4: Self = Self::with_levels(4);
    /// Five levels, 57 bits, the same leaves.
    pub const LEVELS_5: Self = Self::with_levels(5);

    const fn with_levels(levels: u32) -> Self {
        Self { levels, leaves: 1 << 12 | 1 << 21 | 1 << 30, tracks: false }
    }

    /// The same with only those large leaves that a unit reports in CAP_REG.SSLPS.
    #[must_use]
    pub const fn with_large_pages(self, sslps: u8) -> Self {
        let mut leaves = 1 << PAGE_SHIFT;
        if sslps & 1 != 0 {
            leaves |= 1 << 21;
        }
        if sslps & 2 != 0 {
            leaves |= 1 << 30;
        }
        Self { leaves, ..self }
    }

    /// The same for a unit that notes accesses and writes (scalable mode with SSADE set in the PASID entry).
    #[must_use]
    pub const fn with_tracking(self) -> Self {
        Self { tracks: true, ..self }
    }
}

const fn access_of(entry: SecondStageEntry) -> Access {
    match (entry.r(), entry.w()) {
        (false, false) => Access::empty(),
        (true, false) => Access::READ,
        (false, true) => Access::WRITE,
        (true, true) => Access::READ.union(Access::WRITE),
    }
}

const fn entry(access: Access, frame: Pfn) -> SecondStageEntry {
    SecondStageEntry::new()
        .with_r(access.contains(Access::READ))
        .with_w(access.contains(Access::WRITE))
        .with_addr(frame.get() & ((1 << 40) - 1))
}

impl Format for VtdSecondStage {
    fn name(&self) -> &'static str {
        match self.levels {
            3 => "vtd-ss3",
            5 => "vtd-ss5",
            _ => "vtd-ss4",
        }
    }

    fn root_level(&self) -> u32 {
        self.levels
    }

    fn width(&self) -> u32 {
        PAGE_SHIFT + self.levels * INDEX_BITS
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
        !access.is_empty()
    }

    fn table(&self, _level: u32, _next: u32, table: Pfn) -> u64 {
        entry(Access::all(), table).into_bits()
    }

    fn leaf(&self, level: u32, leaf: Leaf, _part: u64) -> u64 {
        entry(leaf.access, leaf.frame).with_ps(level > 1).into_bits()
    }

    fn with_access(&self, _level: u32, word: u64, access: Access) -> u64 {
        SecondStageEntry::from_bits(word)
            .with_r(access.contains(Access::READ))
            .with_w(access.contains(Access::WRITE))
            .into_bits()
    }

    fn decode(&self, level: u32, word: u64) -> Entry {
        let entry = SecondStageEntry::from_bits(word);
        let access = access_of(entry);
        if access.is_empty() {
            return Entry::Absent;
        }
        let common = SecondStageEntry::new().with_snp(true).with_reserved_62(true).into_bits();
        if level > 1 && !entry.ps() {
            return match word & common {
                0 => Entry::Table { table: Pfn::new(entry.addr()), level: level - 1, access },
                bits => Entry::Malformed(Malformed::Reserved(bits)),
            };
        }
        let shift = self.entry_shift(level);
        if self.leaf_sizes(level) == 0 {
            return Entry::Malformed(Malformed::LeafLevel);
        }
        let below_size = (1u64 << shift) - (1 << PAGE_SHIFT);
        match word & (common | below_size) {
            0 => Entry::Leaf(Leaf { frame: Pfn::new(entry.addr()), shift, access }),
            bits => Entry::Malformed(Malformed::Reserved(bits)),
        }
    }

    fn fault(&self, _level: u32, stop: Stop, access: Access) -> Fault {
        // Legacy mode's reasons (7.1.3).
        let (FaultReason(code), name) = match stop {
            Stop::BeyondWidth => (FaultReason::ADDRESS_BEYOND_WIDTH, "address beyond the width"),
            Stop::Unreadable => (FaultReason::PAGING_ENTRY_ACCESS, "paging entry not accessible"),
            Stop::Malformed(_) => {
                (FaultReason::PAGING_ENTRY_RESERVED, "reserved field of a paging entry set")
            }
            Stop::NotPresent | Stop::NoPermission if access.contains(Access::WRITE) => {
                (FaultReason::NO_WRITE, "no write permission")
            }
            Stop::NotPresent | Stop::NoPermission => (FaultReason::NO_READ, "no read permission"),
        };
        Fault { code, name }
    }

    fn full_mark(&self) -> u64 {
        SecondStageEntry::new().with_ignored_52(1).into_bits()
    }

    fn used(&self, _level: u32, word: u64) -> Option<Used> {
        let entry = SecondStageEntry::from_bits(word);
        self.tracks.then(|| Used { accessed: entry.a(), dirty: entry.d() })
    }

    fn unused(&self, _level: u32, word: u64) -> u64 {
        SecondStageEntry::from_bits(word).with_a(false).with_d(false).into_bits()
    }
}
