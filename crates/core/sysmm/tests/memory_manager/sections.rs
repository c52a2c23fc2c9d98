//! Sections: frames that come and go under what the driver sees, and stay where the device looks.

use std::sync::atomic::Ordering;

use dxgk_abi::callback::{
    AccessMode, AllocateAdlFlags, ArgCbAllocateAdl, ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl,
    ArgCbMapMdlToIoMmu, ArgCbMapPhysicalMemory, ArgCbUnmapPhysicalMemory, MemoryCachingType,
};
use dxgk_abi::kernel::PageProtection;
use dxgk_abi::mdl::MdlFlags;
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_event::{Event, MappingStep, ObjectKind};
use dxgk_hw::{CpuVa, MachineMemory, PhysAddr};
use dxgk_sysmm::callbacks::{AllocatedAdl, CreatedPhysicalMemory, MappedView};
use dxgk_sysmm::{CallError, Policy};

use crate::machine::{
    ALL_MODES, CALLER, Kind, Laid, MIB, MODES_2_4, Run, STORED_PAGES, adl_args, mdl_header, section_object,
};

const PAGE: u64 = 4096;
const READ_WRITE: PageProtection = PageProtection::READWRITE;

fn section(run: &Run, pages: u64, protection: PageProtection) -> CreatedPhysicalMemory {
    let args = section_object(run.lead, pages * PAGE, protection);
    run.sysmm.create_physical_memory_object(&CALLER, &args).expect("room")
}

fn view_in(run: &Run, made: CreatedPhysicalMemory, mode: AccessMode, part: (u64, u64)) -> MappedView {
    let args = ArgCbMapPhysicalMemory {
        physical_memory_object: made.physical_memory_object,
        access_mode: mode,
        offset: part.0,
        size: part.1,
        ..ArgCbMapPhysicalMemory::default()
    };
    run.sysmm.map_physical_memory(&CALLER, &args).expect("room")
}

fn view(run: &Run, made: CreatedPhysicalMemory, pages: u64) -> MappedView {
    view_in(run, made, AccessMode::KERNEL_MODE, (0, pages * PAGE))
}

fn unmap(run: &Run, made: CreatedPhysicalMemory, view: MappedView) {
    let args = ArgCbUnmapPhysicalMemory {
        physical_memory_object: made.physical_memory_object,
        base_address: Pointer(view.mapped_address.get()),
        size: view.size,
    };
    run.sysmm.unmap_physical_memory(&CALLER, &args).expect("a live view");
}

fn destroy(run: &Run, made: CreatedPhysicalMemory) {
    let args = ArgCbDestroyPhysicalMemoryObject {
        physical_memory_object: made.physical_memory_object,
        adapter_memory_object: made.adapter_memory_object,
    };
    run.sysmm.destroy_physical_memory_object(&CALLER, &args).expect("nothing hangs on it");
}

fn adl(run: &Run, made: CreatedPhysicalMemory, first: u64, pages: u64) -> AllocatedAdl {
    let args = adl_args(made.adapter_memory_object, first * PAGE, pages * PAGE);
    run.sysmm.allocate_adl(&CALLER, &args).expect("room")
}

fn free_adl(run: &Run, made: CreatedPhysicalMemory, adl: AllocatedAdl) {
    let adapter_memory_object = made.adapter_memory_object;
    let args = ArgCbFreeAdl { adapter_memory_object, adl: Pointer(adl.adl.get()) };
    run.sysmm.free_adl(&CALLER, &args).expect("live");
}

/// The frame under an address, after the fault that a touch would be if there is none.
fn touch(run: &Run, view: MappedView, offset: u64) -> u64 {
    let under = || run.machine.driver.frame_under(view.mapped_address, offset);
    if under().is_none() {
        run.sysmm.page_in(CpuVa::new(view.mapped_address.get() + offset)).expect("the page comes back");
    }
    under().expect("there is a frame now")
}

