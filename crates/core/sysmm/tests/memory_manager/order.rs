//! Clear, invalidate, wait, and only then give back.

use std::sync::atomic::Ordering;

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::callback::{ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbFreePagesFromMdl};
use dxgk_abi::{BugCheck, NtStatus};
use dxgk_event::{MappingStep, ObjectKind};
use dxgk_sysmm::CallError;

use crate::machine::{CALLER, Kind, Run, adl_args, mdl_object, pages_args};

/// Shows S-APM-01, S-FPM-01, S-APMA-10, S-ISO-51.
#[test]
fn pages_go_back_only_after_the_invalidation_has_returned() {
    let run = Run::new(Kind::Isolation);
    let pages = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(3 << 20)).expect("room");
    let list = run.mdl_pages(pages.mdl);
    assert_eq!(run.domain.reachable().len(), list.len());
    let object = run.machine.sink.latest(ObjectKind::MdlPages);
    // The domain itself panics when a page is free at the time of its invalidation.
    let args = ArgCbFreePagesFromMdl { memory_handle: pages.memory_handle };
    run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &args).expect("live");
    assert_eq!(
        run.machine.sink.steps(object),
        [MappingStep::Mapped, MappingStep::Unmapped, MappingStep::Invalidated, MappingStep::PagesReturned]
    );
    run.assert_balanced();
}

#[test]
fn what_was_not_invalidated_is_never_given_to_anybody_again() {
    let run = Run::new(Kind::Isolation);
    let pages = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(64 << 10)).expect("room");
    let mut list = run.mdl_pages(pages.mdl);
    list.sort_unstable();
    run.domain.unit_hangs.store(true, Ordering::Relaxed);
    let args = ArgCbFreePagesFromMdl { memory_handle: pages.memory_handle };
    run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &args).expect("the driver cannot help it");
    let totals = run.sysmm.statistics();
    assert_eq!((totals.pages.quarantined, totals.failed_invalidations), (16, 1));
    assert_eq!(run.domain.reachable(), list, "the unit still believes in these");
    // Everything that is left is taken: none of the pages is among it.
    run.domain.unit_hangs.store(false, Ordering::Relaxed);
    let rest = run.sysmm.statistics().pages.free * 4096;
    let all = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(rest)).expect("room");
    assert!(run.mdl_pages(all.mdl).iter().all(|page| list.binary_search(page).is_err()));
}

#[test]
fn an_object_whose_adl_was_not_invalidated_keeps_its_pages_from_everybody() {
    let run = Run::new(Kind::Remapping);
    let made = run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, 8192)).expect("room");
    let adl = run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, 8192)).expect("room");
    run.domain.unit_hangs.store(true, Ordering::Relaxed);
    let free = ArgCbFreeAdl {
        adapter_memory_object: made.adapter_memory_object,
        adl: dxgk_abi::Pointer(adl.adl.get()),
    };
    run.sysmm.free_adl(&CALLER, &free).expect("live");
    let destroy = ArgCbDestroyPhysicalMemoryObject {
        physical_memory_object: made.physical_memory_object,
        adapter_memory_object: made.adapter_memory_object,
    };
    run.sysmm.destroy_physical_memory_object(&CALLER, &destroy).expect("nothing hangs on it");
    let totals = run.sysmm.statistics();
    assert_eq!((totals.pages.quarantined, totals.physical_objects), (2, 0));
    assert_ne!(totals.mapped_pages, 0, "its logical addresses stay taken too");
}

