//! What both stages share: how granule and input size make levels (DDI 0487, D8.2), which levels have blocks, and
//! how many entries the contiguous hint joins (D8.6).

use dxgk_hw::{PAGE_SHIFT, Pfn};

use super::super::{Entry, Fault, Leaf, Malformed, Stop};
use super::spec::TableDescriptor;

/// Size of the smallest page and of a full table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Granule {
    /// 4 KiB.
    K4,
    /// 16 KiB.
    K16,
    /// 64 KiB.
    K64,
}

impl Granule {
    const fn shift(self) -> u32 {
        match self {
            Self::K4 => 12,
            Self::K16 => 14,
            Self::K64 => 16,
        }
    }

    /// log2 of a full table's entries.
    const fn index_bits(self) -> u32 {
        self.shift() - 3
    }

    /// The highest level that has leaves (Arm's level 1 with 4 KiB, 2 otherwise).
    const fn highest_leaf(self) -> u32 {
        match self {
            Self::K4 => 3,
            Self::K16 | Self::K64 => 2,
        }
    }

    /// log2 of the entries that the contiguous hint joins.
    const fn contiguous_bits(self, level: u32) -> u32 {
        match (self, level) {
            (Self::K4, _) => 4,
            (Self::K16, 1) => 7,
            (Self::K16 | Self::K64, _) => 5,
        }
    }
}

/// Bits of an address below which descriptors hold one, without the extensions for 52 bits.
pub(super) const MOST_BITS: u32 = 48;

/// The shape of a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Geometry {
    pub(super) granule: Granule,
    pub(super) levels: u32,
    pub(super) input: u32,
    pub(super) output: u32,
    /// Whether the contiguous hint is used.
    pub(super) contiguous: bool,
    /// Whether leaves above the granule are used.
    pub(super) blocks: bool,
    /// Whether hardware manages access flag and dirty state.
    pub(super) tracks: bool,
    /// Whether the unit takes a change of a leaf's size without a break in between (SMMU_IDR3.BBML 1 or 2).
    pub(super) changes_size: bool,
}

impl Geometry {
    /// A tree for `input` bits whose root is one table, of whatever size is left to it, or, if `concatenated`, up to
    /// 16 tables of the level below in a row.
    pub(super) const fn new(granule: Granule, input: u32, concatenated: bool) -> Self {
        let spare = if concatenated { 4 } else { 0 };
        let mut levels = 1;
        while granule.shift() + levels * granule.index_bits() + spare < input {
            levels += 1;
        }
        Self {
            granule,
            levels,
            input,
            output: MOST_BITS,
            contiguous: true,
            blocks: true,
            tracks: false,
            changes_size: false,
        }
    }

    pub(super) const fn entry_shift(&self, level: u32) -> u32 {
        self.granule.shift() + level.saturating_sub(1) * self.granule.index_bits()
    }

    pub(super) const fn index_bits(&self, level: u32) -> u32 {
        if level == self.levels { self.input - self.entry_shift(level) } else { self.granule.index_bits() }
    }

    /// log2 of the size of a leaf with the contiguous hint, where the level has such.
    const fn contiguous_shift(&self, level: u32) -> Option<u32> {
        let bits = self.granule.contiguous_bits(level);
        // A root table that is cut short may have fewer entries than the hint joins.
        if level <= self.granule.highest_leaf() && bits <= self.index_bits(level) {
            Some(self.entry_shift(level) + bits)
        } else {
            None
        }
    }

    pub(super) const fn leaf_sizes(&self, level: u32) -> u64 {
        if level > self.granule.highest_leaf() || (level > 1 && !self.blocks) {
            return 0;
        }
        let own = 1 << self.entry_shift(level);
        match self.contiguous_shift(level) {
            Some(shift) if self.contiguous => own | 1 << shift,
            _ => own,
        }
    }

    pub(super) const fn table(table: Pfn) -> u64 {
        TableDescriptor::new()
            .with_valid(true)
            .with_table(true)
            .with_addr(table.get() & ((1 << 36) - 1))
            .into_bits()
    }

    /// Whether a leaf takes several entries, and the frame that its entry `part` holds.
    pub(super) const fn part(&self, level: u32, leaf: Leaf, part: u64) -> (bool, u64) {
        let own = self.entry_shift(level);
        let frame = leaf.frame.get().wrapping_add(part << (own - PAGE_SHIFT)) & ((1 << 36) - 1);
        (leaf.shift > own, frame)
    }

    /// Whether a valid descriptor is a table, a leaf, or neither. Both leaf layouts agree with the table's here.
    pub(super) const fn kind(&self, level: u32, descriptor: TableDescriptor) -> Kind {
        if !descriptor.valid() {
            return Kind::Absent;
        }
        let too_wide = descriptor.addr() << PAGE_SHIFT >> self.output != 0;
        match (descriptor.table(), level) {
            // At the lowest level the bit says page; a block there is not valid.
            (true, 1) | (false, 2..) if level <= self.granule.highest_leaf() => {
                if too_wide {
                    Kind::Malformed(Malformed::AddressSize(self.output))
                } else {
                    Kind::Leaf
                }
            }
            (false, _) => Kind::Malformed(Malformed::LeafLevel),
            (true, _) if too_wide => Kind::Malformed(Malformed::AddressSize(self.output)),
            (true, _) => {
                // Bits below the granule are RES0.
                let above = self.granule.shift() - PAGE_SHIFT;
                Kind::Table(Pfn::new(descriptor.addr() >> above << above))
            }
        }
    }

    /// Frame and size of a leaf with this address field.
    pub(super) const fn extent(&self, level: u32, addr: u64, contiguous: bool) -> (Pfn, u32) {
        let shift = match self.contiguous_shift(level) {
            Some(shift) if contiguous => shift,
            _ => self.entry_shift(level),
        };
        (Pfn::new(addr >> (shift - PAGE_SHIFT) << (shift - PAGE_SHIFT)), shift)
    }

    /// Whether an entry of a contiguous row holds the address of another place in the row.
    pub(super) const fn misplaced(&self, level: u32, index: u64, addr: u64) -> bool {
        let Some(shift) = self.contiguous_shift(level) else { return false };
        let own = self.entry_shift(level);
        let row = (1u64 << (shift - own)) - 1;
        (addr >> (own - PAGE_SHIFT) ^ index) & row != 0
    }
}

/// See [`Geometry::kind`].
pub(super) enum Kind {
    Absent,
    Table(Pfn),
    Leaf,
    Malformed(Malformed),
}

impl Kind {
    /// The entry, when it is not a leaf.
    pub(super) const fn not_leaf(self, level: u32, access: dxgk_hw::Access) -> Option<Entry> {
        match self {
            Self::Leaf => None,
            Self::Absent => Some(Entry::Absent),
            Self::Table(table) => Some(Entry::Table { table, level: level.saturating_sub(1), access }),
            Self::Malformed(why) => Some(Entry::Malformed(why)),
        }
    }
}

/// Events of both stages (IHI 0070, section 7.3).
pub(super) const fn fault(stop: Stop) -> Fault {
    let (code, name) = match stop {
        Stop::Unreadable => (0x0b, "F_WALK_EABT"),
        Stop::Malformed(Malformed::AddressSize(_)) => (0x11, "F_ADDR_SIZE"),
        Stop::Malformed(Malformed::AccessFlag) => (0x12, "F_ACCESS"),
        Stop::NoPermission => (0x13, "F_PERMISSION"),
        Stop::NotPresent | Stop::BeyondWidth | Stop::Malformed(_) => (0x10, "F_TRANSLATION"),
    };
    Fault { code, name }
}
