//! FREE-001, HND-003.

mod stream;

use std::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::{ModeChoice, ObjectKind};
use dxgk_verify::Culprit;
use stream::{Made, Run, places};

macro_rules! slot {
    ($field:ident) => {
        offset_of!(DxgkrnlInterface, $field)
    };
}

const HANDLE: u64 = 0xffff_8000_0000_2000;
const INVALID: NtStatus = NtStatus::INVALID_HANDLE;
const PARAMETER: NtStatus = NtStatus::INVALID_PARAMETER;
const READY: NtStatus = NtStatus::DEVICE_NOT_READY;

/// Every verb: slot, kind of what it releases, and the words of a call that releases an object of one page at `HANDLE`.
fn verbs() -> Vec<(usize, ObjectKind, Vec<u64>)> {
    vec![
        (slot!(unmap_memory), ObjectKind::RegisterMap, vec![HANDLE]),
        (slot!(unmap_memory), ObjectKind::UserRegisterMap, vec![HANDLE]),
        (slot!(unmap_memory), ObjectKind::PortMap, vec![HANDLE]),
        (slot!(free_contiguous_memory), ObjectKind::ContiguousMemory, vec![HANDLE]),
        (slot!(free_pages_from_mdl), ObjectKind::MdlPages, vec![HANDLE]),
        (slot!(unmap_mdl_from_iommu), ObjectKind::MdlMapping, vec![HANDLE]),
        (slot!(destroy_physical_memory_object), ObjectKind::PhysicalMemory, vec![HANDLE, 0]),
        (slot!(close_physical_memory_object), ObjectKind::AdapterMemory, vec![HANDLE]),
        (slot!(unmap_physical_memory), ObjectKind::KernelView, vec![1, HANDLE, 0x1000]),
        (slot!(unmap_physical_memory), ObjectKind::UserView, vec![1, HANDLE, 0x1000]),
        (slot!(free_adl), ObjectKind::Adl, vec![1, HANDLE]),
    ]
}

fn made(run: &mut Run, kind: ObjectKind) -> Made {
    run.at(0x10).create(kind, HANDLE, 0, &[(0x100, 1)])
}

#[test]
fn a_second_release_is_found_for_every_verb() {
    for (slot, kind, words) in verbs() {
        let mut run = Run::new(ModeChoice::Isolation);
        let object = made(&mut run, kind);
        run.call(slot, 0x20, &words, NtStatus::SUCCESS, |run| run.release(object));
        assert_eq!(run.found(), [], "{kind:?}");
        run.call(slot, 0x30, &words, INVALID, |_| {});
        run.call(slot, 0x30, &words, INVALID, |_| {});
        let finding = run.only();
        assert_eq!((finding.rule.id, finding.place.offset, finding.count), ("FREE-001", 0x30, 2), "{kind:?}");
        assert_eq!(finding.object.as_ref().map(|it| (it.number, it.handle)), Some((object.object, HANDLE)));
        // Made, given back, given back again.
        assert_eq!(places(finding), [0x10, 0x20, 0x30]);
        assert_eq!((finding.culprit, finding.place.stack.len()), (Culprit::Driver, 1));
        assert!(!finding.rule.documentation.is_empty() && !finding.fix.is_empty());
    }
}

#[test]
fn one_release_and_one_of_a_handle_that_was_made_again_are_none() {
    for (slot, kind, words) in verbs() {
        let mut run = Run::new(ModeChoice::Isolation);
        for _ in 0..2 {
            let object = made(&mut run, kind);
            run.call(slot, 0x20, &words, NtStatus::SUCCESS, |run| run.release(object));
        }
        let _live = made(&mut run, kind);
        // Refused for a reason of its own; the handle names a live object.
        run.call(slot, 0x30, &words, READY, |_| {});
        assert_eq!(run.found(), [], "{kind:?}");
    }
}

#[test]
fn a_handle_that_was_never_given_out_is_no_free_001() {
    for (slot, kind, words) in verbs() {
        let mut run = Run::new(ModeChoice::Isolation);
        run.call(slot, 0x30, &words, INVALID, |_| {});
        run.call(slot, 0x30, &[0; 6], INVALID, |_| {});
        assert_eq!(run.found(), [("HND-001", 0x30)], "{kind:?}");
        assert_eq!(run.only().count, 2);
    }
}

/// Shows S-CPOA-23, S-DPOA-03.
#[test]
fn closed_by_destroy_and_by_close_is_hnd_003_whichever_came_first() {
    for close_first in [false, true] {
        let mut run = Run::new(ModeChoice::Isolation);
        let physical = run.at(0x10).create(ObjectKind::PhysicalMemory, HANDLE, 0, &[(0x100, 1)]);
        let opened = run.at(0x11).create(ObjectKind::AdapterMemory, HANDLE + 0x10, physical.object, &[]);
        let (close, destroy) = (slot!(close_physical_memory_object), slot!(destroy_physical_memory_object));
        let both = [HANDLE, HANDLE + 0x10];
        if close_first {
            run.call(close, 0x20, &both[1..], NtStatus::SUCCESS, |run| run.release(opened));
            run.call(destroy, 0x30, &both, INVALID, |_| {});
        } else {
            run.call(destroy, 0x20, &both, NtStatus::SUCCESS, |run| {
                run.release(opened);
                run.release(physical);
            });
            run.call(close, 0x30, &both[1..], INVALID, |_| {});
        }
        let finding = run.only();
        assert_eq!((finding.rule.id, finding.place.offset), ("HND-003", 0x30));
        assert_eq!(places(finding), [0x11, 0x20, 0x30]);
        assert_eq!(finding.object.as_ref().map(|object| object.number), Some(opened.object));
    }
}

