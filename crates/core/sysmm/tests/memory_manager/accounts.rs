//! What a driver did not give back is named and taken back, and totals balance.

use dxgk_abi::callback::{ArgCbMapMdlToIoMmu, ArgCbMapPhysicalMemory};
use dxgk_abi::mdl::MdlFlags;
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_event::ObjectKind;
use dxgk_sysmm::CallError;
use dxgk_sysmm::callbacks::MapMemoryArgs;
use dxgk_sysmm::pages::{PageOwner, PageRequest};

use crate::machine::{
    ALL_MODES, BAR, CALLER, Kind, Run, adl_args, mdl_header, mdl_object, pages, pages_args,
};

/// Shows S-ISO-53, S-ISO-55, S-ISO-37.
#[test]
fn everything_left_at_removal_is_reported_in_order_and_taken_back() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let mut expected = Vec::new();
        let pool = run.pages.allocate(&PageRequest::anywhere(2), PageOwner::Kernel).expect("room");
        if kind != Kind::Remapping {
            run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(1 << 20)).expect("room");
            let list: Vec<u64> = pages(&pool).collect();
            let mdl = run.machine.driver.own_mdl(mdl_header(2, MdlFlags::PAGES_LOCKED), &list);
            let args = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl), memory_handle: Handle::NULL };
            run.sysmm.map_mdl_to_iommu(&CALLER, run.lead, &args).expect("good");
            expected.extend([ObjectKind::MdlPages, ObjectKind::MdlMapping]);
        }
        let made =
            run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, 8192)).expect("room");
        run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, 8192)).expect("room");
        let map = ArgCbMapPhysicalMemory {
            physical_memory_object: made.physical_memory_object,
            size: 8192,
            ..ArgCbMapPhysicalMemory::default()
        };
        run.sysmm.map_physical_memory(&CALLER, &map).expect("room");
        let window = MapMemoryArgs {
            translated_address: BAR,
            length: 4096,
            in_io_space: false,
            map_to_user_mode: false,
            cache_type: 0,
        };
        run.sysmm.map_memory(&CALLER, run.lead, &window).expect("room");
        expected.extend([
            ObjectKind::PhysicalMemory,
            ObjectKind::AdapterMemory,
            ObjectKind::Adl,
            ObjectKind::KernelView,
            ObjectKind::RegisterMap,
        ]);
        run.sysmm.stop_adapter(run.lead).expect("live");
        assert_eq!(run.sysmm.held_by(run.lead).map(|held| held.len()), Ok(expected.len()));
        assert_eq!(run.sysmm.remove_adapter(run.linked), Ok(Vec::new()), "not the linked adapter's");
        let leaks = run.sysmm.remove_adapter(run.lead).expect("live");
        assert_eq!(leaks.iter().map(|leak| leak.kind).collect::<Vec<_>>(), expected, "{kind:?}");
        run.pages.release(&pool, PageOwner::Kernel).expect("ours");
        assert_eq!(run.sysmm.remove_logical_adapter(run.logical), Ok(0));
        run.assert_balanced();
        let gone = run.sysmm.remove_adapter(run.lead);
        assert_eq!(gone, Err(CallError::Status(NtStatus::INVALID_HANDLE)));
    }
}

#[test]
fn objects_without_an_adapter_are_left_until_the_driver_is_unloaded() {
    let run = Run::new(Kind::Remapping);
    run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(Handle::NULL, 4096)).expect("room");
    assert_eq!(run.sysmm.remove_adapter(run.lead), Ok(Vec::new()));
    let leaks = run.sysmm.reclaim_unowned();
    assert_eq!(leaks.iter().map(|leak| leak.kind).collect::<Vec<_>>(), [ObjectKind::PhysicalMemory]);
    run.assert_balanced();
}

#[test]
fn a_logical_adapter_with_adapters_cannot_be_dropped() {
    let run = Run::new(Kind::Isolation);
    let busy = run.sysmm.remove_logical_adapter(run.logical);
    assert_eq!(busy, Err(CallError::Status(NtStatus::INVALID_DEVICE_STATE)));
}

#[test]
fn threads_that_allocate_and_free_at_once_leave_nothing_behind() {
    let run = Run::new(Kind::Isolation);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let run = &run;
            scope.spawn(move || {
                for round in 0..100 {
                    let bytes = ((thread * 31 + round * 7) % 40 + 1) << 12;
                    let made = run
                        .sysmm
                        .allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(bytes))
                        .expect("room");
                    let args =
                        dxgk_abi::callback::ArgCbFreePagesFromMdl { memory_handle: made.memory_handle };
                    run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &args).expect("live");
                }
            });
        }
    });
    run.assert_balanced();
}
