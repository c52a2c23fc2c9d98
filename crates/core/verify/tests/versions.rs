//! IFC-001: each memory callback is found in the table of its version, and missed in that of the one before.

mod stream;

use std::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, InterfaceVersion, NtStatus};
use dxgk_event::ModeChoice;
use stream::{Run, Told};

macro_rules! slot {
    ($field:ident) => {
        offset_of!(DxgkrnlInterface, $field)
    };
}

const V2_3: InterfaceVersion = InterfaceVersion::WDDM2_3;
const V2_4: InterfaceVersion = InterfaceVersion::WDDM2_4;
const V2_5: InterfaceVersion = InterfaceVersion::WDDM2_5;
const V2_6: InterfaceVersion = InterfaceVersion::WDDM2_6;
const V2_8: InterfaceVersion = InterfaceVersion::WDDM2_8;
const V2_9: InterfaceVersion = InterfaceVersion::WDDM2_9;

/// What a call through the table of a version is found to be.
fn called(slot: usize, offered: InterfaceVersion) -> Vec<(&'static str, u64)> {
    let driver = InterfaceVersion::WDDM3_1.0;
    let mut run = Run::told(Told { offered: offered.0, driver, ..Told::new(ModeChoice::Isolation) });
    run.call(slot, 0x30, &[], NtStatus::SUCCESS, |_| {});
    run.found()
}

#[test]
fn a_callback_may_be_called_from_its_version_on() {
    for (slot, before, since) in [
        // Shows S-ACM-07.
        (slot!(allocate_contiguous_memory), V2_3, V2_4),
        (slot!(free_contiguous_memory), V2_3, V2_4),
        // Shows S-APMN-01.
        (slot!(allocate_pages_for_mdl), V2_3, V2_4),
        (slot!(free_pages_from_mdl), V2_3, V2_4),
        (slot!(pin_frame_buffer_for_save), V2_3, V2_4),
        (slot!(unpin_frame_buffer_for_save), V2_3, V2_4),
        (slot!(map_frame_buffer_pointer), V2_3, V2_4),
        (slot!(unmap_frame_buffer_pointer), V2_3, V2_4),
        // Shows S-MMI-05, S-MMIN-02.
        (slot!(map_mdl_to_iommu), V2_3, V2_4),
        // Shows S-UMIN-01.
        (slot!(unmap_mdl_from_iommu), V2_3, V2_4),
        // Shows S-SHU-09.
        (slot!(save_memory_for_hot_update), V2_5, V2_6),
        // Shows S-CPO-04.
        (slot!(create_physical_memory_object), V2_8, V2_9),
        (slot!(destroy_physical_memory_object), V2_8, V2_9),
        // Shows S-MPMN-01.
        (slot!(map_physical_memory), V2_8, V2_9),
        (slot!(unmap_physical_memory), V2_8, V2_9),
        (slot!(allocate_adl), V2_8, V2_9),
        (slot!(free_adl), V2_8, V2_9),
        (slot!(open_physical_memory_object), V2_8, V2_9),
        (slot!(close_physical_memory_object), V2_8, V2_9),
        // Shows S-PI2-07.
        (slot!(pin_frame_buffer_for_save2), V2_8, V2_9),
    ] {
        assert_eq!(called(slot, before), [("IFC-001", 0x30)], "{slot:#x} before {since}");
        assert_eq!(called(slot, since), [], "{slot:#x} in {since}");
    }
    // Shows S-MAPN-01.
    for slot in [slot!(map_memory), slot!(unmap_memory), slot!(get_device_information)] {
        assert_eq!(called(slot, InterfaceVersion::VISTA), [], "{slot:#x} in the first");
    }
}
