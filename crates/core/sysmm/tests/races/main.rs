//! The memory manager under a scheduler that may switch threads at every lock, over thousands of schedules.
//!
//! What a device reaches, by its tables or by what its unit has not forgotten yet, must never be free: between the
//! unmap and the confirmed invalidation a page is nobody's. And each race between two verbs ends as if one had been
//! first.

mod machine;

use std::sync::Arc;

use dxgk_abi::callback::{
    ArgCbAllocateAdl, ArgCbAllocatePagesForMdl, ArgCbCreatePhysicalMemoryObject,
    ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbFreePagesFromMdl, ArgCbMapMdlToIoMmu,
    ArgCbUnmapMdlFromIoMmu, MdlParameters, MemoryCachingType, PhysicalMemoryParameters,
};
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_hw::{DriverMemory, PAGE_SIZE, Pfn};
use dxgk_sysmm::CallError;
use dxgk_sysmm::Platform;
use dxgk_sysmm::callbacks::CreatedPhysicalMemory;
use dxgk_sysmm::pages::{PageOwner, PageRequest};
use shuttle::thread;

use machine::{CALLER, Run, pages};

/// Schedules a test: half of them drawn evenly, half with few switches at places that matter.
fn check(race: impl Fn() + Send + Sync + Clone + 'static) {
    shuttle::check_random(race.clone(), 1000);
    shuttle::check_pct(race, 1000, 3);
}

fn allocate(run: &Run, bytes: u64) -> Result<Handle, CallError> {
    let args = ArgCbAllocatePagesForMdl {
        high_address: u64::MAX,
        total_bytes: bytes,
        cache_type: MemoryCachingType::CACHED,
        ..ArgCbAllocatePagesForMdl::default()
    };
    run.sysmm.allocate_pages_for_mdl(&CALLER, run.adapter, &args).map(|made| made.memory_handle)
}

fn free(run: &Run, handle: Handle) -> Result<(), CallError> {
    let args = ArgCbFreePagesFromMdl { memory_handle: handle };
    run.sysmm.free_pages_from_mdl(&CALLER, run.adapter, &args)
}

fn create(run: &Run) -> CreatedPhysicalMemory {
    let mut args = ArgCbCreatePhysicalMemoryObject {
        adapter: run.adapter,
        size: 2 * PAGE_SIZE,
        cache_type: MemoryCachingType::CACHED,
        ..ArgCbCreatePhysicalMemoryObject::default()
    };
    let anywhere = MdlParameters { high_address: u64::MAX, ..MdlParameters::default() };
    args.set_parameters(PhysicalMemoryParameters::Mdl(anywhere));
    run.sysmm.create_physical_memory_object(&CALLER, &args).expect("an object")
}

fn destroy(run: &Run, made: &CreatedPhysicalMemory) -> Result<(), CallError> {
    let args = ArgCbDestroyPhysicalMemoryObject {
        physical_memory_object: made.physical_memory_object,
        adapter_memory_object: made.adapter_memory_object,
    };
    run.sysmm.destroy_physical_memory_object(&CALLER, &args)
}

fn allocate_adl(run: &Run, made: &CreatedPhysicalMemory) -> Result<Pointer, CallError> {
    let args = ArgCbAllocateAdl {
        adapter_memory_object: made.adapter_memory_object,
        size: 2 * PAGE_SIZE,
        ..ArgCbAllocateAdl::default()
    };
    run.sysmm.allocate_adl(&CALLER, &args).map(|made| Pointer(made.adl.get()))
}

fn free_adl(run: &Run, made: &CreatedPhysicalMemory, adl: Pointer) -> Result<(), CallError> {
    let args = ArgCbFreeAdl { adapter_memory_object: made.adapter_memory_object, adl };
    run.sysmm.free_adl(&CALLER, &args)
}

#[test]
fn pages_that_one_thread_frees_and_another_takes_are_never_both_free_and_reachable() {
    check(|| {
        let run = Run::new(false);
        let first = allocate(&run, 3 * PAGE_SIZE).expect("pages");
        let freeing = thread::spawn({
            let run = Arc::clone(&run);
            move || free(&run, first).expect("freed")
        });
        let taking = thread::spawn({
            let run = Arc::clone(&run);
            move || {
                // All that is left, or what was freed: whatever it is, no device reaches a kernel's page.
                for _ in 0..2 {
                    let request = PageRequest::anywhere(13);
                    let Ok(runs) = run.pages.allocate(&request, PageOwner::Kernel) else { continue };
                    let reachable = run.domain.reachable();
                    assert!(pages(&runs).all(|page| !reachable.contains(&page)));
                    run.pages.release(&runs, PageOwner::Kernel).expect("given back");
                }
            }
        });
        let looking = thread::spawn({
            let run = Arc::clone(&run);
            move || run.assert_nothing_free_is_reachable()
        });
        freeing.join().expect("no panic");
        taking.join().expect("no panic");
        looking.join().expect("no panic");
        run.assert_balanced();
    });
}

