//! Save areas: charged at the start, pinned as an MDL or an ADL, mapped in parts; what was written to them stays.

use std::sync::atomic::Ordering;

use dxgk_abi::callback::{
    ArgCbMapFrameBufferPointer, ArgCbMapMdlToIoMmu, ArgCbPinFrameBufferForSave, ArgCbPinFrameBufferForSave2,
    ArgCbUnmapFrameBufferPointer, ArgCbUnmapMdlFromIoMmu, ArgCbUnpinFrameBufferForSave, PinFrameBufferFlags,
};
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_event::ObjectKind;
use dxgk_hw::{CpuVa, PAGE_SIZE};
use dxgk_sysmm::callbacks::MappedSaveArea;
use dxgk_sysmm::pages::{PageOwner, PageRequest};
use dxgk_sysmm::{CallError, Policy, SaveRefusal};

use crate::machine::{ALL_MODES, CALLER, Kind, Laid, MODES_2_4, Run, pages_args, status};

const AREA: u64 = 40 * PAGE_SIZE;

/// A run whose lead adapter, index 0, has a save area of 40 pages.
fn with_area(kind: Kind) -> Run {
    let run = Run::new(kind);
    run.sysmm.create_save_area(run.lead, 0, AREA).expect("enough commit");
    run
}

fn pin(run: &Run, adapter: Handle, index: u32, commit_size: u64) -> Result<CpuVa, CallError> {
    let args = ArgCbPinFrameBufferForSave {
        physical_adapter_index: index,
        commit_size,
        ..ArgCbPinFrameBufferForSave::default()
    };
    run.sysmm.pin_frame_buffer_for_save(&CALLER, adapter, &args)
}

fn pin2(run: &Run, adapter: Handle, index: u32, commit_size: u64, flags: u32) -> Result<CpuVa, CallError> {
    let args = ArgCbPinFrameBufferForSave2 {
        physical_adapter_index: index,
        commit_size,
        flags: PinFrameBufferFlags(flags),
        ..ArgCbPinFrameBufferForSave2::default()
    };
    run.sysmm.pin_frame_buffer_for_save2(&CALLER, adapter, &args)
}

fn unpin(run: &Run, adapter: Handle, physical_adapter_index: u32) -> Result<(), CallError> {
    let args = ArgCbUnpinFrameBufferForSave { physical_adapter_index };
    run.sysmm.unpin_frame_buffer_for_save(&CALLER, adapter, &args)
}

fn map(run: &Run, adapter: Handle, index: u32, offset: u64, size: u64) -> Result<MappedSaveArea, CallError> {
    let args = ArgCbMapFrameBufferPointer {
        physical_adapter_index: index,
        size,
        offset,
        ..ArgCbMapFrameBufferPointer::default()
    };
    run.sysmm.map_frame_buffer_pointer(&CALLER, adapter, &args)
}

fn unmap(run: &Run, adapter: Handle, index: u32, base: u64) -> Result<(), CallError> {
    let args = ArgCbUnmapFrameBufferPointer {
        physical_adapter_index: index,
        base_address: Pointer(base),
        ..ArgCbUnmapFrameBufferPointer::default()
    };
    run.sysmm.unmap_frame_buffer_pointer(&CALLER, adapter, &args)
}

/// Bytes and first frame of the view at a base.
fn view(run: &Run, made: MappedSaveArea) -> (u64, u64) {
    run.machine.driver.views.lock().expect("unpoisoned")[&made.base_address.get()]
}

fn free_pages(run: &Run) -> u64 {
    run.sysmm.statistics().pages.free
}