fn store(run: &Run, view: MappedView, offset: u64, bytes: &[u8]) {
    let frame = touch(run, view, offset);
    run.machine.ram.write(PhysAddr::new(frame * PAGE + offset % PAGE), bytes).expect("RAM");
}

fn load<const N: usize>(run: &Run, view: MappedView, offset: u64) -> [u8; N] {
    let mut bytes = [0; N];
    let frame = touch(run, view, offset);
    run.machine.ram.read(PhysAddr::new(frame * PAGE + offset % PAGE), &mut bytes).expect("RAM");
    bytes
}

/// Shows S-PMT-03, S-CPOA-07.
#[test]
fn a_section_starts_zeroed_and_every_view_of_it_shows_the_same_bytes() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let made = section(&run, 3, READ_WRITE);
        let (one, other) = (view(&run, made, 3), view(&run, made, 3));
        for page in 0..3 {
            assert_eq!(load::<8>(&run, one, page * PAGE + 8), [0; 8]);
        }
        store(&run, one, PAGE + 5, b"bytes");
        assert_eq!(&load::<5>(&run, other, PAGE + 5), b"bytes");
        unmap(&run, made, one);
        unmap(&run, made, other);
        destroy(&run, made);
        run.assert_balanced();
    }
}

/// Shows S-RMP-44, S-AAD-05.
#[test]
fn pages_lose_their_frames_under_pressure_and_come_back_with_their_bytes() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let made = section(&run, 8, READ_WRITE);
        let (one, other) =
            (view(&run, made, 8), view_in(&run, made, AccessMode::USER_MODE, (2 * PAGE, PAGE)));
        for page in 0..8 {
            store(&run, one, page * PAGE, &[page as u8 + 1, 0xab]);
        }
        let free = run.sysmm.statistics().pages.free;
        assert_eq!(run.sysmm.trim(5), 5);
        let after = run.sysmm.statistics();
        assert_eq!((after.pages.free, after.paged_out), (free + 5, 5), "{kind:?}");
        assert_eq!(run.sysmm.trim(100), 3, "there are no more");
        assert_eq!(run.sysmm.trim(100), 0);
        assert!((0..8).all(|page| run.machine.driver.frame_under(one.mapped_address, page * PAGE).is_none()));
        assert_eq!(run.machine.driver.frame_under(other.mapped_address, 0), None, "nor has any other view");
        for page in 0..8 {
            assert_eq!(load::<2>(&run, one, page * PAGE), [page as u8 + 1, 0xab], "{kind:?}");
        }
        assert_eq!(load::<2>(&run, other, 0), [3, 0xab]);
        let frames = [touch(&run, one, 2 * PAGE), touch(&run, other, 0)];
        assert_eq!(frames[0], frames[1], "one frame under both views");
        run.sysmm.trim(2);
        unmap(&run, made, one);
        unmap(&run, made, other);
        destroy(&run, made);
        run.assert_balanced();
    }
}

/// Shows S-AAD-05, S-RMP-44.
#[test]
fn an_adl_keeps_every_page_of_its_section_and_brings_back_its_own() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let made = section(&run, 6, READ_WRITE);
        let seen = view(&run, made, 6);
        store(&run, seen, 4 * PAGE, b"device");
        assert_eq!(run.sysmm.trim(6), 6);
        let list = adl(&run, made, 3, 2);
        assert_eq!(run.sysmm.statistics().paged_out, 4, "the ADL's two have frames, {kind:?}");
        assert_eq!(run.sysmm.trim(100), 0, "and none of the section is taken while it lives");
        let frame = touch(&run, seen, 4 * PAGE);
        assert_eq!(&load::<6>(&run, seen, 4 * PAGE), b"device");
        if kind != Kind::Passthrough {
            assert!(run.domain.reachable().contains(&frame), "the device reaches what the CPU sees");
        }
        if kind != Kind::Remapping {
            let Laid::Pages(pages) = run.adl(list.adl) else { panic!("the array form") };
            assert_eq!(pages.get(1), Some(&frame));
        }
        free_adl(&run, made, list);
        assert_eq!(run.sysmm.trim(100), 2, "unlocked again");
        unmap(&run, made, seen);
        destroy(&run, made);
        run.assert_balanced();
    }
}

