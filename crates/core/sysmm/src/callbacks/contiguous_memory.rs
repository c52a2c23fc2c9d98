//! DxgkCbAllocateContiguousMemory and DxgkCbFreeContiguousMemory.

use dxgk_abi::Handle;
use dxgk_abi::callback::{ArgCbAllocateContiguousMemory, ArgCbFreeContiguousMemory, ContiguousParameters};
use dxgk_hw::{CpuVa, DriverMemory, PAGE_SIZE, PageRun, PhysAddr, ViewOwner};

use super::given_pages::Hold;
use super::{Caller, INVALID, cache_type, pages_of};
use crate::SysMm;
use crate::error::CallError;
use crate::handles::HandleKind;
use crate::pages::{Layout, PageRequest};
use crate::platform::Platform;

/// The output of [`SysMm::allocate_contiguous_memory`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContiguousMemory {
    /// `hMemoryHandle`.
    pub memory_handle: Handle,
    /// `pMemory`: a system address, page-aligned. There is no device address in the output: in the modes where this
    /// callback works, the memory's physical address is the device's.
    pub memory: CpuVa,
}

/// A contiguous request. Its pages count as unzeroed.
///
/// A boundary that is no power of two ("it must be a power of two"), or smaller than a page (our choice: no block of
/// pages keeps to it), is refused; one that is smaller than the request cannot be met, and the allocator says so.
pub(super) fn contiguous_request(
    size: u64,
    parameters: &ContiguousParameters,
) -> Result<PageRequest, CallError> {
    let boundary = parameters.boundary_address_multiple;
    if parameters.lowest_acceptable_address > parameters.highest_acceptable_address
        || (boundary != 0 && !(boundary.is_power_of_two() && boundary >= PAGE_SIZE))
    {
        return Err(INVALID);
    }
    Ok(PageRequest {
        pages: pages_of(size)?,
        low: PhysAddr::new(parameters.lowest_acceptable_address),
        high: PhysAddr::new(parameters.highest_acceptable_address),
        skip: 0,
        layout: Layout::Contiguous { align: 0, boundary: boundary / PAGE_SIZE },
        zeroed: false,
        node: None,
        large: false,
    })
}

impl<P: Platform> SysMm<P> {
    /// DxgkCbAllocateContiguousMemory: one physically contiguous block of whole pages between the limits, crossing no
    /// multiple of the boundary, seen by the CPU at a system address with the cache type and by the device. Its contents
    /// are not initialized in Windows; here they are [`Policy::poison`](crate::Policy::poison) (our choice), so that a
    /// driver that reads what it never wrote can be told.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY, STATUS_NOT_SUPPORTED (remapping); STATUS_INVALID_PARAMETER for
    /// NumberOfBytes 0, limits the wrong way round, a boundary that is no power of two or below a page, an unknown cache
    /// type; STATUS_NO_MEMORY; STATUS_INSUFFICIENT_RESOURCES.
    pub fn allocate_contiguous_memory(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbAllocateContiguousMemory,
    ) -> Result<ContiguousMemory, CallError> {
        let place = self.records.lock().place_2_4(adapter)?;
        let cache = cache_type(args.cache_type)?;
        let parameters = ContiguousParameters {
            lowest_acceptable_address: args.lowest_acceptable_address,
            highest_acceptable_address: args.highest_acceptable_address,
            boundary_address_multiple: args.boundary_address_multiple,
        };
        let request = contiguous_request(args.number_of_bytes, &parameters)?;
        let hold = Hold {
            kind: HandleKind::ContiguousMemory,
            cache,
            build: |runs: &[PageRun]| self.driver().map_view(runs, cache, ViewOwner::Kernel),
            release: |at, runs: &[PageRun]| self.driver().unmap_view(at, Self::bytes_of(runs)),
        };
        let (memory_handle, memory) = self.give_pages(&place, &request, hold)?;
        Ok(ContiguousMemory { memory_handle, memory })
    }

    /// DxgkCbFreeContiguousMemory: takes the CPU's view away, unmaps the block for the device, waits for the invalidation,
    /// then frees the pages. Any adapter of the chain may be named.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY, STATUS_NOT_SUPPORTED (remapping).
    pub fn free_contiguous_memory(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbFreeContiguousMemory,
    ) -> Result<(), CallError> {
        self.take_pages_back(adapter, args.memory_handle, HandleKind::ContiguousMemory)
    }
}
