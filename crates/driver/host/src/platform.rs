//! What the memory manager runs on here: RAM in a memfd, the driver's address space, the ring.

use std::os::fd::BorrowedFd;
use std::sync::{Arc, OnceLock};

use dxgk_abi::Mdl;
use dxgk_hw::{
    AdlShape, BadAddress, CacheType, CpuVa, DriverMemory, NoRoom, PageRun, PageStore, Pfn, PhysAddr,
    RegisterWindow, ViewOwner,
};
use dxgk_shm::Ram;
use dxgk_sysmm::pages::{Layout, PageOwner, PageRequest};
use dxgk_sysmm::{HeapPageStore, PageDatabase, Platform, SysMm};

use crate::kernel::{Kernel, Pager, PoolPages, RamFile};
use crate::sink::HostSink;

/// The platform of a run.
pub struct HostPlatform {
    ram: Arc<Ram>,
    driver: LateKernel,
    sink: Arc<HostSink>,
    store: HeapPageStore<parking_lot::RawMutex>,
}

/// Pages that the page store holds: 256 MiB (our choice).
const STORED_PAGES: u64 = 1 << 16;

impl core::fmt::Debug for HostPlatform {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HostPlatform").field("driver", &self.driver).finish_non_exhaustive()
    }
}

impl HostPlatform {
    /// A platform whose kernel comes later ([`set_kernel`](Self::set_kernel)): the kernel's pool needs the page database,
    /// and that needs a platform.
    #[must_use]
    pub fn new(ram: Arc<Ram>, sink: Arc<HostSink>) -> Self {
        Self { ram, driver: LateKernel::default(), sink, store: HeapPageStore::new(STORED_PAGES) }
    }

    /// Brings the kernel in. The first call counts.
    pub fn set_kernel(&self, kernel: Arc<Kernel>) {
        let _ = self.driver.0.set(kernel);
    }

    /// The RAM.
    #[must_use]
    pub fn ram(&self) -> &Arc<Ram> {
        &self.ram
    }
}

impl Platform for HostPlatform {
    type RawMutex = parking_lot::RawMutex;
    type Memory = Ram;
    type Driver = LateKernel;
    type Sink = HostSink;

    fn memory(&self) -> &Ram {
        &self.ram
    }

    fn driver(&self) -> &LateKernel {
        &self.driver
    }

    fn events(&self) -> &HostSink {
        &self.sink
    }

    fn page_store(&self) -> Option<&dyn PageStore> {
        Some(&self.store)
    }
}

impl Pager for SysMm<HostPlatform> {
    fn page_in(&self, address: CpuVa) -> bool {
        SysMm::page_in(self, address).is_ok()
    }

    fn page_in_at_once(&self, address: CpuVa) -> bool {
        SysMm::page_in_at_once(self, address).is_ok()
    }
}

/// The driver's address space once there is one; before that there is no room in it.
#[derive(Debug, Default)]
pub struct LateKernel(OnceLock<Arc<Kernel>>);

impl LateKernel {
    fn get(&self) -> Result<&Kernel, NoRoom> {
        self.0.get().map(Arc::as_ref).ok_or(NoRoom)
    }
}

impl DriverMemory for LateKernel {
    fn mdl_header(&self, mdl: CpuVa) -> Result<Mdl, BadAddress> {
        self.get().map_err(|NoRoom| BadAddress(mdl))?.mdl_header(mdl)
    }

    fn mdl_pages(&self, mdl: CpuVa, count: u64, visit: &mut dyn FnMut(Pfn)) -> Result<(), BadAddress> {
        self.get().map_err(|NoRoom| BadAddress(mdl))?.mdl_pages(mdl, count, visit)
    }

    fn build_mdl(&self, runs: &[PageRun]) -> Result<CpuVa, NoRoom> {
        self.get()?.build_mdl(runs)
    }

    fn release_mdl(&self, mdl: CpuVa) {
        if let Ok(kernel) = self.get() {
            kernel.release_mdl(mdl);
        }
    }

    fn build_adl(&self, shape: AdlShape<'_>) -> Result<CpuVa, NoRoom> {
        self.get()?.build_adl(shape)
    }

    fn release_adl(&self, adl: CpuVa) {
        if let Ok(kernel) = self.get() {
            kernel.release_adl(adl);
        }
    }

    fn map_view(&self, runs: &[PageRun], cache: CacheType, owner: ViewOwner) -> Result<CpuVa, NoRoom> {
        self.get()?.map_view(runs, cache, owner)
    }

    fn make_view_read_only(&self, base: CpuVa, bytes: u64) -> Result<(), NoRoom> {
        self.get()?.make_view_read_only(base, bytes)
    }

    fn take_from_view(&self, base: CpuVa, offset: u64, pages: u64) -> Result<(), NoRoom> {
        self.get()?.take_from_view(base, offset, pages)
    }

    fn put_into_view(&self, base: CpuVa, offset: u64, runs: &[PageRun]) -> Result<(), NoRoom> {
        self.get()?.put_into_view(base, offset, runs)
    }

    fn unmap_view(&self, base: CpuVa, bytes: u64) {
        if let Ok(kernel) = self.get() {
            kernel.unmap_view(base, bytes);
        }
    }

    fn map_registers(&self, window: RegisterWindow) -> Result<CpuVa, NoRoom> {
        self.get()?.map_registers(window)
    }

    fn unmap_registers(&self, base: CpuVa, bytes: u64) {
        if let Ok(kernel) = self.get() {
            kernel.unmap_registers(base, bytes);
        }
    }
}

impl RamFile for Ram {
    fn fd(&self) -> BorrowedFd<'_> {
        Ram::fd(self)
    }

    fn file_offset(&self, pfn: Pfn) -> Option<u64> {
        Ram::file_offset(self, pfn)
    }
}

/// The kernel's share of the page database.
pub struct KernelPages(pub Arc<PageDatabase<HostPlatform>>);

impl KernelPages {
    fn ask(&self, request: &PageRequest) -> Option<PageRun> {
        let runs = self.0.allocate(request, PageOwner::Kernel).ok()?;
        runs.first().copied()
    }
}

impl PoolPages for KernelPages {
    fn take(&self, pages: u64) -> Option<PageRun> {
        self.take_within(pages, PhysAddr::new(0), PhysAddr::new(u64::MAX), 0)
    }

    fn take_within(&self, pages: u64, lowest: PhysAddr, highest: PhysAddr, boundary: u64) -> Option<PageRun> {
        let layout = Layout::Contiguous { align: 1, boundary: boundary / dxgk_hw::PAGE_SIZE };
        self.ask(&PageRequest {
            low: lowest,
            high: highest,
            layout,
            zeroed: false,
            ..PageRequest::anywhere(pages)
        })
    }

    fn hold(&self, runs: &[PageRun]) -> bool {
        self.0.hold(runs).is_ok()
    }

    fn release(&self, runs: &[PageRun]) {
        self.0.let_go(runs);
    }

    fn give(&self, run: PageRun) {
        // The kernel gives back what it took here; a list that is not its own is refused and changes nothing.
        let _ = self.0.release(&[run], PageOwner::Kernel);
    }
}
