//! Physical memory objects, adapter memory objects, ADLs and views: life and what hangs on what.

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::callback::{
    AllocateAdlFlags, ArgCbAllocateAdl, ArgCbClosePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject,
    ArgCbFreeAdl, ArgCbMapPhysicalMemory, ArgCbOpenPhysicalMemoryObject, ArgCbUnmapPhysicalMemory,
};
use dxgk_abi::{BugCheck, Handle, NtStatus, Pointer};
use dxgk_hw::CpuVa;
use dxgk_sysmm::callbacks::CreatedPhysicalMemory;
use dxgk_sysmm::policy::{LogicalBase, Strictness};
use dxgk_sysmm::{CallError, Policy};

use crate::machine::{ALL_MODES, CALLER, Kind, Laid, Run, adl_args, contiguous_object, mdl_object};

const INVALID_HANDLE: CallError = CallError::Status(NtStatus::INVALID_HANDLE);

fn fatal(reason: SysMmFatalError) -> CallError {
    CallError::BugCheck { code: BugCheck::VIDEO_DXGKRNL_SYSMM_FATAL_ERROR, parameters: [reason.0, 0, 0, 0] }
}

fn object(run: &Run, bytes: u64) -> CreatedPhysicalMemory {
    run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, bytes)).expect("room")
}

fn destroy(
    run: &Run,
    physical_memory_object: Handle,
    adapter_memory_object: Handle,
) -> Result<(), CallError> {
    let args = ArgCbDestroyPhysicalMemoryObject { physical_memory_object, adapter_memory_object };
    run.sysmm.destroy_physical_memory_object(&CALLER, &args)
}

fn close(run: &Run, adapter_memory_object: Handle) -> Result<(), CallError> {
    run.sysmm.close_physical_memory_object(&CALLER, &ArgCbClosePhysicalMemoryObject { adapter_memory_object })
}

fn open(run: &Run, physical_memory_object: Handle, adapter: Handle) -> Result<Handle, CallError> {
    let adapter_memory_object = Handle::NULL;
    let args = ArgCbOpenPhysicalMemoryObject { physical_memory_object, adapter, adapter_memory_object };
    run.sysmm.open_physical_memory_object(&CALLER, &args)
}

fn free_adl(run: &Run, adapter_memory_object: Handle, adl: CpuVa) -> Result<(), CallError> {
    run.sysmm.free_adl(&CALLER, &ArgCbFreeAdl { adapter_memory_object, adl: Pointer(adl.get()) })
}

/// Shows S-FAD-01, S-DPO-01, S-AADA-04, S-AADA-10, S-AAD-02, S-CPOA-21, S-DPOA-02, S-CLO-02.
#[test]
fn an_ordinary_life_balances_in_every_mode() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let made = object(&run, 5 << 12);
        let adl = run
            .sysmm
            .allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 4096, 3 << 12))
            .expect("room");
        assert_eq!(run.domain.reachable().len(), if kind == Kind::Passthrough { 0 } else { 3 });
        assert!(matches!(run.adl(adl.adl), Laid::Pages(list) if list.len() == 3));
        free_adl(&run, made.adapter_memory_object, adl.adl).expect("live");
        assert_eq!(
            free_adl(&run, made.adapter_memory_object, adl.adl),
            Err(CallError::Status(NtStatus::INVALID_PARAMETER))
        );
        destroy(&run, made.physical_memory_object, made.adapter_memory_object).expect("nothing hangs on it");
        assert_eq!(destroy(&run, made.physical_memory_object, Handle::NULL), Err(INVALID_HANDLE));
        run.assert_balanced();
    }
}

