//! Rules about physical memory objects, their ADLs, views and cache types, and what devices show of them.

mod stream;

use std::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::{
    BugCheck, Event, FaultReason, ListRef, Mapping, MappingStep, ModeChoice, ObjectKind, StopCause,
};
use dxgk_verify::Culprit;
use stream::{LOGICAL, Made, Run, Told, places};

const OBJECT: u64 = 0xffff_8000_0000_2000;
const OPENED: u64 = OBJECT + 0x10;
const ADL: u64 = 0x5000_0000_0000;
const FRAMES: &[(u64, u64)] = &[(0x100, 2)];
const SECTION: u8 = 2;
const INVALID: NtStatus = NtStatus::INVALID_PARAMETER;

macro_rules! slot {
    ($field:ident) => {
        offset_of!(DxgkrnlInterface, $field)
    };
}

/// An object of a type, opened, and a list of it that has the array form.
fn chain(run: &mut Run, kind: u8) -> [Made; 3] {
    run.flags = kind;
    let physical = run.at(0x10).create(ObjectKind::PhysicalMemory, OBJECT, 0, FRAMES);
    run.flags = 0;
    let opened = run.at(0x11).create(ObjectKind::AdapterMemory, OPENED, physical.object, &[]);
    let adl = run.at(0x12).create(ObjectKind::Adl, ADL, opened.object, FRAMES);
    [physical, opened, adl]
}

/// Shows S-CPOA-06.
#[test]
fn a_type_that_does_not_exist_is_obj_001() {
    let mut run = Run::new(ModeChoice::Isolation);
    for (kind, status) in [(0, INVALID), (3, INVALID), (4, NtStatus::NO_MEMORY)] {
        run.call(slot!(create_physical_memory_object), 0x20, &[1, 4096, kind, 1], status, |_| {});
    }
    assert_eq!(run.found(), [], "bad for another reason");
    run.call(slot!(create_physical_memory_object), 0x24, &[1, 4096, 9, 1], INVALID, |_| {});
    assert_eq!(run.found(), [("OBJ-001", 0x24)]);
}

/// Shows S-OPOA-04, S-OPOA-05.
#[test]
fn a_second_open_is_obj_003() {
    let mut run = Run::new(ModeChoice::Isolation);
    let [physical, ..] = chain(&mut run, 0);
    let open = slot!(open_physical_memory_object);
    run.call(open, 0x20, &[OBJECT, 1], NtStatus::INSUFFICIENT_RESOURCES, |_| {});
    assert_eq!(run.found(), []);
    run.call(open, 0x24, &[OBJECT, 1], NtStatus::ALREADY_REGISTERED, |_| {});
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("OBJ-003", 0x24));
    assert_eq!(finding.object.as_ref().map(|it| it.number), Some(physical.object));
    assert_eq!(places(finding), [0x10, 0x11, 0x24], "made, opened, opened again");
}

/// Shows S-DPOA-04, S-B1E4-05.
#[test]
fn destroying_or_closing_under_a_living_list_is_adl_002() {
    for close in [false, true] {
        let mut run = Run::new(ModeChoice::Isolation);
        let [_, _, adl] = chain(&mut run, 0);
        if close {
            run.call(slot!(close_physical_memory_object), 0x20, &[OPENED], INVALID, |_| {});
        } else {
            run.call(slot!(destroy_physical_memory_object), 0x20, &[OBJECT, OPENED], INVALID, |_| {});
        }
        let finding = run.only();
        assert_eq!((finding.rule.id, finding.place.offset), ("ADL-002", 0x20), "{close}");
        assert_eq!(finding.object.as_ref().map(|it| it.number), Some(adl.object));
        assert_eq!(places(finding), [0x12, 0x20]);
    }
}

#[test]
fn destroying_without_the_open_adapter_memory_object_is_obj_002_unless_a_list_lives() {
    let mut run = Run::new(ModeChoice::Isolation);
    let [_, opened, adl] = chain(&mut run, 0);
    run.release(adl);
    run.call(slot!(destroy_physical_memory_object), 0x20, &[OBJECT, 0], INVALID, |_| {});
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("OBJ-002", 0x20));
    assert_eq!(finding.object.as_ref().map(|it| it.number), Some(opened.object));

    let mut run = Run::new(ModeChoice::Isolation);
    chain(&mut run, 0);
    run.call(slot!(destroy_physical_memory_object), 0x20, &[OBJECT, 0], INVALID, |_| {});
    assert_eq!(run.found(), [("ADL-002", 0x20)]);
}

