//! What AllocatePagesForMdl makes of its arguments: they mean what they mean to MmAllocatePagesForMdlEx, and it is all or
//! nothing.

use std::sync::atomic::Ordering;

use dxgk_abi::NtStatus;
use dxgk_abi::callback::MemoryCachingType;
use dxgk_abi::callback::{AllocatePagesFlags as Flags, ArgCbAllocatePagesForMdl, ArgCbFreePagesFromMdl};
use dxgk_event::{Event, ObjectStep};
use dxgk_hw::CacheType;
use dxgk_sysmm::{CallError, Policy};

use crate::machine::{CALLER, Kind, MIB, MODES_2_4, Run, pages_args};

const PAGE: u64 = 4096;

/// One range of RAM of so many pages. Page 0 is never given out.
fn small(kind: Kind, pages: u64) -> Run {
    Run::with(kind, Policy::default(), &[(0, pages * PAGE, 0)])
}

/// The pages that a call gives, in ascending order, or its status.
fn given(run: &Run, args: &ArgCbAllocatePagesForMdl) -> Result<Vec<u64>, NtStatus> {
    match run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, args) {
        Ok(made) => {
            let mut pages = run.mdl_pages(made.mdl);
            pages.sort_unstable();
            Ok(pages)
        }
        Err(CallError::Status(status)) => Err(status),
        Err(other) => panic!("{other}"),
    }
}

fn flags(flags: Flags, skip_bytes: u64, bytes: u64) -> ArgCbAllocatePagesForMdl {
    ArgCbAllocatePagesForMdl { flags, skip_bytes, ..pages_args(bytes) }
}

/// Shows S-APM-02, S-APM-04, S-APMA-01, S-APMA-02, S-MPE-01, S-MPE-03, S-ISO-51.
#[test]
fn pages_come_from_low_address_up_to_high_address_and_from_nowhere_else() {
    for kind in MODES_2_4 {
        let run = Run::new(kind);
        let mut args = pages_args(16 * PAGE);
        (args.low_address, args.high_address) = (8 * MIB, 8 * MIB + 16 * PAGE - 1);
        let made = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args).expect("room");
        let mut list = run.mdl_pages(made.mdl);
        list.sort_unstable();
        assert_eq!(list, (2048..2064).collect::<Vec<_>>(), "{kind:?}: the whole range");
        let one = ArgCbAllocatePagesForMdl { total_bytes: PAGE, ..args };
        assert_eq!(given(&run, &one), Err(NtStatus::NO_MEMORY), "{kind:?}: it is empty");
        let free = ArgCbFreePagesFromMdl { memory_handle: made.memory_handle };
        run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free).expect("live");
        assert_eq!(given(&run, &args).map(|list| list.len()), Ok(16), "{kind:?}: and full again");
    }
}

/// Shows S-APM-04, S-APMA-03, S-MPE-02.
#[test]
fn a_range_that_runs_dry_is_followed_by_one_skip_bytes_further_on() {
    let run = Run::new(Kind::Isolation);
    let mut args = pages_args(10 * PAGE);
    (args.low_address, args.high_address, args.skip_bytes) = (8 * MIB, 8 * MIB + 4 * PAGE - 1, MIB);
    let list = given(&run, &args).expect("room in the third range");
    let from = |first: u64| list.iter().filter(|page| (first..first + 4).contains(*page)).count();
    assert_eq!((from(2048), from(2304), from(2560)), (4, 4, 2), "{list:?}");
    // Without it there is one range.
    args.skip_bytes = 0;
    assert_eq!(given(&run, &args), Err(NtStatus::NO_MEMORY));
}

/// Shows S-APMA-05.
#[test]
fn the_mdl_covers_total_bytes() {
    let run = Run::new(Kind::Isolation);
    for (bytes, pages) in [(1, 1), (PAGE, 1), (PAGE + 1, 2), (5 * PAGE - 1, 5)] {
        assert_eq!(given(&run, &pages_args(bytes)).map(|list| list.len()), Ok(pages), "{bytes} bytes");
    }
}

/// Shows S-APM-04, S-APMA-06.
#[test]
fn the_pages_have_the_caching_that_was_asked_for() {
    let run = Run::new(Kind::Isolation);
    for (number, cache) in [(0, CacheType::NonCached), (1, CacheType::Cached), (2, CacheType::WriteCombined)]
    {
        let args = ArgCbAllocatePagesForMdl { cache_type: MemoryCachingType(number), ..pages_args(PAGE) };
        given(&run, &args).expect("room");
        let events = run.machine.sink.events.lock().expect("unpoisoned");
        let told = events.iter().rev().find_map(|event| match event {
            Event::Object(object) if object.step == ObjectStep::Created => Some(object.cache),
            _ => None,
        });
        assert_eq!(told, Some(cache as u8));
    }
}

/// Shows S-APM-03, S-APMA-07, S-MPE-07, S-MPE-08.
#[test]
fn a_short_list_is_never_given_whatever_the_flags() {
    for kind in MODES_2_4 {
        for with in [
            Flags(0),
            Flags::ALLOCATE_FULLY_REQUIRED,
            Flags::ALLOCATE_NO_WAIT,
            Flags::ALLOCATE_PREFER_CONTIGUOUS,
            Flags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS,
        ] {
            let run = small(kind, 33);
            let before = run.sysmm.statistics();
            assert_eq!(given(&run, &flags(with, 0, 33 * PAGE)), Err(NtStatus::NO_MEMORY), "{with:?}");
            assert_eq!(run.sysmm.statistics(), before, "{with:?}");
            let all = given(&run, &flags(with, 0, 32 * PAGE));
            assert_eq!(all, Ok((1..33).collect()), "{with:?}");
        }
    }
}

/// Shows S-MPE-15.
#[test]
fn blocks_too_come_all_or_not_at_all() {
    // Aligned blocks of 16 pages: at 16, 32 and 48.
    let run = small(Kind::Isolation, 64);
    let blocks = |count: u64| flags(Flags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS, 16 * PAGE, count * 16 * PAGE);
    let before = run.sysmm.statistics();
    assert_eq!(given(&run, &blocks(4)), Err(NtStatus::NO_MEMORY));
    assert_eq!(run.sysmm.statistics(), before);
    assert_eq!(given(&run, &blocks(3)), Ok((16..64).collect()));
}

/// Shows S-MPE-10, S-MPE-11.
#[test]
fn one_block_lies_inside_the_range_and_anywhere_in_it() {
    let run = small(Kind::Isolation, 17);
    let mut args = flags(Flags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS, 0, 12 * PAGE);
    (args.low_address, args.high_address) = (3 * PAGE, 14 * PAGE - 1);
    assert_eq!(given(&run, &args), Err(NtStatus::NO_MEMORY), "eleven pages");
    args.high_address = 15 * PAGE - 1;
    assert_eq!(given(&run, &args), Ok((3..15).collect()), "at a page that is a multiple of nothing");
}

/// Shows S-MPE-21.
#[test]
fn without_room_for_the_mdl_the_call_fails_and_keeps_no_page() {
    let run = Run::new(Kind::Isolation);
    run.machine.driver.full.store(true, Ordering::Relaxed);
    assert_eq!(given(&run, &pages_args(PAGE)), Err(NtStatus::INSUFFICIENT_RESOURCES));
    run.assert_balanced();
}
