//! Splitting leaves.
//!
//! Where the format allows it, smaller leaves that translate alike take the place of a large one with one store, or
//! entry by entry in a row that only hardware reads as one. Where it does not (Arm without BBML: a unit that finds
//! both in its caches may do anything), the leaf is broken first: its entry is cleared, the caller has the range
//! invalidated, and then the smaller leaves are made. Requests in between are stopped, which is why the caller, and
//! not this code, says when.

use dxgk_hw::{LogicalPage, MachineMemory, MapError, PAGE_SHIFT, Pfn};

use crate::format::{Format, Leaf};
use crate::pending::Pending;
use crate::table::Table;
use crate::words::{OutsideRam, Store, Words};

/// A leaf that was taken away, and is to come back as smaller ones once its range has been invalidated.
#[derive(Debug)]
#[must_use = "its pages are not translated until `mend`"]
pub struct Broken {
    split: Split,
    pending: Pending,
}

impl Broken {
    /// What to invalidate before [`Table::mend`].
    #[must_use]
    pub const fn pending(&self) -> Pending {
        self.pending
    }
}

/// What is to stand in the place of a leaf.
#[derive(Clone, Copy, Debug)]
struct Split {
    /// The table that has the leaf, and its level.
    table: Pfn,
    level: u32,
    /// The first of the leaf's entries.
    index: u64,
    /// How many they are.
    entries: u64,
    leaf: Leaf,
    into: Into,
}

/// The most entries of a leaf that are split into a table each: two, where a level lacks its own size and the
/// smallest that it has takes two (AMD-Vi's level of 512 GiB).
const MOST_TABLES: usize = 2;

/// What a leaf is split into.
#[derive(Clone, Copy, Debug)]
enum Into {
    /// Leaves of this size in the same entries.
    Leaves(u32),
    /// A table for each entry, filled with leaves.
    Tables([Pfn; MOST_TABLES]),
}

impl<F: Format> Table<F> {
    /// Makes `boundary` the start of a leaf if it lies inside one, by replacing the leaf with smaller ones that
    /// translate alike. A unit may go on using the large one until it is invalidated.
    ///
    /// Where the format must break first, a leaf is broken and returned: have its range invalidated, call
    /// [`mend`](Self::mend), and come again until there is none.
    ///
    /// # Errors
    /// [`MapError::NoFrame`]; [`MapError::NotMapped`] when the boundary lies inside a leaf of the smallest size.
    /// Every page is translated as before then.
    pub fn split_at(&mut self, store: Store<'_>, boundary: LogicalPage) -> Result<Option<Broken>, MapError> {
        // Each round lowers the level or the size of the leaf.
        while boundary < self.format.end()
            && let Some(path) = self.path(store.memory, boundary)?
            && boundary.get() & (path.leaf.pages() - 1) != 0
        {
            self.unmark(store.memory, boundary, &path)?;
            let (table, level) = path.lowest();
            let split = self.prepare_split(store, boundary, table, level, path.leaf)?;
            if self.format.break_before_make() {
                let malformed = |_| MapError::Malformed(boundary);
                let mut words = Words::new(store.memory, table).map_err(malformed)?;
                for part in 0..split.entries {
                    words.store(split.index + part, 0).map_err(malformed)?;
                }
                let first = LogicalPage::new(boundary.get() & !(path.leaf.pages() - 1));
                let pending = self.leaves_only(first, path.leaf.pages());
                return Ok(Some(Broken { split, pending }));
            }
            self.put_split(store.memory, &split).map_err(|_| MapError::Malformed(boundary))?;
        }
        Ok(None)
    }

    /// Makes the smaller leaves of one that was broken. Its range has been invalidated.
    ///
    /// # Errors
    /// [`MapError::Malformed`] when the table that had the leaf is not RAM any more.
    pub fn mend(&mut self, store: Store<'_>, broken: Broken) -> Result<(), MapError> {
        self.put_split(store.memory, &broken.split).map_err(|_| MapError::Malformed(broken.pending.first))
    }

