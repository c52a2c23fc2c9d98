//! Mistakes on purpose, for drivers that show what a verifier finds.
//!
//! Nothing here breaks Rust's own rules: no memory of this program is written through it, and what is read where nothing
//! of the driver is stops the machine at that instruction. But a device that is told a
//! wrong address, and a port driver that is told to release something twice, can corrupt a real machine. A driver
//! that is meant to work uses nothing of this module.

use dxgk_abi::callback::{
    AllocateAdlFlags, ArgCbClosePhysicalMemoryObject, ArgCbCreatePhysicalMemoryObject,
    ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbFreePagesFromMdl, ArgCbMapMdlToIoMmu,
    ArgCbOpenPhysicalMemoryObject, ArgCbUnmapMdlFromIoMmu, MemoryCachingType, PhysicalMemoryType,
};
use dxgk_abi::{Handle, Irql};

use crate::adapter::Adapter;
use crate::address::DeviceAddress;
use crate::adl::{Adl, AdlRelease};
use crate::pages::{MappingRelease, MdlMapping, MdlPages, PagesRelease};
use crate::physical::{CpuView, PhysicalMemory};
use crate::pool::{NonPagedPool, PoolMdl};
use crate::raw::misuse as raw;
use crate::register::RegisterMap;
use crate::status::Result;

/// Any number as if the device might use it.
pub const fn device_address(bits: u64) -> DeviceAddress<'static> {
    DeviceAddress::new(bits)
}

/// Frees a list, and then frees it again: `DxgkCbFreeAdl` twice.
pub fn free_twice(adl: Adl<'_>) {
    let again = AdlRelease { adapter: adl.release.adapter, argument: adl.release.argument };
    drop(adl);
    drop(again);
}

/// Frees pages, and then frees them again: `DxgkCbFreePagesFromMdl` twice.
pub fn free_pages_twice(pages: MdlPages<'_>) {
    let again = PagesRelease { adapter: pages.release.adapter, argument: pages.release.argument };
    drop(pages);
    drop(again);
}

/// Unmaps an MDL, and then unmaps it again: `DxgkCbUnmapMdlFromIoMmu` twice.
pub fn unmap_twice(mapping: MdlMapping<'_>) {
    let again = MappingRelease { adapter: mapping.release.adapter, argument: mapping.release.argument };
    drop(mapping);
    drop(again);
}

/// Does something at a higher level, and comes back (`KfRaiseIrql`, `KeLowerIrql`).
pub fn at_level<R>(level: Irql, act: impl FnOnce() -> R) -> R {
    let before = raw::raise(level);
    let result = act();
    raw::lower(before);
    result
}

/// Reads the word behind the end of `DXGKRNL_INTERFACE` as it was offered.
pub fn read_beyond_interface(adapter: &Adapter) -> u32 {
    raw::peek(adapter.callbacks().end())
}

/// `DxgkCbFreePagesFromMdl` of any number.
///
/// # Errors
/// The callback's.
pub fn free_pages(adapter: &Adapter, handle: Handle) -> Result<()> {
    adapter.callbacks().free_pages_from_mdl(&mut ArgCbFreePagesFromMdl { memory_handle: handle })
}

/// `DxgkCbClosePhysicalMemoryObject` of any number.
///
/// # Errors
/// `STATUS_NOT_SUPPORTED` when the callback is not offered.
pub fn close(adapter: &Adapter, handle: Handle) -> Result<()> {
    let mut argument = ArgCbClosePhysicalMemoryObject { adapter_memory_object: handle };
    adapter.callbacks().close_physical_memory_object(&mut argument)
}

/// Closes the adapter memory object of an object, and then passes it to `DxgkCbDestroyPhysicalMemoryObject` all the
/// same; destroys the object without it when that was refused.
///
/// # Errors
/// As for [`close`].
pub fn close_and_destroy(memory: PhysicalMemory<'_>) -> Result<()> {
    let ((adapter, adapter_object), object) = (memory.opened(), memory.object());
    memory.leak();
    close(adapter, adapter_object)?;
    for adapter_memory_object in [adapter_object, Handle::NULL] {
        let mut argument =
            ArgCbDestroyPhysicalMemoryObject { physical_memory_object: object, adapter_memory_object };
        adapter.callbacks().destroy_physical_memory_object(&mut argument)?;
    }
    Ok(())
}

/// Exchanges two page numbers of an MDL, mapped or not.
pub fn swap_page_numbers(mdl: &PoolMdl<'_>, one: usize, other: usize) {
    mdl.list().swap_page_frames(one, other);
}

/// Maps an MDL for the device, frees the MDL, and only then unmaps it.
///
/// # Errors
/// The mapping callback's.
pub fn free_while_mapped(adapter: &Adapter, mdl: PoolMdl<'_>) -> Result<()> {
    let mut argument = ArgCbMapMdlToIoMmu { mdl: mdl.list().pointer(), ..ArgCbMapMdlToIoMmu::default() };
    adapter.callbacks().map_mdl_to_iommu(&mut argument)?;
    drop(mdl);
    let mut argument = ArgCbUnmapMdlFromIoMmu { memory_handle: argument.memory_handle };
    adapter.callbacks().unmap_mdl_from_iommu(&mut argument)
}

/// Maps an MDL with the adapter's own handle, whoever the lead of its chain is, and unmaps it when that worked.
///
/// # Errors
/// The mapping callback's.
pub fn map_as_if_lead(adapter: &Adapter, mdl: &PoolMdl<'_>) -> Result<()> {
    let lead = adapter.lead();
    adapter.set_lead(adapter.handle());
    let mapped = MdlMapping::map(adapter, mdl).map(drop);
    adapter.set_lead(lead);
    mapped
}