#[test]
fn two_adls_lock_a_section_until_the_second_has_gone() {
    let run = Run::new(Kind::Isolation);
    let made = section(&run, 2, READ_WRITE);
    let lists = [adl(&run, made, 0, 1), adl(&run, made, 0, 2)];
    free_adl(&run, made, lists[0]);
    assert_eq!(run.sysmm.trim(10), 0);
    free_adl(&run, made, lists[1]);
    assert_eq!(run.sysmm.trim(10), 2);
    destroy(&run, made);
    run.assert_balanced();
}

#[test]
fn an_adl_whose_invalidation_was_not_confirmed_locks_its_section_for_ever() {
    let run = Run::new(Kind::Isolation);
    let made = section(&run, 2, READ_WRITE);
    let list = adl(&run, made, 0, 2);
    run.domain.unit_hangs.store(true, Ordering::Relaxed);
    free_adl(&run, made, list);
    assert_eq!(run.sysmm.trim(10), 0, "the device may still reach them");
    destroy(&run, made);
    assert_eq!(run.sysmm.statistics().pages.quarantined, 2);
}

/// Shows S-CPOA-15.
#[test]
fn a_device_may_write_read_write_sections_only() {
    let read_only = [PageProtection::READONLY, PageProtection::EXECUTE, PageProtection::WRITECOPY];
    for kind in [Kind::Isolation, Kind::Remapping] {
        for protection in read_only.into_iter().chain([READ_WRITE]) {
            let run = Run::new(kind);
            let made = section(&run, 2, protection);
            let list = adl(&run, made, 0, 2);
            let shielded = run.domain.tables.lock().expect("unpoisoned").read_only.len();
            assert_eq!(shielded, if protection == READ_WRITE { 0 } else { 2 }, "{protection:?}, {kind:?}");
            let events = run.machine.sink.events.lock().expect("unpoisoned").clone();
            let told = events.iter().rev().find_map(|event| match event {
                Event::Mapping(mapping) if mapping.step == MappingStep::Mapped => Some(mapping.access),
                _ => None,
            });
            assert_eq!(told, Some(if protection == READ_WRITE { 3 } else { 1 }));
            free_adl(&run, made, list);
            destroy(&run, made);
            run.assert_balanced();
        }
    }
}

#[test]
fn a_late_switch_keeps_what_a_device_may_only_read() {
    let run = Run::new(Kind::Passthrough);
    let (shielded, open) = (section(&run, 2, PageProtection::READONLY), section(&run, 1, READ_WRITE));
    let lists = [adl(&run, shielded, 0, 2), adl(&run, open, 0, 1)];
    run.sysmm.set_mode(run.logical, run.isolation()).expect("possible");
    let tables = run.domain.tables.lock().expect("unpoisoned");
    assert_eq!((tables.entries.len(), tables.read_only.len()), (3, 2));
    drop(tables);
    free_adl(&run, shielded, lists[0]);
    free_adl(&run, open, lists[1]);
    destroy(&run, shielded);
    destroy(&run, open);
    run.assert_balanced();
}

#[test]
fn map_mdl_to_iommu_refuses_pages_that_devices_may_only_read() {
    for kind in MODES_2_4 {
        let run = Run::new(kind);
        let made = section(&run, 1, PageProtection::READONLY);
        let frame = touch(&run, view(&run, made, 1), 0);
        let mdl = run.machine.driver.own_mdl(mdl_header(1, MdlFlags::PAGES_LOCKED), &[frame]);
        let args = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl), memory_handle: Handle::NULL };
        let refused = run.sysmm.map_mdl_to_iommu(&CALLER, run.lead, &args);
        assert_eq!(refused, Err(CallError::Status(NtStatus::ACCESS_DENIED)), "{kind:?}");
        assert!(run.domain.reachable().is_empty());
    }
}