#[test]
fn an_owner_that_gives_mapped_pages_back_races_with_the_map_and_the_unmap() {
    check(|| {
        let run = Run::new(false);
        let runs = run.pages.allocate(&PageRequest::anywhere(2), PageOwner::Kernel).expect("pages");
        let mdl = run.sysmm.platform().driver().build_mdl(&runs).expect("room");
        let mapping = thread::spawn({
            let run = Arc::clone(&run);
            move || {
                let args = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl.get()), ..ArgCbMapMdlToIoMmu::default() };
                match run.sysmm.map_mdl_to_iommu(&CALLER, run.adapter, &args) {
                    Ok(handle) => {
                        run.assert_nothing_free_is_reachable();
                        let args = ArgCbUnmapMdlFromIoMmu { memory_handle: handle };
                        run.sysmm.unmap_mdl_from_iommu(&CALLER, run.adapter, &args).expect("unmapped");
                    }
                    // The pages were nobody's any more.
                    Err(error) => assert_eq!(error, NtStatus::INVALID_PARAMETER.into()),
                }
            }
        });
        let giving = thread::spawn({
            let run = Arc::clone(&run);
            move || run.pages.release(&runs, PageOwner::Kernel).expect("given back")
        });
        mapping.join().expect("no panic");
        giving.join().expect("no panic");
        run.assert_balanced();
    });
}

#[test]
fn of_two_threads_that_free_one_thing_exactly_one_succeeds() {
    check(|| {
        let run = Run::new(true);
        let made = create(&run);
        let adl = allocate_adl(&run, &made).expect("an ADL");
        let twice: Vec<_> = (0..2)
            .map(|_| {
                let run = Arc::clone(&run);
                thread::spawn(move || free_adl(&run, &made, adl).is_ok())
            })
            .collect();
        assert_eq!(twice.into_iter().map(|it| it.join().expect("no panic")).filter(|ok| *ok).count(), 1);
        destroy(&run, &made).expect("destroyed");

        let run = Run::new(false);
        let pages = allocate(&run, PAGE_SIZE).expect("pages");
        let twice: Vec<_> = (0..2)
            .map(|_| {
                let run = Arc::clone(&run);
                thread::spawn(move || free(&run, pages).is_ok())
            })
            .collect();
        assert_eq!(twice.into_iter().map(|it| it.join().expect("no panic")).filter(|ok| *ok).count(), 1);
        run.assert_balanced();
    });
}

#[test]
fn an_adl_made_while_its_object_is_destroyed_keeps_the_pages_or_is_refused() {
    check(|| {
        let run = Run::new(true);
        let made = create(&run);
        let listing = thread::spawn({
            let run = Arc::clone(&run);
            move || allocate_adl(&run, &made)
        });
        let destroying = thread::spawn({
            let run = Arc::clone(&run);
            move || destroy(&run, &made)
        });
        let (listed, destroyed) = (listing.join().expect("no panic"), destroying.join().expect("no panic"));
        run.assert_nothing_free_is_reachable();
        match listed {
            Ok(adl) => {
                for frame in run.domain.reachable() {
                    assert_eq!(run.pages.owner(Pfn::new(frame)), Some(PageOwner::Driver));
                }
                free_adl(&run, &made, adl).expect("the debt is still owed");
            }
            Err(error) => {
                assert_eq!(error, NtStatus::INVALID_HANDLE.into());
                assert_eq!(destroyed, Ok(()));
            }
        }
        run.assert_balanced();
    });
}

#[test]
fn an_adapter_removed_under_its_callbacks_takes_everything_with_it() {
    check(|| {
        let run = Run::new(false);
        let working = thread::spawn({
            let run = Arc::clone(&run);
            move || {
                if let Ok(handle) = allocate(&run, 2 * PAGE_SIZE) {
                    let _ = free(&run, handle);
                }
            }
        });
        let removing = thread::spawn({
            let run = Arc::clone(&run);
            move || {
                run.sysmm.stop_adapter(run.adapter).expect("stopped");
                run.sysmm.remove_adapter(run.adapter).expect("removed");
            }
        });
        working.join().expect("no panic");
        removing.join().expect("no panic");
        run.sysmm.remove_logical_adapter(run.logical).expect("removed");
        run.assert_balanced();
    });
}
