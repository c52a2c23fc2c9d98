//! The page database: which page of RAM belongs to whom.
//!
//! It covers installed RAM only; an address that is no RAM has no state and cannot be handed out. A page costs a bit,
//! a byte and a 16-bit count, reserved for all of RAM and touched where pages are used. The IOMMU drivers take their
//! table pages here too ([`FrameSource`]), so that totals balance over everything.
//!
//! A page that its owner gives back while a device still reaches it through somebody's MDL map stays held: it
//! belongs to nobody until the last such map has gone and its invalidation is confirmed.

mod bitmap;
mod large;
mod request;
mod select;
mod store;
mod zone;

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_hw::{FrameSource, MachineMemory, PageRun, Pfn, total_pages};
use lock_api::Mutex;

pub use request::{Layout, OutOfPages, PageOwner, PageRequest};
pub use store::PageListError;

use crate::low_resources::{Allocation, LowResources};
use crate::platform::Platform;
use crate::policy::{Policy, Scatter};
use store::Store;
use zone::PageState;

/// Pages by what they are. The sum of all fields but `total` is `total`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PageCounts {
    /// Installed RAM.
    pub total: u64,
    /// Nobody's, those in the cache of large pages included.
    pub free: u64,
    /// Never handed out: page 0, and what firmware set aside.
    pub reserved: u64,
    /// Of the memory manager's objects.
    pub driver: u64,
    /// Of the kernel around the driver.
    pub kernel: u64,
    /// Translation tables.
    pub table: u64,
    /// Kept for ever, because an invalidation was not confirmed.
    pub quarantined: u64,
    /// Given back by their owner, still mapped for a device.
    pub held: u64,
}

/// The page database.
pub struct PageDatabase<P: Platform> {
    platform: Arc<P>,
    poison: Option<u64>,
    freed: Option<u64>,
    scatter: Scatter,
    low: Arc<LowResources>,
    store: Mutex<P::RawMutex, Store>,
}

impl From<PageOwner> for PageState {
    fn from(owner: PageOwner) -> Self {
        match owner {
            PageOwner::Driver => Self::Driver,
            PageOwner::ReadOnly => Self::ReadOnly,
            PageOwner::Kernel => Self::Kernel,
        }
    }
}

impl<P: Platform> PageDatabase<P> {
    /// A database of the platform's RAM, all of it free but page 0. Takes about 3 bytes of address space a page.
    #[must_use]
    pub fn new(platform: Arc<P>, policy: &Policy) -> Arc<Self> {
        let store = Store::new(platform.memory().ranges(), policy.seed, policy.large_pages);
        Arc::new(Self {
            platform,
            poison: policy.poison,
            freed: policy.freed,
            scatter: policy.scatter,
            low: Arc::default(),
            store: Mutex::new(store),
        })
    }

    /// What makes internal allocations fail; the memory manager shares it.
    #[must_use]
    pub fn low_resources(&self) -> &LowResources {
        &self.low
    }

    pub(crate) fn shared_low_resources(&self) -> &Arc<LowResources> {
        &self.low
    }

    /// Takes pages, all that are asked for or none. The list is in the order in which they are to be used.
    ///
    /// # Errors
    /// [`OutOfPages`].
    pub fn allocate(&self, request: &PageRequest, owner: PageOwner) -> Result<Vec<PageRun>, OutOfPages> {
        if request.pages == 0 || self.low.refuses(Allocation::Pages) {
            return Err(OutOfPages);
        }
        let runs = self.store.lock().select(request, self.scatter, owner.into()).ok_or(OutOfPages)?;
        // Nobody else knows these pages yet, so they are written outside the lock.
        if let Some(pattern) = if request.zeroed { Some(0) } else { self.poison } {
            self.fill(&runs, pattern);
        }
        Ok(runs)
    }

    /// Promises `pages` pages: a commit charge. They stay free, but nobody else is given them.
    ///
    /// # Errors
    /// [`OutOfPages`]: there are not so many free pages that are not promised yet.
    pub(crate) fn charge(&self, pages: u64) -> Result<(), OutOfPages> {
        let mut store = self.store.lock();
        if pages > store.uncharged() || self.low.refuses(Allocation::Commit) {
            return Err(OutOfPages);
        }
        store.charged += pages;
        Ok(())
    }

    /// Takes back a promise of pages that were not taken.
    pub(crate) fn uncharge(&self, pages: u64) {
        let mut store = self.store.lock();
        store.charged = store.charged.saturating_sub(pages);
    }

    /// As [`allocate`](Self::allocate), from pages that were promised to the caller.
    pub(crate) fn allocate_charged(
        &self,
        request: &PageRequest,
        owner: PageOwner,
    ) -> Result<Vec<PageRun>, OutOfPages> {
        if request.pages == 0 || self.low.refuses(Allocation::Pages) {
            return Err(OutOfPages);
        }
        let mut store = self.store.lock();
        let runs = store.select_charged(request, self.scatter, owner.into()).ok_or(OutOfPages)?;
        drop(store);
        self.fill(&runs, 0);
        Ok(runs)
    }

    /// Sets pages aside for good, as firmware does before there is a memory manager: nobody is given them, and a range of
    /// them may be reported as an adapter's own. Their contents are unspecified.
    ///
    /// # Errors
    /// [`OutOfPages`].
    pub fn set_aside(&self, request: &PageRequest) -> Result<Vec<PageRun>, OutOfPages> {
        self.store.lock().select(request, self.scatter, PageState::Reserved).ok_or(OutOfPages)
    }