#[test]
fn a_page_that_an_mdl_maps_for_a_device_keeps_its_frame() {
    let run = Run::new(Kind::Isolation);
    let made = section(&run, 2, READ_WRITE);
    let seen = view(&run, made, 2);
    let frame = touch(&run, seen, PAGE);
    let mdl = run.machine.driver.own_mdl(mdl_header(1, MdlFlags::PAGES_LOCKED), &[frame]);
    let args = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl), memory_handle: Handle::NULL };
    run.sysmm.map_mdl_to_iommu(&CALLER, run.lead, &args).expect("room");
    assert_eq!(run.sysmm.trim(10), 1);
    assert_eq!(run.machine.driver.frame_under(seen.mapped_address, PAGE), Some(frame));
}

#[test]
fn a_user_view_of_a_section_that_is_not_read_write_can_be_read_only() {
    for (protection, mode, limited) in [
        (READ_WRITE, AccessMode::USER_MODE, false),
        (PageProtection::READONLY, AccessMode::USER_MODE, true),
        (PageProtection::WRITECOPY, AccessMode::USER_MODE, true),
        (PageProtection::READONLY, AccessMode::KERNEL_MODE, false),
    ] {
        let run = Run::new(Kind::Passthrough);
        let made = section(&run, 1, protection);
        let seen = view_in(&run, made, mode, (0, PAGE));
        let read_only = run.machine.driver.read_only.lock().expect("unpoisoned").clone();
        assert_eq!(read_only.contains(&seen.mapped_address.get()), limited, "{protection:?}, {mode:?}");
    }
}

/// Shows S-MPMA-03, S-MPMA-04, S-MPMA-06, S-MPMA-07, S-MPMA-08, S-CPOA-08.
#[test]
fn a_partial_view_says_where_the_wanted_data_is_and_how_long_it_really_is() {
    let run = Run::new(Kind::Isolation);
    let made = section(&run, 6, READ_WRITE);
    let whole = view(&run, made, 6);
    for (offset, size, start, length) in [
        (0, 1, 0, PAGE),
        (PAGE - 1, 2, PAGE - 1, 2 * PAGE),
        (3 * PAGE, PAGE, 0, PAGE),
        (2 * PAGE + 7, 3 * PAGE, 7, 4 * PAGE),
        (6 * PAGE - 1, 1, PAGE - 1, PAGE),
    ] {
        let part = view_in(&run, made, AccessMode::KERNEL_MODE, (offset, size));
        assert_eq!((part.offset, part.size), (start, length), "{offset:#x} {size:#x}");
        store(&run, whole, offset, b"x");
        assert_eq!(&load::<1>(&run, part, part.offset), b"x");
        store(&run, whole, offset, b"o");
        run.sysmm.trim(6);
        assert_eq!(&load::<1>(&run, part, part.offset), b"o", "after its frame has gone, too");
    }
}

#[test]
fn a_full_store_leaves_pages_where_they_are_and_costs_nothing_for_pages_of_one_word() {
    let run = Run::with(Kind::Passthrough, Policy::default(), &[(0, 64 * MIB, 0)]);
    let count = STORED_PAGES + 20;
    let made = section(&run, count, READ_WRITE);
    let seen = view(&run, made, count);
    for page in 0..count {
        store(&run, seen, page * PAGE, &(page + 1).to_le_bytes());
    }
    let free = run.sysmm.statistics().pages.free;
    assert_eq!(run.sysmm.trim(1000), STORED_PAGES, "what the store holds");
    assert_eq!(run.sysmm.statistics().pages.free, free + STORED_PAGES);
    let blank = section(&run, 100, READ_WRITE);
    assert_eq!(run.sysmm.trim(1000), 100, "zeroes need no room");
    for page in (0..count).rev() {
        let expected = (page + 1).to_le_bytes();
        assert_eq!(load::<8>(&run, seen, page * PAGE), expected);
    }
    unmap(&run, made, seen);
    destroy(&run, made);
    destroy(&run, blank);
    run.assert_balanced();
}