/// Shows S-AADA-06, S-AADA-09.
#[test]
fn flags_that_the_type_does_not_allow_and_reserved_ones_are_adl_005() {
    let allocate = slot!(allocate_adl);
    for (kind, flags, found) in [
        (0, 1, true),
        (SECTION, 1, true),
        (1, 1, false),
        (3, 1, false),
        (0, 2, false),
        (1, 4, true),
        (0, 0x8000_0000, true),
    ] {
        let mut run = Run::new(ModeChoice::Isolation);
        chain(&mut run, kind);
        run.call(allocate, 0x20, &[OPENED, 0, 4096, flags], INVALID, |_| {});
        let expected: &[(&str, u64)] = if found { &[("ADL-005", 0x20)] } else { &[] };
        assert_eq!(run.found(), expected, "type {kind}, flags {flags:#x}");
    }
}

/// Shows S-ACC-04.
#[test]
fn a_user_view_unmapped_in_another_process_is_proc_001_whatever_the_size() {
    for (kind, verb) in [
        (ObjectKind::UserView, slot!(unmap_physical_memory)),
        (ObjectKind::UserRegisterMap, slot!(unmap_memory)),
    ] {
        for size in [0x2000, 0x1000] {
            let mut run = Run::new(ModeChoice::Isolation);
            run.process = 7;
            let view = run.at(0x10).create_sized(kind, 0x2000_0000_0000, 0, FRAMES, 0x2000, Some(0));
            run.process = 8;
            let words = if verb == slot!(unmap_memory) {
                vec![0x2000_0000_0000]
            } else {
                vec![OBJECT, 0x2000_0000_0000, size]
            };
            run.call(verb, 0x20, &words, INVALID, |_| {});
            let finding = run.only();
            assert_eq!((finding.rule.id, finding.place.offset), ("PROC-001", 0x20), "{kind:?}");
            assert_eq!(finding.object.as_ref().map(|it| it.number), Some(view.object));
            assert!(finding.message.contains("process 8") && finding.message.contains("process 7"));
        }
    }
}

#[test]
fn a_kernel_view_may_be_unmapped_in_any_process_and_a_wrong_size_is_free_001_in_its_own() {
    let mut run = Run::new(ModeChoice::Isolation);
    run.process = 7;
    run.at(0x10).create_sized(ObjectKind::UserView, 0x2000_0000_0000, 0, FRAMES, 0x2000, Some(0));
    run.at(0x11).create_sized(ObjectKind::KernelView, 0x4000_0000_0000, 0, FRAMES, 0x2000, Some(0));
    let verb = slot!(unmap_physical_memory);
    run.call(verb, 0x20, &[OBJECT, 0x2000_0000_0000, 0x1000], INVALID, |_| {});
    run.process = 8;
    run.call(verb, 0x24, &[OBJECT, 0x4000_0000_0000, 0x2000], INVALID, |_| {});
    assert_eq!(run.found(), [("FREE-001", 0x20)]);
}

/// Shows S-MPE-05.
#[test]
fn a_user_view_of_memory_that_nobody_wrote_is_uninit_001() {
    let mut run = Run::new(ModeChoice::Isolation);
    let [physical, ..] = chain(&mut run, 1);
    for (kind, flags) in [(ObjectKind::UserView, 0), (ObjectKind::KernelView, 1)] {
        run.flags = flags;
        run.at(0x20).create(kind, 0x4000_0000_0000 + u64::from(flags) * 0x10_0000, physical.object, FRAMES);
    }
    assert_eq!(run.found(), []);
    run.flags = 1;
    run.at(0x24).create(ObjectKind::UserView, 0x2000_0000_0000, physical.object, FRAMES);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("UNINIT-001", 0x24));
    assert_eq!(finding.object.as_ref().map(|it| it.number), Some(physical.object));
}