    /// The first page of the run that the memory manager hands out; `None` when it is no RAM, or set aside.
    pub(crate) fn first_managed(&self, run: PageRun) -> Option<Pfn> {
        self.store.lock().first_managed(run)
    }

    /// Gives pages of `owner` back. Those that a device still reaches through an MDL map are held until that map has
    /// gone. Returns how many are free at once. The caller promises that its own maps are gone and invalidated.
    ///
    /// # Errors
    /// [`PageListError`] with the first page that is not the owner's; nothing was given back then.
    pub fn release(&self, runs: &[PageRun], owner: PageOwner) -> Result<u64, PageListError> {
        self.store.lock().release(runs, owner.into(), &|run| self.spoil(run))
    }

    /// Counts one more device mapping of each page: none of them becomes free before [`unpin`](Self::unpin).
    pub(crate) fn pin(&self, runs: &[PageRun]) -> Result<(), PageListError> {
        self.store.lock().pin(runs, false)
    }

    /// Undoes a [`pin`](Self::pin). Returns how many pages became free by it.
    pub(crate) fn unpin(&self, runs: &[PageRun]) -> u64 {
        self.store.lock().unpin(runs, &|run| self.spoil(run))
    }

    /// Keeps each page where it is, and from becoming free, until [`let_go`](Self::let_go), as MmProbeAndLockPages does.
    ///
    /// # Errors
    /// [`PageListError`] with the first page that cannot be held; then none is.
    pub fn hold(&self, runs: &[PageRun]) -> Result<(), PageListError> {
        self.store.lock().pin(runs, true)
    }

    /// Undoes a [`hold`](Self::hold).
    pub fn let_go(&self, runs: &[PageRun]) {
        self.unpin(runs);
    }

    /// Whether nothing but its owner holds a page; it then belongs to nobody until
    /// [`free_withheld`](Self::free_withheld) or [`return_withheld`](Self::return_withheld).
    pub(crate) fn withhold(&self, frame: Pfn, owner: PageOwner) -> bool {
        self.store.lock().withhold(frame.get(), owner.into())
    }

    /// The page is nobody's.
    pub(crate) fn free_withheld(&self, frame: Pfn) {
        self.spoil(PageRun::new(frame, 1));
        self.store.lock().settle(frame.get(), PageState::Free);
    }

    /// The page stays whose it was.
    pub(crate) fn return_withheld(&self, frame: Pfn, owner: PageOwner) {
        self.store.lock().settle(frame.get(), owner.into());
    }

    /// Takes pages of the driver's objects out of circulation for ever.
    pub(crate) fn quarantine(&self, runs: &[PageRun]) {
        let mut store = self.store.lock();
        runs.iter().for_each(|run| store.mark(run.start.get(), run.pages, PageState::Quarantined));
    }

    /// The owner of a page of RAM that is in use, or `None`.
    #[must_use]
    pub fn owner(&self, page: Pfn) -> Option<PageOwner> {
        match self.store.lock().state(page.get()) {
            Some(PageState::Driver) => Some(PageOwner::Driver),
            Some(PageState::ReadOnly) => Some(PageOwner::ReadOnly),
            Some(PageState::Kernel) => Some(PageOwner::Kernel),
            _ => None,
        }
    }

    /// How many pages are what.
    #[must_use]
    pub fn counts(&self) -> PageCounts {
        let counts = self.store.lock().counts;
        let of = |state: PageState| counts.get(state as usize).copied().unwrap_or(0);
        PageCounts {
            total: counts.iter().sum(),
            free: of(PageState::Free) + of(PageState::Cached),
            reserved: of(PageState::Reserved),
            driver: of(PageState::Driver) + of(PageState::ReadOnly),
            kernel: of(PageState::Kernel),
            table: of(PageState::Table),
            quarantined: of(PageState::Quarantined),
            held: of(PageState::Held),
        }
    }

    /// What happens to pages that become free, before anybody can be given them.
    fn spoil(&self, run: PageRun) {
        if let Some(pattern) = self.freed {
            self.fill(&[run], pattern);
        }
    }

    fn fill(&self, runs: &[PageRun], pattern: u64) {
        for run in runs {
            // The run came from the machine's own ranges; a platform that denies it later keeps what it has.
            let _ = self.platform.memory().fill(*run, pattern);
        }
    }
}

impl<P: Platform> FrameSource for PageDatabase<P> {
    fn take_frame(&self) -> Option<Pfn> {
        self.take_run(1)
    }

    fn give_frame(&self, frame: Pfn) {
        let mut store = self.store.lock();
        if store.state(frame.get()) == Some(PageState::Table) {
            self.spoil(PageRun::new(frame, 1));
            store.mark(frame.get(), 1, PageState::Free);
        }
    }

    fn take_run(&self, frames: u64) -> Option<Pfn> {
        if self.low.refuses(Allocation::TablePage) {
            return None;
        }
        let layout = Layout::Contiguous { align: frames, boundary: 0 };
        let request = PageRequest { layout, ..PageRequest::anywhere(frames) };
        let runs = self.store.lock().select(&request, Scatter::Dense, PageState::Table)?;
        self.fill(&runs, 0);
        runs.first().filter(|_| total_pages(&runs) == frames).map(|run| run.start)
    }
}
