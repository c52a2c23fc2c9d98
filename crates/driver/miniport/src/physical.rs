//! Physical memory objects: the memory that works in every mode (WDDM 2.9).
//!
//! An object owns pages, a [`CpuView`] lets the processor at them, an [`Adl`](crate::Adl) the device. Both borrow the
//! object, so both are gone before it is destroyed; the addresses of a list borrow the list.
//!
//! ```
//! # use dxgk_miniport::{Adapter, PhysicalMemory, Placement, Result};
//! fn first_page(adapter: &Adapter) -> Result<u64> {
//!     let memory = PhysicalMemory::pages(adapter, 0x1000, Placement::ANYWHERE)?;
//!     let adl = memory.adl(0, 0x1000, Default::default())?;
//!     let address = adl.device_address(0)?;
//!     Ok(address.bits())
//! }
//! ```
//!
//! An address that outlives its list does not compile, nor does an object that goes before its list:
//!
//! ```compile_fail,E0505
//! # use dxgk_miniport::{Adapter, PhysicalMemory, Placement, Result};
//! fn after_the_free(adapter: &Adapter) -> Result<u64> {
//!     let memory = PhysicalMemory::pages(adapter, 0x1000, Placement::ANYWHERE)?;
//!     let adl = memory.adl(0, 0x1000, Default::default())?;
//!     let address = adl.device_address(0)?;
//!     drop(adl);
//!     Ok(address.bits())
//! }
//! ```
//!
//! ```compile_fail,E0505
//! # use dxgk_miniport::{Adapter, PhysicalMemory, Placement, Result};
//! fn in_the_wrong_order(adapter: &Adapter) -> Result<usize> {
//!     let memory = PhysicalMemory::pages(adapter, 0x1000, Placement::ANYWHERE)?;
//!     let adl = memory.adl(0, 0x1000, Default::default())?;
//!     drop(memory);
//!     Ok(adl.page_count())
//! }
//! ```
//!
//! Freeing twice does not compile either, and a physical address is no device address:
//!
//! ```compile_fail,E0382
//! # use dxgk_miniport::Adl;
//! fn twice(adl: Adl<'_>) {
//!     drop(adl);
//!     drop(adl);
//! }
//! ```
//!
//! ```compile_fail,E0308
//! # use dxgk_miniport::{CpuView, DeviceAddress};
//! fn mixed_up<'v>(view: &CpuView<'v>) -> Option<DeviceAddress<'v>> {
//!     view.physical_address(0)
//! }
//! ```

use core::mem::ManuallyDrop;
use core::ops::Deref;

use dxgk_abi::callback::{
    AccessMode, AllocateAdlFlags, AllocatePagesFlags, ArgCbCreatePhysicalMemoryObject,
    ArgCbDestroyPhysicalMemoryObject, ArgCbMapPhysicalMemory, ArgCbUnmapPhysicalMemory, ContiguousParameters,
    IoSpaceParameters, MdlParameters, MemoryCachingType, PhysicalMemoryParameters, SectionParameters,
};
use dxgk_abi::kernel::PageProtection;
use dxgk_abi::{Handle, Pointer};

use crate::adapter::Adapter;
use crate::address::PhysicalAddress;
use crate::adl::Adl;
use crate::raw::memory::Memory;
use crate::status::Result;

/// Where an object's pages may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The lowest physical address.
    pub lowest: PhysicalAddress,
    /// The highest physical address; all ones: anywhere.
    pub highest: PhysicalAddress,
}

impl Placement {
    /// Anywhere in RAM. Right for a driver that supports DMA remapping: what its device reaches is the logical
    /// addresses' affair.
    pub const ANYWHERE: Self = Self { lowest: PhysicalAddress(0), highest: PhysicalAddress(u64::MAX) };

    /// Single pages within these bounds.
    pub(crate) fn pages(self) -> PhysicalMemoryParameters {
        PhysicalMemoryParameters::Mdl(MdlParameters {
            low_address: self.lowest.0,
            high_address: self.highest.0,
            flags: AllocatePagesFlags(0),
            ..MdlParameters::default()
        })
    }
}

