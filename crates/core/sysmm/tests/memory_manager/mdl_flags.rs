//! AllocatePagesForMdl: the flags, the ranges that SkipBytes steps through, and the limits, off by one on both sides.

use dxgk_abi::callback::{AllocatePagesFlags as Flag, ArgCbAllocatePagesForMdl, ArgCbFreePagesFromMdl};
use dxgk_abi::{NtStatus, mdl::MdlFlags};
use dxgk_hw::PAGE_SIZE;
use dxgk_sysmm::callbacks::PagesForMdl;
use dxgk_sysmm::{CallError, Caller, Policy};

use crate::machine::{CALLER, Kind, MIB, Run, pages_args, status};

const LARGE: u64 = 2 * MIB;
const CHUNKS: Flag = Flag::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS;

fn ask(bytes: u64, flags: Flag, skip_bytes: u64) -> ArgCbAllocatePagesForMdl {
    ArgCbAllocatePagesForMdl { flags, skip_bytes, ..pages_args(bytes) }
}

fn allocate(run: &Run, args: &ArgCbAllocatePagesForMdl) -> Result<PagesForMdl, CallError> {
    run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, args)
}

fn free(run: &Run, made: PagesForMdl) {
    let args = ArgCbFreePagesFromMdl { memory_handle: made.memory_handle };
    run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &args).expect("live");
}

/// The pages that a request with these limits gets, in ascending order, or the status.
fn between(run: &Run, low: u64, high: u64, skip: u64, bytes: u64) -> Result<Vec<u64>, NtStatus> {
    let args = ArgCbAllocatePagesForMdl {
        low_address: low,
        high_address: high,
        skip_bytes: skip,
        ..pages_args(bytes)
    };
    let made = allocate(run, &args).map_err(|error| error.status())?;
    let mut list = run.mdl_pages(made.mdl);
    list.sort_unstable();
    free(run, made);
    Ok(list)
}

/// Shows S-MPE-16, S-MPE-17.
#[test]
fn fast_large_pages_come_from_the_cache_or_not_at_all() {
    let run = Run::new(Kind::Isolation);
    let large = CHUNKS.union(Flag::ALLOCATE_FAST_LARGE_PAGES);
    let cached = Policy::default().large_pages;
    let all = allocate(&run, &ask(cached * LARGE, large, LARGE)).expect("the whole cache");
    assert!(
        run.mdl_pages(all.mdl).chunks(512).all(|block| block[0] % 512 == 0 && block[511] == block[0] + 511)
    );
    let refused = allocate(&run, &ask(LARGE, large, LARGE));
    assert_eq!(status(refused), NtStatus::NO_MEMORY, "the cache is empty");
    let slow = allocate(&run, &ask(LARGE, CHUNKS, LARGE)).expect("there is enough memory all the same");
    free(&run, all);
    let again =
        allocate(&run, &ask(2 * LARGE, large, LARGE)).expect("what was given back whole is cached again");
    free(&run, again);
    free(&run, slow);
    run.assert_balanced();
}

#[test]
fn one_large_page_more_than_the_cache_holds_leaves_the_cache_as_it_was() {
    let run = Run::new(Kind::Isolation);
    let large = CHUNKS.union(Flag::ALLOCATE_FAST_LARGE_PAGES);
    let cached = Policy::default().large_pages;
    assert_eq!(status(allocate(&run, &ask((cached + 1) * LARGE, large, LARGE))), NtStatus::NO_MEMORY);
    let low = ArgCbAllocatePagesForMdl { high_address: 32 * MIB - 1, ..ask(LARGE, large, LARGE) };
    assert_eq!(status(allocate(&run, &low)), NtStatus::NO_MEMORY, "none of the cached ones lies there");
    let double = allocate(&run, &ask(2 * LARGE, large, 2 * LARGE)).expect("two that stand together");
    assert!(run.mdl_pages(double.mdl)[0].is_multiple_of(1024));
    allocate(&run, &ask((cached - 2) * LARGE, large, LARGE)).expect("the others");
}

