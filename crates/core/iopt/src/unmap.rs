//! Unmapping, one table at a time.

use dxgk_hw::{LogicalPage, MachineMemory, MapError, PAGE_SHIFT, Pfn};

use crate::format::{Entry, Format, Leaf, MAX_LEVELS};
use crate::table::{PartialLeaf, Table};
use crate::words::{Words, meter};

/// The tables from the root down to the one that has the leaf, and the leaf.
pub(crate) struct Path {
    tables: [(Pfn, u32); MAX_LEVELS],
    depth: usize,
    /// Whether the entry that leads to the lowest table has the mark of a full one.
    marked: bool,
    pub(crate) leaf: Leaf,
}

impl Path {
    pub(crate) fn lowest(&self) -> (Pfn, u32) {
        self.tables.get(self.depth.wrapping_sub(1)).copied().unwrap_or_default()
    }
}

/// Where a descent ended.
enum Found {
    /// At an entry that is not present.
    Nothing,
    /// At a leaf.
    Leaf(Path),
    /// Above a table whose entries are all leaves, all of them asked for. The path ends at the table above.
    Full(Path, Pfn, u32),
}

impl<F: Format> Table<F> {
    /// Descends to the leaf that translates `at`, or stops above the first table that is known to be full of leaves
    /// and lies in the range of `pages` from `at` with all that it translates.
    fn descend(&self, memory: &dyn MachineMemory, at: LogicalPage, pages: u64) -> Result<Found, MapError> {
        meter::descent();
        let malformed = MapError::Malformed(at);
        let mut path = Path {
            tables: [(Pfn::default(), 0); MAX_LEVELS],
            depth: 0,
            marked: false,
            leaf: Leaf { frame: Pfn::default(), shift: PAGE_SHIFT, access: dxgk_hw::Access::empty() },
        };
        let (mut table, mut level) = (self.root, self.format.root_level());
        for depth in 0..MAX_LEVELS {
            path.tables[depth] = (table, level);
            path.depth = depth + 1;
            let mut words = Words::new(memory, table).map_err(|_| malformed)?;
            let word = words.load(self.format.index(level, at.address())).map_err(|_| malformed)?;
            match self.format.decode(level, word) {
                Entry::Absent => return Ok(Found::Nothing),
                Entry::Leaf(leaf) => {
                    path.leaf = leaf;
                    return Ok(Found::Leaf(path));
                }
                Entry::Table { table: next, level: lower, .. } if lower < level && lower > 0 => {
                    if self.skipped_bits(level, lower, at) {
                        return Ok(Found::Nothing);
                    }
                    path.marked = word & self.mark != 0;
                    let span = 1u64 << (self.format.span_shift(lower) - PAGE_SHIFT);
                    if path.marked && at.get() & (span - 1) == 0 && pages >= span {
                        return Ok(Found::Full(path, next, lower));
                    }
                    (table, level) = (next, lower);
                }
                Entry::Table { .. } | Entry::Malformed(_) => return Err(malformed),
            }
        }
        Err(malformed)
    }

    /// The leaf that translates `at`; `None` when the page is not mapped.
    pub(crate) fn path(&self, memory: &dyn MachineMemory, at: LogicalPage) -> Result<Option<Path>, MapError> {
        match self.descend(memory, at, 0)? {
            Found::Leaf(path) => Ok(Some(path)),
            Found::Nothing | Found::Full(..) => Ok(None),
        }
    }

    /// Takes the mark from the table that has the leaf: it will not be full of leaves any more.
    pub(crate) fn unmark(
        &self,
        memory: &dyn MachineMemory,
        at: LogicalPage,
        path: &Path,
    ) -> Result<(), MapError> {
        if !path.marked {
            return Ok(());
        }
        let above = path.depth.checked_sub(2).and_then(|depth| path.tables.get(depth));
        let &(table, level) = above.ok_or(MapError::Malformed(at))?;
        let index = self.format.index(level, at.address());
        let unmark = |word: u64| word & !self.mark;
        // The unit may be writing its accessed bit.
        Words::new(memory, table)
            .and_then(|mut words| words.update(index, unmark))
            .map_err(|_| MapError::Malformed(at))?;
        Ok(())
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
        let path = match self.descend(memory, at, pages)? {
            Found::Nothing => return Err(MapError::NotMapped(at)),
            Found::Full(_, _, level) => return Ok(1 << (self.format.span_shift(level) - PAGE_SHIFT)),
            Found::Leaf(path) => path,
        };
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
        let path = match self.descend(memory, at, pages)? {
            Found::Nothing => return Err(MapError::NotMapped(at)),
            Found::Full(path, table, level) => return self.unmap_full(memory, at, &path, table, level),
            Found::Leaf(path) => path,
        };
        if at.get() & (path.leaf.pages() - 1) != 0 || path.leaf.pages() > pages {
            return Err(MapError::NotMapped(at));
        }
        self.unmark(memory, at, &path)?;
        let (table, level) = path.lowest();
        let mut words = Words::new(memory, table).map_err(|_| MapError::Malformed(at))?;
        let entry_pages = self.entry_pages(level);
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
        self.detach_empty(memory, at, &path, first..index)?;
        Ok(done)
    }

    /// Takes a table that is full of leaves out of the tree by the one entry that leads to it, and says how many
    /// pages that were, without a look at its entries.
    fn unmap_full(
        &mut self,
        memory: &dyn MachineMemory,
        at: LogicalPage,
        path: &Path,
        table: Pfn,
        level: u32,
    ) -> Result<u64, MapError> {
        let malformed = |_| MapError::Malformed(at);
        let (parent, parent_level) = path.lowest();
        let index = self.format.index(parent_level, at.address());
        Words::new(memory, parent).and_then(|mut words| words.store(index, 0)).map_err(malformed)?;
        self.detach(table, level, at, true);
        self.detach_empty(memory, at, path, index..index + 1)?;
        Ok(1 << (self.format.span_shift(level) - PAGE_SHIFT))
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
            // A unit that has an entry cached which skips levels would not see tables put in between later.
            if level + 1 != parent_level {
                return Ok(());
            }
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
            self.detach(table, level, at, false);
            cleared = index..index + 1;
        }
        Ok(())
    }
}
