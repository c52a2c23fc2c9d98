//! A domain whose tables are ours.

use alloc::sync::Arc;

use core::fmt;

use dxgk_hw::{
    Access, DomainId, DomainOps, FrameSource, LogicalAddr, LogicalPage, MachineMemory, MapError, PageRun,
    Pfn, UnitError, total_pages,
};
use dxgk_iopt::{Format, PartialLeaf, Pending, RunCursor, Store, Table};
use lock_api::{Mutex, RawMutex};

/// Who can make a unit forget what it has cached of a domain.
pub trait Invalidator: Send + Sync {
    /// Whether the unit may cache that a page is not mapped: then a new mapping needs an invalidation too.
    fn caches_absent(&self) -> bool;

    /// Invalidates a range, and the caches of upper levels for it where `range.tables` says so. Returns when the
    /// unit has said that it is done.
    ///
    /// # Errors
    /// [`UnitError`].
    fn invalidate(&self, domain: DomainId, range: &Pending) -> Result<(), UnitError>;

    /// Invalidates all of a domain, and takes its number back. Nothing is attached to it any more.
    ///
    /// # Errors
    /// [`UnitError`]; the number stays taken.
    fn retire(&self, domain: DomainId) -> Result<(), UnitError>;
}

/// An I/O address space in tables of ours.
///
/// The lock is held for a step of at most one table, never over a range. Callers own the ranges that they map and
/// unmap: two at once in one range get all-or-nothing only each by itself.
pub struct PagedDomain<F: Format, M: RawMutex> {
    id: DomainId,
    root: Pfn,
    format: F,
    table: Mutex<M, Table<F>>,
    memory: Arc<dyn MachineMemory>,
    frames: Arc<dyn FrameSource>,
    unit: Arc<dyn Invalidator>,
}

impl<F: Format, M: RawMutex> PagedDomain<F, M> {
    /// An empty domain with a number of `unit`.
    ///
    /// # Errors
    /// [`MapError::NoFrame`].
    pub fn new(
        id: DomainId,
        format: F,
        memory: Arc<dyn MachineMemory>,
        frames: Arc<dyn FrameSource>,
        unit: Arc<dyn Invalidator>,
    ) -> Result<Self, MapError> {
        let table = Table::new(format, Store { memory: &*memory, frames: &*frames })?;
        Ok(Self { id, root: table.root(), format, table: Mutex::new(table), memory, frames, unit })
    }

    /// The frame of the root table.
    pub const fn root(&self) -> Pfn {
        self.root
    }

    fn store(&self) -> Store<'_> {
        Store { memory: &*self.memory, frames: &*self.frames }
    }

    fn check_width(&self, at: LogicalPage, pages: u64) -> Result<(), MapError> {
        self.table.lock().check_width(at, pages)
    }

    fn clear(&self, at: LogicalPage, pages: u64) -> Result<(), MapError> {
        let mut done = 0;
        while done < pages {
            let next = at.checked_add(done).ok_or(MapError::BeyondWidth(at))?;
            done += self.table.lock().unmap_step(&*self.memory, next, pages - done)?;
        }
        Ok(())
    }
}

impl<F: Format, M: RawMutex + Send + Sync> PagedDomain<F, M> {
    fn map_cursor(
        &self,
        at: LogicalPage,
        pages: u64,
        mut cursor: RunCursor<'_>,
        access: Access,
    ) -> Result<(), MapError> {
        self.check_width(at, pages)?;
        let mut done = 0;
        loop {
            let next = at.checked_add(done).ok_or(MapError::BeyondWidth(at))?;
            let step = self.table.lock().map_step(self.store(), next, &mut cursor, access);
            match step {
                Ok(0) if self.unit.caches_absent() => return self.reveal(at, done),
                Ok(0) => return Ok(()),
                Ok(pages) => done += pages,
                Err(error) => {
                    // The device may have used what was mapped so far. If the unit does not answer now, the
                    // tables wait for the next sync of the range.
                    self.clear(at, done)?;
                    if done != 0 {
                        let _ = self.sync(at, done);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Makes a unit that has cached the absence of pages see them. If it does not answer, nothing stays mapped.
    fn reveal(&self, at: LogicalPage, pages: u64) -> Result<(), MapError> {
        self.sync(at, pages).or_else(|_| {
            self.clear(at, pages)?;
            Err(MapError::Unanswered(at))
        })
    }
}

impl<F: Format, M: RawMutex + Send + Sync> DomainOps for PagedDomain<F, M> {
    fn id(&self) -> DomainId {
        self.id
    }

    fn highest(&self) -> LogicalAddr {
        // Where the format has all 64 bits, the end wraps to 0.
        LogicalAddr::new(self.format.end().address().get().wrapping_sub(1))
    }

    fn map(&self, at: LogicalPage, runs: &[PageRun], access: Access) -> Result<(), MapError> {
        self.map_cursor(at, total_pages(runs), RunCursor::new(runs), access)
    }

    fn map_singly(&self, at: LogicalPage, runs: &[PageRun], access: Access) -> Result<(), MapError> {
        let cursor = RunCursor::new(runs).with_largest_leaf(self.format.granule_pages());
        self.map_cursor(at, total_pages(runs), cursor, access)
    }

    fn unmap(&self, at: LogicalPage, pages: u64) -> Result<(), MapError> {
        self.check_width(at, pages)?;
        let mut checked = 0;
        while checked < pages {
            let next = at.checked_add(checked).ok_or(MapError::BeyondWidth(at))?;
            let left = pages - checked;
            checked += self.table.lock().check_step(&*self.memory, next, left, PartialLeaf::Refuse)?;
        }
        self.clear(at, pages)
    }

    fn sync(&self, at: LogicalPage, pages: u64) -> Result<(), UnitError> {
        if pages == 0 {
            return Ok(());
        }
        let pending = self.table.lock().pending(at, pages);
        self.unit.invalidate(self.id, &pending)?;
        if pending.tables {
            self.table.lock().settle(self.store(), pending);
        }
        Ok(())
    }
}

impl<F: Format, M: RawMutex> Drop for PagedDomain<F, M> {
    fn drop(&mut self) {
        // A unit that does not answer may still walk the tables: then they are lost, not given to anybody.
        if self.unit.retire(self.id).is_ok() {
            let store = Store { memory: &*self.memory, frames: &*self.frames };
            core::mem::replace(self.table.get_mut(), Table::at(self.format, self.root)).release(store);
        }
    }
}

impl<F: Format, M: RawMutex> fmt::Debug for PagedDomain<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PagedDomain({}, {}, root {})", self.id.0, self.format.name(), self.root.address())
    }
}
