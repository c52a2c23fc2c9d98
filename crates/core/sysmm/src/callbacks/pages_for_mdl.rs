//! DxgkCbAllocatePagesForMdl and DxgkCbFreePagesFromMdl.

use dxgk_abi::callback::{AllocatePagesFlags, ArgCbAllocatePagesForMdl, ArgCbFreePagesFromMdl};
use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{CpuVa, DriverMemory, PAGE_SIZE, PageRun, PhysAddr};

use super::given_pages::Hold;
use super::{Caller, INVALID, cache_type, pages_of};
use crate::SysMm;
use crate::domain::READ_WRITE;
use crate::error::CallError;
use crate::handles::{HandleError, HandleKind};
use crate::objects::{Entry, PageMapping, Place, Records};
use crate::pages::{Layout, PageRequest};
use crate::platform::Platform;
use crate::policy::LARGE_RUN;

/// The output of [`SysMm::allocate_pages_for_mdl`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PagesForMdl {
    /// `hMemoryHandle`.
    pub memory_handle: Handle,
    /// `pMdl`: pages locked, not mapped to a system address, StartVa null, ByteCount the whole pages.
    pub mdl: CpuVa,
}

/// "The maximum amount of memory that can be allocated with one call": 4 GiB less one page.
const MOST_BYTES: u64 = (1 << 32) - PAGE_SIZE;

/// Every flag that has a documented meaning, and MM_ALLOCATE_TRIM_IF_NECESSARY, which is accepted without one (our
/// choice). MM_ALLOCATE_AND_HOT_REMOVE is missing: it cannot be combined with MM_ALLOCATE_FULLY_REQUIRED, which
/// Dxgkrnl always adds.
const ACCEPTED: AllocatePagesFlags = AllocatePagesFlags::DONT_ZERO_ALLOCATION
    .union(AllocatePagesFlags::ALLOCATE_FROM_LOCAL_NODE_ONLY)
    .union(AllocatePagesFlags::ALLOCATE_FULLY_REQUIRED)
    .union(AllocatePagesFlags::ALLOCATE_NO_WAIT)
    .union(AllocatePagesFlags::ALLOCATE_PREFER_CONTIGUOUS)
    .union(AllocatePagesFlags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS)
    .union(AllocatePagesFlags::ALLOCATE_FAST_LARGE_PAGES)
    .union(AllocatePagesFlags::ALLOCATE_TRIM_IF_NECESSARY);

/// What MmAllocatePagesForMdlEx is asked: the fields that AllocatePagesForMdl and MDL-type objects share.
pub(super) struct MdlRequest {
    pub(super) low: u64,
    pub(super) high: u64,
    pub(super) skip: u64,
    pub(super) bytes: u64,
    pub(super) flags: AllocatePagesFlags,
}

impl MdlRequest {
    /// Checks limits and flags as MmAllocatePagesForMdlEx documents them. Waiting never happens here, so
    /// MM_ALLOCATE_NO_WAIT changes nothing.
    ///
    /// # Errors
    /// STATUS_INVALID_PARAMETER.
    pub(super) fn page_request(&self, caller: &Caller) -> Result<PageRequest, CallError> {
        let flags = self.flags;
        if !ACCEPTED.contains(flags) || self.low > self.high || !self.skip.is_multiple_of(PAGE_SIZE) {
            return Err(INVALID);
        }
        let pages = pages_of(self.bytes)?;
        let skip = self.skip / PAGE_SIZE;
        let layout = if flags.contains(AllocatePagesFlags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS) {
            if skip != 0 && !(skip.is_power_of_two() && self.bytes.is_multiple_of(self.skip)) {
                return Err(INVALID);
            }
            if skip == 0 { Layout::Contiguous { align: 0, boundary: 0 } } else { Layout::Blocks(skip) }
        } else if flags.contains(AllocatePagesFlags::ALLOCATE_PREFER_CONTIGUOUS) {
            Layout::FewRuns
        } else {
            Layout::Any
        };
        let large = flags.contains(AllocatePagesFlags::ALLOCATE_FAST_LARGE_PAGES);
        if large {
            let large_blocks = matches!(layout, Layout::Blocks(block) if block.is_multiple_of(LARGE_RUN));
            if !large_blocks {
                return Err(INVALID);
            }
        }
        let local = flags.contains(AllocatePagesFlags::ALLOCATE_FROM_LOCAL_NODE_ONLY);
        Ok(PageRequest {
            pages,
            low: PhysAddr::new(self.low),
            high: PhysAddr::new(self.high),
            skip,
            layout,
            zeroed: !flags.contains(AllocatePagesFlags::DONT_ZERO_ALLOCATION),
            node: local.then_some(caller.node),
            large,
        })
    }
}