/// Shows S-MAP-10, S-MPM-02.
#[test]
fn a_page_with_two_cache_types_is_cache_001() {
    let mut run = Run::new(ModeChoice::Isolation);
    let first = run.at(0x10).create(ObjectKind::RegisterMap, 0x7000_0000_0000, 0, &[(0xfe000, 4)]);
    run.at(0x11).create(ObjectKind::RegisterMap, 0x7000_0010_0000, 0, &[(0xfe002, 1)]);
    run.cache = 2;
    let beside = run.at(0x12).create(ObjectKind::RegisterMap, 0x7000_0020_0000, 0, &[(0xfe004, 1)]);
    assert_eq!(run.found(), [], "the same type, and other pages");
    run.at(0x14).create(ObjectKind::UserRegisterMap, 0x2800_0000_0000, 0, &[(0xfdfff, 2)]);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("CACHE-001", 0x14));
    assert!(finding.message.contains("0xfe000000"), "{}", finding.message);
    assert!(finding.message.contains("write-combining") && finding.message.contains("uncached"));
    assert_eq!(places(finding), [0x10, 0x14]);
    run.release(first);
    run.release(beside);
    run.at(0x18).create(ObjectKind::RegisterMap, 0x7000_0030_0000, 0, &[(0xfe003, 2)]);
    assert_eq!(run.found().len(), 1, "what is gone does not count");
}

#[test]
fn views_of_a_section_are_not_judged_by_pages_that_move() {
    let mut run = Run::new(ModeChoice::Isolation);
    let [section, ..] = chain(&mut run, SECTION);
    run.cache = 1;
    run.at(0x20).create(ObjectKind::KernelView, 0x4000_0000_0000, section.object, FRAMES);
    run.cache = 2;
    let other = run.at(0x21).create(ObjectKind::PhysicalMemory, OBJECT + 0x100, 0, FRAMES);
    run.at(0x22).create(ObjectKind::KernelView, 0x4000_0010_0000, other.object, FRAMES);
    assert_eq!(run.found(), []);
}

fn taken(run: &mut Run, object: u64, frames: &[u64]) {
    let frames = run.list(frames);
    run.emit(Event::Mapping(Mapping {
        object,
        logical_page: u64::MAX,
        pages: 1,
        frames,
        domain: u32::MAX,
        logical_adapter: u32::MAX,
        step: MappingStep::PagesReturned,
        access: 0,
        identity: 1,
        reserved: [0; 5],
    }));
}

/// Shows S-B1E4-04, S-RMP-44.
#[test]
fn a_page_taken_from_under_a_living_list_is_adl_001_and_the_ports() {
    for logical in [Some(0x80_000), None] {
        let mut run = Run::new(ModeChoice::Isolation);
        let [section, _, adl] = chain(&mut run, SECTION);
        run.map(adl, logical, FRAMES);
        taken(&mut run, section.object, &[0x90, 4, 0x102, 1]);
        assert_eq!(run.found(), [], "other pages");
        taken(&mut run, section.object, &[0x200, 1, 0x101, 1]);
        let finding = run.only();
        assert_eq!((finding.rule.id, finding.culprit, finding.place.rip), ("ADL-001", Culprit::Port, 0));
        assert_eq!(finding.object.as_ref().map(|it| it.number), Some(adl.object), "{logical:?}");
        let mut run = Run::new(ModeChoice::Isolation);
        let [section, _, adl] = chain(&mut run, SECTION);
        run.map(adl, logical, FRAMES);
        run.unmap(adl, logical, FRAMES, true);
        taken(&mut run, section.object, &[0x100, 2]);
        assert_eq!(run.found(), [], "after the list has gone");
    }
}

/// Shows S-ADL-05, S-RMP-42.
#[test]
fn an_arrays_address_given_to_the_device_is_adl_004_in_both_ways() {
    let (array, wrong_page) = (ADL, ADL << 12);
    for (address, words) in
        [(array, "the address of the page array"), (wrong_page, "taken for a page number")]
    {
        let mut run = Run::new(ModeChoice::Remapping);
        let [_, _, adl] = chain(&mut run, 0);
        run.map(adl, Some(0x80_000), FRAMES);
        run.refused(0x40, address);
        let finding = run.only();
        assert_eq!((finding.rule.id, finding.place.offset), ("ADL-004", 0x40));
        assert!(finding.message.contains(words), "{}", finding.message);
        assert_eq!(finding.object.as_ref().map(|it| it.number), Some(adl.object));
        run.release(adl);
        run.refused(0x44, address);
        assert_eq!(run.found()[1..], [("DMA-001", 0x44)], "there is no such list any more");
    }
}