#[test]
fn large_pages_are_broken_up_before_anybody_goes_without_memory() {
    let run = Run::new(Kind::Isolation);
    let free_bytes = run.sysmm.statistics().pages.free * PAGE_SIZE;
    let all = allocate(&run, &pages_args(free_bytes)).expect("every page there is");
    assert_eq!(run.sysmm.statistics().pages.free, 0);
    free(&run, all);
    run.assert_balanced();
}

/// Shows S-MPE-06, S-APMA-07.
#[test]
fn the_local_node_is_the_callers_and_a_node_without_memory_has_none_to_give() {
    let ram = [(0, 16 * MIB, 0), (1 << 32, 16 * MIB, 3)];
    let run = Run::with(Kind::Isolation, Policy::default(), &ram);
    let args = ask(4 * MIB, Flag::ALLOCATE_FROM_LOCAL_NODE_ONLY, 0);
    let on = |node| run.sysmm.allocate_pages_for_mdl(&Caller { node, ..CALLER }, run.lead, &args);
    let pages = run.mdl_pages(on(3).expect("room on node 3").mdl);
    assert!(pages.iter().all(|page| *page >= 1 << 20));
    assert_eq!(status(on(1)), NtStatus::NO_MEMORY);
    let both = ask(17 * MIB, Flag::ALLOCATE_FROM_LOCAL_NODE_ONLY, 0);
    assert_eq!(status(allocate(&run, &both)), NtStatus::NO_MEMORY, "node 0 alone has 16 MiB");
    allocate(&run, &pages_args(17 * MIB)).expect("both together have more");
}

/// Shows S-MPE-07, S-MPE-08, S-MPE-13, S-MPE-15, S-APM-03.
#[test]
fn it_is_everything_or_nothing_at_once_whatever_the_flags_say() {
    let run = Run::with(Kind::Isolation, Policy::default(), &[(0, 64 * PAGE_SIZE, 0)]);
    let before = run.sysmm.statistics();
    for (name, flags, skip) in [
        ("no flags", Flag(0), 0),
        ("no waiting", Flag::ALLOCATE_NO_WAIT, 0),
        ("everything required", Flag::ALLOCATE_FULLY_REQUIRED, 0),
        ("few runs", Flag::ALLOCATE_PREFER_CONTIGUOUS, 0),
        ("blocks", CHUNKS, 16 * PAGE_SIZE),
        ("one block", CHUNKS, 0),
        ("with steps", Flag(0), PAGE_SIZE),
    ] {
        let result = allocate(&run, &ask(64 * PAGE_SIZE, flags, skip));
        assert_eq!(status(result), NtStatus::NO_MEMORY, "{name}: page 0 is nobody's");
        assert_eq!(run.sysmm.statistics(), before, "{name}");
    }
    for flags in [Flag(0), Flag::ALLOCATE_NO_WAIT, Flag::ALLOCATE_FULLY_REQUIRED] {
        let made = allocate(&run, &ask(63 * PAGE_SIZE, flags, 0)).expect("exactly what there is");
        free(&run, made);
    }
    run.assert_balanced();
}