/// Shows S-ISO-30, S-ISO-60, S-FSA-02.
#[test]
fn the_charge_is_taken_at_the_start_so_that_nobody_else_can_have_the_pages() {
    let run = with_area(Kind::Isolation);
    let all = free_pages(&run);
    assert_eq!(
        status(run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(all * PAGE_SIZE))),
        NtStatus::NO_MEMORY
    );
    let rest = PageRequest::anywhere(all - 40);
    let taken = run.pages.allocate(&rest, PageOwner::Kernel).expect("what was not charged");
    assert!(
        run.pages.allocate(&PageRequest::anywhere(1), PageOwner::Kernel).is_err(),
        "the rest is promised"
    );
    let args = ArgCbPinFrameBufferForSave { commit_size: AREA, ..ArgCbPinFrameBufferForSave::default() };
    // The domain here has no tables of its own that would need pages.
    run.sysmm.pin_frame_buffer_for_save(&CALLER, run.lead, &args).expect("the promise is kept");
    assert_eq!(free_pages(&run), 0);
    unpin(&run, run.lead, 0).expect("pinned");
    run.pages.release(&taken, PageOwner::Kernel).expect("ours");
    run.sysmm.drop_save_areas(run.lead).expect("live");
    run.assert_balanced();
    run.pages.allocate(&PageRequest::anywhere(all), PageOwner::Kernel).expect("nothing is promised any more");
}

#[test]
fn an_area_that_cannot_be_charged_for_is_refused_and_takes_nothing() {
    let run = Run::new(Kind::Isolation);
    let all = free_pages(&run) * PAGE_SIZE;
    let create = |bytes| status(run.sysmm.create_save_area(run.lead, 0, bytes));
    for (name, bytes, expected) in [
        ("a page more than there is", all + PAGE_SIZE, NtStatus::NO_MEMORY),
        ("the most that can be said", u64::MAX / PAGE_SIZE * PAGE_SIZE, NtStatus::NO_MEMORY),
        ("a byte more than a page", PAGE_SIZE + 1, NtStatus::INVALID_PARAMETER),
        ("a byte less than a page", PAGE_SIZE - 1, NtStatus::INVALID_PARAMETER),
        ("nothing, which is no area", 0, NtStatus::SUCCESS),
        ("everything", all, NtStatus::SUCCESS),
        ("another size", PAGE_SIZE, NtStatus::INVALID_DEVICE_STATE),
    ] {
        assert_eq!(create(bytes), expected, "{name}");
    }
    assert_eq!(status(run.sysmm.create_save_area(run.linked, 1, PAGE_SIZE)), NtStatus::INVALID_HANDLE);
    run.sysmm.drop_save_areas(run.lead).expect("live");
    run.assert_balanced();
}

/// Shows S-ISO-32, S-ISO-70, S-PINA-04, S-PINA-05, S-UPN-01.
#[test]
fn a_pinned_area_is_locked_and_in_the_domain_and_the_same_pages_come_back_with_the_next_pin() {
    for kind in MODES_2_4 {
        let run = with_area(kind);
        let mdl = pin(&run, run.lead, 0, AREA).expect("room");
        let first = run.mdl_pages(mdl);
        assert_eq!(first.len(), 40);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(run.domain.reachable(), if kind == Kind::Isolation { sorted } else { vec![] });
        let filled = run.machine.ram.filled.lock().expect("unpoisoned").clone();
        assert!(first.iter().all(|page| filled.get(page) == Some(&0)), "sections start zeroed");
        unpin(&run, run.lead, 0).expect("pinned");
        assert_eq!(run.domain.reachable(), Vec::<u64>::new());
        run.machine.ram.filled.lock().expect("unpoisoned").clear();
        let again = pin(&run, run.lead, 0, 8 * PAGE_SIZE).expect("a smaller one, from the beginning");
        assert_eq!(run.mdl_pages(again), first[..8]);
        assert!(run.machine.ram.filled.lock().expect("unpoisoned").is_empty(), "nothing is written over");
        unpin(&run, run.lead, 0).expect("pinned");
        run.sysmm.drop_save_areas(run.lead).expect("live");
        run.assert_balanced();
    }
}

