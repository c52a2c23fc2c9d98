//! Contiguous memory for the isolation mode: `DxgkCbAllocateContiguousMemory` of WDDM 2.4.

use core::mem::ManuallyDrop;
use core::ops::Deref;

use dxgk_abi::NtStatus;
use dxgk_abi::callback::{ArgCbAllocateContiguousMemory, ArgCbFreeContiguousMemory, MemoryCachingType};

use crate::adapter::Adapter;
use crate::address::DeviceAddress;
use crate::physical::Placement;
use crate::raw::memory::Memory;
use crate::status::Result;

/// What frees the memory, once.
#[derive(Debug)]
struct Release<'a> {
    adapter: &'a Adapter,
    argument: ArgCbFreeContiguousMemory,
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        // A refusal means that the port driver disagrees about what is allocated: nothing a driver could mend here.
        let _ = self.adapter.callbacks().free_contiguous_memory(&mut self.argument);
    }
}

/// Physically contiguous memory, seen by the processor and mapped for the device. Unmapped and freed when dropped. Its
/// contents are not initialized.
#[derive(Debug)]
pub struct ContiguousMemory<'a> {
    memory: Memory,
    _release: Release<'a>,
}

impl<'a> ContiguousMemory<'a> {
    /// Allocates `bytes` bytes, cached, crossing no multiple of `boundary` bytes (a power of two; 0: any may be crossed).
    ///
    /// # Errors
    /// The callback's; `STATUS_NOT_SUPPORTED` under remapping and below WDDM 2.4.
    pub fn allocate(adapter: &'a Adapter, bytes: u64, placement: Placement, boundary: u64) -> Result<Self> {
        let mut argument = ArgCbAllocateContiguousMemory {
            number_of_bytes: bytes,
            lowest_acceptable_address: placement.lowest.0,
            highest_acceptable_address: placement.highest.0,
            boundary_address_multiple: boundary,
            cache_type: MemoryCachingType::CACHED,
            ..ArgCbAllocateContiguousMemory::default()
        };
        let memory = adapter.callbacks().contiguous(&mut argument)?;
        let argument = ArgCbFreeContiguousMemory { memory_handle: argument.memory_handle };
        Ok(Self { memory, _release: Release { adapter, argument } })
    }

    /// The address for the device of the byte at `offset`: its physical address (`MmGetPhysicalAddress`), which is right in
    /// this mode.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` beyond the memory.
    pub fn device_address(&self, offset: u64) -> Result<DeviceAddress<'_>> {
        let offset = usize::try_from(offset).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let physical = self.memory.physical_address(offset).ok_or(NtStatus::INVALID_PARAMETER)?;
        Ok(DeviceAddress::new(physical.0))
    }

    /// Never frees it: a leak, which the port driver sees at the stop. For demonstrations.
    pub fn leak(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl Deref for ContiguousMemory<'_> {
    type Target = Memory;

    /// The bytes that were asked for: the rest of the last page is not the driver's.
    fn deref(&self) -> &Memory {
        &self.memory
    }
}
