//! Pages and maps for the isolation mode: the callbacks of WDDM 2.4.
//!
//! There the device's addresses are physical ones, and what it may reach is what was mapped. Under DMA remapping these
//! calls answer `STATUS_NOT_SUPPORTED`; use [`PhysicalMemory`](crate::PhysicalMemory).

use core::mem::ManuallyDrop;
use core::ops::Deref;

use dxgk_abi::NtStatus;
use dxgk_abi::callback::{
    AllocatePagesFlags, ArgCbAllocatePagesForMdl, ArgCbFreePagesFromMdl, ArgCbMapMdlToIoMmu,
    ArgCbUnmapMdlFromIoMmu, MemoryCachingType,
};
use dxgk_abi::mdl::PAGE_SIZE;

use crate::adapter::Adapter;
use crate::address::{DeviceAddress, PhysicalAddress};
use crate::physical::Placement;
use crate::pool::PoolMdl;
use crate::raw::kernel::LockedPages;
use crate::raw::list::MdlPointer;
use crate::raw::memory::Memory;
use crate::status::Result;

/// `MmCached` (wdm.h).
const CACHED: u32 = 1;

/// Where the byte at `offset` of an MDL's buffer lies; nothing beyond the buffer.
pub(crate) fn place(mdl: &MdlPointer, offset: u64) -> Result<u64> {
    let header = mdl.header();
    if offset >= u64::from(header.byte_count) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let offset = u64::from(header.byte_offset) + offset;
    let page = usize::try_from(offset / PAGE_SIZE).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let frame = mdl.page_frame(page).ok_or(NtStatus::INVALID_PARAMETER)?;
    Ok(frame.checked_mul(PAGE_SIZE).ok_or(NtStatus::INVALID_PARAMETER)? + offset % PAGE_SIZE)
}

/// What frees pages, once.
#[derive(Debug)]
pub(crate) struct PagesRelease<'a> {
    pub(crate) adapter: &'a Adapter,
    pub(crate) argument: ArgCbFreePagesFromMdl,
}

impl Drop for PagesRelease<'_> {
    fn drop(&mut self) {
        // A refusal means that the port driver disagrees about what is allocated: nothing a driver could mend here.
        let _ = self.adapter.callbacks().free_pages_from_mdl(&mut self.argument);
    }
}

/// Nonpaged pages, mapped for the device: `DxgkCbAllocatePagesForMdl`. Unmapped and freed when dropped.
#[derive(Debug)]
pub struct MdlPages<'a> {
    mdl: MdlPointer,
    pub(crate) release: PagesRelease<'a>,
}

impl<'a> MdlPages<'a> {
    /// Allocates `bytes` bytes of cached, zeroed pages.
    ///
    /// # Errors
    /// The callback's; `STATUS_NOT_SUPPORTED` under remapping and below WDDM 2.4.
    pub fn allocate(adapter: &'a Adapter, bytes: u64, placement: Placement) -> Result<Self> {
        let mut argument = ArgCbAllocatePagesForMdl {
            low_address: placement.lowest.0,
            high_address: placement.highest.0,
            total_bytes: bytes,
            cache_type: MemoryCachingType::CACHED,
            flags: AllocatePagesFlags(0),
            ..ArgCbAllocatePagesForMdl::default()
        };
        let mdl = adapter.callbacks().pages(&mut argument)?;
        let argument = ArgCbFreePagesFromMdl { memory_handle: argument.memory_handle };
        Ok(Self { mdl, release: PagesRelease { adapter, argument } })
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        u64::from(self.mdl.header().byte_count)
    }

    /// The address for the device of the byte at `offset`: its physical address, which is right in this mode.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` beyond the pages.
    pub fn device_address(&self, offset: u64) -> Result<DeviceAddress<'_>> {
        place(&self.mdl, offset).map(DeviceAddress::new)
    }

    /// Maps the pages for the processor (`MmMapLockedPagesSpecifyCache`).
    ///
    /// # Errors
    /// `STATUS_INSUFFICIENT_RESOURCES` without room for the map.
    pub fn view(&self) -> Result<PagesView<'_>> {
        LockedPages::new(&self.mdl, CACHED).map(PagesView)
    }

    /// Never frees them: a leak, which the port driver sees at the stop. For demonstrations.
    pub fn leak(self) {
        let _ = ManuallyDrop::new(self);
    }
}

/// The processor's view of [`MdlPages`]. Unmapped when dropped.
#[derive(Debug)]
pub struct PagesView<'m>(LockedPages<'m>);

impl Deref for PagesView<'_> {
    type Target = Memory;

    /// All of the pages.
    fn deref(&self) -> &Memory {
        self.0.memory()
    }
}

/// What undoes a map, once.
#[derive(Debug)]
pub(crate) struct MappingRelease<'m> {
    pub(crate) adapter: &'m Adapter,
    pub(crate) argument: ArgCbUnmapMdlFromIoMmu,
}

impl Drop for MappingRelease<'_> {
    fn drop(&mut self) {
        // `VOID`: it can only fail when the offered table ends before the slot, and then nothing was mapped.
        let _ = self.adapter.callbacks().unmap_mdl_from_iommu(&mut self.argument);
    }
}

/// A driver's own memory, mapped for the device: `DxgkCbMapMdlToIoMmu`. Unmapped when dropped; the MDL is borrowed
/// meanwhile, so it and its memory stay as they are, as the callback demands.
#[derive(Debug)]
pub struct MdlMapping<'m> {
    mdl: &'m PoolMdl<'m>,
    pub(crate) release: MappingRelease<'m>,
}

impl<'m> MdlMapping<'m> {
    /// Maps the pages of an MDL, with the handle of the adapter's [lead](Adapter::lead).
    ///
    /// # Errors
    /// The callback's; `STATUS_NOT_SUPPORTED` under remapping and below WDDM 2.4.
    pub fn map(adapter: &'m Adapter, mdl: &'m PoolMdl<'m>) -> Result<Self> {
        let mut argument = ArgCbMapMdlToIoMmu { mdl: mdl.list().pointer(), ..ArgCbMapMdlToIoMmu::default() };
        adapter.callbacks().map_mdl_to_iommu(&mut argument)?;
        let argument = ArgCbUnmapMdlFromIoMmu { memory_handle: argument.memory_handle };
        Ok(Self { mdl, release: MappingRelease { adapter, argument } })
    }

    /// The address for the device of the byte at `offset` of the MDL's buffer: its physical address, which is right
    /// in this mode.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` beyond the buffer.
    pub fn device_address(&self, offset: u64) -> Result<DeviceAddress<'_>> {
        place(self.mdl.list(), offset).map(DeviceAddress::new)
    }

    /// Where the byte at `offset` lies in RAM.
    ///
    /// # Errors
    /// As for [`Self::device_address`].
    pub fn physical_address(&self, offset: u64) -> Result<PhysicalAddress> {
        place(self.mdl.list(), offset).map(PhysicalAddress)
    }

    /// Never unmaps it: a leak, which the port driver sees at the stop. For demonstrations.
    pub fn leak(self) {
        let _ = ManuallyDrop::new(self);
    }
}
