//! What Microsoft's pages say of declarations: what returns nothing, what takes which structure, what has which number, and
//! since when it is there.

use std::path::Path;

use dxgk_abi::callback::{
    ArgCbAllocateAdl, ArgCbClosePhysicalMemoryObject, ArgCbCreatePhysicalMemoryObject, ArgCbFreeAdl,
    ArgCbUnmapFrameBufferPointer, ArgCbUnpinFrameBufferForSave, SectionParameters,
};
use dxgk_abi::life::{ArgBeginExclusiveAccess, ArgEndExclusiveAccess};
use dxgk_abi::paging::PagingOperation;
use dxgk_abi::query::{FrameBufferSaveArea, HardwareReservedRanges, QueryAdapterInfoType as Query};
use dxgk_abi::query::{IommuCaps, PhysicalMemoryCaps};
use dxgk_abi::table::Table;
use dxgk_abi::version::interface_size;
use dxgk_abi::{Adl, DxgkrnlInterface, Handle, InterfaceVersion, Pointer};
use zerocopy::IntoBytes;

/// The declaration of a callback's type.
fn declared(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/prototype/memory_callback.rs");
    let text = std::fs::read_to_string(file).expect("the prototypes");
    let from = text.find(&format!("pub type {name} =")).unwrap_or_else(|| panic!("{name}"));
    let declaration = text[from..].split(';').next().expect("a declaration");
    declaration.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn five_callbacks_return_nothing_and_the_others_a_status() {
    for name in [
        // Shows S-UMI-04.
        "DxgkCbUnmapMdlFromIoMmu",
        // Shows S-DPO-02.
        "DxgkCbDestroyPhysicalMemoryObject",
        // Shows S-CLO-04.
        "DxgkCbClosePhysicalMemoryObject",
        // Shows S-UPM-02.
        "DxgkCbUnmapPhysicalMemory",
        // Shows S-FAD-03.
        "DxgkCbFreeAdl",
    ] {
        assert!(!declared(name).contains("->"), "{}", declared(name));
    }
    for name in [
        // Shows S-MMI-04.
        "DxgkCbMapMdlToIoMmu",
        // Shows S-APM-10.
        "DxgkCbAllocatePagesForMdl",
        // Shows S-FPM-03.
        "DxgkCbFreePagesFromMdl",
        // Shows S-CPO-02.
        "DxgkCbCreatePhysicalMemoryObject",
        // Shows S-OPO-05.
        "DxgkCbOpenPhysicalMemoryObject",
        // Shows S-MPM-03.
        "DxgkCbMapPhysicalMemory",
        // Shows S-MAP-15.
        "DxgkCbMapMemory",
        // Shows S-UNM-05.
        "DxgkCbUnmapMemory",
        // Shows S-GDI-03.
        "DxgkCbGetDeviceInformation",
    ] {
        assert!(declared(name).contains("-> NtStatus"), "{}", declared(name));
    }
}

/// Shows S-CLO-03, S-CLOA-01.
#[test]
fn close_takes_a_structure_of_its_own_with_one_handle() {
    assert!(declared("DxgkCbClosePhysicalMemoryObject").contains("ArgCbClosePhysicalMemoryObject"));
    let args = ArgCbClosePhysicalMemoryObject { adapter_memory_object: Handle(0x1122_3344_5566_7788) };
    assert_eq!(args.as_bytes(), 0x1122_3344_5566_7788_u64.to_le_bytes());
}

/// Shows S-FADA-01, S-FADA-02, S-RMP-50.
#[test]
fn free_adl_takes_a_structure_with_the_object_and_the_list() {
    assert!(declared("DxgkCbFreeAdl").contains("ArgCbFreeAdl"));
    let args = ArgCbFreeAdl { adapter_memory_object: Handle(1), adl: Pointer(2) };
    assert_eq!(args.as_bytes(), [1u64.to_le_bytes(), 2u64.to_le_bytes()].concat());
    assert!(declared("DxgkCbAllocateAdl").contains("ArgCbAllocateAdl"));
    assert_eq!(size_of::<ArgCbAllocateAdl>(), 40);
}

/// Shows S-UPNA-01, S-UFBA-01, S-UPN-03, S-UFB-03, S-ISO-75.
#[test]
fn save_memory_is_unpinned_and_unmapped_by_adapter_index_and_by_no_handle() {
    let unpin = ArgCbUnpinFrameBufferForSave { physical_adapter_index: 7 };
    assert_eq!(unpin.as_bytes(), 7u32.to_le_bytes());
    let unmap = ArgCbUnmapFrameBufferPointer {
        physical_adapter_index: 7,
        base_address: Pointer(9),
        ..Default::default()
    };
    assert_eq!(unmap.as_bytes(), [7u64.to_le_bytes(), 9u64.to_le_bytes()].concat());
}

/// Shows S-BEXA-01, S-EEXA-01.
#[test]
fn the_structures_of_exclusive_access_have_one_member_and_it_is_zero() {
    assert_eq!(ArgBeginExclusiveAccess::default().as_bytes(), [0; 4]);
    assert_eq!(ArgEndExclusiveAccess::default().as_bytes(), [0; 4]);
}

#[test]
fn the_queries_about_the_iommu_have_their_numbers_and_answers() {
    for (query, number, answer, bytes) in [
        // Shows S-QAT-01.
        (Query::FRAMEBUFFERSAVESIZE, 21, size_of::<FrameBufferSaveArea>(), 8),
        // Shows S-QAT-02.
        (Query::HARDWARERESERVEDRANGES, 22, size_of::<HardwareReservedRanges>(), 16),
        // Shows S-QAT-03.
        (Query::PHYSICAL_MEMORY_CAPS, 34, size_of::<PhysicalMemoryCaps>(), 8),
        // Shows S-QAT-04.
        (Query::IOMMU_CAPS, 35, size_of::<IommuCaps>(), 4),
    ] {
        assert_eq!((query.0, answer), (number, bytes), "{query:?}");
    }
}

/// Shows S-BPO-01, S-BPO-02, S-BPO-03.
#[test]
fn the_aperture_operations_have_their_numbers() {
    assert_eq!(PagingOperation::MAP_APERTURE_SEGMENT.0, 5);
    assert_eq!(PagingOperation::UNMAP_APERTURE_SEGMENT.0, 6);
    assert_eq!(PagingOperation::MAP_APERTURE_SEGMENT2.0, 17);
}

/// Shows S-ADL-03, S-ADL-04.
#[test]
fn a_contiguous_list_of_three_pages_from_100_ends_with_page_102() {
    // The byte range that the page gives for its example fits neither way of reading the number; the page numbers count.
    for base in [100, 0x100] {
        let list = Adl::contiguous(base, 3);
        let first = list.base_page_number().expect("contiguous");
        let end = first + u64::from(list.page_count);
        assert_eq!((first..end).collect::<Vec<_>>(), [base, base + 1, base + 2]);
        assert_eq!((first * 4096, end * 4096), (base * 4096, (base + 3) * 4096));
    }
}

/// Shows S-CPOA-17.
#[test]
fn allocation_attributes_of_a_section_are_a_field_beside_its_page_protection() {
    let section =
        SectionParameters { page_protection: 0x04, allocation_attributes: 0x0800_0000, ..Default::default() };
    let mut args = ArgCbCreatePhysicalMemoryObject::default();
    args.set_parameters(dxgk_abi::callback::PhysicalMemoryParameters::Section(section));
    let read = args.section();
    assert_eq!((read.page_protection, read.allocation_attributes), (0x04, 0x0800_0000));
}

#[test]
fn a_memory_callback_lies_within_the_table_of_its_version_and_not_in_the_one_before() {
    use InterfaceVersion as V;
    for (name, before, since) in [
        // Shows S-MMIN-02.
        ("DxgkCbMapMdlToIoMmu", V::WDDM2_3, V::WDDM2_4),
        // Shows S-UMIN-01.
        ("DxgkCbUnmapMdlFromIoMmu", V::WDDM2_3, V::WDDM2_4),
        // Shows S-APMN-01.
        ("DxgkCbAllocatePagesForMdl", V::WDDM2_3, V::WDDM2_4),
        // Shows S-ACM-07.
        ("DxgkCbAllocateContiguousMemory", V::WDDM2_3, V::WDDM2_4),
        // Shows S-SHU-09.
        ("DxgkCbSaveMemoryForHotUpdate", V::WDDM2_5, V::WDDM2_6),
        // Shows S-CPO-04.
        ("DxgkCbCreatePhysicalMemoryObject", V::WDDM2_8, V::WDDM2_9),
        // Shows S-MPMN-01.
        ("DxgkCbMapPhysicalMemory", V::WDDM2_8, V::WDDM2_9),
        // Shows S-PI2-07.
        ("DxgkCbPinFrameBufferForSave2", V::WDDM2_8, V::WDDM2_9),
    ] {
        let slot = DxgkrnlInterface::find(name).expect("known");
        assert_eq!(slot.since, since, "{name}");
        assert!(interface_size(since).is_some_and(|size| slot.offset + 8 <= size), "{name}");
        assert!(interface_size(before).is_some_and(|size| slot.offset >= size), "{name}");
    }
    // Shows S-MAPN-01.
    let first = interface_size(V::VISTA).expect("the first");
    assert!(DxgkrnlInterface::find("DxgkCbMapMemory").is_some_and(|slot| slot.offset + 8 <= first));
    assert_eq!(DxgkrnlInterface::SLOTS.iter().map(|slot| slot.since).min(), Some(V::VISTA));
}
