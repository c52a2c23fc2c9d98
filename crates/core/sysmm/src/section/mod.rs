//! The pages of a section: pageable memory.
//!
//! A page has a frame, or its contents are in the platform's [`PageStore`]. While the section is locked (an ADL or a
//! pin of it exists) every page that is locked has a frame, and none is taken. Otherwise a page can lose its frame: it is
//! first taken from under every view, so that nobody writes to it any more, then kept, and only then is the frame free.
//! A view without a frame faults, and the fault brings the page back ([`SysMm::page_in`](crate::SysMm::page_in)).
//!
//! One lock a section, after the lock of the records; what is done under it is bounded by [`BATCH`] pages where other
//! calls could wait for it.

mod store;

use alloc::vec::Vec;

use dxgk_abi::NtStatus;
use dxgk_hw::{
    Access, CpuVa, DriverMemory, MachineMemory, NoRoom, PAGE_SIZE, PageRun, PageSlot, PageStore, Pfn,
    PhysAddr,
};
use lock_api::Mutex;

use crate::pages::{PageDatabase, PageOwner, PageRequest};
use crate::platform::Platform;
use crate::runs;

pub use store::HeapPageStore;

/// Pages that are taken from a section under one hold of its lock.
pub(crate) const BATCH: u64 = 64;

/// Why a page has no frame and cannot get one.
const NO_FRAME: NtStatus = NtStatus::NO_MEMORY;
/// The store lost it.
const IN_PAGE_ERROR: NtStatus = NtStatus::IN_PAGE_ERROR;

/// Where a page's contents are.
#[derive(Clone, Copy)]
enum Place {
    Frame(Pfn),
    Kept(PageSlot),
}

/// A CPU view of pages of the section.
#[derive(Clone, Copy)]
struct Window {
    base: CpuVa,
    first: u64,
    pages: u64,
}

/// A section's pages.
pub(crate) struct Section<P: Platform> {
    owner: PageOwner,
    inner: Mutex<P::RawMutex, Inner>,
}

struct Inner {
    pages: Vec<Place>,
    locks: u32,
    windows: Vec<Window>,
    /// Where the next page is looked for that may lose its frame.
    hand: usize,
}

/// What pages come from and go to.
pub(crate) struct Paging<'a, P: Platform> {
    pub(crate) platform: &'a P,
    pub(crate) pages: &'a PageDatabase<P>,
}

impl<P: Platform> Section<P> {
    /// A section of these zeroed frames, which belong to `owner`.
    pub(crate) fn new(frames: &[PageRun], owner: PageOwner) -> Self {
        let numbers =
            frames.iter().flat_map(|run| run.start.get()..run.start.get().saturating_add(run.pages));
        let pages = numbers.map(|number| Place::Frame(Pfn::new(number))).collect();
        let inner = Inner { pages, locks: 0, windows: Vec::new(), hand: 0 };
        Self { owner, inner: Mutex::new(inner) }
    }

    /// What a device may do with the pages.
    pub(crate) fn access(&self) -> Access {
        match self.owner {
            PageOwner::ReadOnly => Access::READ,
            _ => Access::READ | Access::WRITE,
        }
    }

    /// Locks the section and gives these pages frames.
    pub(crate) fn lock(
        &self,
        paging: &Paging<'_, P>,
        first: u64,
        count: u64,
    ) -> Result<Vec<PageRun>, NtStatus> {
        let mut inner = self.inner.lock();
        let frames = inner.make_resident(paging, self.owner, first, count)?;
        inner.locks += 1;
        Ok(frames)
    }

    /// Undoes a [`lock`](Self::lock).
    pub(crate) fn unlock(&self) {
        let mut inner = self.inner.lock();
        inner.locks = inner.locks.saturating_sub(1);
    }

    /// Whether every page of the part is where `frames` says and will stay there: what an ADL is built on.
    pub(crate) fn is_locked(&self, first: u64, frames: &[PageRun]) -> bool {
        let inner = self.inner.lock();
        let numbers =
            frames.iter().flat_map(|run| run.start.get()..run.start.get().saturating_add(run.pages));
        let mut places = inner.pages.iter().skip(first as usize);
        inner.locks != 0
            && numbers
                .zip(&mut places)
                .all(|(number, place)| matches!(place, Place::Frame(frame) if frame.get() == number))
    }

