//! The driver's address space: ranges of addresses, what is mapped there, and what stands behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dxgk_hw::{CpuVa, NoRoom, PAGE_SIZE, PageRun, PhysAddr, total_pages};

use super::address_map::{AddressMap, Backing, RangeUse};
use super::ram::RamFile;
use super::views::Special;
use crate::layout::{LayoutError, Protection, Purpose, Region, Reservation, RunGuard};

/// Takes a lock; a panic elsewhere while it was held does not make its content wrong for us, since every change
/// here is complete before the next one begins.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Inner {
    pool: Region,
    views: Region,
    users: Region,
    pub(super) held: BTreeMap<u64, Reservation>,
    pub(super) map: AddressMap,
    /// What is not as it was mapped, by base.
    pub(super) special: BTreeMap<u64, Special>,
}

/// The regions that pool, views and structures come from, with the [`AddressMap`] over all of them.
///
/// Register windows lie elsewhere (they are the trap layer's) and are only noted in the map.
pub struct Space {
    ram: Arc<dyn RamFile>,
    pub(super) inner: Mutex<Inner>,
}

impl core::fmt::Debug for Space {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Space").finish_non_exhaustive()
    }
}

impl Space {
    /// An empty space over the machine's RAM.
    #[must_use]
    pub fn new(ram: Arc<dyn RamFile>, run: &RunGuard) -> Self {
        let inner = Inner {
            pool: Region::new(Purpose::Pool, run),
            views: Region::new(Purpose::Views, run),
            users: Region::new(Purpose::UserViews, run),
            held: BTreeMap::new(),
            map: AddressMap::default(),
            special: BTreeMap::new(),
        };
        Self { ram, inner: Mutex::new(inner) }
    }

    /// Maps frames one after the other and notes them in the map. Contiguous runs take one mapping each.
    ///
    /// # Errors
    /// [`NoRoom`] when addresses or the host's mappings run out, or a frame is no RAM; nothing is mapped then.
    pub fn map_ram(&self, purpose: Purpose, usage: RangeUse, runs: &[PageRun]) -> Result<CpuVa, NoRoom> {
        let merged = merge(runs);
        let bytes = total_pages(&merged).checked_mul(PAGE_SIZE).ok_or(NoRoom)?;
        let reservation = self.reserve(purpose, bytes)?;
        let mut offset = 0;
        for run in &merged {
            let length = run.pages * PAGE_SIZE;
            if self.map_run(&reservation, offset, run, Protection::ReadWrite).is_err() {
                self.give_up(purpose, reservation);
                return Err(NoRoom);
            }
            offset += length;
        }
        self.note(purpose, reservation, usage, Backing::Ram(merged))
    }

    pub(super) fn map_run(
        &self,
        reservation: &Reservation,
        offset: u64,
        run: &PageRun,
        protection: Protection,
    ) -> Result<(), NoRoom> {
        // Neighbouring frames need not be neighbours in the file (RAM has holes): map each piece that is.
        let mut done = 0;
        while done < run.pages {
            let frame_at =
                |index: u64| run.start.checked_add(index).and_then(|pfn| self.ram.file_offset(pfn));
            let first = frame_at(done).ok_or(NoRoom)?;
            let last = frame_at(run.pages - 1).ok_or(NoRoom)?;
            let all = run.pages - done;
            let pages = if last.checked_sub(first) == Some((all - 1) * PAGE_SIZE) {
                all
            } else {
                (1..all).find(|more| frame_at(done + more) != Some(first + more * PAGE_SIZE)).unwrap_or(all)
            };
            let at = offset + done * PAGE_SIZE;
            let mapped = reservation.map_file(at, pages * PAGE_SIZE, self.ram.fd(), first, protection);
            mapped.map_err(|_| NoRoom)?;
            done += pages;
        }
        Ok(())
    }

