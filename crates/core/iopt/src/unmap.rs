//! Unmapping, one table at a time.

use dxgk_hw::{LogicalPage, MachineMemory, MapError, PAGE_SHIFT, Pfn};

use crate::format::{Entry, Format, Leaf, MAX_LEVELS};
use crate::table::{PartialLeaf, Table};
use crate::words::{Store, Words};

/// The tables from the root down to the one that has the leaf, and the leaf.
struct Path {
    tables: [(Pfn, u32); MAX_LEVELS],
    depth: usize,
    leaf: Leaf,
}

impl Path {
    fn lowest(&self) -> (Pfn, u32) {
        self.tables.get(self.depth.wrapping_sub(1)).copied().unwrap_or_default()
    }
}

impl<F: Format> Table<F> {
    /// The leaf that translates `at`; `None` when the page is not mapped.
    fn path(&self, memory: &dyn MachineMemory, at: LogicalPage) -> Result<Option<Path>, MapError> {
        let malformed = MapError::Malformed(at);
        let mut tables = [(Pfn::default(), 0); MAX_LEVELS];
        let (mut table, mut level) = (self.root, self.format.root_level());
        for depth in 0..MAX_LEVELS {
            tables[depth] = (table, level);
            let mut words = Words::new(memory, table).map_err(|_| malformed)?;
            let word = words.load(self.format.index(level, at.address())).map_err(|_| malformed)?;
            match self.format.decode(level, word) {
                Entry::Absent => return Ok(None),
                Entry::Leaf(leaf) => return Ok(Some(Path { tables, depth: depth + 1, leaf })),
                Entry::Table { table: next, level: lower, .. } if lower + 1 == level && lower > 0 => {
                    (table, level) = (next, lower);
                }
                Entry::Table { .. } | Entry::Malformed(_) => return Err(malformed),
            }
        }
        Err(malformed)
    }

    /// Looks whether the pages from `at` on are mapped, as far as one table says. Returns how many it has said,
    /// 1..=`pages`. The caller has checked the width.
    ///
    /// # Errors
    /// [`MapError::NotMapped`] with the first page that is not mapped, or whose leaf is covered in part only and
    /// `partial` refuses that.
    pub fn check_step(
        &self,
        memory: &dyn MachineMemory,
        at: LogicalPage,
        pages: u64,
        partial: PartialLeaf,
    ) -> Result<u64, MapError> {
        let path = self.path(memory, at)?.ok_or(MapError::NotMapped(at))?;
        let (table, level) = path.lowest();
        let mut words = Words::new(memory, table).map_err(|_| MapError::Malformed(at))?;
        let end = 1u64 << self.format.index_bits(level);
        let mut done = 0;
        let mut leaf = path.leaf;
        loop {
            let here = LogicalPage::new(at.get() + done);
            let into = here.get() & (leaf.pages() - 1);
            let covered = (leaf.pages() - into).min(pages - done);
            if covered != leaf.pages() && partial == PartialLeaf::Refuse {
                return Err(MapError::NotMapped(here));
            }
            done += covered;
            let next = LogicalPage::new(at.get() + done);
            let index = self.format.index(level, next.address());
            if done == pages || index == 0 || index >= end {
                return Ok(done);
            }
            let word = words.load(index).map_err(|_| MapError::Malformed(next))?;
            match self.format.decode(level, word) {
                Entry::Leaf(next) => leaf = next,
                Entry::Table { .. } => return Ok(done),
                Entry::Absent => return Err(MapError::NotMapped(next)),
                Entry::Malformed(_) => return Err(MapError::Malformed(next)),
            }
        }
    }

    /// Clears the leaves of the pages from `at` on, as far as one table has them, and detaches the tables that
    /// this emptied. Returns the pages cleared, 1..=`pages`. A leaf that is covered in part stays.
    ///
    /// # Errors
    /// [`MapError::NotMapped`] when the page at `at` is not mapped, or is in a leaf that is covered in part;
    /// nothing was cleared by this step then.
    pub fn unmap_step(
        &mut self,
        memory: &dyn MachineMemory,
        at: LogicalPage,
        pages: u64,
    ) -> Result<u64, MapError> {
        let path = self.path(memory, at)?.ok_or(MapError::NotMapped(at))?;
        let (table, level) = path.lowest();
        let mut words = Words::new(memory, table).map_err(|_| MapError::Malformed(at))?;
        let entry_pages = 1u64 << (self.format.entry_shift(level) - PAGE_SHIFT);
        let end = 1u64 << self.format.index_bits(level);
        let first = self.format.index(level, at.address());
        let mut index = first;
        let mut done = 0;
        let mut leaf = path.leaf;
        loop {
            let here = LogicalPage::new(at.get() + done);
            if here.get() & (leaf.pages() - 1) != 0 || leaf.pages() > pages - done {
                break;
            }
            let entries = leaf.pages() / entry_pages;
            for part in 0..entries {
                words.store(index + part, 0).map_err(|_| MapError::Malformed(here))?;
            }
            done += leaf.pages();
            index += entries;
            if done == pages || index >= end {
                break;
            }
            let word = words.load(index).map_err(|_| MapError::Malformed(here))?;
            match self.format.decode(level, word) {
                Entry::Leaf(next) => leaf = next,
                _ => break,
            }
        }
        if done == 0 {
            return Err(MapError::NotMapped(at));
        }
        self.detach_empty(memory, at, &path, first..index)?;
        Ok(done)
    }