    /// Makes a view of these pages with `map` and remembers it.
    pub(crate) fn open_window(
        &self,
        paging: &Paging<'_, P>,
        first: u64,
        count: u64,
        map: impl FnOnce(&[PageRun]) -> Result<CpuVa, NoRoom>,
    ) -> Result<(CpuVa, Vec<PageRun>), NtStatus> {
        let mut inner = self.inner.lock();
        let frames = inner.make_resident(paging, self.owner, first, count)?;
        let base = map(&frames).map_err(|NoRoom| NtStatus::INSUFFICIENT_RESOURCES)?;
        inner.windows.push(Window { base, first, pages: count });
        Ok((base, frames))
    }

    /// Ends a view with `unmap`.
    pub(crate) fn close_window(&self, base: CpuVa, unmap: impl FnOnce()) {
        let mut inner = self.inner.lock();
        inner.windows.retain(|window| window.base != base);
        unmap();
    }

    /// Brings back the page under an address of the view at `base`.
    pub(crate) fn page_in(&self, paging: &Paging<'_, P>, base: CpuVa, address: u64) -> Result<(), NtStatus> {
        let mut inner = self.inner.lock();
        let window = inner.windows.iter().find(|window| window.base == base).copied();
        let window = window.ok_or(NtStatus::ACCESS_VIOLATION)?;
        let offset = address.checked_sub(base.get()).filter(|offset| offset / PAGE_SIZE < window.pages);
        let index = offset.ok_or(NtStatus::ACCESS_VIOLATION)? / PAGE_SIZE;
        let frames = inner.make_resident(paging, self.owner, window.first + index, 1)?;
        let put = paging.platform.driver().put_into_view(base, index * PAGE_SIZE, &frames);
        put.map_err(|NoRoom| NtStatus::INSUFFICIENT_RESOURCES)
    }

    /// Takes the frames of up to `limit` pages, unless the section is locked. Frames that are free now.
    pub(crate) fn trim(&self, paging: &Paging<'_, P>, limit: u64) -> Vec<PageRun> {
        let Some(store) = paging.platform.page_store() else { return Vec::new() };
        let mut freed = Vec::new();
        let mut inner = self.inner.lock();
        let count = inner.pages.len();
        let mut left = limit.min(BATCH);
        for _ in 0..count {
            if left == 0 || inner.locks != 0 {
                break;
            }
            let index = inner.hand % count;
            inner.hand = index + 1;
            if let Some(frame) = inner.evict(paging, store, self.owner, index) {
                runs::push(&mut freed, frame.get(), 1);
                left -= 1;
            }
        }
        freed
    }

    /// The section is gone: its frames, which the caller gives back. What is kept elsewhere is discarded.
    pub(crate) fn dissolve(&self, paging: &Paging<'_, P>) -> Vec<PageRun> {
        let mut inner = self.inner.lock();
        let mut frames = Vec::new();
        for place in core::mem::take(&mut inner.pages) {
            match place {
                Place::Frame(frame) => runs::push(&mut frames, frame.get(), 1),
                Place::Kept(slot) => {
                    if let Some(store) = paging.platform.page_store() {
                        store.discard(slot);
                    }
                }
            }
        }
        frames
    }

    /// Whose its frames are.
    pub(crate) fn owner(&self) -> PageOwner {
        self.owner
    }

    /// Pages without a frame.
    pub(crate) fn kept(&self) -> u64 {
        let inner = self.inner.lock();
        inner.pages.iter().filter(|place| matches!(place, Place::Kept(_))).count() as u64
    }
}

impl Inner {
    /// Gives every page of the part a frame, and says which. On failure those that got one keep it.
    fn make_resident<P: Platform>(
        &mut self,
        paging: &Paging<'_, P>,
        owner: PageOwner,
        first: u64,
        count: u64,
    ) -> Result<Vec<PageRun>, NtStatus> {
        let end = first.checked_add(count).ok_or(NtStatus::INVALID_PARAMETER)?;
        let part = self.pages.get_mut(first as usize..end as usize).ok_or(NtStatus::INVALID_PARAMETER)?;
        let mut frames = Vec::new();
        for place in part {
            let frame = match *place {
                Place::Frame(frame) => frame,
                Place::Kept(slot) => {
                    let frame = paging.bring_back(slot, owner)?;
                    *place = Place::Frame(frame);
                    frame
                }
            };
            runs::push(&mut frames, frame.get(), 1);
        }
        Ok(frames)
    }

