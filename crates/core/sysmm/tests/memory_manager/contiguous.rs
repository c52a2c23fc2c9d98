//! AllocateContiguousMemory: where the block lies, who sees it, and what is refused.

use dxgk_abi::callback::{ArgCbAllocateContiguousMemory, ArgCbFreeContiguousMemory, MemoryCachingType};
use dxgk_abi::{Handle, NtStatus};
use dxgk_event::{Event, MappingStep, ObjectKind, ObjectStep};
use dxgk_hw::PAGE_SIZE;
use dxgk_sysmm::callbacks::ContiguousMemory;
use dxgk_sysmm::{CallError, HandleError, HandleKind, Policy};

use crate::machine::{ALL_MODES, CALLER, Kind, MIB, MODES_2_4, Run, pages_args, status};

fn wanted(bytes: u64) -> ArgCbAllocateContiguousMemory {
    ArgCbAllocateContiguousMemory {
        number_of_bytes: bytes,
        highest_acceptable_address: u64::MAX,
        cache_type: MemoryCachingType::CACHED,
        ..ArgCbAllocateContiguousMemory::default()
    }
}

fn within(bytes: u64, low: u64, high: u64, boundary: u64) -> ArgCbAllocateContiguousMemory {
    ArgCbAllocateContiguousMemory {
        lowest_acceptable_address: low,
        highest_acceptable_address: high,
        boundary_address_multiple: boundary,
        ..wanted(bytes)
    }
}

fn allocate(run: &Run, args: &ArgCbAllocateContiguousMemory) -> Result<ContiguousMemory, CallError> {
    run.sysmm.allocate_contiguous_memory(&CALLER, run.lead, args)
}

fn free(run: &Run, adapter: Handle, memory_handle: Handle) -> Result<(), CallError> {
    run.sysmm.free_contiguous_memory(&CALLER, adapter, &ArgCbFreeContiguousMemory { memory_handle })
}

/// First page and number of pages of the CPU's view.
fn block(run: &Run, made: ContiguousMemory) -> (u64, u64) {
    let views = run.machine.driver.views.lock().expect("unpoisoned");
    let (bytes, first) = views.get(&made.memory.get()).copied().expect("a view at its base");
    (first, bytes / PAGE_SIZE)
}

/// Shows S-ACM-01, S-ACM-02, S-ACMA-01, S-ACMA-08, S-ACMA-09, S-ACMA-10, S-MCC-01, S-MCC-02, S-MCC-03, S-FCM-01.
#[test]
fn a_block_is_one_run_that_the_cpu_and_the_device_see_until_it_is_freed() {
    for kind in MODES_2_4 {
        let run = Run::new(kind);
        let made = allocate(&run, &wanted(3 * PAGE_SIZE + 1)).expect("room");
        let (first, pages) = block(&run, made);
        assert_eq!(pages, 4, "the whole last page");
        assert!(made.memory.get().is_multiple_of(PAGE_SIZE));
        let reachable: Vec<u64> = if kind == Kind::Isolation { (first..first + 4).collect() } else { vec![] };
        assert_eq!(run.domain.reachable(), reachable);
        let object = run.machine.sink.latest(ObjectKind::ContiguousMemory);
        free(&run, run.linked, made.memory_handle).expect("any adapter of the chain will do");
        assert_eq!(run.machine.sink.steps(object).first(), Some(&MappingStep::Mapped));
        assert_eq!(run.machine.sink.steps(object).last(), Some(&MappingStep::PagesReturned));
        run.assert_balanced();
    }
}

/// Shows S-ACMA-02, S-ACMA-03, S-ACMA-04, S-ACMA-06, S-MCC-05.
#[test]
fn a_block_keeps_to_its_limits_and_crosses_no_boundary() {
    let run = Run::new(Kind::Isolation);
    let cases = [
        ("above 8 MiB", within(MIB, 8 * MIB, u64::MAX, 0), 0x800, u64::MAX),
        ("in the first 16 MiB", within(MIB, 0, 16 * MIB - 1, 0), 0, 0xfff),
        ("exactly the range", within(8 * PAGE_SIZE, MIB, MIB + 8 * PAGE_SIZE - 1, 0), 0x100, 0x107),
        ("between the lines", within(4 * PAGE_SIZE, MIB + 1, MIB + 5 * PAGE_SIZE - 1, 0), 0x101, 0x104),
    ];
    for (name, args, low, high) in cases {
        let made = allocate(&run, &args).expect(name);
        let (first, pages) = block(&run, made);
        assert!(first >= low && first + pages - 1 <= high, "{name}: {first:#x}, {pages} pages");
        free(&run, run.lead, made.memory_handle).expect("live");
    }
    // Fifteen pages stand before the boundary, so a block of three has to begin behind it.
    let before = allocate(&run, &within(14 * PAGE_SIZE, MIB, u64::MAX, 0)).expect("room");
    assert_eq!(block(&run, before).0, 0x100);
    let unbounded = allocate(&run, &within(3 * PAGE_SIZE, MIB, u64::MAX, 0)).expect("room");
    assert_eq!(block(&run, unbounded).0, 0x10e, "without a boundary it may cross 0x110");
    free(&run, run.lead, unbounded.memory_handle).expect("live");
    let bounded = allocate(&run, &within(3 * PAGE_SIZE, MIB, u64::MAX, 16 * PAGE_SIZE)).expect("room");
    assert_eq!(block(&run, bounded).0, 0x110);
    let whole = allocate(&run, &within(16 * PAGE_SIZE, MIB, u64::MAX, 16 * PAGE_SIZE)).expect("room");
    assert!(block(&run, whole).0.is_multiple_of(16), "a block as long as its boundary begins on it");
}

