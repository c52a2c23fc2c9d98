//! HND-001: each handle of each callback, and where an object needs an adapter.

mod stream;

use std::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::{ModeChoice, ObjectKind};
use stream::{ADAPTER, Run};

macro_rules! slot {
    ($field:ident) => {
        offset_of!(DxgkrnlInterface, $field)
    };
}

const HANDLE: u64 = 0xffff_8000_0000_2000;
const OTHER: u64 = 0xffff_8000_0000_3000;
/// The number that a call has whose adapter handle is nobody's.
const NOBODY: u32 = u32::MAX;

/// What a call is found to be that was refused for its handle.
fn refused(slot: usize, words: &[u64], make: impl FnOnce(&mut Run)) -> Vec<(&'static str, u64)> {
    let mut run = Run::new(ModeChoice::Isolation);
    make(&mut run);
    run.call(slot, 0x30, words, NtStatus::INVALID_HANDLE, |_| {});
    run.found()
}

/// The one is the handle that the call wants, of the kind; the other is of another kind.
fn check(slot: usize, word: usize, kind: ObjectKind) {
    let words = |handle: u64| {
        let mut words = [0; 6];
        words[word] = handle;
        words
    };
    let other = if kind == ObjectKind::MdlPages { ObjectKind::MdlMapping } else { ObjectKind::MdlPages };
    for wrong in [0, 0x1234, OTHER] {
        let found = refused(slot, &words(wrong), |run| {
            run.create(kind, HANDLE, 0, &[(0x100, 1)]);
            run.create(other, OTHER, 0, &[(0x200, 1)]);
        });
        assert_eq!(found, [("HND-001", 0x30)], "{kind:?} {wrong:#x} in slot {slot:#x}");
    }
    let mut run = Run::new(ModeChoice::Isolation);
    let made = run.create(kind, HANDLE, 0, &[(0x100, 1)]);
    run.call(slot, 0x30, &words(HANDLE), NtStatus::DEVICE_NOT_READY, |_| {});
    assert_eq!(run.found(), [], "{kind:?}: its own handle, refused for another reason");
    run.release(made);
}

#[test]
fn each_handle_in_an_argument_structure_is_the_one_that_the_right_callback_gave() {
    for (slot, word, kind) in [
        // Shows S-FPM-02, S-FPMA-01, S-ISO-54.
        (slot!(free_pages_from_mdl), 0, ObjectKind::MdlPages),
        // Shows S-FCM-02, S-FCMA-01.
        (slot!(free_contiguous_memory), 0, ObjectKind::ContiguousMemory),
        // Shows S-UMI-03, S-UMIA-01.
        (slot!(unmap_mdl_from_iommu), 0, ObjectKind::MdlMapping),
        // Shows S-DPOA-01.
        (slot!(destroy_physical_memory_object), 0, ObjectKind::PhysicalMemory),
        // Shows S-OPOA-01.
        (slot!(open_physical_memory_object), 0, ObjectKind::PhysicalMemory),
        // Shows S-CLOA-01.
        (slot!(close_physical_memory_object), 0, ObjectKind::AdapterMemory),
        // Shows S-MPMA-01.
        (slot!(map_physical_memory), 0, ObjectKind::PhysicalMemory),
        // Shows S-UPMA-01.
        (slot!(unmap_physical_memory), 0, ObjectKind::PhysicalMemory),
        // Shows S-AADA-01.
        (slot!(allocate_adl), 0, ObjectKind::AdapterMemory),
        // Shows S-FADA-01.
        (slot!(free_adl), 0, ObjectKind::AdapterMemory),
    ] {
        check(slot, word, kind);
    }
}

#[test]
fn an_adapters_handle_is_that_of_an_adapter() {
    for (slot, status) in [
        // Shows S-APM-09.
        (slot!(allocate_pages_for_mdl), NtStatus::INVALID_HANDLE),
        // Shows S-MAP-02.
        (slot!(map_memory), NtStatus::INVALID_HANDLE),
        // Shows S-UNM-02.
        (slot!(unmap_memory), NtStatus::INVALID_HANDLE),
        // Shows S-GDI-02.
        (slot!(get_device_information), NtStatus::INVALID_PARAMETER),
        // Shows S-OPOA-02.
        (slot!(open_physical_memory_object), NtStatus::INVALID_HANDLE),
        // Shows S-SHU-02.
        (slot!(save_memory_for_hot_update), NtStatus::INVALID_HANDLE),
    ] {
        let called = |caller, status| {
            let mut run = Run::new(ModeChoice::Isolation);
            run.create(ObjectKind::PhysicalMemory, HANDLE, 0, &[(0x100, 1)]);
            run.caller = caller;
            run.call(slot, 0x30, &[HANDLE, 0x77], status, |_| {});
            run.found()
        };
        assert_eq!(called(NOBODY, status), [("HND-001", 0x30)], "{slot:#x}");
        assert_eq!(called(ADAPTER, NtStatus::SUCCESS), [], "{slot:#x}");
        assert_eq!(called(ADAPTER, NtStatus::INVALID_PARAMETER), [], "{slot:#x}: for another reason");
    }
}

/// Shows S-OPO-02, S-OPO-04, S-CPOA-02.
#[test]
fn an_object_that_no_adapter_opened_has_no_adl() {
    let unopened = |run: &mut Run| {
        run.create_sized(ObjectKind::PhysicalMemory, HANDLE, 0, &[(0x100, 1)], 0x1000, None);
    };
    for instead in [0, HANDLE] {
        let found = refused(slot!(allocate_adl), &[instead, 0, 0x1000], unopened);
        assert_eq!(found, [("HND-001", 0x30)], "{instead:#x}");
    }
    let mut run = Run::new(ModeChoice::Isolation);
    unopened(&mut run);
    run.call(slot!(open_physical_memory_object), 0x20, &[HANDLE, 1], NtStatus::SUCCESS, |run| {
        run.create(ObjectKind::AdapterMemory, OTHER, 1, &[]);
    });
    run.call(slot!(allocate_adl), 0x30, &[OTHER, 0, 0x1000], NtStatus::SUCCESS, |_| {});
    assert_eq!(run.found(), []);
}
