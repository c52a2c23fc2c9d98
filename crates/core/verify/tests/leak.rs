//! LEAK-001, and ADL-003 and OBJ-002 at the removal.

mod stream;

use std::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::{ModeChoice, ObjectKind};
use dxgk_verify::{Culprit, RULES};
use stream::{ADAPTER, Made, Run, places};

const HANDLE: u64 = 0xffff_8000_0000_2000;
const VIEW: u64 = 0x4000_0000_0000;
const ADL: u64 = 0x5000_0000_0000;
const FRAMES: &[(u64, u64)] = &[(0x100, 2)];

/// Physical memory object, adapter memory object, ADL, view.
fn chain(run: &mut Run, adapter: Option<u32>) -> [Made; 4] {
    let physical = run.at(0x10).create_sized(ObjectKind::PhysicalMemory, HANDLE, 0, FRAMES, 0x2000, adapter);
    let opened = run.at(0x11).create(ObjectKind::AdapterMemory, HANDLE + 0x10, physical.object, &[]);
    let adl = run.at(0x12).create(ObjectKind::Adl, ADL, opened.object, FRAMES);
    let view =
        run.at(0x13).create_sized(ObjectKind::KernelView, VIEW, physical.object, FRAMES, 0x2000, adapter);
    [physical, opened, adl, view]
}

fn end(run: &mut Run) {
    run.remove_device();
    run.reclaim(Some(ADAPTER));
    run.unload();
    run.reclaim(None);
}

#[test]
fn nothing_is_found_when_all_is_given_back() {
    let mut run = Run::new(ModeChoice::Isolation);
    let registers = run.create(ObjectKind::RegisterMap, 0x7000_0000_0000, 0, &[(0xfe000, 1)]);
    let pages = run.create(ObjectKind::MdlPages, HANDLE + 0x100, 0, FRAMES);
    // Not of the memory callbacks.
    run.create_sized(ObjectKind::Pool, 0x5100_0000_0000, 0, FRAMES, 64, None);
    let [physical, opened, adl, view] = chain(&mut run, Some(ADAPTER));
    [view, adl, opened, physical, pages, registers].into_iter().for_each(|made| run.release(made));
    end(&mut run);
    assert_eq!(run.found(), []);
}

/// Shows S-ISO-53, S-ISO-71, S-MCC-06.
#[test]
fn each_kind_that_is_left_is_found_at_its_allocation() {
    for kind in [
        ObjectKind::RegisterMap,
        ObjectKind::PortMap,
        ObjectKind::MdlPages,
        ObjectKind::MdlMapping,
        ObjectKind::ContiguousMemory,
        ObjectKind::Pin,
        ObjectKind::PhysicalMemory,
    ] {
        let mut run = Run::new(ModeChoice::Isolation);
        let left = run.at(0x10).create(kind, HANDLE, 0, FRAMES);
        end(&mut run);
        let finding = run.only();
        assert_eq!(
            (finding.rule.id, finding.place.offset, finding.culprit),
            ("LEAK-001", 0x10, Culprit::Driver)
        );
        assert_eq!(finding.place.module.as_deref(), Some("edu.sys"));
        assert_eq!(finding.object.as_ref().map(|it| it.number), Some(left.object), "{kind:?}");
        assert_eq!(places(finding), [0x10, 0]);
        assert!(!finding.rule.documentation.is_empty() && !finding.fix.is_empty());
    }
}

#[test]
fn an_object_is_one_finding_with_all_it_owns() {
    let mut run = Run::new(ModeChoice::Remapping);
    let [physical, _, adl, view] = chain(&mut run, None);
    run.release(adl);
    run.unload();
    let finding = run.only();
    assert_eq!((finding.rule.id, view.object != 0), ("LEAK-001", true));
    assert_eq!(finding.object.as_ref().map(|it| it.number), Some(physical.object));
    assert_eq!(places(finding), [0x10, 0x11, 0x13, 0]);
    for part in ["1 adapter memory object", "1 CPU view"] {
        assert!(finding.message.contains(part), "{part}: {}", finding.message);
    }
}

/// Shows S-B1E4-07.
#[test]
fn a_list_that_is_left_is_adl_003_with_all_that_owns_it() {
    let mut run = Run::new(ModeChoice::Remapping);
    let [_, _, adl, _] = chain(&mut run, Some(ADAPTER));
    end(&mut run);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("ADL-003", 0x12));
    assert_eq!(finding.object.as_ref().map(|it| it.number), Some(adl.object));
    assert_eq!(places(finding), [0x12, 0x10, 0x11, 0x13, 0]);
    assert!(
        finding.message.contains("nor was what owns it: 1 physical memory object"),
        "{}",
        finding.message
    );
}