/// Shows S-PI2-03, S-PI2-04, S-PI2A-04, S-PI2A-05, S-PI2A-07.
#[test]
fn the_adl_form_works_in_every_mode_and_is_contiguous_only_when_that_is_preferred() {
    for kind in ALL_MODES {
        let run = with_area(kind);
        let adl = pin2(&run, run.lead, 0, AREA, 0).expect("room");
        let Laid::Pages(list) = run.adl(adl) else { panic!("the page array form, {kind:?}") };
        assert_eq!(list.len(), 40);
        assert_eq!(run.domain.reachable().len(), if kind == Kind::Passthrough { 0 } else { 40 });
        unpin(&run, run.lead, 0).expect("the original unpin releases it");
        assert!(run.machine.driver.adls.lock().expect("unpoisoned").is_empty());
        let adl = pin2(&run, run.lead, 0, AREA, 1).expect("room");
        let contiguous = matches!(run.adl(adl), Laid::Contiguous(_, 40));
        // The pages were scattered when the first pin took them; only logical addresses can be one run again.
        assert_eq!(contiguous, kind == Kind::Remapping, "{kind:?}");
        unpin(&run, run.lead, 0).expect("pinned");
        run.sysmm.drop_save_areas(run.lead).expect("live");
        run.assert_balanced();
    }
    let run = with_area(Kind::Isolation);
    let adl = pin2(&run, run.lead, 0, AREA, 1).expect("room");
    assert!(matches!(run.adl(adl), Laid::Contiguous(_, 40)), "nothing was taken yet: one run can be had");
    let run = with_area(Kind::Remapping);
    assert_eq!(status(pin(&run, run.lead, 0, AREA)), NtStatus::NOT_SUPPORTED, "an MDL names no logical page");
}

/// Shows S-MFB-01, S-MFBA-01, S-MFBA-04, S-MFBA-05, S-UFB-01.
#[test]
fn a_view_shows_the_wanted_part_at_base_plus_offset_in_every_mode() {
    for kind in ALL_MODES {
        let run = with_area(kind);
        let adl = pin2(&run, run.lead, 0, AREA, 0).expect("room");
        unpin(&run, run.lead, 0).expect("pinned");
        let _ = adl;
        let whole = map(&run, run.lead, 0, 0, AREA).expect("room");
        assert_eq!((whole.offset, view(&run, whole).0), (0, AREA));
        let part = map(&run, run.lead, 0, 17 * PAGE_SIZE, 2 * PAGE_SIZE).expect("room beside it");
        assert_eq!(
            (part.offset, view(&run, part).0),
            (PAGE_SIZE, 3 * PAGE_SIZE),
            "from page 16 of the section on"
        );
        let last = map(&run, run.lead, 0, 39 * PAGE_SIZE, PAGE_SIZE).expect("the last page");
        assert_eq!(last.offset, 7 * PAGE_SIZE);
        for made in [whole, part, last] {
            unmap(&run, run.lead, 0, made.base_address.get()).expect("mapped");
        }
        run.sysmm.drop_save_areas(run.lead).expect("live");
        run.assert_balanced();
    }
}

#[test]
fn the_cpu_sees_the_page_that_the_device_saw() {
    let run = with_area(Kind::Isolation);
    let list = run.mdl_pages(pin(&run, run.lead, 0, AREA).expect("room"));
    let while_pinned = map(&run, run.lead, 0, 16 * PAGE_SIZE, PAGE_SIZE).expect("room");
    assert_eq!(view(&run, while_pinned).1, list[16]);
    unpin(&run, run.lead, 0).expect("pinned");
    let after = map(&run, run.lead, 0, 32 * PAGE_SIZE, PAGE_SIZE).expect("room");
    assert_eq!(view(&run, after).1, list[32]);
}

