//! From passthrough to isolation with objects alive.

use std::sync::Arc;

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::callback::{ArgCbFreeAdl, ArgCbFreePagesFromMdl};
use dxgk_abi::{BugCheck, NtStatus};
use dxgk_event::{MappingStep, ModeChoice, ObjectKind};
use dxgk_hw::{DomainOps, LogicalAddr};
use dxgk_sysmm::{Addressing, CallError};

use crate::machine::{CALLER, Kind, Laid, Run, adl_args, mdl_object, pages_args};

/// Shows S-ISO-16, S-ADL-08, S-RMP-23.
#[test]
fn everything_that_the_device_may_reach_is_mapped_and_handles_stay() {
    let run = Run::new(Kind::Passthrough);
    let pages = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(1 << 20)).expect("room");
    let pages_object = run.machine.sink.latest(ObjectKind::MdlPages);
    let made =
        run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, 1 << 16)).expect("room");
    let adl = run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, 4096)).expect("room");
    run.sysmm.set_mode(run.logical, run.isolation()).expect("possible");
    assert_eq!(run.sysmm.mode(run.logical), ModeChoice::Isolation);
    let mut expected = run.mdl_pages(pages.mdl);
    match run.adl(adl.adl) {
        Laid::Pages(list) => expected.extend(list),
        Laid::Contiguous(..) => panic!("the page-array form was asked for"),
    }
    expected.sort_unstable();
    assert_eq!(run.domain.reachable(), expected, "the object's other pages have no ADL");
    let free = ArgCbFreePagesFromMdl { memory_handle: pages.memory_handle };
    run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free).expect("the handle is still good");
    assert_eq!(
        run.machine.sink.steps(pages_object),
        [
            MappingStep::Mapped,
            MappingStep::Mapped,
            MappingStep::Unmapped,
            MappingStep::Invalidated,
            MappingStep::PagesReturned
        ]
    );
    let free = ArgCbFreeAdl {
        adapter_memory_object: made.adapter_memory_object,
        adl: dxgk_abi::Pointer(adl.adl.get()),
    };
    run.sysmm.free_adl(&CALLER, &free).expect("live");
    assert_eq!(run.domain.reachable(), Vec::<u64>::new());
}

#[test]
fn a_switch_that_fails_leaves_passthrough_and_nothing_mapped() {
    let run = Run::new(Kind::Passthrough);
    for _ in 0..3 {
        run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(4096)).expect("room");
    }
    run.domain.fail_after(Some(2));
    let refused = run.sysmm.set_mode(run.logical, run.isolation());
    assert_eq!(refused, Err(CallError::Status(NtStatus::INSUFFICIENT_RESOURCES)));
    assert_eq!(run.sysmm.mode(run.logical), ModeChoice::Passthrough);
    assert_eq!(run.domain.reachable(), Vec::<u64>::new());
    run.domain.fail_after(None);
    run.sysmm.set_mode(run.logical, run.isolation()).expect("it works again");
    assert_eq!(run.domain.reachable().len(), 3);
}

/// Shows S-B1E4-02, S-B1E4-03, S-B1E4-11, S-ISO-20.
#[test]
fn an_iommu_that_is_on_is_neither_turned_on_again_nor_off() {
    let fatal = |reason: SysMmFatalError| {
        Err(CallError::BugCheck {
            code: BugCheck::VIDEO_DXGKRNL_SYSMM_FATAL_ERROR,
            parameters: [reason.0, 0, 0, 0],
        })
    };
    for kind in [Kind::Isolation, Kind::Remapping] {
        let run = Run::new(kind);
        let (mode, before) = (run.sysmm.mode(run.logical), run.sysmm.statistics());
        let off = run.sysmm.set_mode(run.logical, Addressing::Passthrough);
        assert_eq!(off, fatal(SysMmFatalError::IOMMU_DISABLED_FOR_INVALID_REASON), "{kind:?}");
        let on = run.sysmm.set_mode(run.logical, run.isolation());
        assert_eq!(on, fatal(SysMmFatalError::IOMMU_ENABLED_FOR_INVALID_REASON), "{kind:?}");
        assert_eq!((run.sysmm.mode(run.logical), run.sysmm.statistics()), (mode, before), "{kind:?}");
    }
}

/// Shows S-RMP-17.
#[test]
fn remapping_cannot_come_late() {
    let refused = Err(CallError::Status(NtStatus::INVALID_DEVICE_STATE));
    let run = Run::new(Kind::Passthrough);
    run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(4096)).expect("room");
    let remapping = Addressing::Remapping {
        domain: Arc::clone(&run.domain) as Arc<dyn DomainOps>,
        highest_visible: LogicalAddr::new(u64::MAX),
    };
    assert_eq!(run.sysmm.set_mode(run.logical, remapping), refused);
}

#[test]
fn a_switch_while_other_threads_allocate_misses_nothing() {
    for _ in 0..20 {
        let run = Run::new(Kind::Passthrough);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for round in 0..40u64 {
                        let args = pages_args((round % 5 + 1) << 12);
                        let made = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args).expect("room");
                        if round % 2 == 0 {
                            let free = ArgCbFreePagesFromMdl { memory_handle: made.memory_handle };
                            run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free).expect("live");
                        }
                    }
                });
            }
            run.sysmm.set_mode(run.logical, run.isolation()).expect("possible");
        });
        let totals = run.sysmm.statistics();
        assert_eq!(
            run.domain.reachable().len() as u64,
            totals.pages.driver,
            "all that is held, and only that"
        );
        run.sysmm.remove_adapter(run.lead).expect("live");
        run.assert_balanced();
    }
}