#[test]
fn a_mapping_that_fails_half_way_leaves_nothing_mapped_and_nothing_taken() {
    for (kind, good_maps) in [(Kind::Isolation, 0), (Kind::Isolation, 3), (Kind::Isolation, 100)] {
        let run = Run::new(kind);
        run.domain.fail_after(Some(good_maps));
        let refused = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(10 << 20));
        assert_eq!(refused, Err(CallError::Status(NtStatus::INSUFFICIENT_RESOURCES)), "{kind:?} {good_maps}");
        run.assert_balanced();
    }
    let run = Run::new(Kind::Remapping);
    let made = run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, 8192)).expect("room");
    run.domain.fail_after(Some(0));
    let refused = run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, 8192));
    assert_eq!(refused.map(|adl| adl.adl), Err(CallError::Status(NtStatus::INSUFFICIENT_RESOURCES)));
    assert_eq!(run.sysmm.statistics().mapped_pages, 0);
    run.domain.fail_after(None);
    run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, 8192)).expect("it works again");
}

#[test]
fn no_entry_larger_than_a_page_can_form_in_isolation() {
    let run = Run::new(Kind::Isolation);
    run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(32 << 20)).expect("room");
    assert_eq!(run.domain.tables.lock().expect("unpoisoned").longest_map, 0, "every map is by single pages");
}

#[test]
fn many_runs_cost_one_invalidation() {
    let run = Run::new(Kind::Isolation);
    let pages = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(8 << 20)).expect("room");
    let args = ArgCbFreePagesFromMdl { memory_handle: pages.memory_handle };
    run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &args).expect("live");
    assert_eq!(run.domain.tables.lock().expect("unpoisoned").syncs, 1);
    run.assert_balanced();
}

#[test]
fn a_failed_mapping_that_cannot_be_undone_for_certain_costs_its_pages() {
    let run = Run::new(Kind::Isolation);
    run.domain.fail_after(Some(3));
    run.domain.unit_hangs.store(true, Ordering::Relaxed);
    let refused = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(1 << 20));
    assert_eq!(refused, Err(CallError::Status(NtStatus::INSUFFICIENT_RESOURCES)));
    let totals = run.sysmm.statistics();
    assert_eq!((totals.pages.quarantined, totals.pages.driver), (256, 0));
    assert!(!run.domain.reachable().is_empty());
}

#[test]
fn the_logical_addresses_of_a_failed_invalidation_are_not_used_again() {
    let run = Run::new(Kind::Remapping);
    let made = run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, 4096)).expect("room");
    let opened = made.adapter_memory_object;
    let first = run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, 4096)).expect("room");
    let taken = run.adl(first.adl);
    let free = |adl: dxgk_hw::CpuVa| {
        let args = ArgCbFreeAdl { adapter_memory_object: opened, adl: dxgk_abi::Pointer(adl.get()) };
        run.sysmm.free_adl(&CALLER, &args).expect("live");
    };
    run.domain.unit_hangs.store(true, Ordering::Relaxed);
    free(first.adl);
    run.domain.unit_hangs.store(false, Ordering::Relaxed);
    let second = run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, 4096)).expect("room");
    let next = run.adl(second.adl);
    assert_ne!(next, taken);
    free(second.adl);
    let third = run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, 4096)).expect("room");
    assert_eq!(run.adl(third.adl), next, "these were given back");
}

/// Shows S-B1E4-08.
#[test]
fn logical_addresses_that_never_came_back_bug_check_1e4_8_at_the_end() {
    for hangs in [false, true] {
        let run = Run::new(Kind::Remapping);
        let made =
            run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, 4096)).expect("room");
        let opened = made.adapter_memory_object;
        run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, 4096)).expect("room");
        run.domain.unit_hangs.store(hangs, Ordering::Relaxed);
        for adapter in [run.linked, run.lead] {
            run.sysmm.remove_adapter(adapter).expect("live");
        }
        let leaked = CallError::BugCheck {
            code: BugCheck::VIDEO_DXGKRNL_SYSMM_FATAL_ERROR,
            parameters: [SysMmFatalError::LOGICAL_BLOCK_POOL_LEAKED.0, 0, 0, 0],
        };
        let expected = if hangs { Err(leaked) } else { Ok(0) };
        assert_eq!(run.sysmm.remove_logical_adapter(run.logical), expected);
    }
}
