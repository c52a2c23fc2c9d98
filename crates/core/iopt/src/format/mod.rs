//! Table formats: for each a file of bit definitions (`spec.rs`) and a file of tiny functions (`mod.rs`) that
//! implement [`Format`]. Everything that walks, maps or unmaps is written once, over the trait; adding a format
//! adds no algorithm and no test beyond its rows in the format tests.
//!
//! Levels are counted as the manuals of VT-d and AMD do: 1 is the lowest table, the root has the highest number.
//! Entries are 8 bytes in every format. The law that the tests hold each format to: `decode` of what `table` or
//! `leaf` made gives back what went in.

pub mod vtd_ss;

use core::fmt;

use dxgk_hw::{Access, LogicalAddr, LogicalPage, PAGE_SHIFT, Pfn};

pub use vtd_ss::VtdSecondStage;

/// The most levels that any format has (AMD-Vi's six).
pub const MAX_LEVELS: usize = 6;

/// A translation: a run of memory of one size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// First frame, aligned to the size.
    pub frame: Pfn,
    /// log2 of the size in bytes.
    pub shift: u32,
    /// What a device may do, as far as this entry says.
    pub access: Access,
}

impl Leaf {
    /// 4 KiB pages in the leaf.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        1 << (self.shift - PAGE_SHIFT)
    }
}

/// Why an entry that is present means nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// These reserved bits are set.
    Reserved(u64),
    /// It says that it is a leaf, at a level that has none.
    LeafLevel,
    /// It leads to a table of this level, which is not below its own.
    NextLevel(u32),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Reserved(bits) => write!(f, "reserved bits {bits:#x} are set"),
            Self::LeafLevel => write!(f, "a leaf at a level that has none"),
            Self::NextLevel(level) => write!(f, "the next level {level} is not below this one"),
        }
    }
}

/// What an entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Nothing is mapped here.
    Absent,
    /// A lower table follows.
    Table {
        /// The table's (first) frame.
        table: Pfn,
        /// Its level; below the entry's own minus one where the format can skip levels.
        level: u32,
        /// What it lets through; permissions are the AND of all levels.
        access: Access,
    },
    /// A translation, or one part of one that takes several entries.
    Leaf(Leaf),
    /// Present, but not legal.
    Malformed(Malformed),
}

/// A table format. Every function is total: no input makes it panic; what it cannot express is masked away, and
/// the algorithm never asks for it.
pub trait Format: Copy + Send + Sync + fmt::Debug + 'static {
    /// The name that `dxgk iopt --format` knows it by.
    fn name(&self) -> &'static str;

    /// The level of the root table, 1..=[`MAX_LEVELS`].
    fn root_level(&self) -> u32;

    /// Bits of a logical address.
    fn width(&self) -> u32;

    /// Bits of a physical address that an entry can hold.
    fn output_width(&self) -> u32;

    /// log2 of the bytes that one entry of a table at `level` covers.
    fn entry_shift(&self, level: u32) -> u32;

    /// log2 of the entries of a table at `level`.
    fn index_bits(&self, level: u32) -> u32;

    /// Sizes of leaves at `level`: bit n for 2^n bytes. A size above the entry's own takes several entries in a
    /// row (AMD-Vi's next level 7, Arm's contiguous hint).
    fn leaf_sizes(&self, level: u32) -> u64;

    /// Whether a leaf can have exactly this permission.
    fn expresses(&self, access: Access) -> bool;

    /// The entry at `level` that leads to `table`, one level below, and lets everything through.
    fn table(&self, level: u32, table: Pfn) -> u64;

    /// The entry number `part` (from 0; always 0 where a leaf takes one entry) of a leaf at `level`.
    fn leaf(&self, level: u32, leaf: Leaf, part: u64) -> u64;

    /// What `word` says as an entry of a table at `level`.
    fn decode(&self, level: u32, word: u64) -> Entry;

    /// The index into a table at `level` for an address.
    fn index(&self, level: u32, at: LogicalAddr) -> u64 {
        at.get() >> self.entry_shift(level) & ((1 << self.index_bits(level)) - 1)
    }

    /// log2 of the bytes that a whole table at `level` covers.
    fn span_shift(&self, level: u32) -> u32 {
        self.entry_shift(level) + self.index_bits(level)
    }

    /// Frames of a table at `level`, physically contiguous; tables below a page still take one.
    fn table_frames(&self, level: u32) -> u64 {
        let bytes = 8u64 << self.index_bits(level);
        bytes.div_ceil(1 << PAGE_SHIFT)
    }

    /// The first page beyond the format's width.
    fn end(&self) -> LogicalPage {
        LogicalPage::new(1 << (self.width() - PAGE_SHIFT))
    }

    /// The largest leaf that may stand at `at` for `extent` contiguous pages from `frame`: its level, at most
    /// `ceiling`, and log2 of its size. `None` when not even the smallest may (an address off the granule).
    fn largest_leaf(&self, ceiling: u32, at: LogicalPage, frame: Pfn, extent: u64) -> Option<(u32, u32)> {
        let aligned = (at.get() | frame.get()).trailing_zeros();
        let largest = PAGE_SHIFT + aligned.min(extent.checked_ilog2()?);
        let fitting = if largest >= 63 { u64::MAX } else { (2 << largest) - 1 };
        (1..=ceiling)
            .rev()
            .find_map(|level| (self.leaf_sizes(level) & fitting).checked_ilog2().map(|shift| (level, shift)))
    }
}