/// Shows S-ADL-02.
#[test]
fn a_base_page_number_that_is_followed_is_adl_004() {
    let mut run = Run::new(ModeChoice::Remapping);
    let opened = run.at(0x11).create(ObjectKind::AdapterMemory, OPENED, 0, &[]);
    run.flags = 1;
    run.logical_page = 0x8_1000;
    let adl = run.at(0x12).create_contiguous_adl(ADL, opened.object, FRAMES);
    run.flags = 0;
    let stop = |address: u64| {
        Event::BugCheck(BugCheck {
            parameters: [0xC000_0005, 0, 0, address],
            registers: ListRef::default(),
            address,
            code: 0x1E,
            cause: StopCause::Exception,
            reserved: [0; 3],
        })
    };
    run.at(0x50).emit(stop(0x8_1010));
    assert_eq!(run.found(), [], "behind what would be its two numbers");
    run.at(0x54).emit(stop(0x8_1008));
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("ADL-004", 0x54));
    assert_eq!(finding.object.as_ref().map(|it| it.number), Some(adl.object));
}

#[test]
fn a_pointer_given_to_the_device_is_dma_005() {
    for (kind, address) in [
        (ObjectKind::KernelView, 0x4000_0000_0000),
        (ObjectKind::Pool, 0x5100_0000_0000),
        (ObjectKind::ContiguousMemory, 0x4100_0000_0000),
        (ObjectKind::MmMemory, 0x5200_0000_0000),
    ] {
        for mode in [ModeChoice::Isolation, ModeChoice::Remapping] {
            let mut run = Run::new(mode);
            let made = run.at(0x10).create_sized(kind, address, 0, &[], 0x2000, Some(0));
            run.refused(0x40, address + 0x1234);
            let finding = run.only();
            assert_eq!((finding.rule.id, finding.place.offset), ("DMA-005", 0x40), "{kind:?}");
            assert!(finding.message.contains("0x1234 bytes into"), "{}", finding.message);
            assert_eq!(finding.object.as_ref().map(|it| it.number), Some(made.object));
            run.refused(0x44, address + 0x2000);
            assert_eq!(run.found()[1..], [("DMA-001", 0x44)], "behind its end");
        }
    }
}

/// Two objects of a page each, one behind the other in the device's addresses.
fn neighbours(run: &mut Run, logical: bool) -> [Made; 2] {
    [0x100u64, 0x101].map(|page| {
        let at = OBJECT + page * 0x10;
        let one = run.at(page).create(ObjectKind::MdlPages, at, 0, &[(page, 1)]);
        run.map(one, logical.then_some(0x80_000 + page), &[(page, 1)]);
        one
    })
}

#[test]
fn a_transfer_into_another_objects_mapping_is_dma_006_though_nobody_refused_it() {
    for logical in [false, true] {
        let mut run = Run::new(if logical { ModeChoice::Remapping } else { ModeChoice::Isolation });
        let [one, _] = neighbours(&mut run, logical);
        let start = (if logical { 0x80_100u64 } else { 0x100 }) << 12;
        run.transfer(0x40, start, 0x1000, 0x1000, None);
        run.transfer(0x41, start + 0x1000, 0x1000, 0x1000, None);
        assert_eq!(run.found(), [], "each in its own");
        run.transfer(0x44, start + 0x800, 0x1000, 0x1000, None);
        let finding = run.only();
        assert_eq!(
            (finding.rule.id, finding.culprit, finding.place.offset),
            ("DMA-006", Culprit::Driver, 0x44)
        );
        assert_eq!(finding.object.as_ref().map(|it| it.number), Some(one.object));
        assert!(finding.message.contains("which nobody refused"), "{}", finding.message);
    }
}

