//! Views that are not simply there: those of a process, those that can be read only, and those with pages that were taken
//! from under them.
//!
//! What a process does not own is not mapped while it runs, so that a touch faults as it would in Windows. A page that was
//! taken is watched: the touch brings it back through the [`Pager`] and is made again.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use dxgk_hw::{CpuVa, NoRoom, PAGE_SIZE, PageRun, total_pages};

use super::address_map::Range;
use super::ram::Pager;
use super::space::{Inner, Space, lock};
use crate::layout::{Protection, Reservation};
use crate::stop::Access;
use crate::trap::{GuardAction, GuardTarget, add_guard, remove_guard};

/// What is particular about a view.
#[derive(Default)]
pub(super) struct Special {
    /// The process that it belongs to.
    process: Option<u32>,
    read_only: bool,
    /// Pages without a frame, by index.
    absent: BTreeSet<u64>,
    /// Its place in the map, while its process is not the current one.
    hidden: Option<Range>,
}

impl Special {
    /// The view is gone.
    pub(super) fn forget(&self, base: CpuVa) {
        self.absent.iter().for_each(|page| _ = remove_guard(base.get() + page * PAGE_SIZE));
    }

    fn protection(&self) -> Protection {
        match (&self.hidden, self.read_only) {
            (Some(_), _) => Protection::None,
            (None, true) => Protection::Read,
            (None, false) => Protection::ReadWrite,
        }
    }

    /// Makes all pages that have a frame permit what they should now.
    fn protect(&self, reservation: &Reservation) -> Result<(), NoRoom> {
        let pages = reservation.bytes() / PAGE_SIZE;
        let mut from = 0;
        for end in self.absent.iter().copied().chain([pages]) {
            if end > from {
                let (offset, bytes) = (from * PAGE_SIZE, (end - from) * PAGE_SIZE);
                reservation.protect(offset, bytes, self.protection()).map_err(|_| NoRoom)?;
            }
            from = end + 1;
        }
        Ok(())
    }
}

/// Watches a page that was taken.
struct Taken(Arc<dyn Pager>);

impl GuardTarget for Taken {
    fn touched(&self, address: u64, _access: Access) -> GuardAction {
        if self.0.page_in(CpuVa::new(address)) {
            GuardAction::Retry
        } else {
            GuardAction::Refuse("the page was paged out and could not be brought back")
        }
    }

    fn bring_back(&self, address: u64) -> bool {
        self.0.page_in_at_once(CpuVa::new(address))
    }
}

fn watch(base: CpuVa, page: u64, pager: &Arc<dyn Pager>) -> Result<(), NoRoom> {
    add_guard(base.get() + page * PAGE_SIZE, PAGE_SIZE, Rc::new(Taken(Arc::clone(pager)))).map_err(|_| NoRoom)
}

impl Inner {
    fn view(&mut self, base: CpuVa) -> Result<(Reservation, &mut Special), NoRoom> {
        let reservation = self.held.get(&base.get()).copied().ok_or(NoRoom)?;
        Ok((reservation, self.special.entry(base.get()).or_default()))
    }

    /// Tells the map of a view's frames, wherever that part of it is.
    fn note_frames(&mut self, base: CpuVa, first: u64, pages: u64, frames: Option<&[PageRun]>) {
        match self.special.get_mut(&base.get()).and_then(|special| special.hidden.as_mut()) {
            Some(range) => range.change_frames(first, pages, frames),
            None => self.map.change_frames(base, first, pages, frames),
        }
    }
}

impl Space {
    /// A view belongs to this process, which is the current one.
    pub(super) fn assign(&self, base: CpuVa, process: u32) {
        lock(&self.inner).special.entry(base.get()).or_default().process = Some(process);
    }

    pub(super) fn make_read_only(&self, base: CpuVa) -> Result<(), NoRoom> {
        let mut inner = lock(&self.inner);
        let (reservation, special) = inner.view(base)?;
        special.read_only = true;
        special.protect(&reservation)
    }

    pub(super) fn take_pages(
        &self,
        base: CpuVa,
        offset: u64,
        pages: u64,
        pager: &Arc<dyn Pager>,
    ) -> Result<(), NoRoom> {
        let mut inner = lock(&self.inner);
        let (reservation, special) = inner.view(base)?;
        reservation.decommit(offset, pages * PAGE_SIZE).map_err(|_| NoRoom)?;
        let first = offset / PAGE_SIZE;
        for page in first..first + pages {
            if special.absent.insert(page) && special.hidden.is_none() {
                watch(base, page, pager)?;
            }
        }
        inner.note_frames(base, first, pages, None);
        Ok(())
    }

    pub(super) fn put_pages(
        &self,
        base: CpuVa,
        offset: u64,
        runs: &[PageRun],
        pager: Option<&Arc<dyn Pager>>,
    ) -> Result<(), NoRoom> {
        let mut inner = lock(&self.inner);
        let (reservation, special) = inner.view(base)?;
        let (first, pages) = (offset / PAGE_SIZE, total_pages(runs));
        let protection = special.protection();
        let mut at = offset;
        let mut mapped = Ok(());
        for run in runs {
            mapped = mapped.and_then(|()| self.map_run(&reservation, at, run, protection));
            at += run.pages * PAGE_SIZE;
        }
        for page in first..first + pages {
            let absent =
                if mapped.is_ok() { special.absent.remove(&page) } else { !special.absent.insert(page) };
            if mapped.is_ok() && absent {
                remove_guard(base.get() + page * PAGE_SIZE);
            } else if mapped.is_err()
                && !absent
                && let Some(pager) = pager
            {
                // What cannot even be watched is an access violation when it is touched.
                let _ = watch(base, page, pager);
            }
        }
        if mapped.is_err() {
            let _ = reservation.decommit(offset, pages * PAGE_SIZE);
        }
        inner.note_frames(base, first, pages, mapped.is_ok().then_some(runs));
        mapped
    }

    /// Another process is the current one: the views of others go, its own come.
    pub(super) fn enter_process(&self, process: u32, pager: Option<&Arc<dyn Pager>>) {
        let mut inner = lock(&self.inner);
        let Inner { held, map, special, .. } = &mut *inner;
        for (base, view) in special.iter_mut() {
            let (Some(owner), Some(reservation)) = (view.process, held.get(base)) else { continue };
            let at = CpuVa::new(*base);
            let shown = view.hidden.is_none();
            if shown == (owner == process) {
                continue;
            }
            if shown {
                view.forget(at);
                view.hidden = map.take(at);
            } else {
                if let Some(range) = view.hidden.take() {
                    map.put_back(at, range);
                }
                for page in &view.absent {
                    if let Some(pager) = pager {
                        let _ = watch(at, *page, pager);
                    }
                }
            }
            // A view that the host cannot protect as it should is taken away as a whole: it must not be seen.
            if view.protect(reservation).is_err() {
                let _ = reservation.decommit(0, reservation.bytes());
            }
        }
    }
}