impl<P: Platform> Records<P> {
    /// The adapter, for a callback of the WDDM 2.4 set that remapping mode refuses.
    pub(super) fn place_2_4(&self, handle: Handle) -> Result<Place<P>, CallError> {
        let place = self.place(handle)?;
        if place.domain.is_remapping() { Err(NtStatus::NOT_SUPPORTED.into()) } else { Ok(place) }
    }

    /// The record of a memory handle that belongs to the logical adapter.
    pub(super) fn own_pages(
        &self,
        place: &Place<P>,
        handle: Handle,
        kind: HandleKind,
    ) -> Result<&PageMapping<P>, HandleError> {
        let pages = self.pages(handle, kind)?;
        if pages.logical == place.logical { Ok(pages) } else { Err(HandleError::ForeignAdapter) }
    }
}

impl<P: Platform> SysMm<P> {
    /// DxgkCbAllocatePagesForMdl: all pages or none, in the order of the list, mapped for the device. Pages are zeroed
    /// unless MM_DONT_ZERO_ALLOCATION.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY, STATUS_NOT_SUPPORTED (remapping); STATUS_INVALID_PARAMETER for
    /// TotalBytes 0 or above 4 GiB less a page, limits the wrong way round, SkipBytes that is no multiple of a page, an
    /// unknown cache type, unknown or contradicting flags; STATUS_NO_MEMORY; STATUS_INSUFFICIENT_RESOURCES.
    pub fn allocate_pages_for_mdl(
        &self,
        caller: &Caller,
        adapter: Handle,
        args: &ArgCbAllocatePagesForMdl,
    ) -> Result<PagesForMdl, CallError> {
        let place = self.records.lock().place_2_4(adapter)?;
        let cache = cache_type(args.cache_type)?;
        if args.total_bytes > MOST_BYTES {
            return Err(INVALID);
        }
        let request = MdlRequest {
            low: args.low_address,
            high: args.high_address,
            skip: args.skip_bytes,
            bytes: args.total_bytes,
            flags: args.flags,
        }
        .page_request(caller)?;
        let hold = Hold {
            kind: HandleKind::MdlPages,
            cache,
            build: |runs: &[PageRun]| self.driver().build_mdl(runs),
            release: |mdl, _: &[PageRun]| self.driver().release_mdl(mdl),
        };
        let (memory_handle, mdl) = self.give_pages(&place, &request, hold)?;
        Ok(PagesForMdl { memory_handle, mdl })
    }

    /// DxgkCbFreePagesFromMdl: unmaps the pages, waits for the invalidation, then frees the pages and the MDL.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY, STATUS_NOT_SUPPORTED (remapping).
    pub fn free_pages_from_mdl(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbFreePagesFromMdl,
    ) -> Result<(), CallError> {
        self.take_pages_back(adapter, args.memory_handle, HandleKind::MdlPages)
    }

    /// Tells of a new page mapping.
    pub(super) fn note_entered(&self, pages: &PageMapping<P>, handle: Handle) {
        self.note_created(&pages.note(handle));
        self.note_mapped(pages.object, pages.logical, &pages.placement, READ_WRITE, &pages.runs, pages.list);
    }
}

impl<P: Platform> Records<P> {
    /// Enters a page mapping and tells of it before anybody can end it; gives the placement back when there is no
    /// handle left.
    pub(super) fn enter_pages(
        &mut self,
        pages: PageMapping<P>,
        tell: impl FnOnce(&PageMapping<P>, Handle),
    ) -> Result<Handle, crate::domain::Placement<P>> {
        let kind = pages.kind;
        match self.handles.insert(kind, Entry::Pages(pages)) {
            Ok(handle) => {
                if let Ok(pages) = self.pages(handle, kind) {
                    tell(pages, handle);
                }
                Ok(handle)
            }
            Err(Entry::Pages(pages)) => Err(pages.placement),
            Err(_) => Err(crate::domain::Placement::Physical),
        }
    }
}