#[test]
fn a_view_that_cannot_let_go_keeps_its_frame() {
    let run = Run::new(Kind::Isolation);
    let made = section(&run, 2, READ_WRITE);
    let seen = view(&run, made, 1);
    run.machine.driver.rigid.store(true, Ordering::Relaxed);
    assert_eq!(run.sysmm.trim(10), 1, "the page without a view");
    assert!(run.machine.driver.frame_under(seen.mapped_address, 0).is_some());
    assert_eq!(run.sysmm.statistics().pages.held, 0);
    unmap(&run, made, seen);
    destroy(&run, made);
    run.assert_balanced();
}

#[test]
fn without_a_frame_a_page_does_not_come_back_and_nothing_is_lost() {
    let run = Run::with(Kind::Isolation, Policy::default(), &[(0, 64 << 12, 0)]);
    let made = section(&run, 4, READ_WRITE);
    let seen = view(&run, made, 4);
    store(&run, seen, 0, b"kept");
    assert_eq!(run.sysmm.trim(10), 4);
    let free = run.sysmm.statistics().pages.free;
    let rest = run
        .pages
        .allocate(&dxgk_sysmm::pages::PageRequest::anywhere(free), dxgk_sysmm::pages::PageOwner::Kernel);
    let rest = rest.expect("that many are free");
    let touched = CpuVa::new(seen.mapped_address.get());
    assert_eq!(run.sysmm.page_in(touched), Err(NtStatus::NO_MEMORY));
    let before = run.sysmm.statistics();
    let refused = run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, 4 * PAGE));
    assert_eq!(refused, Err(CallError::Status(NtStatus::NO_MEMORY)));
    let args = ArgCbMapPhysicalMemory {
        physical_memory_object: made.physical_memory_object,
        size: PAGE,
        ..ArgCbMapPhysicalMemory::default()
    };
    let refused = run.sysmm.map_physical_memory(&CALLER, &args);
    assert_eq!(refused, Err(CallError::Status(NtStatus::NO_MEMORY)));
    assert_eq!(run.sysmm.statistics(), before);
    run.pages.release(&rest, dxgk_sysmm::pages::PageOwner::Kernel).expect("its own");
    assert_eq!(&load::<4>(&run, seen, 0), b"kept");
    unmap(&run, made, seen);
    destroy(&run, made);
    run.assert_balanced();
}

#[test]
fn a_touch_of_what_is_no_view_of_a_section_is_an_access_violation() {
    let run = Run::new(Kind::Isolation);
    let made = section(&run, 1, READ_WRITE);
    let seen = view(&run, made, 1);
    for address in [0, 1, seen.mapped_address.get() - 1, seen.mapped_address.get() + PAGE, u64::MAX] {
        assert_eq!(run.sysmm.page_in(CpuVa::new(address)), Err(NtStatus::ACCESS_VIOLATION), "{address:#x}");
    }
}

