//! Making internal allocations fail on purpose.
//!
//! Driver Verifier calls it low resources simulation: it shows whether a driver bears the failures that a machine
//! under pressure answers with, and our own tests that a failure in the middle of a callback leaves nothing behind.
//! Every internal allocation of the memory manager asks here first; nothing is armed unless somebody arms it, and
//! then one allocation fails.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use dxgk_abi::mdl::Mdl;
use dxgk_hw::{
    AdlShape, BadAddress, CacheType, CpuVa, DriverMemory, NoRoom, PageRun, Pfn, RegisterWindow, ViewOwner,
};

use crate::SysMm;
use crate::platform::Platform;

/// What is allocated inside the memory manager.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Allocation {
    /// Pages of RAM for an object.
    Pages = 1 << 0,
    /// A page for a translation table.
    TablePage = 1 << 1,
    /// A handle.
    Handle = 1 << 2,
    /// Logical addresses.
    LogicalRange = 1 << 3,
    /// Something in the driver's address space: a view, a register window, an MDL, an ADL.
    View = 1 << 4,
    /// A commit charge.
    Commit = 1 << 5,
}

impl Allocation {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Pages, Self::TablePage, Self::Handle, Self::LogicalRange, Self::View, Self::Commit];
}

/// Decides which allocation fails.
#[derive(Debug, Default)]
pub struct LowResources {
    armed: AtomicU8,
    left: AtomicU64,
    /// The kind that failed; 0 while none has.
    struck: AtomicU8,
}

impl LowResources {
    /// Lets the `nth` allocation from now on fail, once; 1 is the next one. Only allocations of `kind` count, or all
    /// when it is `None`. What was armed before is forgotten. With 0 nothing fails.
    pub fn fail_nth(&self, kind: Option<Allocation>, nth: u64) {
        let every = Allocation::ALL.iter().fold(0, |mask, kind| mask | *kind as u8);
        self.armed.store(0, Ordering::SeqCst);
        self.struck.store(0, Ordering::SeqCst);
        self.left.store(nth, Ordering::SeqCst);
        if nth != 0 {
            self.armed.store(kind.map_or(every, |kind| kind as u8), Ordering::SeqCst);
        }
    }

    /// What the allocation was that failed since [`fail_nth`](Self::fail_nth); `None` when it did not come to that.
    #[must_use]
    pub fn struck(&self) -> Option<Allocation> {
        let struck = self.struck.load(Ordering::SeqCst);
        Allocation::ALL.into_iter().find(|kind| *kind as u8 == struck)
    }

    /// Whether this allocation is the one that has to fail.
    pub(crate) fn refuses(&self, kind: Allocation) -> bool {
        if self.armed.load(Ordering::Relaxed) & kind as u8 == 0 {
            return false;
        }
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let strikes = before == Ok(1);
        if strikes {
            self.armed.store(0, Ordering::SeqCst);
            self.struck.store(kind as u8, Ordering::SeqCst);
        }
        strikes
    }
}

/// The driver's address space, in which room can be made to run out.
pub(crate) struct DriverSpace<'a, D> {
    space: &'a D,
    low: &'a LowResources,
}

impl<P: Platform> SysMm<P> {
    /// What makes internal allocations fail.
    #[must_use]
    pub fn low_resources(&self) -> &LowResources {
        self.pages.low_resources()
    }

    /// The driver's address space; everything in the memory manager that allocates there goes through it.
    pub(crate) fn driver(&self) -> DriverSpace<'_, P::Driver> {
        DriverSpace { space: self.platform.driver(), low: self.low_resources() }
    }
}

impl<D: DriverMemory> DriverSpace<'_, D> {
    fn room(&self) -> Result<&D, NoRoom> {
        if self.low.refuses(Allocation::View) { Err(NoRoom) } else { Ok(self.space) }
    }
}

impl<D: DriverMemory> DriverMemory for DriverSpace<'_, D> {
    fn mdl_header(&self, mdl: CpuVa) -> Result<Mdl, BadAddress> {
        self.space.mdl_header(mdl)
    }

    fn mdl_pages(&self, mdl: CpuVa, count: u64, visit: &mut dyn FnMut(Pfn)) -> Result<(), BadAddress> {
        self.space.mdl_pages(mdl, count, visit)
    }

    fn build_mdl(&self, runs: &[PageRun]) -> Result<CpuVa, NoRoom> {
        self.room()?.build_mdl(runs)
    }

    fn release_mdl(&self, mdl: CpuVa) {
        self.space.release_mdl(mdl);
    }

    fn build_adl(&self, shape: AdlShape<'_>) -> Result<CpuVa, NoRoom> {
        self.room()?.build_adl(shape)
    }

    fn release_adl(&self, adl: CpuVa) {
        self.space.release_adl(adl);
    }

    fn map_view(&self, runs: &[PageRun], cache: CacheType, owner: ViewOwner) -> Result<CpuVa, NoRoom> {
        self.room()?.map_view(runs, cache, owner)
    }

    fn make_view_read_only(&self, base: CpuVa, bytes: u64) -> Result<(), NoRoom> {
        self.room()?.make_view_read_only(base, bytes)
    }

    fn take_from_view(&self, base: CpuVa, offset: u64, pages: u64) -> Result<(), NoRoom> {
        self.space.take_from_view(base, offset, pages)
    }

    fn put_into_view(&self, base: CpuVa, offset: u64, runs: &[PageRun]) -> Result<(), NoRoom> {
        self.space.put_into_view(base, offset, runs)
    }

    fn unmap_view(&self, base: CpuVa, bytes: u64) {
        self.space.unmap_view(base, bytes);
    }

    fn map_registers(&self, window: RegisterWindow) -> Result<CpuVa, NoRoom> {
        self.room()?.map_registers(window)
    }

    fn unmap_registers(&self, base: CpuVa, bytes: u64) {
        self.space.unmap_registers(base, bytes);
    }
}
