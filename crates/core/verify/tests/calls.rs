//! IRQL-001, IRQL-002, IFC-001, HND-001, HND-002, EXCL-002: how callbacks are called.

mod stream;

use std::mem::offset_of;

use dxgk_abi::init::DriverInitializationData;
use dxgk_abi::{DxgkrnlInterface, InterfaceVersion, NtStatus};
use dxgk_event::{Adapter, Event, Misuse, MisuseKind, ModeChoice, ObjectKind, Phase};
use dxgk_verify::{Culprit, Severity};
use stream::{ADAPTER, LOGICAL, Run, Told, places};

macro_rules! slot {
    ($field:ident) => {
        offset_of!(DxgkrnlInterface, $field)
    };
}

const HANDLE: u64 = 0xffff_8000_0000_2000;
const BEGIN: usize = offset_of!(DriverInitializationData, begin_exclusive_access);
const END: usize = offset_of!(DriverInitializationData, end_exclusive_access);

/// The ten of the one topic and the eight of the other.
const UP_TO_APC: [usize; 18] = [
    slot!(allocate_contiguous_memory),
    slot!(free_contiguous_memory),
    slot!(allocate_pages_for_mdl),
    slot!(free_pages_from_mdl),
    slot!(pin_frame_buffer_for_save),
    slot!(unpin_frame_buffer_for_save),
    slot!(map_frame_buffer_pointer),
    slot!(unmap_frame_buffer_pointer),
    slot!(map_mdl_to_iommu),
    slot!(unmap_mdl_from_iommu),
    slot!(create_physical_memory_object),
    slot!(destroy_physical_memory_object),
    slot!(map_physical_memory),
    slot!(unmap_physical_memory),
    slot!(allocate_adl),
    slot!(free_adl),
    slot!(open_physical_memory_object),
    slot!(close_physical_memory_object),
];

const PASSIVE_ONLY: [usize; 5] = [
    slot!(map_memory),
    slot!(unmap_memory),
    slot!(get_device_information),
    slot!(pin_frame_buffer_for_save2),
    slot!(save_memory_for_hot_update),
];

/// Those that work for a whole chain of linked adapters.
const OF_THE_LEAD: [usize; 7] = [
    slot!(map_mdl_to_iommu),
    slot!(unmap_mdl_from_iommu),
    slot!(pin_frame_buffer_for_save),
    slot!(pin_frame_buffer_for_save2),
    slot!(unpin_frame_buffer_for_save),
    slot!(map_frame_buffer_pointer),
    slot!(unmap_frame_buffer_pointer),
];

fn at_level(slot: usize, irql: u8) -> Vec<(&'static str, u64)> {
    let mut run = Run::new(ModeChoice::Isolation);
    run.irql = irql;
    run.call(slot, 0x30, &[], NtStatus::SUCCESS, |_| {});
    run.call(slot, 0x30, &[], NtStatus::SUCCESS, |_| {});
    assert!(run.verifier.findings().iter().all(|finding| finding.count == 2));
    run.found()
}

/// Shows S-MMIN-01, S-APM-11, S-UMI-05, S-MPM-04, S-MAP-16, S-FPM-04, S-ACM-06, S-FCM-04, S-PIN-04, S-PI2-06,
/// S-UPN-05, S-MFB-04, S-UFB-05, S-CPO-03, S-DPO-03, S-OPO-06, S-CLO-05, S-UPM-03, S-AAD-06, S-FAD-04,
/// S-SHU-08, S-UNM-06, S-GDI-04, S-ISO-49, S-RMP-48, S-MPE-19.
#[test]
fn each_memory_callback_has_its_highest_level() {
    for slot in UP_TO_APC {
        assert_eq!(at_level(slot, 0), []);
        assert_eq!(at_level(slot, 1), [("IRQL-002", 0x30)], "{slot:#x}");
        assert_eq!(at_level(slot, 2), [("IRQL-001", 0x30)], "{slot:#x}");
    }
    for slot in PASSIVE_ONLY {
        assert_eq!(at_level(slot, 0), []);
        assert_eq!(at_level(slot, 1), [("IRQL-001", 0x30)], "{slot:#x}");
        assert_eq!(at_level(slot, 15), [("IRQL-001", 0x30)], "{slot:#x}");
    }
    // Not about memory: meant for these levels.
    for slot in [slot!(notify_interrupt), slot!(queue_dpc)] {
        assert_eq!(at_level(slot, 5), []);
    }
}