#[test]
fn closed_first_and_not_passed_to_destroy_is_no_finding() {
    let mut run = Run::new(ModeChoice::Isolation);
    let physical = run.create(ObjectKind::PhysicalMemory, HANDLE, 0, &[(0x100, 1)]);
    let opened = run.create(ObjectKind::AdapterMemory, HANDLE + 0x10, physical.object, &[]);
    let close = slot!(close_physical_memory_object);
    run.call(close, 0x20, &[HANDLE + 0x10], NtStatus::SUCCESS, |run| run.release(opened));
    let destroy = slot!(destroy_physical_memory_object);
    run.call(destroy, 0x30, &[HANDLE, 0], NtStatus::SUCCESS, |run| run.release(physical));
    assert_eq!(run.found(), []);
}

#[test]
fn a_second_destroy_is_free_001_and_not_hnd_003() {
    let mut run = Run::new(ModeChoice::Isolation);
    let physical = run.create(ObjectKind::PhysicalMemory, HANDLE, 0, &[(0x100, 1)]);
    let opened = run.create(ObjectKind::AdapterMemory, HANDLE + 0x10, physical.object, &[]);
    let both = [HANDLE, HANDLE + 0x10];
    run.call(slot!(destroy_physical_memory_object), 0x20, &both, NtStatus::SUCCESS, |run| {
        run.release(opened);
        run.release(physical);
    });
    run.call(slot!(destroy_physical_memory_object), 0x40, &both, INVALID, |_| {});
    assert_eq!(run.found(), [("FREE-001", 0x40)]);
}

#[test]
fn a_second_destroy_is_found_while_a_view_keeps_the_object() {
    for first in [NtStatus::SUCCESS, PARAMETER] {
        let mut run = Run::new(ModeChoice::Isolation);
        let physical = made(&mut run, ObjectKind::PhysicalMemory);
        let _view = run.create(ObjectKind::KernelView, 0x4000_0000_0000, physical.object, &[(0x100, 1)]);
        run.call(slot!(destroy_physical_memory_object), 0x20, &[HANDLE, 0], first, |_| {});
        run.call(slot!(destroy_physical_memory_object), 0x30, &[HANDLE, 0], INVALID, |_| {});
        assert_eq!(places(run.only()), [0x10, 0x20, 0x30]);
    }
}

#[test]
fn what_the_port_took_back_is_no_second_release() {
    let mut run = Run::new(ModeChoice::Isolation);
    made(&mut run, ObjectKind::PhysicalMemory);
    run.remove_device();
    run.reclaim(Some(stream::ADAPTER));
    run.call(slot!(destroy_physical_memory_object), 0x30, &[HANDLE, 0], INVALID, |_| {});
    let rules: Vec<&str> = run.found().iter().map(|(rule, _)| *rule).collect();
    assert_eq!(rules, ["LEAK-001", "HND-001"]);
}

/// Shows S-UPMA-02, S-UPMA-03, S-UNM-03.
#[test]
fn another_size_or_address_than_was_mapped_is_found() {
    let view = 0x4000_0000_0000;
    let cases: [(usize, ObjectKind, Vec<u64>); 4] = [
        (slot!(unmap_physical_memory), ObjectKind::KernelView, vec![1, view, 0x800]),
        (slot!(unmap_physical_memory), ObjectKind::KernelView, vec![1, view + 0x800, 0x1000]),
        (slot!(unmap_memory), ObjectKind::RegisterMap, vec![view + 4]),
        (slot!(unmap_memory), ObjectKind::PortMap, vec![view + 1]),
    ];
    for (slot, kind, words) in cases {
        let mut run = Run::new(ModeChoice::Isolation);
        let object = run.at(0x10).create(kind, view, 0, &[(0x100, 1)]);
        run.call(slot, 0x30, &words, PARAMETER, |_| {});
        let finding = run.only();
        assert_eq!((finding.rule.id, finding.place.offset), ("FREE-001", 0x30));
        assert_eq!(places(finding), [0x10, 0x30]);
        assert!(finding.message.contains(&format!("{view:#x}")), "{}", finding.message);
        let right = [1, view, 0x1000];
        let words = if words.len() == 1 { &right[1..2] } else { &right[..] };
        run.call(slot, 0x20, words, NtStatus::SUCCESS, |run| run.release(object));
        assert_eq!(run.found().len(), 1);
    }
}

#[test]
fn a_right_address_that_is_refused_is_no_misfit() {
    let mut run = Run::new(ModeChoice::Isolation);
    let view = 0x4000_0000_0000;
    run.create(ObjectKind::KernelView, view, 0, &[(0x100, 1)]);
    run.create(ObjectKind::RegisterMap, view + 0x10_0000, 0, &[(0x100, 1)]);
    // The MDL's address says nothing about the memory it describes.
    run.create(ObjectKind::MdlPages, view + 0x20_0000, 0, &[(0x100, 1)]);
    run.call(slot!(unmap_physical_memory), 0x30, &[1, view, 0x1000], READY, |_| {});
    run.call(slot!(unmap_memory), 0x31, &[view + 0x10_0000], PARAMETER, |_| {});
    run.call(slot!(unmap_memory), 0x32, &[view], PARAMETER, |_| {});
    run.call(slot!(free_pages_from_mdl), 0x33, &[view + 0x20_0010], PARAMETER, |_| {});
    assert_eq!(run.found(), []);
}