/// Shows S-ACMA-07, S-MCC-07.
#[test]
fn a_block_holds_the_poison_and_has_the_cache_type_that_was_asked_for() {
    let run = Run::new(Kind::Isolation);
    for (number, cache) in [0, 1, 2].into_iter().zip([0u8, 1, 2]) {
        let args =
            ArgCbAllocateContiguousMemory { cache_type: MemoryCachingType(number), ..wanted(PAGE_SIZE) };
        let made = allocate(&run, &args).expect("room");
        let first = block(&run, made).0;
        assert_eq!(
            run.machine.ram.filled.lock().expect("unpoisoned").get(&first),
            Some(&Policy::POISON),
            "uninitialised, and recognisably so"
        );
        let events = run.machine.sink.events.lock().expect("unpoisoned");
        let told = events.iter().rev().find_map(|event| match event {
            Event::Object(object) if object.step == ObjectStep::Created => Some((object.cache, object.va)),
            _ => None,
        });
        assert_eq!(told, Some((cache, made.memory.get())));
    }
}

/// Shows S-ACM-05, S-ACMA-05, S-FCM-03.
#[test]
fn allocate_contiguous_memory_refuses() {
    let invalid = NtStatus::INVALID_PARAMETER;
    let cache =
        |number| ArgCbAllocateContiguousMemory { cache_type: MemoryCachingType(number), ..wanted(PAGE_SIZE) };
    let cases = [
        ("no bytes", wanted(0), invalid),
        ("every byte there is", wanted(u64::MAX), NtStatus::NO_MEMORY),
        ("all but the last page of the address space", wanted(u64::MAX - PAGE_SIZE), NtStatus::NO_MEMORY),
        ("a byte more than a range of RAM", wanted(64 * MIB + 1), NtStatus::NO_MEMORY),
        (
            "all of the first range, whose page 0 is nobody's",
            within(64 * MIB, 0, 64 * MIB, 0),
            NtStatus::NO_MEMORY,
        ),
        ("limits the wrong way round", within(PAGE_SIZE, 8192, 8191, 0), invalid),
        ("limits of one byte", within(1, 8192, 8192, 0), NtStatus::NO_MEMORY),
        ("a byte less than a page", within(1, 8192, 12286, 0), NtStatus::NO_MEMORY),
        ("exactly a page", within(1, 8192, 12287, 0), NtStatus::SUCCESS),
        ("above all RAM", within(1, 1 << 40, u64::MAX, 0), NtStatus::NO_MEMORY),
        ("page 0", within(1, 0, 4095, 0), NtStatus::NO_MEMORY),
        ("a boundary of three pages", within(1, 0, u64::MAX, 3 * PAGE_SIZE), invalid),
        ("a boundary of one bit too many", within(1, 0, u64::MAX, PAGE_SIZE | 1), invalid),
        ("a boundary of half a page", within(1, 0, u64::MAX, PAGE_SIZE / 2), invalid),
        ("a boundary of a page", within(PAGE_SIZE, 0, u64::MAX, PAGE_SIZE), NtStatus::SUCCESS),
        (
            "a boundary of a page and a byte more",
            within(PAGE_SIZE + 1, 0, u64::MAX, PAGE_SIZE),
            NtStatus::NO_MEMORY,
        ),
        ("the highest boundary", within(PAGE_SIZE, 0, u64::MAX, 1 << 63), NtStatus::SUCCESS),
        ("cache type 3", cache(3), invalid),
        ("cache type -1", cache(u32::MAX), invalid),
    ];
    for (name, args, expected) in cases {
        for kind in MODES_2_4 {
            let run = Run::new(kind);
            let before = run.sysmm.statistics();
            assert_eq!(status(allocate(&run, &args)), expected, "{name}, {kind:?}");
            if expected != NtStatus::SUCCESS {
                assert_eq!(run.sysmm.statistics(), before, "{name}, {kind:?}");
                run.assert_balanced();
            }
        }
    }
}

