//! System memory for a backing store, a DMA buffer or the dummy page: pages that the device may reach while they exist.
//!
//! In passthrough and isolation mode they are pages for an MDL; isolation maps them one to one. In remapping mode they are
//! a physical memory object with an address descriptor list, because there no MDL says what the device must use. "A
//! backing store stays mapped as long as it sits in system memory or an aperture segment" (IOMMU-based GPU isolation).

use alloc::vec::Vec;

use dxgk_abi::callback::{
    AccessMode, AllocateAdlFlags, AllocatePagesFlags, ArgCbAllocateAdl, ArgCbAllocatePagesForMdl,
    ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbFreePagesFromMdl,
    ArgCbMapPhysicalMemory, ArgCbUnmapPhysicalMemory, ContiguousParameters, MdlParameters, MemoryCachingType,
    PhysicalMemoryParameters,
};
use dxgk_abi::{Adl, Handle, Irql, NtStatus, Pointer};
use dxgk_event::ModeChoice;
use dxgk_hw::{CacheType, CpuVa, DriverMemory, MachineMemory, PAGE_SIZE, PageRun, ViewOwner};
use dxgk_sysmm::{CallError, Caller, Platform, SysMm};

use crate::miniport::DdiError;

/// Pages that belong to VidMm.
pub(super) struct Backing {
    held: Held,
    /// Whole pages.
    pub(super) pages: u64,
    /// Where the processor sees them.
    view: CpuVa,
    /// The page number that the device must use for the first one.
    pub(super) first: u64,
}

enum Held {
    Pages { memory: Handle, mdl: CpuVa, runs: Vec<PageRun> },
    Object { physical: Handle, opened: Handle, adl: CpuVa, list: Adl },
}

/// How the pages are told to a driver.
#[derive(Clone, Copy)]
pub(super) enum Described {
    Mdl(Pointer),
    Adl(Adl),
}

/// The memory manager's refusal, as a DDI's failure is told.
fn refused(error: CallError) -> DdiError {
    DdiError::Failed(error.status())
}

/// VidMm calls at PASSIVE_LEVEL in the system process.
pub(super) fn caller() -> Caller {
    Caller::new(Irql::PASSIVE_LEVEL, 0)
}

impl Backing {
    /// `bytes` bytes, zeroed unless contiguous, in whole pages.
    ///
    /// # Errors
    /// What the memory manager says; nothing was allocated then.
    pub(super) fn allocate<P: Platform>(
        sysmm: &SysMm<P>,
        adapter: Handle,
        mode: ModeChoice,
        bytes: u64,
        contiguous: bool,
    ) -> Result<Self, DdiError> {
        let bytes = bytes
            .checked_next_multiple_of(PAGE_SIZE)
            .filter(|bytes| *bytes != 0)
            .ok_or(DdiError::Failed(NtStatus::INVALID_PARAMETER))?;
        if mode == ModeChoice::Remapping {
            Self::object(sysmm, adapter, bytes, contiguous)
        } else {
            Self::for_mdl(sysmm, adapter, bytes, contiguous)
        }
        .map_err(refused)
    }

    fn for_mdl<P: Platform>(
        sysmm: &SysMm<P>,
        adapter: Handle,
        bytes: u64,
        contiguous: bool,
    ) -> Result<Self, CallError> {
        let flags = if contiguous {
            AllocatePagesFlags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS
        } else {
            AllocatePagesFlags(0)
        };
        let args = ArgCbAllocatePagesForMdl {
            high_address: u64::MAX,
            total_bytes: bytes,
            cache_type: MemoryCachingType::CACHED,
            flags,
            ..ArgCbAllocatePagesForMdl::default()
        };
        let given = sysmm.allocate_pages_for_mdl(&caller(), adapter, &args)?;
        let give_back = || {
            let args = ArgCbFreePagesFromMdl { memory_handle: given.memory_handle };
            // The handle was given a moment ago.
            let _ = sysmm.free_pages_from_mdl(&caller(), adapter, &args);
            CallError::Status(NtStatus::INSUFFICIENT_RESOURCES)
        };
        let driver = sysmm.platform().driver();
        let pages = bytes / PAGE_SIZE;
        let mut runs: Vec<PageRun> = Vec::new();
        let read = driver.mdl_pages(given.mdl, pages, &mut |page| match runs.last_mut() {
            Some(run) if run.start.get() + run.pages == page.get() => run.pages += 1,
            _ => runs.push(PageRun::new(page, 1)),
        });
        let first = match (read, runs.first()) {
            (Ok(()), Some(run)) => run.start.get(),
            _ => return Err(give_back()),
        };
        let mapped = driver.map_view(&runs, CacheType::Cached, ViewOwner::Kernel);
        let Ok(view) = mapped else { return Err(give_back()) };
        let held = Held::Pages { memory: given.memory_handle, mdl: given.mdl, runs };
        Ok(Self { held, pages, view, first })
    }

