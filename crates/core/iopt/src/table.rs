//! A tree of tables, and the operations over whole ranges.
//!
//! The work is cut into steps of one table each ([`map_step`](Table::map_step), [`unmap_step`](Table::unmap_step)):
//! a step descends once and then handles as many entries of the table it came to as it can. Who shares a tree
//! between threads takes the lock for a step, not for a range. [`map`](Table::map) and [`unmap`](Table::unmap)
//! are the steps in a row, for those who need no lock.

use alloc::vec::Vec;

use dxgk_hw::{Access, LogicalPage, MachineMemory, MapError, PageRun, Pfn, total_pages};

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
    /// Replace it by smaller leaves first.
    Split,
}

/// A tree of translation tables in machine memory.
#[derive(Debug)]
pub struct Table<F> {
    pub(crate) format: F,
    pub(crate) root: Pfn,
    pub(crate) detached: Vec<Detached>,
    pub(crate) serial: u64,
}

impl<F: Format> Table<F> {
    /// An empty tree.
    ///
    /// # Errors
    /// [`MapError::NoFrame`].
    pub fn new(format: F, store: Store<'_>) -> Result<Self, MapError> {
        let root = store.take_table(format.table_frames(format.root_level())).ok_or(MapError::NoFrame)?;
        Ok(Self::at(format, root))
    }

    /// A tree that already stands in memory, made by anybody.
    #[must_use]
    pub const fn at(format: F, root: Pfn) -> Self {
        Self { format, root, detached: Vec::new(), serial: 0 }
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
        let mut cursor = RunCursor::new(runs);
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
    /// [`MapError`]; nothing was cleared then (large leaves may have been split).
    pub fn unmap(
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
        if partial == PartialLeaf::Split {
            self.split_at(store, at)?;
            self.split_at(store, at.checked_add(pages).ok_or(MapError::BeyondWidth(at))?)?;
        }
        self.unmap_steps(store.memory, at, pages)
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
