//! The port driver's half: a table of callbacks that keep books.

use std::boxed::Box;
use std::format;
use std::vec::Vec;

use dxgk_abi::callback::{
    AllocateAdlFlags, ArgCbAllocateAdl, ArgCbAllocatePagesForMdl, ArgCbClosePhysicalMemoryObject,
    ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbFreePagesFromMdl,
    ArgCbMapMdlToIoMmu, ArgCbMapPhysicalMemory, ArgCbOpenPhysicalMemoryObject, ArgCbUnmapMdlFromIoMmu,
    ArgCbUnmapPhysicalMemory,
};
use dxgk_abi::life::DeviceInfo;
use dxgk_abi::mdl::MdlFlags;
use dxgk_abi::{Adl, DxgkrnlInterface, Handle, InterfaceVersion, NtStatus, Pointer};

use super::kernel::{handle, mdl, note};

/// The adapter's handle; every callback that takes one checks it.
pub(super) const ADAPTER: Handle = Handle(0xADA);
/// The first logical page of every list.
pub(super) const LOGICAL: u64 = 0x7_0000;

/// Memory that lives as long as the test's process: what a callback maps.
fn leaked(words: usize) -> u64 {
    Box::leak(std::vec![0_u64; words].into_boxed_slice()).as_mut_ptr().expose_provenance() as u64
}

/// The same, on a page's boundary.
fn leaked_pages(bytes: u64) -> u64 {
    (leaked((bytes + 4096) as usize / 8) + 4095) & !4095
}