/// Shows S-AADA-05, S-AADA-07, S-AADA-08.
#[test]
fn the_contiguous_form_is_used_only_when_asked_for() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let contiguous = contiguous_object(run.lead, 4 << 12);
        let made = run.sysmm.create_physical_memory_object(&CALLER, &contiguous).expect("room");
        let adl = |flags| {
            let args = ArgCbAllocateAdl { flags, ..adl_args(made.adapter_memory_object, 0, 4 << 12) };
            run.sysmm.allocate_adl(&CALLER, &args).expect("room")
        };
        assert!(!adl(AllocateAdlFlags(0)).contiguous, "{kind:?}");
        for flags in [AllocateAdlFlags::PREFER_CONTIGUOUS, AllocateAdlFlags::REQUIRE_CONTIGUOUS] {
            let made = adl(flags);
            assert!(
                made.contiguous && matches!(run.adl(made.adl), Laid::Contiguous(_, 4)),
                "{kind:?} {flags:?}"
            );
        }
    }
}

/// Shows S-AAD-01, S-RMP-03, S-RMP-04, S-ADL-09, S-RMP-25.
#[test]
fn logical_addresses_are_no_physical_ones_and_one_run() {
    let run = Run::new(Kind::Remapping);
    let made = object(&run, 64 << 12);
    let args = ArgCbAllocateAdl {
        flags: AllocateAdlFlags::PREFER_CONTIGUOUS,
        ..adl_args(made.adapter_memory_object, 0, 64 << 12)
    };
    let adl = run.sysmm.allocate_adl(&CALLER, &args).expect("room");
    let Laid::Contiguous(base, 64) = run.adl(adl.adl) else { panic!("one run of 64 pages is to be had") };
    assert!(base >= ((1u64 << 32) + (64 << 20)) >> 12, "{base:#x} lies above all RAM");
    let tables = run.domain.tables.lock().expect("unpoisoned");
    assert_eq!(tables.entries.len(), 64);
    assert!(tables.entries.keys().all(|page| (base..base + 64).contains(page)));
}

#[test]
fn windows_hands_logical_addresses_out_from_the_bottom() {
    let policy = Policy { logical_base: LogicalBase::Windows, ..Policy::default() };
    let run = Run::with(Kind::Remapping, policy, &[(0, 1 << 24, 0)]);
    let made = object(&run, 4096);
    let adl = run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, 4096)).expect("room");
    assert_eq!(run.adl(adl.adl), Laid::Pages(vec![1]));
}

/// Shows S-CPOA-01, S-CPOA-22, S-OPO-01, S-OPOA-03, S-OPOA-05, S-CLO-01, S-CLOA-01, S-OPO-05.
#[test]
fn an_object_is_open_on_one_adapter_at_a_time() {
    let run = Run::new(Kind::Isolation);
    let other = run.sysmm.add_logical_adapter();
    let stranger = run.sysmm.add_adapter(other, true, &[]).expect("room").handle;
    let made =
        run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(Handle::NULL, 4096)).expect("room");
    assert!(made.adapter_memory_object.is_null());
    let physical = made.physical_memory_object;
    let first = open(&run, physical, run.lead).expect("free to open");
    for adapter in [run.lead, run.linked, stranger] {
        assert_eq!(open(&run, physical, adapter), Err(CallError::Status(NtStatus::ALREADY_REGISTERED)));
    }
    close(&run, first).expect("no ADL");
    assert_eq!(close(&run, first), Err(INVALID_HANDLE));
    let second = open(&run, physical, stranger).expect("free to open again");
    assert_eq!(destroy(&run, physical, first), Err(INVALID_HANDLE), "closed before");
    destroy(&run, physical, second).expect("nothing hangs on it");
    run.assert_balanced();
}

#[test]
fn destroy_with_another_objects_adapter_memory_object_is_refused() {
    let run = Run::new(Kind::Isolation);
    let (one, two) = (object(&run, 4096), object(&run, 4096));
    assert_eq!(destroy(&run, one.physical_memory_object, two.adapter_memory_object), Err(INVALID_HANDLE));
    destroy(&run, one.physical_memory_object, one.adapter_memory_object).expect("its own");
    destroy(&run, two.physical_memory_object, two.adapter_memory_object).expect("its own");
    run.assert_balanced();
}