/// A physical memory object, opened on the adapter. Destroyed when dropped.
#[derive(Debug)]
pub struct PhysicalMemory<'a> {
    adapter: &'a Adapter,
    object: Handle,
    adapter_object: Handle,
    size: u64,
}

impl<'a> PhysicalMemory<'a> {
    /// An object of single nonpaged pages (`DXGK_PHYSICAL_MEMORY_TYPE_MDL`), zeroed, cached.
    ///
    /// # Errors
    /// `DxgkCbCreatePhysicalMemoryObject`'s; `STATUS_NOT_SUPPORTED` below WDDM 2.9.
    pub fn pages(adapter: &'a Adapter, bytes: u64, placement: Placement) -> Result<Self> {
        Self::create(adapter, adapter.handle(), bytes, placement.pages())
    }

    /// An object of one physical run (`DXGK_PHYSICAL_MEMORY_TYPE_CONTIGUOUS_MEMORY`), cached, that does not cross a
    /// multiple of `boundary` bytes (a power of two; 0: no matter). Its contents are not zeroed.
    ///
    /// # Errors
    /// As for [`Self::pages`].
    pub fn contiguous(adapter: &'a Adapter, bytes: u64, placement: Placement, boundary: u64) -> Result<Self> {
        let parameters = ContiguousParameters {
            lowest_acceptable_address: placement.lowest.0,
            highest_acceptable_address: placement.highest.0,
            boundary_address_multiple: boundary,
        };
        Self::create(adapter, adapter.handle(), bytes, PhysicalMemoryParameters::Contiguous(parameters))
    }

    /// An object of pageable memory (`DXGK_PHYSICAL_MEMORY_TYPE_SECTION`), zeroed, cached. Its pages are locked only while
    /// a list of it is alive.
    ///
    /// # Errors
    /// As for [`Self::pages`].
    pub fn section(adapter: &'a Adapter, bytes: u64, protection: PageProtection) -> Result<Self> {
        let section = SectionParameters { page_protection: protection.0, ..SectionParameters::default() };
        Self::create(adapter, adapter.handle(), bytes, PhysicalMemoryParameters::Section(section))
    }

    /// An object over device memory (`DXGK_PHYSICAL_MEMORY_TYPE_IO_SPACE`), uncached: `bytes` bytes from `start`, which is a
    /// multiple of the page, out of [`crate::ResourceList`].
    ///
    /// # Errors
    /// As for [`Self::pages`].
    pub fn device_range(adapter: &'a Adapter, start: PhysicalAddress, bytes: u64) -> Result<Self> {
        let parameters = PhysicalMemoryParameters::IoSpace(IoSpaceParameters { base_address: start.0 });
        Self::create_as(adapter, adapter.handle(), bytes, parameters, MemoryCachingType::NON_CACHED)
    }

    /// Creates a cached object, opened on `opener` unless that is null.
    pub(crate) fn create(
        adapter: &'a Adapter,
        opener: Handle,
        bytes: u64,
        parameters: PhysicalMemoryParameters,
    ) -> Result<Self> {
        Self::create_as(adapter, opener, bytes, parameters, MemoryCachingType::CACHED)
    }

    fn create_as(
        adapter: &'a Adapter,
        opener: Handle,
        bytes: u64,
        parameters: PhysicalMemoryParameters,
        cache_type: MemoryCachingType,
    ) -> Result<Self> {
        let mut argument = ArgCbCreatePhysicalMemoryObject {
            adapter: opener,
            size: bytes,
            cache_type,
            ..ArgCbCreatePhysicalMemoryObject::default()
        };
        argument.set_parameters(parameters);
        adapter.callbacks().create_physical_memory_object(&mut argument)?;
        Ok(Self {
            adapter,
            object: argument.physical_memory_object,
            adapter_object: argument.adapter_memory_object,
            size: bytes,
        })
    }

    /// `hPhysicalMemoryObject`.
    pub(crate) fn object(&self) -> Handle {
        self.object
    }