abi_entries! {
    fn get_device_information(adapter: Handle, info: &mut DeviceInfo) -> NtStatus {
        assert_eq!(adapter, ADAPTER);
        let list: &'static [u8] = &super::values::TWO_BUSES;
        info.translated_resource_list = Pointer(list.as_ptr().expose_provenance() as u64);
        info.highest_physical_address = 0xFFFF_FFFF;
        NtStatus::SUCCESS
    }

    fn map_memory(
        adapter: Handle, address: u64, length: u32, io: u8, user: u8, cache: u32, out: &mut Pointer,
    ) -> NtStatus {
        assert_eq!((adapter, io, user, cache), (ADAPTER, 0, 0, 0));
        note(format!("map {address:#x}+{length:#x}"));
        *out = Pointer(leaked_pages(u64::from(length)));
        NtStatus::SUCCESS
    }

    fn unmap_memory(adapter: Handle, _address: Pointer) -> NtStatus {
        assert_eq!(adapter, ADAPTER);
        note("unmap");
        NtStatus::SUCCESS
    }

    fn allocate_pages_for_mdl(adapter: Handle, argument: &mut ArgCbAllocatePagesForMdl) -> NtStatus {
        assert_eq!(adapter, ADAPTER);
        let pages = argument.total_bytes / 4096;
        note(format!("allocate {pages} pages"));
        // Every other frame, backwards: nothing may take them for a run.
        let frames = (0..pages).map(|page| 0x900 - 2 * page);
        argument.mdl = Pointer(mdl(0, argument.total_bytes as u32, frames, MdlFlags::PAGES_LOCKED));
        argument.memory_handle = Handle(handle());
        NtStatus::SUCCESS
    }

    fn free_pages_from_mdl(adapter: Handle, _argument: &ArgCbFreePagesFromMdl) -> NtStatus {
        assert_eq!(adapter, ADAPTER);
        note("free pages");
        NtStatus::SUCCESS
    }

    fn map_mdl_to_iommu(adapter: Handle, argument: &mut ArgCbMapMdlToIoMmu) -> NtStatus {
        assert_eq!(adapter, ADAPTER);
        assert!(!argument.mdl.is_null());
        note("map MDL");
        argument.memory_handle = Handle(handle());
        NtStatus::SUCCESS
    }

    fn unmap_mdl_from_iommu(adapter: Handle, _argument: &ArgCbUnmapMdlFromIoMmu) {
        assert_eq!(adapter, ADAPTER);
        note("unmap MDL");
    }

    fn create_physical_memory_object(argument: &mut ArgCbCreatePhysicalMemoryObject) -> NtStatus {
        assert!(argument.adapter == ADAPTER || argument.adapter.is_null());
        if argument.size == 0 {
            return NtStatus::INVALID_PARAMETER;
        }
        note(format!("create {:?} {:#x}", argument.kind, argument.size));
        argument.physical_memory_object = Handle(handle());
        if !argument.adapter.is_null() {
            argument.adapter_memory_object = Handle(handle());
        }
        NtStatus::SUCCESS
    }

    fn open_physical_memory_object(argument: &mut ArgCbOpenPhysicalMemoryObject) -> NtStatus {
        assert_eq!(argument.adapter, ADAPTER);
        assert!(!argument.physical_memory_object.is_null());
        note("open");
        argument.adapter_memory_object = Handle(handle());
        NtStatus::SUCCESS
    }

    fn close_physical_memory_object(argument: &ArgCbClosePhysicalMemoryObject) {
        assert!(!argument.adapter_memory_object.is_null());
        note("close");
    }

    fn destroy_physical_memory_object(argument: &ArgCbDestroyPhysicalMemoryObject) {
        assert!(!argument.physical_memory_object.is_null());
        note(if argument.adapter_memory_object.is_null() { "destroy unopened" } else { "destroy" });
    }

    /// Gives a page more at the front than was wanted, as the callback may.
    fn map_physical_memory(argument: &mut ArgCbMapPhysicalMemory) -> NtStatus {
        argument.size += 4096;
        argument.offset = 4096;
        argument.mapped_address = Pointer(leaked_pages(argument.size));
        note(format!("view {:#x}", argument.size));
        NtStatus::SUCCESS
    }

    fn unmap_physical_memory(argument: &ArgCbUnmapPhysicalMemory) {
        note(format!("unview {:#x}", argument.size));
    }

    fn allocate_adl(argument: &mut ArgCbAllocateAdl) -> NtStatus {
        let count = argument.size / 4096;
        note(format!("list {count} pages"));
        let first = LOGICAL + argument.offset / 4096;
        let adl = if argument.flags.contains(AllocateAdlFlags::PREFER_CONTIGUOUS) {
            Adl::contiguous(first, count as u32)
        } else {
            let pages: Vec<u64> = (0..count).map(|page| first + 3 * page).collect();
            let pages = Vec::leak(pages).as_ptr().expose_provenance() as u64;
            Adl::array(Pointer(pages), count as u32)
        };
        argument.adl = Pointer(core::ptr::from_mut(Box::leak(Box::new(adl))).expose_provenance() as u64);
        NtStatus::SUCCESS
    }

    fn free_adl(argument: &ArgCbFreeAdl) {
        assert!(!argument.adl.is_null() && !argument.adapter_memory_object.is_null());
        note("free list");
    }
}

/// The whole table, of the newest version.
pub(super) fn table() -> DxgkrnlInterface {
    macro_rules! slots {
        ($table:ident: $($slot:ident)*) => {
            $($table.$slot = ($slot as *const ()).expose_provenance() as u64;)*
        };
    }
    let mut table = DxgkrnlInterface {
        size: size_of::<DxgkrnlInterface>() as u32,
        version: InterfaceVersion::WDDM3_1,
        device_handle: ADAPTER,
        ..DxgkrnlInterface::default()
    };
    slots! { table:
        get_device_information map_memory unmap_memory allocate_pages_for_mdl free_pages_from_mdl map_mdl_to_iommu
        unmap_mdl_from_iommu create_physical_memory_object destroy_physical_memory_object map_physical_memory
        unmap_physical_memory allocate_adl free_adl open_physical_memory_object close_physical_memory_object
    }
    table
}