    fn object<P: Platform>(
        sysmm: &SysMm<P>,
        adapter: Handle,
        bytes: u64,
        contiguous: bool,
    ) -> Result<Self, CallError> {
        let mut args = ArgCbCreatePhysicalMemoryObject {
            adapter,
            size: bytes,
            cache_type: MemoryCachingType::CACHED,
            ..ArgCbCreatePhysicalMemoryObject::default()
        };
        args.set_parameters(if contiguous {
            PhysicalMemoryParameters::Contiguous(ContiguousParameters {
                highest_acceptable_address: u64::MAX,
                ..ContiguousParameters::default()
            })
        } else {
            PhysicalMemoryParameters::Mdl(MdlParameters {
                high_address: u64::MAX,
                ..MdlParameters::default()
            })
        });
        let created = sysmm.create_physical_memory_object(&caller(), &args)?;
        let (physical, opened) = (created.physical_memory_object, created.adapter_memory_object);
        let wanted = ArgCbAllocateAdl {
            adapter_memory_object: opened,
            size: bytes,
            flags: if contiguous {
                AllocateAdlFlags::REQUIRE_CONTIGUOUS
            } else {
                AllocateAdlFlags::PREFER_CONTIGUOUS
            },
            ..ArgCbAllocateAdl::default()
        };
        let adl = match sysmm.allocate_adl(&caller(), &wanted) {
            Ok(adl) => adl,
            Err(error) => {
                destroy(sysmm, physical, opened);
                return Err(error);
            }
        };
        // "With logical mapping on, the list is always contiguous" (IOMMU DMA remapping): one that came about in pieces,
        // because logical addresses are short, is no list to give to a driver.
        let Some(list) = u32::try_from(bytes / PAGE_SIZE)
            .ok()
            .filter(|_| adl.contiguous)
            .map(|pages| Adl::contiguous(adl.first, pages))
        else {
            free_adl(sysmm, opened, adl.adl);
            destroy(sysmm, physical, opened);
            return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
        };
        let view = ArgCbMapPhysicalMemory {
            physical_memory_object: physical,
            access_mode: AccessMode::KERNEL_MODE,
            size: bytes,
            ..ArgCbMapPhysicalMemory::default()
        };
        let view = match sysmm.map_physical_memory(&caller(), &view) {
            Ok(view) => view.mapped_address,
            Err(error) => {
                free_adl(sysmm, opened, adl.adl);
                destroy(sysmm, physical, opened);
                return Err(error);
            }
        };
        let held = Held::Object { physical, opened, adl: adl.adl, list };
        Ok(Self { held, pages: bytes / PAGE_SIZE, view, first: adl.first })
    }

    /// Where the processor sees the first page.
    pub(super) fn view(&self) -> Pointer {
        Pointer(self.view.get())
    }

    /// The address that the device must use for the first byte.
    pub(super) fn device_address(&self) -> u64 {
        self.first.wrapping_mul(PAGE_SIZE)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.pages * PAGE_SIZE
    }

    pub(super) fn described(&self) -> Described {
        match &self.held {
            Held::Pages { mdl, .. } => Described::Mdl(Pointer(mdl.get())),
            Held::Object { list, .. } => Described::Adl(*list),
        }
    }

    /// Writes `word(n)` as the n-th 64-bit word of each page's start, where the pages are known; else nothing.
    pub(super) fn mark<P: Platform>(&self, sysmm: &SysMm<P>, word: impl Fn(u64) -> u64) {
        let memory = sysmm.platform().memory();
        for (index, run) in self.frames() {
            // RAM that the page database gave out is RAM.
            let _ = memory.write(run.start.address(), &word(index).to_le_bytes());
        }
    }

    /// Whether [`mark`](Self::mark)'s words are there.
    pub(super) fn is_marked<P: Platform>(&self, sysmm: &SysMm<P>, word: impl Fn(u64) -> u64) -> bool {
        let memory = sysmm.platform().memory();
        self.frames().all(|(index, run)| {
            let mut found = [0; 8];
            memory.read(run.start.address(), &mut found).is_ok() && u64::from_le_bytes(found) == word(index)
        })
    }

    /// Each frame with its number in the list.
    fn frames(&self) -> impl Iterator<Item = (u64, PageRun)> + '_ {
        let runs = match &self.held {
            Held::Pages { runs, .. } => runs.as_slice(),
            Held::Object { .. } => &[],
        };
        let frame = |run: &PageRun| {
            let start = run.start;
            (0..run.pages).filter_map(move |page| Some(PageRun::new(start.checked_add(page)?, 1)))
        };
        (0..).zip(runs.iter().flat_map(frame))
    }

    /// Gives everything back, unmapped from the device first.
    pub(super) fn release<P: Platform>(self, sysmm: &SysMm<P>, adapter: Handle) {
        // The handles are ours and live; a refusal could only mean that the adapter is gone, and its memory with it.
        match self.held {
            Held::Pages { memory, .. } => {
                sysmm.platform().driver().unmap_view(self.view, self.pages * PAGE_SIZE);
                let args = ArgCbFreePagesFromMdl { memory_handle: memory };
                let _ = sysmm.free_pages_from_mdl(&caller(), adapter, &args);
            }
            Held::Object { physical, opened, adl, .. } => {
                let view = ArgCbUnmapPhysicalMemory {
                    physical_memory_object: physical,
                    base_address: Pointer(self.view.get()),
                    size: self.pages * PAGE_SIZE,
                };
                let _ = sysmm.unmap_physical_memory(&caller(), &view);
                free_adl(sysmm, opened, adl);
                destroy(sysmm, physical, opened);
            }
        }
    }
}

fn free_adl<P: Platform>(sysmm: &SysMm<P>, opened: Handle, adl: CpuVa) {
    let args = ArgCbFreeAdl { adapter_memory_object: opened, adl: Pointer(adl.get()) };
    let _ = sysmm.free_adl(&caller(), &args);
}

fn destroy<P: Platform>(sysmm: &SysMm<P>, physical: Handle, opened: Handle) {
    let args =
        ArgCbDestroyPhysicalMemoryObject { physical_memory_object: physical, adapter_memory_object: opened };
    let _ = sysmm.destroy_physical_memory_object(&caller(), &args);
}