/// Shows S-ISO-64, S-ISO-65, S-PINA-01, S-PI2A-01, S-UPNA-01, S-UFBA-01.
#[test]
fn each_physical_adapter_has_an_area_of_its_own_or_the_first_has_them_all() {
    let run = with_area(Kind::Isolation);
    run.sysmm.create_save_area(run.lead, 1, 2 * PAGE_SIZE).expect("enough commit");
    let first = run.mdl_pages(pin(&run, run.lead, 0, AREA).expect("room"));
    let second = run.mdl_pages(pin(&run, run.lead, 1, 2 * PAGE_SIZE).expect("room"));
    assert!(second.iter().all(|page| !first.contains(page)));
    unpin(&run, run.lead, 0).expect("pinned");
    assert_eq!(run.domain.reachable().len(), 2, "the other stays");
    let made = map(&run, run.lead, 1, 0, PAGE_SIZE).expect("room");
    let base = made.base_address.get();
    assert_eq!(status(unmap(&run, run.lead, 0, base)), NtStatus::INVALID_PARAMETER, "of the other area");
    unmap(&run, run.lead, 1, base).expect("mapped");

    let shared = with_area(Kind::Isolation);
    shared.sysmm.create_save_area(shared.lead, 1, 0).expect("none");
    assert_eq!(status(pin(&shared, shared.lead, 1, PAGE_SIZE)), NtStatus::INVALID_PARAMETER);
    assert_eq!(status(map(&shared, shared.lead, 1, 0, PAGE_SIZE)), NtStatus::INVALID_PARAMETER);
    pin(&shared, shared.lead, 0, AREA).expect("everything is in the first");
}

/// Shows S-PIN-02, S-PIN-03, S-PI2-02, S-PI2-05, S-UPN-02, S-UPN-04, S-MFB-02, S-MFB-03, S-UFB-02, S-UFB-04,
/// S-ISO-63, S-MFBA-02, S-MFBA-03, S-PI2A-06, S-UFBA-02.
#[test]
fn the_save_callbacks_refuse() {
    let (bad, handle) = (NtStatus::INVALID_PARAMETER, NtStatus::INVALID_HANDLE);
    for kind in ALL_MODES {
        let run = with_area(kind);
        let (lead, linked) = (run.lead, run.linked);
        let remapping = kind == Kind::Remapping;
        let of_2_4 = |other| if remapping { NtStatus::NOT_SUPPORTED } else { other };
        let kept = run.sysmm.statistics();
        let cases = [
            ("pin with a linked adapter", status(pin(&run, linked, 0, AREA)), handle),
            ("pin with no adapter", status(pin(&run, Handle::NULL, 0, AREA)), handle),
            ("pin of another index", status(pin(&run, lead, 1, AREA)), of_2_4(bad)),
            ("pin of an index that is no adapter", status(pin(&run, lead, u32::MAX, AREA)), of_2_4(bad)),
            ("pin of nothing", status(pin(&run, lead, 0, 0)), of_2_4(bad)),
            ("pin of half a page", status(pin(&run, lead, 0, PAGE_SIZE / 2)), of_2_4(bad)),
            ("pin of a byte more than all", status(pin(&run, lead, 0, AREA + 1)), of_2_4(bad)),
            ("pin of a page more than all", status(pin(&run, lead, 0, AREA + PAGE_SIZE)), of_2_4(bad)),
            ("pin of the whole address space", status(pin(&run, lead, 0, u64::MAX - 4095)), of_2_4(bad)),
            ("pin2 with a linked adapter", status(pin2(&run, linked, 0, AREA, 0)), handle),
            ("pin2 of another index", status(pin2(&run, lead, 1, AREA, 0)), bad),
            ("pin2 of nothing", status(pin2(&run, lead, 0, 0, 0)), bad),
            ("pin2 of a page more than all", status(pin2(&run, lead, 0, AREA + PAGE_SIZE, 0)), bad),
            ("pin2 with a reserved flag", status(pin2(&run, lead, 0, AREA, 2)), bad),
            ("pin2 with every flag", status(pin2(&run, lead, 0, AREA, u32::MAX)), bad),
            ("unpin with a linked adapter", status(unpin(&run, linked, 0)), handle),
            ("unpin of what is not pinned", status(unpin(&run, lead, 0)), bad),
            ("unpin of another index", status(unpin(&run, lead, 7)), bad),
            ("a view with a linked adapter", status(map(&run, linked, 0, 0, PAGE_SIZE)), handle),
            ("a view of another index", status(map(&run, lead, 2, 0, PAGE_SIZE)), bad),
            ("a view of nothing", status(map(&run, lead, 0, 0, 0)), bad),
            ("a view of half a page", status(map(&run, lead, 0, 0, PAGE_SIZE / 2)), bad),
            ("a view at half a page", status(map(&run, lead, 0, PAGE_SIZE / 2, PAGE_SIZE)), bad),
            ("a view of a page too many", status(map(&run, lead, 0, PAGE_SIZE, AREA)), bad),
            ("a view behind the end", status(map(&run, lead, 0, AREA, PAGE_SIZE)), bad),
            ("a view whose end overflows", status(map(&run, lead, 0, u64::MAX - 4095, AREA)), bad),
            ("unmapping with a linked adapter", status(unmap(&run, linked, 0, 0x1000)), handle),
            ("unmapping null", status(unmap(&run, lead, 0, 0)), bad),
            ("unmapping what is no view", status(unmap(&run, lead, 0, 0x5000_0000_0000)), bad),
        ];
        for (name, got, expected) in cases {
            assert_eq!(got, expected, "{name}, {kind:?}");
        }
        assert_eq!(run.sysmm.statistics(), kept, "{kind:?}");
        let made = map(&run, lead, 0, 0, PAGE_SIZE).expect("room");
        let base = made.base_address.get();
        assert_eq!(status(unmap(&run, lead, 0, base + PAGE_SIZE)), bad, "not its base");
        unmap(&run, lead, 0, base).expect("mapped");
        assert_eq!(status(unmap(&run, lead, 0, base)), bad, "twice");
        pin2(&run, lead, 0, AREA, 0).expect("room");
        assert_eq!(status(pin2(&run, lead, 0, PAGE_SIZE, 0)), NtStatus::ALREADY_REGISTERED, "twice");
        unpin(&run, lead, 0).expect("pinned");
        assert_eq!(status(unpin(&run, lead, 0)), bad, "twice");
        run.sysmm.stop_adapter(lead).expect("live");
        let stopped = NtStatus::DEVICE_NOT_READY;
        assert_eq!(status(pin2(&run, lead, 0, AREA, 0)), stopped);
        assert_eq!(status(unpin(&run, lead, 0)), stopped);
        assert_eq!(status(map(&run, lead, 0, 0, PAGE_SIZE)), stopped);
        assert_eq!(status(unmap(&run, lead, 0, base)), stopped);
        run.sysmm.drop_save_areas(lead).expect("live");
        run.assert_balanced();
    }
}