    /// Takes a page's frame: from the views, into the store, to the free pages. `None` when it stays where it is, because it
    /// has none, a device or somebody's MDL holds it, a view cannot let go of it, or the store is full.
    fn evict<P: Platform>(
        &mut self,
        paging: &Paging<'_, P>,
        store: &dyn PageStore,
        owner: PageOwner,
        index: usize,
    ) -> Option<Pfn> {
        let Place::Frame(frame) = *self.pages.get(index)? else { return None };
        if !paging.pages.withhold(frame, owner) {
            return None;
        }
        let page = index as u64;
        let seen = |window: &&Window| page >= window.first && page - window.first < window.pages;
        let offset = |window: &Window| (page - window.first) * PAGE_SIZE;
        let driver = paging.platform.driver();
        let taken = self
            .windows
            .iter()
            .filter(seen)
            .all(|window| driver.take_from_view(window.base, offset(window), 1).is_ok());
        let slot = taken.then(|| paging.put_away(store, frame)).flatten();
        let Some(slot) = slot else {
            // Views that have let go of it get it back now, or, if even that fails, when they are touched.
            let run = [PageRun::new(frame, 1)];
            for window in self.windows.iter().filter(seen) {
                let _ = driver.put_into_view(window.base, offset(window), &run);
            }
            paging.pages.return_withheld(frame, owner);
            return None;
        };
        if let Some(place) = self.pages.get_mut(index) {
            *place = Place::Kept(slot);
        }
        paging.pages.free_withheld(frame);
        Some(frame)
    }
}

impl<P: Platform> Paging<'_, P> {
    fn put_away(&self, store: &dyn PageStore, frame: Pfn) -> Option<PageSlot> {
        let mut words = [0u64; 512];
        for (nth, piece) in words.chunks_mut(PIECE).enumerate() {
            let mut bytes = [0u8; PIECE * 8];
            self.platform.memory().read(piece_of(frame, nth)?, &mut bytes).ok()?;
            let (chunks, _) = bytes.as_chunks::<8>();
            piece.iter_mut().zip(chunks).for_each(|(word, chunk)| *word = u64::from_le_bytes(*chunk));
        }
        store.keep(&words)
    }

    fn bring_back(&self, slot: PageSlot, owner: PageOwner) -> Result<Pfn, NtStatus> {
        let store = self.platform.page_store().ok_or(IN_PAGE_ERROR)?;
        let request = PageRequest { zeroed: true, ..PageRequest::anywhere(1) };
        let runs = self.pages.allocate(&request, owner).map_err(|_| NO_FRAME)?;
        let frame = runs.first().map(|run| run.start).ok_or(NO_FRAME)?;
        let mut words = [0u64; 512];
        let filled = store.fetch(slot, &mut words).ok().and_then(|()| self.fill(frame, &words));
        if filled.is_none() {
            // Ours a moment ago, and nobody else knows it.
            let _ = self.pages.release(&runs, owner);
            return Err(IN_PAGE_ERROR);
        }
        store.discard(slot);
        Ok(frame)
    }

    fn fill(&self, frame: Pfn, words: &[u64; 512]) -> Option<()> {
        for (nth, piece) in words.chunks(PIECE).enumerate() {
            let mut bytes = [0u8; PIECE * 8];
            let (chunks, _) = bytes.as_chunks_mut::<8>();
            chunks.iter_mut().zip(piece).for_each(|(chunk, word)| *chunk = word.to_le_bytes());
            self.platform.memory().write(piece_of(frame, nth)?, &bytes).ok()?;
        }
        Some(())
    }
}

/// Words that are copied at once: little, for a page may come back on a signal's stack.
const PIECE: usize = 64;

fn piece_of(frame: Pfn, nth: usize) -> Option<PhysAddr> {
    frame.address().checked_add((nth * PIECE * 8) as u64)
}