    /// Refuses a boundary inside a leaf, as that would have to be broken.
    pub(crate) fn refuse_inside(
        &self,
        memory: &dyn MachineMemory,
        boundary: LogicalPage,
    ) -> Result<(), MapError> {
        if boundary < self.format.end()
            && let Some(path) = self.path(memory, boundary)?
            && boundary.get() & (path.leaf.pages() - 1) != 0
        {
            let (_, level) = path.lowest();
            if level == 1 && path.leaf.shift == self.format.entry_shift(1) {
                return Err(MapError::OffGranule(boundary));
            }
            return Err(MapError::BreakFirst(LogicalPage::new(boundary.get() & !(path.leaf.pages() - 1))));
        }
        Ok(())
    }

    /// Makes ready what will stand in the leaf's place; nothing that a unit sees changes.
    fn prepare_split(
        &self,
        store: Store<'_>,
        boundary: LogicalPage,
        table: Pfn,
        level: u32,
        leaf: Leaf,
    ) -> Result<Split, MapError> {
        let format = self.format;
        let own = format.entry_shift(level);
        let first = LogicalPage::new(boundary.get() & !(leaf.pages() - 1));
        let (index, entries) = (format.index(level, first.address()), 1u64 << (leaf.shift - own));
        let split = |into| Split { table, level, index, entries, leaf, into };
        if let Some(size) = self.piece_shift(level, leaf.shift) {
            return Ok(split(Into::Leaves(size)));
        }
        let lower = level - 1;
        let mut tables = [Pfn::default(); MOST_TABLES];
        let small = self.piece_shift(lower, own).filter(|_| lower != 0 && entries <= MOST_TABLES as u64);
        let small = small.ok_or(MapError::OffGranule(boundary))?;
        for (nth, slot) in (0..entries).zip(0..MOST_TABLES) {
            let piece = Leaf { shift: own, ..leaf.piece(own, nth) };
            match self.table_of_pieces(store, lower, piece, small) {
                Ok(below) => tables[slot] = below,
                Err(error) => {
                    let taken = tables.iter().take(slot);
                    taken.for_each(|&below| store.give_table(below, format.table_frames(lower)));
                    return Err(error.unwrap_or(MapError::Malformed(boundary)));
                }
            }
        }
        Ok(split(Into::Tables(tables)))
    }

    /// The size of the pieces that a leaf of 2^`shift` bytes becomes at a level: one entry's where that is a size, the
    /// largest otherwise.
    fn piece_shift(&self, level: u32, shift: u32) -> Option<u32> {
        let smaller = self.format.leaf_sizes(level) & ((1 << shift) - 1);
        let own = self.format.entry_shift(level);
        if smaller >> own & 1 == 1 { Some(own) } else { smaller.checked_ilog2() }
    }

    /// A table of level `lower` that translates as the leaf, by leaves of 2^`small` bytes. The error is none where a
    /// frame turns out to be no RAM.
    fn table_of_pieces(
        &self,
        store: Store<'_>,
        lower: u32,
        leaf: Leaf,
        small: u32,
    ) -> Result<Pfn, Option<MapError>> {
        let format = self.format;
        let below = self.take(store, lower).ok_or(Some(MapError::NoFrame))?;
        let filled = Words::new(store.memory, below).and_then(|mut words| {
            let each = 1u64 << (small - format.entry_shift(lower));
            (0..1u64 << format.index_bits(lower)).try_for_each(|nth| {
                let piece = leaf.piece(small, nth / each);
                words.store(nth, format.leaf(lower, piece, nth % each))
            })
        });
        filled.map(|()| below).map_err(|_| {
            store.give_table(below, format.table_frames(lower));
            None
        })
    }

    fn put_split(&self, memory: &dyn MachineMemory, split: &Split) -> Result<(), OutsideRam> {
        let mut words = Words::new(memory, split.table)?;
        let Split { level, index, entries, .. } = *split;
        match split.into {
            Into::Tables(tables) => (index..index + entries).zip(tables).try_for_each(|(index, below)| {
                words.publish(index, self.format.table(level, level - 1, below))
            }),
            Into::Leaves(size) => {
                let each = 1u64 << (size - self.format.entry_shift(level));
                (0..entries).try_for_each(|part| {
                    let piece = split.leaf.piece(size, part / each);
                    words.store(index + part, self.format.leaf(level, piece, part % each))
                })
            }
        }
    }

    /// Pages of an entry of a table at `level`.
    pub(crate) fn entry_pages(&self, level: u32) -> u64 {
        1 << (self.format.entry_shift(level) - PAGE_SHIFT)
    }
}