    /// Memory of the host's own that the driver may read and write, zeroed, in whole pages.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn map_host(&self, bytes: u64) -> Result<CpuVa, NoRoom> {
        let reservation = self.reserve(Purpose::Pool, bytes)?;
        if reservation.commit(0, reservation.bytes(), Protection::ReadWrite).is_err() {
            self.give_up(Purpose::Pool, reservation);
            return Err(NoRoom);
        }
        self.note(Purpose::Pool, reservation, RangeUse::Structure, Backing::Host)
    }

    /// Notes device memory that somebody else mapped. `va` and `bytes` are widened to whole pages.
    ///
    /// # Errors
    /// [`NoRoom`] when it overlaps a range that is there.
    pub fn note_device(&self, va: CpuVa, bytes: u64, physical: PhysAddr) -> Result<(), NoRoom> {
        let base = va.get() - va.get() % PAGE_SIZE;
        let length =
            (va.get() % PAGE_SIZE).checked_add(bytes).and_then(|sum| sum.checked_next_multiple_of(PAGE_SIZE));
        let physical = PhysAddr::new(physical.get() - physical.offset());
        let mut inner = lock(&self.inner);
        let map = &mut inner.map;
        map.insert(CpuVa::new(base), length.ok_or(NoRoom)?, RangeUse::Device, Backing::Device(physical))
            .map_err(|_| NoRoom)
    }

    /// Forgets device memory noted by [`note_device`](Self::note_device).
    pub fn forget_device(&self, va: CpuVa) {
        lock(&self.inner).map.remove(CpuVa::new(va.get() - va.get() % PAGE_SIZE));
    }

    /// Takes a mapping away; its addresses stay reserved and unreadable. `false` when none begins at `va`.
    pub fn unmap(&self, va: CpuVa) -> bool {
        let mut inner = lock(&self.inner);
        let Some(reservation) = inner.held.remove(&va.get()) else { return false };
        inner.map.remove(va);
        if let Some(special) = inner.special.remove(&va.get()) {
            special.forget(va);
        }
        let region = inner.region_of(va);
        region.is_some_and(|region| region.release(reservation).is_ok())
    }

    /// Runs `ask` on the map.
    pub fn with_map<R>(&self, ask: impl FnOnce(&AddressMap) -> R) -> R {
        ask(&lock(&self.inner).map)
    }

    fn reserve(&self, purpose: Purpose, bytes: u64) -> Result<Reservation, NoRoom> {
        let mut inner = lock(&self.inner);
        let region = inner.region(purpose).ok_or(NoRoom)?;
        // Large views line up with 2 MiB, so that neither side of a mapping splits more than it must.
        let alignment = if bytes >= 1 << 21 { 1 << 21 } else { PAGE_SIZE };
        region.reserve(bytes, alignment).map_err(|_: LayoutError| NoRoom)
    }

    fn give_up(&self, purpose: Purpose, reservation: Reservation) {
        if let Some(region) = lock(&self.inner).region(purpose) {
            // A range that cannot even be unmapped stays held by its region, and is unmapped with it.
            let _ = region.release(reservation);
        }
    }

    fn note(
        &self,
        purpose: Purpose,
        at: Reservation,
        usage: RangeUse,
        backing: Backing,
    ) -> Result<CpuVa, NoRoom> {
        let va = CpuVa::new(at.address());
        let mut inner = lock(&self.inner);
        if inner.map.insert(va, at.bytes(), usage, backing).is_err() {
            drop(inner);
            self.give_up(purpose, at);
            return Err(NoRoom);
        }
        inner.held.insert(at.address(), at);
        Ok(va)
    }
}

impl Inner {
    fn region(&mut self, purpose: Purpose) -> Option<&mut Region> {
        [&mut self.pool, &mut self.views, &mut self.users]
            .into_iter()
            .find(|region| region.purpose() == purpose)
    }

    fn region_of(&mut self, va: CpuVa) -> Option<&mut Region> {
        [&mut self.pool, &mut self.views, &mut self.users].into_iter().find(|region| {
            let (first, end) = region.purpose().bounds();
            va.get() >= first && va.get() < end
        })
    }
}

/// Joins runs that follow each other, and drops empty ones.
fn merge(runs: &[PageRun]) -> Vec<PageRun> {
    let mut merged: Vec<PageRun> = Vec::with_capacity(runs.len());
    for run in runs.iter().filter(|run| run.pages != 0) {
        match merged.last_mut() {
            Some(last) if last.start.get().checked_add(last.pages) == Some(run.start.get()) => {
                last.pages += run.pages
            }
            _ => merged.push(*run),
        }
    }
    merged
}
