//! Table formats: for each a file of bit definitions (`spec.rs`) and a file of tiny functions that implement
//! [`Format`]. Everything that walks, maps or unmaps is written once, over the trait; adding a format adds no
//! algorithm and no test beyond its rows in the format tests.
//!
//! Levels are counted as the manuals of VT-d and AMD do: 1 is the lowest table, the root has the highest number
//! (Arm's level is 4 minus ours). Entries are 8 bytes in every format. The law that the tests hold each format to:
//! `decode` of what `table` or `leaf` made gives back what went in.

pub mod amdv1;
mod entry;
pub mod smmu;
pub mod vtd_fs;
pub mod vtd_ss;

use core::fmt;

use dxgk_hw::{Access, LogicalAddr, LogicalPage, PAGE_SHIFT, Pfn};

pub use amdv1::AmdV1;
pub use entry::{Entry, Fault, Leaf, Malformed, Stop, Used};
pub use smmu::{Granule, SmmuStage1, SmmuStage2};
pub use vtd_fs::VtdFirstStage;
pub use vtd_ss::VtdSecondStage;

/// The most levels that any format has (AMD-Vi's six).
pub const MAX_LEVELS: usize = 6;

/// What a unit's own structures have to be told of a tree besides its root, in Arm's formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableBase {
    /// T0SZ or S2T0SZ: 64 minus the bits of an input address.
    pub tsz: u32,
    /// S2SL0, the encoded start level; stage 2 only.
    pub sl0: Option<u32>,
}

/// A table format. Every function is total for levels from 1 to the root's: no input makes it panic; what it cannot
/// express is masked away, and the algorithm never asks for it.
pub trait Format: Copy + Send + Sync + fmt::Debug + 'static {
    /// The name that `dxgk iopt --format` knows it by.
    fn name(&self) -> &'static str;

    /// The level of the root table, 1..=[`MAX_LEVELS`].
    fn root_level(&self) -> u32;

    /// Bits of a logical address that select entries.
    fn width(&self) -> u32;

    /// Bits of a physical address that an entry can hold.
    fn output_width(&self) -> u32;

    /// log2 of the bytes that one entry of a table at `level` covers. At level 1 this is the granule.
    fn entry_shift(&self, level: u32) -> u32;

    /// log2 of the entries of a table at `level`.
    fn index_bits(&self, level: u32) -> u32;

    /// Sizes of leaves at `level`: bit n for 2^n bytes. A size above the entry's own takes several entries in a
    /// row (AMD-Vi's next level 7, Arm's contiguous hint).
    fn leaf_sizes(&self, level: u32) -> u64;

    /// Whether a leaf can have exactly this permission.
    fn expresses(&self, access: Access) -> bool;

    /// The entry at `level` that leads to `table`, a table of level `next`, and lets everything through. `next` is
    /// `level - 1` but in formats that can skip levels.
    fn table(&self, level: u32, next: u32, table: Pfn) -> u64;

    /// The entry number `part` (from 0; always 0 where a leaf takes one entry) of a leaf at `level`.
    fn leaf(&self, level: u32, leaf: Leaf, part: u64) -> u64;

    /// What `word` says as an entry of a table at `level`.
    fn decode(&self, level: u32, word: u64) -> Entry;

    /// What the unit reports for a request that wants `access` and is stopped at a table of `level`.
    fn fault(&self, level: u32, stop: Stop, access: Access) -> Fault;

    /// A leaf's entry with another permission, and everything else as it was; what hardware has noted too, as far as
    /// the format has room for it beside that permission.
    fn with_access(&self, level: u32, word: u64, access: Access) -> u64;

    /// Whether an entry that is one of several of a leaf cannot stand at this index: each of them then has an
    /// address of its own, and this one's is that of another place.
    fn misplaced(&self, _level: u32, _index: u64, _word: u64) -> bool {
        false
    }

    /// A bit that hardware ignores in entries that lead to tables, or 0. This code sets it where every entry of the
    /// table is a leaf, so that unmapping all of it need not read it.
    fn full_mark(&self) -> u64 {
        0
    }

    /// What hardware has noted in a leaf's entry; `None` where the format, as configured, has it note nothing.
    fn used(&self, _level: u32, _word: u64) -> Option<Used> {
        None
    }

    /// The entry with what hardware has noted taken back.
    fn unused(&self, _level: u32, word: u64) -> u64 {
        word
    }

    /// Whether a live leaf must be taken away, and its invalidation be completed, before leaves of another size
    /// translate its range.
    fn break_before_make(&self) -> bool {
        false
    }

    /// Whether entries may lead to a table more than one level below.
    fn skips_levels(&self) -> bool {
        false
    }

    /// What Arm's structures have to be told besides the root.
    fn table_base(&self) -> Option<TableBase> {
        None
    }

    /// The index into a table at `level` for an address.
    fn index(&self, level: u32, at: LogicalAddr) -> u64 {
        at.get() >> self.entry_shift(level) & ((1 << self.index_bits(level)) - 1)
    }

    /// log2 of the bytes that a whole table at `level` covers.
    fn span_shift(&self, level: u32) -> u32 {
        self.entry_shift(level) + self.index_bits(level)
    }

    /// Frames of a table at `level`: a power of two, physically contiguous, aligned to their number. Tables below a
    /// page still take one.
    fn table_frames(&self, level: u32) -> u64 {
        let bytes = 8u64 << self.index_bits(level);
        bytes.div_ceil(1 << PAGE_SHIFT)
    }

    /// Pages of the smallest leaf.
    fn granule_pages(&self) -> u64 {
        1 << (self.entry_shift(1) - PAGE_SHIFT)
    }

    /// The first page beyond those that this code maps.
    fn end(&self) -> LogicalPage {
        LogicalPage::new(1 << (self.width() - PAGE_SHIFT))
    }

    /// The page that a device has to ask for to be translated by the entries that these index bits select.
    fn canonical(&self, page: LogicalPage) -> LogicalPage {
        page
    }

    /// Whether the tables translate the address at all.
    fn translates(&self, at: LogicalAddr) -> bool {
        let selected = at.page().get() & ((1 << (self.width() - PAGE_SHIFT)) - 1);
        self.canonical(LogicalPage::new(selected)) == at.page()
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