/// An MDL of a block with room for its page numbers and none in it: `IoAllocateMdl` alone.
///
/// # Errors
/// As for [`NonPagedPool::mdl`].
pub fn unpopulated_mdl(block: &NonPagedPool) -> Result<PoolMdl<'_>> {
    block.unpopulated_mdl()
}

/// `DxgkCbPinFrameBufferForSave2` of any size; unpinned at once when it works.
///
/// # Errors
/// The callback's.
pub fn pin_any(adapter: &Adapter, bytes: u64) -> Result<()> {
    use crate::abi::callback::PinFrameBufferFlags;
    crate::save_area::PinnedSaveArea::pin2(adapter, 0, bytes, PinFrameBufferFlags(0)).map(drop)
}

/// `DxgkCbAllocatePagesForMdl` of any length, as no MDL can name them; freed at once when it works.
///
/// # Errors
/// The callback's.
pub fn allocate_any(adapter: &Adapter, bytes: u64) -> Result<()> {
    MdlPages::allocate(adapter, bytes, crate::physical::Placement::ANYWHERE).map(drop)
}

/// Writes another length into an MDL's header, and maps it for the device; unmapped at once when it works. The header is put
/// right again.
///
/// # Errors
/// The mapping callback's.
pub fn map_with_length(adapter: &Adapter, mdl: &PoolMdl<'_>, bytes: u32) -> Result<()> {
    let right = mdl.list().header().byte_count;
    mdl.list().set_byte_count(bytes);
    let mapped = MdlMapping::map(adapter, mdl).map(drop);
    mdl.list().set_byte_count(right);
    mapped
}

/// Unmaps a view, and then reads its first word.
pub fn read_after_unmap(view: CpuView<'_>) -> u32 {
    let base = view.base();
    drop(view);
    raw::peek(base.0)
}

/// Reads the register behind the last that is mapped.
pub fn read_register_beyond(map: &RegisterMap<'_>) -> u32 {
    raw::peek(map.address().saturating_add(map.length() as u64))
}

/// The address of a list's page array as if the device might use it; of a list that is one run, its first page.
pub fn array_address(adl: &Adl<'_>) -> DeviceAddress<'static> {
    let array = adl.array();
    DeviceAddress::new(array.unwrap_or_else(|| adl.device_address(0).map_or(0, |address| address.bits())))
}

/// A pointer to a view as if the device might use it.
pub fn pointer_as_device_address(view: &CpuView<'_>) -> DeviceAddress<'static> {
    DeviceAddress::new(view.base().0)
}

/// `DxgkCbCreatePhysicalMemoryObject` for a type that does not exist.
///
/// # Errors
/// The callback's.
pub fn create_of_unknown_type(adapter: &Adapter) -> Result<()> {
    let mut argument = ArgCbCreatePhysicalMemoryObject {
        adapter: adapter.handle(),
        size: 4096,
        kind: PhysicalMemoryType(0xCDCD_CDCD),
        cache_type: MemoryCachingType::CACHED,
        ..ArgCbCreatePhysicalMemoryObject::default()
    };
    adapter.callbacks().create_physical_memory_object(&mut argument)
}

/// `DxgkCbOpenPhysicalMemoryObject` of an object that its creation has opened.
///
/// # Errors
/// The callback's.
pub fn open_again(memory: &PhysicalMemory<'_>) -> Result<()> {
    let (adapter, _) = memory.opened();
    let mut argument = ArgCbOpenPhysicalMemoryObject {
        physical_memory_object: memory.object(),
        adapter: adapter.handle(),
        ..ArgCbOpenPhysicalMemoryObject::default()
    };
    adapter.callbacks().open_physical_memory_object(&mut argument)
}

/// Destroys an object without its open adapter memory object, and closes that one afterwards.
///
/// # Errors
/// `STATUS_NOT_SUPPORTED` when a callback is not offered.
pub fn destroy_without_closing(memory: PhysicalMemory<'_>) -> Result<()> {
    let ((adapter, adapter_object), object) = (memory.opened(), memory.object());
    memory.leak();
    let mut argument = ArgCbDestroyPhysicalMemoryObject {
        physical_memory_object: object,
        adapter_memory_object: Handle::NULL,
    };
    adapter.callbacks().destroy_physical_memory_object(&mut argument)?;
    close(adapter, adapter_object)
}

/// Destroys an object while a list of it is alive, and frees the list afterwards.
///
/// # Errors
/// As for [`PhysicalMemory::adl`].
pub fn destroy_under_a_list(memory: PhysicalMemory<'_>) -> Result<()> {
    let (adapter, adapter_memory_object) = memory.opened();
    let adl = memory.adl(0, memory.size(), AllocateAdlFlags(0))?;
    let mut argument = ArgCbFreeAdl { adapter_memory_object, adl: adl.release.argument.adl };
    adl.leak();
    drop(memory);
    adapter.callbacks().free_adl(&mut argument)
}

/// Leaves an object with a list of it.
///
/// # Errors
/// As for [`PhysicalMemory::adl`].
pub fn leak_with_a_list(memory: PhysicalMemory<'_>) -> Result<()> {
    memory.adl(0, memory.size(), AllocateAdlFlags(0))?.leak();
    memory.leak();
    Ok(())
}