/// Shows S-ISO-72, S-ISO-74, S-MFBA-06.
#[test]
fn pins_and_even_a_single_page_can_be_refused_and_come_back_with_their_contents() {
    let run = with_area(Kind::Isolation);
    let list = run.mdl_pages(pin(&run, run.lead, 0, AREA).expect("room"));
    unpin(&run, run.lead, 0).expect("pinned");
    run.sysmm.refuse_saving(SaveRefusal::Pins);
    assert_eq!(status(pin(&run, run.lead, 0, AREA)), NtStatus::NO_MEMORY);
    assert_eq!(status(pin2(&run, run.lead, 0, PAGE_SIZE, 0)), NtStatus::NO_MEMORY);
    let piece = map(&run, run.lead, 0, 32 * PAGE_SIZE, PAGE_SIZE).expect("small pieces can be had");
    assert_eq!(view(&run, piece).1, list[32]);
    unmap(&run, run.lead, 0, piece.base_address.get()).expect("mapped");
    run.sysmm.refuse_saving(SaveRefusal::PinsAndViews);
    assert_eq!(status(map(&run, run.lead, 0, 0, PAGE_SIZE)), NtStatus::NO_MEMORY);
    run.sysmm.refuse_saving(SaveRefusal::None);
    assert_eq!(run.mdl_pages(pin(&run, run.lead, 0, AREA).expect("again")), list);
}