/// Shows S-CPOA-09, S-CPOA-15, S-CPOA-16.
#[test]
fn a_section_refuses() {
    use PageProtection as Is;
    let bad = NtStatus::INVALID_PARAMETER;
    let with = |pages: u64, protection: Is, cache: MemoryCachingType| {
        let mut args = section_object(Handle::NULL, pages * PAGE, protection);
        args.cache_type = cache;
        args
    };
    let (cached, combined) = (MemoryCachingType::CACHED, MemoryCachingType::WRITE_COMBINED);
    let cases = [
        ("uncached", with(1, READ_WRITE, MemoryCachingType::NON_CACHED), bad),
        ("cache type 3", with(1, READ_WRITE, MemoryCachingType(3)), bad),
        ("no protection", with(1, Is(0), cached), bad),
        ("two protections", with(1, Is(6), cached), bad),
        ("PAGE_NOACCESS", with(1, Is::NOACCESS, cached), bad),
        ("PAGE_EXECUTE_READ", with(1, Is::EXECUTE_READ, cached), bad),
        ("PAGE_EXECUTE_READWRITE", with(1, Is::EXECUTE_READWRITE, cached), bad),
        ("a cache attribute", with(1, READ_WRITE | Is::NOCACHE, cached), bad),
        ("write-combining as a protection", with(1, READ_WRITE | Is::WRITECOMBINE, combined), bad),
        ("a guard page", with(1, READ_WRITE | Is::GUARD, cached), bad),
        ("SEC_COMMIT as a protection", with(1, Is(0x800_0004), cached), bad),
        ("no bytes", with(0, READ_WRITE, cached), bad),
        ("more than there is", with(1 << 20, READ_WRITE, cached), NtStatus::NO_MEMORY),
        ("all there is not", with(u64::MAX >> 12, READ_WRITE, cached), NtStatus::NO_MEMORY),
    ];
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let before = run.sysmm.statistics();
        for (name, args, expected) in cases {
            for adapter in [Handle::NULL, run.lead] {
                let args = dxgk_abi::callback::ArgCbCreatePhysicalMemoryObject { adapter, ..args };
                let refused = run.sysmm.create_physical_memory_object(&CALLER, &args);
                assert_eq!(refused, Err(CallError::Status(expected)), "{name}, {kind:?}");
                assert_eq!(run.sysmm.statistics(), before, "{name}, {kind:?}");
            }
        }
        for (protection, cache) in
            [(READ_WRITE, combined), (Is::READONLY, cached), (Is::EXECUTE, cached), (Is::WRITECOPY, combined)]
        {
            let args = with(1, protection, cache);
            run.sysmm.create_physical_memory_object(&CALLER, &args).expect("one of the four");
        }
    }
}

/// Shows S-AADA-06.
#[test]
fn a_section_is_never_required_to_be_contiguous_but_may_be_liked_to_be() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let made = section(&run, 2, READ_WRITE);
        let args = |flags| ArgCbAllocateAdl { flags, ..adl_args(made.adapter_memory_object, 0, 2 * PAGE) };
        let refused = run.sysmm.allocate_adl(&CALLER, &args(AllocateAdlFlags::REQUIRE_CONTIGUOUS));
        assert_eq!(refused, Err(CallError::Status(NtStatus::INVALID_PARAMETER)), "{kind:?}");
        let liked = run.sysmm.allocate_adl(&CALLER, &args(AllocateAdlFlags::PREFER_CONTIGUOUS));
        assert_eq!(liked.map(|adl| adl.contiguous || kind != Kind::Remapping), Ok(true));
    }
}

#[test]
fn what_pressure_took_is_told_with_the_frames() {
    let run = Run::new(Kind::Isolation);
    let made = section(&run, 3, READ_WRITE);
    let object = run.machine.sink.latest(ObjectKind::PhysicalMemory);
    let seen = view(&run, made, 3);
    let mut frames: Vec<u64> = (0..3).map(|page| touch(&run, seen, page * PAGE)).collect();
    run.sysmm.trim(3);
    let events = run.machine.sink.events.lock().expect("unpoisoned").clone();
    let told = events.iter().rev().find_map(|event| match event {
        Event::Mapping(mapping) if mapping.step == MappingStep::PagesReturned => Some(*mapping),
        _ => None,
    });
    let told = told.expect("an event");
    assert_eq!((told.object, told.pages), (object, 3));
    let arena = run.machine.sink.arena.lock().expect("unpoisoned").clone();
    let words = &arena[told.frames.first as usize..][..told.frames.count as usize];
    let mut named: Vec<u64> = words.chunks(2).flat_map(|run| run[0]..run[0] + run[1]).collect();
    named.sort_unstable();
    frames.sort_unstable();
    assert_eq!(named, frames);
}