#[test]
fn a_transfer_over_two_lists_of_one_object_or_inside_a_larger_mapping_is_none() {
    let mut run = Run::new(ModeChoice::Isolation);
    let [physical, opened, _] = chain(&mut run, 0);
    for page in [0x100u64, 0x101] {
        let adl = run.create(ObjectKind::Adl, ADL + page * 0x1000, opened.object, &[(page, 1)]);
        run.map(adl, None, &[(page, 1)]);
    }
    run.transfer(0x40, 0x100_800, 0x1000, 0x1000, None);
    assert_eq!(run.found(), [], "two lists of object {}", physical.object);

    let mut run = Run::new(ModeChoice::Isolation);
    let whole = run.create(ObjectKind::MdlMapping, OBJECT, 0, FRAMES);
    run.map(whole, None, FRAMES);
    let part = run.create(ObjectKind::MdlMapping, OBJECT + 0x10, 0, &[(0x101, 1)]);
    run.map(part, None, &[(0x101, 1)]);
    run.transfer(0x40, 0x100_800, 0x1000, 0x1000, None);
    assert_eq!(run.found(), [], "the first mapping holds all of it");
}

#[test]
fn an_address_above_what_the_device_sees_is_dma_007_unless_a_better_reason_is_known() {
    for mode in [ModeChoice::Isolation, ModeChoice::Remapping] {
        let highest_visible = (1 << 40) - 1;
        let mut run = Run::told(Told { highest_visible, ..Told::new(mode) });
        run.at(0x10).create_sized(ObjectKind::KernelView, 0x4000_0000_0000, 0, &[], 0x2000, Some(0));
        run.refused(0x40, highest_visible);
        run.refused(0x44, 0x4000_0000_0000);
        run.transfer(0x48, 1 << 40, 4, 0, Some(FaultReason::BeyondWidth));
        assert_eq!(run.found(), [("DMA-001", 0x40), ("DMA-005", 0x44), ("DMA-007", 0x48)], "{mode:?}");
    }
}

#[test]
fn what_was_mapped_once_is_dma_002_before_anything_else() {
    let mut run = Run::told(Told { highest_visible: 0x8000_0000, ..Told::new(ModeChoice::Remapping) });
    let made =
        [0x100u64, 0x101].map(|page| run.create(ObjectKind::MdlPages, OBJECT + page * 0x10, 0, &[(page, 1)]));
    run.map(made[0], Some(0x80_100), &[(0x100, 1)]);
    run.map(made[1], Some(0x80_101), &[(0x101, 1)]);
    run.unmap(made[1], Some(0x80_101), &[(0x101, 1)], true);
    run.transfer(0x40, 0x8010_0800, 0x1000, 0x800, Some(FaultReason::NotPresent));
    assert_eq!(run.found(), [("DMA-002", 0x40)]);
    assert_eq!(LOGICAL, 0);
}

/// Shows S-RMP-25.
#[test]
fn the_physical_address_of_a_sections_page_is_dma_004_through_its_list() {
    let mut run = Run::new(ModeChoice::Remapping);
    run.flags = SECTION;
    let section = run.at(0x10).create_sized(ObjectKind::PhysicalMemory, OBJECT, 0, &[], 0x2000, Some(0));
    run.flags = 0;
    let opened = run.at(0x11).create(ObjectKind::AdapterMemory, OPENED, section.object, &[]);
    let adl = run.at(0x12).create(ObjectKind::Adl, ADL, opened.object, FRAMES);
    run.map(adl, Some(0x80_000), FRAMES);
    run.refused(0x40, 0x101_010);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("DMA-004", 0x40));
    assert!(finding.fix.contains("0x80001010"), "{}", finding.fix);
}

#[test]
fn a_touch_of_another_processs_view_is_cpu_001_and_of_its_registers_reg_001() {
    for (kind, rule) in [(ObjectKind::UserView, "CPU-001"), (ObjectKind::UserRegisterMap, "REG-001")] {
        let mut run = Run::new(ModeChoice::Isolation);
        run.process = 7;
        run.at(0x10).create_sized(kind, 0x2000_0000_0000, 0, FRAMES, 0x2000, Some(0));
        let stop = Event::BugCheck(BugCheck {
            parameters: [0xC000_0005, 0, 0, 0x2000_0000_0010],
            registers: ListRef::default(),
            address: 0x2000_0000_0010,
            code: 0x1E,
            cause: StopCause::Exception,
            reserved: [0; 3],
        });
        run.at(0x20).emit(stop);
        assert_eq!(run.found(), [], "in its own process nothing is known against it");
        run.process = 8;
        run.at(0x24).emit(stop);
        let finding = run.only();
        assert_eq!((finding.rule.id, finding.place.offset), (rule, 0x24));
        assert!(finding.message.contains("process 7"), "{}", finding.message);
    }
}
