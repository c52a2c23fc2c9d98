//! A tree of tables, and the operations over whole ranges.
//!
//! The work is cut into steps of one table each ([`map_step`](Table::map_step), [`unmap_step`](Table::unmap_step)):
//! a step descends once and then handles as many entries of the table it came to as it can. Who shares a tree
//! between threads takes the lock for a step, not for a range. [`map`](Table::map) and [`unmap`](Table::unmap)
//! are the steps in a row, for those who need no lock.

use alloc::vec::Vec;

use dxgk_hw::{Access, LogicalPage, MachineMemory, MapError, PAGE_SHIFT, PageRun, Pfn, total_pages};

use crate::format::Format;
use crate::pending::Detached;
use crate::runs::RunCursor;
use crate::words::Store;

/// What to do about a large leaf that an unmap covers in part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartialLeaf {
    /// Refuse: it can only mean that the caller unmaps something else than it mapped, as no leaf is made across
    /// two calls of map.
    Refuse,
    /// Replace it by smaller leaves first. Where the format cannot do that under a unit's eyes
    /// ([`Format::break_before_make`]), this refuses with [`MapError::BreakFirst`]: see
    /// [`split_at`](Table::split_at).
    Split,
}

/// A tree of translation tables in machine memory.
#[derive(Debug)]
pub struct Table<F> {
    pub(crate) format: F,
    pub(crate) root: Pfn,
    pub(crate) detached: Vec<Detached>,
    pub(crate) serial: u64,
    /// [`Format::full_mark`] in a tree of our own; 0 in anybody else's, whose ignored bits say nothing.
    pub(crate) mark: u64,
}

impl<F: Format> Table<F> {
    /// An empty tree.
    ///
    /// # Errors
    /// [`MapError::NoFrame`].
    pub fn new(format: F, store: Store<'_>) -> Result<Self, MapError> {
        let mut tree = Self::at(format, Pfn::default());
        tree.root = tree.take(store, format.root_level()).ok_or(MapError::NoFrame)?;
        tree.mark = format.full_mark();
        Ok(tree)
    }

    /// A tree that already stands in memory, made by anybody.
    #[must_use]
    pub const fn at(format: F, root: Pfn) -> Self {
        Self { format, root, detached: Vec::new(), serial: 0, mark: 0 }
    }

    /// A zeroed table of a level. Frames that the format's entries cannot hold are not taken.
    pub(crate) fn take(&self, store: Store<'_>, level: u32) -> Option<Pfn> {
        let frames = self.format.table_frames(level);
        let table = store.take_table(frames)?;
        let last = table.get().saturating_add(frames - 1);
        if last >> (self.format.output_width() - PAGE_SHIFT) == 0 {
            return Some(table);
        }
        store.give_table(table, frames);
        None
    }

    /// The format.
    pub const fn format(&self) -> F {
        self.format
    }

    /// The frame of the root table.
    pub const fn root(&self) -> Pfn {
        self.root
    }

    /// Refuses a range that leaves the format's width, by its first page outside.
    ///
    /// # Errors
    /// [`MapError::BeyondWidth`].
    pub fn check_width(&self, at: LogicalPage, pages: u64) -> Result<(), MapError> {
        let end = self.format.end();
        match at.checked_add(pages) {
            Some(last) if last <= end => Ok(()),
            _ => Err(MapError::BeyondWidth(at.max(end))),
        }
    }

    /// Maps the frames of `runs`, one after the other, from `at` upwards, with the largest leaves that the
    /// format and the alignment permit. All or nothing.
    ///
    /// # Errors
    /// [`MapError`]. Everything is then unmapped again, and the tables made on the way are [pending](Self::pending).
    pub fn map(
        &mut self,
        store: Store<'_>,
        at: LogicalPage,
        runs: &[PageRun],
        access: Access,
    ) -> Result<(), MapError> {
        self.check_width(at, total_pages(runs))?;
        self.map_cursor(store, at, RunCursor::new(runs), access)
    }

    /// As [`map`](Self::map), from a cursor, which can also say how large leaves may be.
    ///
    /// # Errors
    /// Those of `map`.
    pub fn map_cursor(
        &mut self,
        store: Store<'_>,
        at: LogicalPage,
        mut cursor: RunCursor<'_>,
        access: Access,
    ) -> Result<(), MapError> {
        let mut done = 0;
        while let Some(next) = at.checked_add(done) {
            match self.map_step(store, next, &mut cursor, access) {
                Ok(0) => return Ok(()),
                Ok(pages) => done += pages,
                Err(error) => {
                    self.unmap_steps(store.memory, at, done)?;
                    return Err(error);
                }
            }
        }
        Err(MapError::BeyondWidth(at))
    }

    /// Clears the entries of `pages` pages from `at`. All or nothing. Tables that this empties are taken out of the
    /// tree, and wait as [pending](Self::pending) for the invalidation.
    ///
    /// # Errors
    /// [`MapError`]; nothing was cleared then (large leaves may have been split). [`MapError::BreakFirst`] when a
    /// leaf that is covered in part has to be broken first.
    pub fn unmap(
        &mut self,
        store: Store<'_>,
        at: LogicalPage,
        pages: u64,
        partial: PartialLeaf,
    ) -> Result<(), MapError> {
        self.whole_leaves(store, at, pages, partial)?;
        self.unmap_steps(store.memory, at, pages)
    }

    /// Gives the pages of a range another permission. All or nothing. What hardware has noted of them stays, but
    /// that Arm's formats keep no dirty state of a leaf that may not be written: read it first. Until the range has
    /// been invalidated a unit may go by the old permission.
    ///
    /// # Errors
    /// [`MapError`], as [`unmap`](Self::unmap); no permission was changed then.
    pub fn protect(
        &mut self,
        store: Store<'_>,
        at: LogicalPage,
        pages: u64,
        access: Access,
        partial: PartialLeaf,
    ) -> Result<(), MapError> {
        if !self.format.expresses(access) {
            return Err(MapError::Inexpressible(access));
        }
        self.whole_leaves(store, at, pages, partial)?;
        let mut done = 0;
        while done < pages {
            let next = at.checked_add(done).ok_or(MapError::BeyondWidth(at))?;
            done += self.protect_step(store.memory, next, pages - done, access)?;
        }
        Ok(())
    }

    /// Sees that every page of a range is mapped, and that no leaf is covered in part.
    fn whole_leaves(
        &mut self,
        store: Store<'_>,
        at: LogicalPage,
        pages: u64,
        partial: PartialLeaf,
    ) -> Result<(), MapError> {
        self.check_width(at, pages)?;
        let mut checked = 0;
        while checked < pages {
            let next = at.checked_add(checked).ok_or(MapError::BeyondWidth(at))?;
            checked += self.check_step(store.memory, next, pages - checked, partial)?;
        }
        if partial == PartialLeaf::Split && pages != 0 {
            for boundary in [Some(at), at.checked_add(pages)].into_iter().flatten() {
                if self.format.break_before_make() {
                    self.refuse_inside(store.memory, boundary)?;
                } else {
                    self.split_at(store, boundary)?;
                }
            }
        }
        Ok(())
    }

    fn unmap_steps(
        &mut self,
        memory: &dyn MachineMemory,
        at: LogicalPage,
        pages: u64,
    ) -> Result<(), MapError> {
        let mut done = 0;
        while done < pages {
            let next = at.checked_add(done).ok_or(MapError::BeyondWidth(at))?;
            done += self.unmap_step(memory, next, pages - done)?;
        }
        Ok(())
    }
}