#[test]
fn a_level_that_is_too_high_is_named_with_the_place_and_the_highest() {
    let mut run = Run::new(ModeChoice::Isolation);
    run.irql = 2;
    run.call(slot!(allocate_adl), 0x30, &[1], NtStatus::SUCCESS, |_| {});
    let finding = run.only();
    assert_eq!((finding.severity, finding.culprit), (Severity::Error, Culprit::Driver));
    for part in ["DxgkCbAllocateAdl", "DISPATCH_LEVEL", "APC_LEVEL"] {
        assert!(finding.message.contains(part), "{}", finding.message);
    }
    assert_eq!((finding.place.stack.len(), places(finding)), (1, vec![0x30]));
    run = Run::new(ModeChoice::Isolation);
    run.irql = 1;
    run.call(slot!(allocate_adl), 0x30, &[1], NtStatus::SUCCESS, |_| {});
    assert_eq!(run.only().severity, Severity::Warning);
}

fn offered(version: InterfaceVersion) -> Run {
    let newest = InterfaceVersion::WDDM3_1.0;
    Run::told(Told { offered: version.0, driver: newest, ..Told::new(ModeChoice::Isolation) })
}

#[test]
fn a_callback_newer_than_the_table_is_an_error_and_one_of_its_age_is_none() {
    let mut run = offered(InterfaceVersion::WDDM2_4);
    run.call(slot!(allocate_pages_for_mdl), 0x20, &[], NtStatus::SUCCESS, |_| {});
    assert_eq!(run.found(), []);
    run.call(slot!(allocate_adl), 0x30, &[1], NtStatus::SUCCESS, |_| {});
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset, finding.severity), ("IFC-001", 0x30, Severity::Error));
    for part in ["DxgkCbAllocateAdl", "WDDM 2.9", "WDDM 2.4"] {
        assert!(finding.message.contains(part), "{}", finding.message);
    }
    let mut newer = offered(InterfaceVersion::WDDM3_1);
    newer.call(slot!(allocate_adl), 0x30, &[1], NtStatus::SUCCESS, |_| {});
    assert_eq!(newer.found(), []);
}

#[test]
fn the_drivers_own_version_bounds_the_table_too() {
    let mut run = Run::told(Told {
        offered: InterfaceVersion::WDDM3_1.0,
        driver: InterfaceVersion::WDDM2_4.0,
        ..Told::new(ModeChoice::Isolation)
    });
    run.call(slot!(allocate_adl), 0x30, &[1], NtStatus::SUCCESS, |_| {});
    assert_eq!(run.found(), [("IFC-001", 0x30)]);
}

#[test]
fn a_read_behind_the_table_is_a_warning() {
    let mut run = offered(InterfaceVersion::WDDM2_4);
    let (object, reserved) = (0, [0; 6]);
    let kind = MisuseKind::InterfaceOverRead;
    run.at(0x30).emit(Event::Misuse(Misuse { va: 0x1000, object, offset: 0x1c8, kind, write: 0, reserved }));
    let finding = run.only();
    assert_eq!(
        (finding.rule.id, finding.place.offset, finding.severity),
        ("IFC-001", 0x30, Severity::Warning)
    );
    assert!(finding.message.contains("0x1c8") && finding.message.contains("WDDM 2.4"), "{}", finding.message);
}

/// Shows S-AADA-01.
#[test]
fn a_handle_of_another_kind_is_named_as_what_it_is() {
    let mut run = Run::new(ModeChoice::Isolation);
    let physical = run.at(0x10).create(ObjectKind::PhysicalMemory, HANDLE, 0, &[(0x100, 1)]);
    run.call(slot!(allocate_adl), 0x30, &[HANDLE, 0, 0x1000], NtStatus::INVALID_HANDLE, |_| {});
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset, finding.severity), ("HND-001", 0x30, Severity::Error));
    assert!(
        finding.message.contains("no adapter memory object: it is the physical memory object"),
        "{}",
        finding.message
    );
    assert_eq!(finding.object.as_ref().map(|object| object.number), Some(physical.object));
    assert_eq!(places(finding), [0x10, 0x30]);
}