/// Shows S-FCM-02, S-FCMA-01.
#[test]
fn only_the_handle_of_a_live_block_of_the_same_logical_adapter_is_freed() {
    let run = Run::new(Kind::Isolation);
    let other_logical = run.sysmm.add_logical_adapter();
    let other = run.sysmm.add_adapter(other_logical, true, &[]).expect("room").handle;
    let made = allocate(&run, &wanted(PAGE_SIZE)).expect("room");
    let pages = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(PAGE_SIZE)).expect("room");
    let old = allocate(&run, &wanted(PAGE_SIZE)).expect("room").memory_handle;
    free(&run, run.lead, old).expect("live");
    let again = allocate(&run, &wanted(PAGE_SIZE)).expect("room").memory_handle;
    assert_ne!(old, again, "the slot is used again, the handle is not");
    let refused = NtStatus::INVALID_HANDLE;
    let before = run.sysmm.statistics();
    let cases = [
        ("null", run.lead, Handle::NULL),
        ("the memory's address", run.lead, Handle(made.memory.get())),
        ("an adapter", run.lead, run.lead),
        ("pages for an MDL", run.lead, pages.memory_handle),
        ("freed before, its slot used again", run.lead, old),
        ("another adapter's", other, made.memory_handle),
        ("no adapter", Handle::NULL, made.memory_handle),
    ];
    for (name, adapter, handle) in cases {
        assert_eq!(status(free(&run, adapter, handle)), refused, "{name}");
        assert_eq!(run.sysmm.statistics(), before, "{name}");
    }
    assert_eq!(run.sysmm.inspect_handle(old, HandleKind::ContiguousMemory), Err(HandleError::Stale));
    free(&run, run.lead, made.memory_handle).expect("live");
    assert_eq!(status(free(&run, run.lead, made.memory_handle)), refused, "twice");
}

#[test]
fn remapping_a_stop_and_a_shortage_of_views_or_tables_refuse_a_block() {
    let run = Run::new(Kind::Remapping);
    assert_eq!(status(allocate(&run, &wanted(PAGE_SIZE))), NtStatus::NOT_SUPPORTED);
    assert_eq!(status(free(&run, run.lead, Handle(1))), NtStatus::NOT_SUPPORTED);
    let run = Run::new(Kind::Isolation);
    run.machine.driver.full.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(status(allocate(&run, &wanted(PAGE_SIZE))), NtStatus::INSUFFICIENT_RESOURCES);
    run.machine.driver.full.store(false, std::sync::atomic::Ordering::Relaxed);
    run.domain.fail_after(Some(0));
    assert_eq!(status(allocate(&run, &wanted(PAGE_SIZE))), NtStatus::INSUFFICIENT_RESOURCES);
    run.domain.fail_after(None);
    run.assert_balanced();
    let made = allocate(&run, &wanted(PAGE_SIZE)).expect("room");
    run.sysmm.stop_adapter(run.lead).expect("live");
    assert_eq!(status(allocate(&run, &wanted(PAGE_SIZE))), NtStatus::DEVICE_NOT_READY);
    assert_eq!(status(free(&run, run.lead, made.memory_handle)), NtStatus::DEVICE_NOT_READY);
}

/// Shows S-MCC-06.
#[test]
fn a_block_that_is_left_behind_is_named_and_taken_back_in_the_safe_order() {
    for kind in ALL_MODES.into_iter().filter(|kind| *kind != Kind::Remapping) {
        let run = Run::new(kind);
        let made = allocate(&run, &wanted(2 * PAGE_SIZE)).expect("room");
        let leaks = run.sysmm.remove_adapter(run.lead).expect("live");
        let told: Vec<_> = leaks.iter().map(|leak| (leak.kind, leak.handle, leak.bytes)).collect();
        assert_eq!(told, [(ObjectKind::ContiguousMemory, made.memory_handle.0, 2 * PAGE_SIZE)]);
        run.assert_balanced();
    }
}

#[test]
fn pages_whose_invalidation_was_not_confirmed_are_nobodys_for_ever() {
    let run = Run::new(Kind::Isolation);
    let made = allocate(&run, &wanted(2 * PAGE_SIZE)).expect("room");
    run.domain.unit_hangs.store(true, std::sync::atomic::Ordering::Relaxed);
    free(&run, run.lead, made.memory_handle).expect("live");
    assert_eq!(run.sysmm.statistics().pages.quarantined, 2);
    assert_eq!(run.sysmm.statistics().failed_invalidations, 1);
}