#[test]
fn a_pin_that_fails_half_way_leaves_the_area_unpinned_and_its_pages_its_own() {
    for kind in [Kind::Isolation, Kind::Remapping] {
        let run = with_area(kind);
        run.domain.fail_after(Some(0));
        assert_eq!(status(pin2(&run, run.lead, 0, AREA, 0)), NtStatus::INSUFFICIENT_RESOURCES);
        run.domain.fail_after(None);
        assert_eq!(run.domain.reachable(), Vec::<u64>::new());
        run.machine.driver.full.store(true, Ordering::Relaxed);
        assert_eq!(status(pin2(&run, run.lead, 0, AREA, 0)), NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(status(map(&run, run.lead, 0, 0, AREA)), NtStatus::INSUFFICIENT_RESOURCES);
        run.machine.driver.full.store(false, Ordering::Relaxed);
        assert_eq!(run.domain.reachable(), Vec::<u64>::new());
        pin2(&run, run.lead, 0, AREA, 0).expect("the next call works");
        unpin(&run, run.lead, 0).expect("pinned");
        run.sysmm.drop_save_areas(run.lead).expect("live");
        run.assert_balanced();
    }
}

/// Shows S-ISO-71, S-ISO-73.
#[test]
fn what_is_left_pinned_or_mapped_is_named_and_taken_back_with_its_area() {
    for kind in ALL_MODES {
        let run = with_area(kind);
        let adl = pin2(&run, run.lead, 0, AREA, 0).expect("room");
        let made = map(&run, run.lead, 0, 0, PAGE_SIZE).expect("room");
        run.sysmm.stop_adapter(run.lead).expect("live");
        run.sysmm.drop_save_areas(run.lead).expect("live");
        assert_eq!(run.sysmm.statistics().pages.driver, 40, "it is in use");
        let leaks = run.sysmm.remove_adapter(run.lead).expect("live");
        let told: Vec<_> = leaks.iter().map(|leak| (leak.kind, leak.handle, leak.bytes)).collect();
        let expected =
            [(ObjectKind::Pin, run.lead.0, AREA), (ObjectKind::SaveView, made.base_address.get(), PAGE_SIZE)];
        assert_eq!(told, expected, "{kind:?}");
        assert!(!run.machine.driver.adls.lock().expect("unpoisoned").contains_key(&adl.get()));
        run.assert_balanced();
    }
}

#[test]
fn a_late_switch_to_isolation_maps_what_is_pinned() {
    let run = with_area(Kind::Passthrough);
    let mut list = run.mdl_pages(pin(&run, run.lead, 0, AREA).expect("room"));
    run.sysmm.set_mode(run.logical, run.isolation()).expect("room");
    list.sort_unstable();
    assert_eq!(run.domain.reachable(), list);
    unpin(&run, run.lead, 0).expect("pinned");
    assert_eq!(run.domain.reachable(), Vec::<u64>::new());
}

#[test]
fn pages_that_a_device_may_still_reach_are_not_given_to_anybody_with_the_area() {
    let run = with_area(Kind::Isolation);
    pin(&run, run.lead, 0, AREA).expect("room");
    run.domain.unit_hangs.store(true, Ordering::Relaxed);
    unpin(&run, run.lead, 0).expect("pinned");
    run.sysmm.drop_save_areas(run.lead).expect("live");
    assert_eq!(run.sysmm.statistics().pages.quarantined, 40);
}

#[test]
fn pages_of_the_area_that_the_driver_mapped_itself_wait_for_their_unmap() {
    let run = Run::with(Kind::Isolation, Policy::default(), &[(0, 1 << 24, 0)]);
    run.sysmm.create_save_area(run.lead, 0, 2 * PAGE_SIZE).expect("enough commit");
    let mdl = pin(&run, run.lead, 0, 2 * PAGE_SIZE).expect("room");
    let args = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl.get()), memory_handle: Handle::NULL };
    let memory_handle = run.sysmm.map_mdl_to_iommu(&CALLER, run.lead, &args).expect("as good as any MDL");
    unpin(&run, run.lead, 0).expect("pinned");
    run.sysmm.drop_save_areas(run.lead).expect("live");
    assert_eq!(run.sysmm.statistics().pages.held, 2);
    let args = ArgCbUnmapMdlFromIoMmu { memory_handle };
    run.sysmm.unmap_mdl_from_iommu(&CALLER, run.lead, &args).expect("live");
    run.assert_balanced();
}