    /// Takes the lowest table of the path out of the tree if nothing is left in it, then the one above, and so
    /// on; never the root. `cleared` are the entries of the lowest table known to be clear.
    fn detach_empty(
        &mut self,
        memory: &dyn MachineMemory,
        at: LogicalPage,
        path: &Path,
        mut cleared: core::ops::Range<u64>,
    ) -> Result<(), MapError> {
        let malformed = |_| MapError::Malformed(at);
        let tables = path.tables.get(..path.depth).unwrap_or(&[]);
        for pair in tables.windows(2).rev() {
            let &[(parent, parent_level), (table, level)] = pair else { break };
            let mut words = Words::new(memory, table).map_err(malformed)?;
            let entries = 1u64 << self.format.index_bits(level);
            // Neighbours first: in a table that is not empty they are the likeliest to be there.
            for index in (cleared.end..entries).chain(0..cleared.start) {
                let word = words.load(index).map_err(malformed)?;
                if word != 0 && self.format.decode(level, word) != Entry::Absent {
                    return Ok(());
                }
            }
            let index = self.format.index(parent_level, at.address());
            Words::new(memory, parent).and_then(|mut words| words.store(index, 0)).map_err(malformed)?;
            let pages = 1u64 << (self.format.span_shift(level) - PAGE_SHIFT);
            let first = LogicalPage::new(at.get() & !(pages - 1));
            self.detach(table, self.format.table_frames(level), first, pages);
            cleared = index..index + 1;
        }
        Ok(())
    }

    /// Makes `boundary` the start of a leaf if it lies inside one, by replacing the leaf with smaller ones that
    /// translate alike. A unit may go on using the large one until it is invalidated.
    ///
    /// # Errors
    /// [`MapError::NoFrame`]; [`MapError::NotMapped`] when the boundary lies inside a leaf of the smallest size.
    pub fn split_at(&mut self, store: Store<'_>, boundary: LogicalPage) -> Result<(), MapError> {
        if boundary >= self.format.end() {
            return Ok(());
        }
        let malformed = |_| MapError::Malformed(boundary);
        // Each round lowers the level or the size of the leaf.
        while let Some(path) = self.path(store.memory, boundary)? {
            let leaf = path.leaf;
            if boundary.get() & (leaf.pages() - 1) == 0 {
                return Ok(());
            }
            let (table, level) = path.lowest();
            let mut words = Words::new(store.memory, table).map_err(malformed)?;
            let natural = self.format.entry_shift(level);
            let start = LogicalPage::new(boundary.get() & !(leaf.pages() - 1));
            let index = self.format.index(level, start.address());
            if leaf.shift > natural && self.format.leaf_sizes(level) >> natural & 1 == 1 {
                for part in 0..1u64 << (leaf.shift - natural) {
                    let small = nth_part(leaf, natural, part);
                    words.store(index + part, self.format.leaf(level, small, 0)).map_err(malformed)?;
                }
                continue;
            }
            let lower = level - 1;
            let small = self.format.entry_shift(lower.max(1));
            if lower == 0 || self.format.leaf_sizes(lower) >> small & 1 == 0 {
                return Err(MapError::NotMapped(boundary));
            }
            let fresh = store.take_table(self.format.table_frames(lower)).ok_or(MapError::NoFrame)?;
            let filled = Words::new(store.memory, fresh).and_then(|mut below| {
                (0..1u64 << self.format.index_bits(lower)).try_for_each(|part| {
                    below.store(part, self.format.leaf(lower, nth_part(leaf, small, part), 0))
                })
            });
            if filled.is_err() {
                store.give_table(fresh, self.format.table_frames(lower));
                return Err(MapError::Malformed(boundary));
            }
            words.publish(index, self.format.table(level, lower, fresh)).map_err(malformed)?;
        }
        Ok(())
    }
}

/// The `nth` piece of 2^`shift` bytes of a leaf.
fn nth_part(leaf: Leaf, shift: u32, nth: u64) -> Leaf {
    let frame = Pfn::new(leaf.frame.get() + (nth << (shift - PAGE_SHIFT)));
    Leaf { frame, shift, access: leaf.access }
}