#[test]
fn of_two_handles_the_wrong_one_is_named() {
    let mut run = Run::new(ModeChoice::Isolation);
    run.create(ObjectKind::PhysicalMemory, HANDLE, 0, &[(0x100, 1)]);
    let words = [HANDLE, 0x77];
    run.call(slot!(destroy_physical_memory_object), 0x30, &words, NtStatus::INVALID_HANDLE, |_| {});
    assert!(run.only().message.contains("0x77, which is no adapter memory object"), "{}", run.only().message);
    // Destroy closes nothing when it is passed null.
    let mut run = Run::new(ModeChoice::Isolation);
    run.create(ObjectKind::PhysicalMemory, HANDLE, 0, &[(0x100, 1)]);
    run.call(slot!(destroy_physical_memory_object), 0x30, &[HANDLE, 0], NtStatus::DEVICE_NOT_READY, |_| {});
    assert_eq!(run.found(), []);
}

#[test]
fn null_and_a_number_from_nowhere_are_hnd_001() {
    for (handle, told) in [(0, "it is null"), (0xcdcd, "was ever given out")] {
        let mut run = Run::new(ModeChoice::Isolation);
        run.call(slot!(close_physical_memory_object), 0x30, &[handle], NtStatus::INVALID_HANDLE, |_| {});
        assert_eq!(run.found(), [("HND-001", 0x30)]);
        assert!(run.only().message.contains(told), "{}", run.only().message);
    }
}

/// Shows S-MMI-02, S-UMI-02, S-ISO-63, S-PIN-02, S-PI2-02, S-UPN-02, S-MFB-02, S-UFB-02, S-APM-09.
#[test]
fn another_adapters_handle_where_the_leads_is_wanted_is_hnd_002() {
    for slot in OF_THE_LEAD {
        let mut run = Run::new(ModeChoice::Isolation);
        run.emit(Event::Adapter(Adapter {
            handle: 0xffff_8000_0000_0010,
            adapter: 1,
            logical_adapter: LOGICAL,
            requester: 0x18,
            lead: 0,
            reserved: 0,
            interface_version: 0,
            driver_version: 0,
            display_only: 0,
        }));
        run.caller = 1;
        run.call(slot!(allocate_pages_for_mdl), 0x20, &[], NtStatus::SUCCESS, |_| {});
        assert_eq!(run.found(), []);
        run.call(slot, 0x30, &[0x77], NtStatus::INVALID_HANDLE, |_| {});
        assert_eq!(run.found(), [("HND-002", 0x30)]);
        assert!(run.only().message.contains("0xffff800000000010"), "{}", run.only().message);
        // The lead's own handle, with an MDL that is refused.
        run.caller = ADAPTER;
        run.call(slot, 0x40, &[0x77], NtStatus::INVALID_PARAMETER, |_| {});
        assert_eq!(run.found().len(), 1);
    }
}

#[test]
fn a_memory_callback_in_exclusive_access_is_excl_002() {
    let mut run = Run::new(ModeChoice::Isolation);
    let information = slot!(get_device_information);
    run.call(information, 0x20, &[], NtStatus::SUCCESS, |_| {});
    run.ddi_phase(BEGIN, ADAPTER, Phase::Entered, NtStatus::SUCCESS);
    // No memory callback.
    run.call(slot!(notify_dpc), 0x21, &[], NtStatus::SUCCESS, |_| {});
    assert_eq!(run.found(), []);
    run.call(information, 0x30, &[], NtStatus::SUCCESS, |_| {});
    run.ddi_phase(BEGIN, ADAPTER, Phase::Returned, NtStatus::SUCCESS);
    run.ddi_phase(END, ADAPTER, Phase::Entered, NtStatus::SUCCESS);
    run.caller = u32::MAX;
    run.call(slot!(free_adl), 0x40, &[], NtStatus::SUCCESS, |_| {});
    run.ddi_phase(END, ADAPTER, Phase::Returned, NtStatus::SUCCESS);
    run.call(slot!(free_adl), 0x50, &[], NtStatus::SUCCESS, |_| {});
    assert_eq!(run.found(), [("EXCL-002", 0x30), ("EXCL-002", 0x40)]);
    assert!(run.verifier.findings().iter().all(|finding| finding.severity == Severity::Warning));
}

#[test]
fn a_begin_that_failed_opens_no_window() {
    let mut run = Run::new(ModeChoice::Isolation);
    run.ddi_phase(BEGIN, ADAPTER, Phase::Entered, NtStatus::SUCCESS);
    run.ddi_phase(BEGIN, ADAPTER, Phase::Returned, NtStatus::UNSUCCESSFUL);
    run.call(slot!(get_device_information), 0x30, &[], NtStatus::SUCCESS, |_| {});
    assert_eq!(run.found(), []);
}