/// Shows S-APMA-01, S-APMA-02, S-APMA-03, S-MPE-01, S-MPE-02, S-MPE-03.
#[test]
fn each_next_range_starts_skip_bytes_higher_and_is_as_long_as_the_first() {
    let run = Run::with(Kind::Passthrough, Policy::default(), &[(0, 64 * PAGE_SIZE, 0)]);
    let page = |number: u64| number * PAGE_SIZE;
    let last = |number: u64| number * PAGE_SIZE + PAGE_SIZE - 1;
    // Two pages in every eight, from page 4 on: 4 5, 12 13, 20 21, ...
    assert_eq!(between(&run, page(4), last(5), page(8), page(2)), Ok(vec![4, 5]));
    assert_eq!(between(&run, page(4), last(5), page(8), page(4)), Ok(vec![4, 5, 12, 13]));
    let ten: Vec<u64> = (4..64).filter(|number| number % 8 == 4 || number % 8 == 5).collect();
    assert_eq!(between(&run, page(4), last(5), page(8), page(16)), Ok(ten));
    assert_eq!(between(&run, page(4), last(5), page(8), page(17)), Err(NtStatus::NO_MEMORY));
    assert_eq!(between(&run, page(4), last(5), 0, page(3)), Err(NtStatus::NO_MEMORY), "without steps");
    // A step shorter than the range: ranges overlap, no page is given twice.
    let overlapping: Vec<u64> = (4..10).collect();
    assert_eq!(between(&run, page(4), last(7), page(1), page(6)), Ok(overlapping));
    assert_eq!(between(&run, page(4), last(5), u64::MAX / 4096 * 4096, page(3)), Err(NtStatus::NO_MEMORY));
}

/// Shows S-APMA-05.
#[test]
fn limits_hold_to_the_byte() {
    let run = Run::with(Kind::Passthrough, Policy::default(), &[(0, 64 * PAGE_SIZE, 0)]);
    let page = |number: u64| number * PAGE_SIZE;
    let cases = [
        ("one page exactly", page(4), page(5) - 1, Ok(vec![4])),
        ("a byte less above", page(4), page(5) - 2, Err(NtStatus::NO_MEMORY)),
        ("a byte less below", page(4) + 1, page(5) - 1, Err(NtStatus::NO_MEMORY)),
        ("a byte more above", page(4), page(5), Ok(vec![4])),
        ("a byte more below", page(4) - 1, page(5) - 1, Ok(vec![4])),
        ("the last page of RAM", page(63), u64::MAX, Ok(vec![63])),
        ("the byte behind RAM", page(64), u64::MAX, Err(NtStatus::NO_MEMORY)),
        ("the last address", u64::MAX, u64::MAX, Err(NtStatus::NO_MEMORY)),
        ("the first usable page", 0, page(2) - 1, Ok(vec![1])),
    ];
    for (name, low, high, expected) in cases {
        assert_eq!(between(&run, low, high, 0, 1), expected, "{name}");
    }
    for (bytes, pages) in [(1, 1), (PAGE_SIZE - 1, 1), (PAGE_SIZE, 1), (PAGE_SIZE + 1, 2)] {
        let made = allocate(&run, &pages_args(bytes)).expect("room");
        assert_eq!(run.mdl_pages(made.mdl).len(), pages, "{bytes} bytes");
        free(&run, made);
    }
}

/// Shows S-APM-01, S-APM-05, S-MPE-24, S-APMA-09, S-APMA-10.
#[test]
fn four_gib_less_a_page_is_the_most_and_is_given() {
    let run = Run::with(Kind::Isolation, Policy::default(), &[(0, 6 << 30, 0)]);
    let most = (1u64 << 32) - PAGE_SIZE;
    for (name, bytes) in [("a byte more", most + 1), ("4 GiB", 1 << 32), ("all of it", u64::MAX)] {
        assert_eq!(status(allocate(&run, &pages_args(bytes))), NtStatus::INVALID_PARAMETER, "{name}");
    }
    run.assert_balanced();
    let made = allocate(&run, &pages_args(most)).expect("the machine has it");
    let header = run.machine.driver.mdls.lock().expect("unpoisoned")[&made.mdl.get()].0;
    assert_eq!(u64::from(header.byte_count), most);
    assert!(header.mdl_flags.contains(MdlFlags::PAGES_LOCKED) && header.start_va.is_null());
    assert_eq!(run.domain.reachable().len() as u64, most / PAGE_SIZE);
    free(&run, made);
    run.assert_balanced();
}