    /// Who made it, and `hAdapterMemoryObject`.
    pub(crate) fn opened(&self) -> (&'a Adapter, Handle) {
        (self.adapter, self.adapter_object)
    }

    /// Bytes asked for.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// `DxgkCbMapPhysicalMemory` of `bytes` bytes from `offset` on, for the kernel.
    ///
    /// # Errors
    /// The callback's.
    pub fn view(&self, offset: u64, bytes: u64) -> Result<CpuView<'_>> {
        CpuView::map(self.adapter, self.object, AccessMode::KERNEL_MODE, offset, bytes)
    }

    /// `DxgkCbMapPhysicalMemory` for the current process, in which the view has to be dropped, too.
    ///
    /// # Errors
    /// The callback's.
    pub fn user_view(&self, offset: u64, bytes: u64) -> Result<CpuView<'_>> {
        CpuView::map(self.adapter, self.object, AccessMode::USER_MODE, offset, bytes)
    }

    /// `DxgkCbAllocateAdl` of `bytes` bytes from `offset` on, both multiples of the page: what the device may use.
    /// Without flags the list always has the array form.
    ///
    /// # Errors
    /// The callback's.
    pub fn adl(&self, offset: u64, bytes: u64, flags: AllocateAdlFlags) -> Result<Adl<'_>> {
        Adl::allocate(self.adapter, self.adapter_object, offset, bytes, flags)
    }

    /// Never destroys it: a leak, which the port driver sees at the stop. For demonstrations.
    pub fn leak(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl Drop for PhysicalMemory<'_> {
    fn drop(&mut self) {
        let mut argument = ArgCbDestroyPhysicalMemoryObject {
            physical_memory_object: self.object,
            adapter_memory_object: self.adapter_object,
        };
        // `VOID`: it can only fail when the offered table ends before the slot, and then nothing was created.
        let _ = self.adapter.callbacks().destroy_physical_memory_object(&mut argument);
    }
}

/// What undoes a view, once.
#[derive(Debug)]
pub(crate) struct ViewRelease<'m> {
    pub(crate) adapter: &'m Adapter,
    pub(crate) argument: ArgCbUnmapPhysicalMemory,
}

impl Drop for ViewRelease<'_> {
    fn drop(&mut self) {
        // `VOID`, as above.
        let _ = self.adapter.callbacks().unmap_physical_memory(&mut self.argument);
    }
}

/// The processor's view of a part of an object. Unmapped when dropped.
#[derive(Debug)]
pub struct CpuView<'m> {
    memory: Memory,
    start: u64,
    pub(crate) release: ViewRelease<'m>,
}

impl<'m> CpuView<'m> {
    /// A view of the object with this handle, which stays longer.
    pub(crate) fn map(
        adapter: &'m Adapter,
        object: Handle,
        access_mode: AccessMode,
        offset: u64,
        bytes: u64,
    ) -> Result<Self> {
        let mut argument = ArgCbMapPhysicalMemory {
            physical_memory_object: object,
            access_mode,
            offset,
            size: bytes,
            ..ArgCbMapPhysicalMemory::default()
        };
        let memory = adapter.callbacks().view(&mut argument)?;
        // The view may be larger than what was wanted; `offset` now says where that begins within it.
        let start = argument.offset;
        let argument = ArgCbUnmapPhysicalMemory {
            physical_memory_object: object,
            base_address: argument.mapped_address,
            size: argument.size,
        };
        Ok(Self { memory, start, release: ViewRelease { adapter, argument } })
    }
}

impl CpuView<'_> {
    /// Where the wanted part begins within the view, in bytes.
    pub fn start(&self) -> usize {
        usize::try_from(self.start).unwrap_or(usize::MAX)
    }

    /// `pMappedAddress`.
    pub fn base(&self) -> Pointer {
        self.release.argument.base_address
    }

    /// Never unmaps it: a leak, which the port driver sees at the stop. For demonstrations.
    pub fn leak(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl Deref for CpuView<'_> {
    type Target = Memory;

    /// The whole view.
    fn deref(&self) -> &Memory {
        &self.memory
    }
}