#[test]
fn an_object_that_is_left_open_is_obj_002() {
    let mut run = Run::new(ModeChoice::Remapping);
    let [_, opened, adl, view] = chain(&mut run, Some(ADAPTER));
    [view, adl].into_iter().for_each(|made| run.release(made));
    end(&mut run);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("OBJ-002", 0x11));
    assert_eq!(finding.object.as_ref().map(|it| it.number), Some(opened.object));
}

#[test]
fn what_was_given_back_is_not_said_to_be_left_but_what_hangs_on_it_is() {
    let mut run = Run::new(ModeChoice::Remapping);
    let [_, opened, adl, view] = chain(&mut run, Some(ADAPTER));
    let destroy = offset_of!(DxgkrnlInterface, destroy_physical_memory_object);
    run.release(adl);
    run.call(destroy, 0x20, &[HANDLE, HANDLE + 0x10], NtStatus::SUCCESS, |run| run.release(opened));
    end(&mut run);
    assert_eq!(run.only().object.as_ref().map(|it| it.number), Some(view.object));
}

#[test]
fn an_object_closed_along_with_its_owner_is_not_left_but_its_adl_is() {
    let mut run = Run::new(ModeChoice::Remapping);
    let [_, _, adl, view] = chain(&mut run, Some(ADAPTER));
    run.release(view);
    let destroy = offset_of!(DxgkrnlInterface, destroy_physical_memory_object);
    // Windows would stop the machine; here the run goes on, and the objects wait for the ADL.
    run.call(destroy, 0x20, &[HANDLE, HANDLE + 0x10], NtStatus::INVALID_PARAMETER, |_| {});
    end(&mut run);
    assert_eq!(
        run.found(),
        [("ADL-002", 0x20), ("ADL-003", 0x12)],
        "the call, and what was never given back"
    );
    let last = run.verifier.findings().last().expect("two");
    assert_eq!(last.object.as_ref().map(|it| it.number), Some(adl.object));
}

#[test]
fn an_object_without_adapter_is_judged_at_unload() {
    let mut run = Run::new(ModeChoice::Isolation);
    let left = run.at(0x10).create_sized(ObjectKind::PhysicalMemory, HANDLE, 0, FRAMES, 0x2000, None);
    run.remove_device();
    run.reclaim(Some(ADAPTER));
    assert_eq!(run.found(), []);
    run.unload();
    assert_eq!(run.only().object.as_ref().map(|it| it.number), Some(left.object));
}

#[test]
fn what_an_adapter_opened_is_left_with_the_adapter_even_if_its_owner_lives_on() {
    let mut run = Run::new(ModeChoice::Isolation);
    let [physical, opened, _, view] = chain(&mut run, None);
    run.remove_device();
    run.reclaim(Some(ADAPTER));
    assert_eq!(places(run.only()), [0x12, 0x11, 0]);
    assert_eq!(opened.handle, HANDLE + 0x10);
    run.release(view);
    run.release(physical);
    run.unload();
    assert_eq!(run.found().len(), 1);
}

#[test]
fn many_of_one_kind_from_one_place_are_one_finding() {
    let mut run = Run::new(ModeChoice::Isolation);
    for index in 0..100 {
        run.at(0x10).create(ObjectKind::MdlPages, HANDLE + 0x10 * index, 0, &[(0x100 + index, 1)]);
    }
    run.at(0x18).create(ObjectKind::MdlPages, HANDLE + 0x1_0000, 0, &[(0x1000, 1)]);
    end(&mut run);
    end(&mut run);
    let counts: Vec<u64> = run.verifier.findings().iter().map(|finding| finding.count).collect();
    assert_eq!((run.found(), counts), (vec![("LEAK-001", 0x10), ("LEAK-001", 0x18)], vec![100, 1]));
}

#[test]
fn the_rules_are_sorted_and_complete() {
    assert!(RULES.is_sorted_by_key(|rule| rule.id));
    for rule in RULES {
        let texts = [rule.broken_when, rule.windows, rule.explanation, rule.mend];
        assert!(!rule.documentation.is_empty() && texts.iter().all(|text| !text.is_empty()), "{}", rule.id);
    }
}