/// Shows S-B1E4-05, S-B1E4-11, S-DPOA-04.
#[test]
fn destroy_or_close_while_an_adl_lives_bug_checks_1e4_5_and_the_adl_stays_good() {
    for kind in ALL_MODES {
        for with_close in [false, true] {
            let run = Run::new(kind);
            let made = object(&run, 4096);
            let (physical, opened) = (made.physical_memory_object, made.adapter_memory_object);
            let adl = run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, 4096)).expect("room");
            let violated = if with_close { close(&run, opened) } else { destroy(&run, physical, opened) };
            assert_eq!(violated, Err(fatal(SysMmFatalError::UNLOCKED_WITH_LIVE_ADLS)));
            assert_eq!(run.domain.reachable().len(), if kind == Kind::Passthrough { 0 } else { 1 });
            let another = run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, 4096));
            assert_eq!(
                another.map(|adl| adl.adl),
                Err(INVALID_HANDLE),
                "the handle is dead for everything else"
            );
            free_adl(&run, opened, adl.adl).expect("this debt is still owed");
            if with_close {
                destroy(&run, physical, Handle::NULL).expect("closed");
            }
            run.assert_balanced();
        }
    }
}

/// Shows S-B1E4-06.
#[test]
fn an_open_adapter_memory_object_not_passed_to_destroy_bug_checks_1e4_6() {
    let run = Run::new(Kind::Isolation);
    let made = object(&run, 4096);
    let violated = destroy(&run, made.physical_memory_object, Handle::NULL);
    assert_eq!(violated, Err(fatal(SysMmFatalError::ADAPTER_OBJECTS_LEAKED)));
    assert_eq!(run.sysmm.statistics().pages.driver, 1, "leaked, but nobody else's");
    close(&run, made.adapter_memory_object).expect("this debt is still owed");
    run.assert_balanced();
}

/// Shows S-DPOA-04.
#[test]
fn where_windows_stops_nothing_is_changed() {
    let policy = Policy { strictness: Strictness::Windows, ..Policy::default() };
    let run = Run::with(Kind::Isolation, policy, &[(0, 1 << 24, 0)]);
    let made = object(&run, 4096);
    let (physical, opened) = (made.physical_memory_object, made.adapter_memory_object);
    let adl = run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, 4096)).expect("room");
    let before = run.sysmm.statistics();
    for _ in 0..2 {
        let violated = destroy(&run, physical, opened);
        assert_eq!(violated, Err(fatal(SysMmFatalError::UNLOCKED_WITH_LIVE_ADLS)));
        assert_eq!(run.sysmm.statistics(), before);
    }
    free_adl(&run, opened, adl.adl).expect("live");
    destroy(&run, physical, opened).expect("nothing hangs on it");
}

/// Shows S-CPOA-20, S-MPMA-03, S-MPMA-04, S-MPMA-06, S-MPMA-07, S-UPM-01.
#[test]
fn a_view_keeps_the_pages_of_a_destroyed_object() {
    let run = Run::new(Kind::Isolation);
    let made = object(&run, 2 << 12);
    let map = ArgCbMapPhysicalMemory {
        physical_memory_object: made.physical_memory_object,
        offset: 5000,
        size: 10,
        ..ArgCbMapPhysicalMemory::default()
    };
    let view = run.sysmm.map_physical_memory(&CALLER, &map).expect("room");
    assert_eq!((view.offset, view.size), (5000 - 4096, 4096));
    destroy(&run, made.physical_memory_object, made.adapter_memory_object).expect("views are no bug check");
    assert_eq!(run.sysmm.statistics().pages.driver, 2);
    let again = run.sysmm.map_physical_memory(&CALLER, &map);
    assert_eq!(again.map(|view| view.size), Err(INVALID_HANDLE));
    let unmap = ArgCbUnmapPhysicalMemory {
        physical_memory_object: made.physical_memory_object,
        base_address: Pointer(view.mapped_address.get()),
        size: view.size,
    };
    run.sysmm.unmap_physical_memory(&CALLER, &unmap).expect("this debt is still owed");
    run.assert_balanced();
}
