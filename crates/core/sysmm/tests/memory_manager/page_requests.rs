//! Page requests against brute force.

use std::collections::BTreeSet;

use dxgk_abi::callback::AllocatePagesFlags;
use dxgk_hw::{FrameSource, PhysAddr, total_pages};
use dxgk_sysmm::Policy;
use dxgk_sysmm::pages::{Layout, OutOfPages, PageListError, PageOwner, PageRequest};
use dxgk_sysmm::policy::Scatter;
use proptest::prelude::*;

use crate::machine::{CALLER, Kind, MIB, Run, pages, pages_args};

/// Two ranges with a hole, 80 pages in all.
const SMALL: [(u64, u64, u32); 2] = [(0, 48 << 12, 0), (64 << 12, 32 << 12, 1)];

fn small(scatter: Scatter) -> Run {
    Run::with(Kind::Passthrough, Policy { scatter, ..Policy::default() }, &SMALL)
}

fn exists(page: u64) -> bool {
    (1..48).contains(&page) || (64..96).contains(&page)
}

/// The first place for one run, by trying every page.
fn first_place(
    free: &BTreeSet<u64>,
    pages: u64,
    (low, high): (u64, u64),
    align: u64,
    boundary: u64,
) -> Option<u64> {
    (low..=high.saturating_sub(pages.saturating_sub(1))).find(|start| {
        let same_zone = (*start < 64) == (start + pages - 1 < 64);
        start + pages - 1 <= high
            && start.is_multiple_of(align.max(1))
            && (boundary == 0 || start / boundary == (start + pages - 1) / boundary)
            && same_zone
            && (*start..start + pages).all(|page| free.contains(&page))
    })
}

#[derive(Clone, Debug)]
enum Ask {
    Run { pages: u64, low: u64, high: u64, align: u64, boundary: u64 },
    Any { pages: u64, low: u64, high: u64, skip: u64 },
    Free(prop::sample::Index),
}

fn ask() -> impl Strategy<Value = Ask> {
    let power = prop_oneof![Just(0u64), (0u32..5).prop_map(|bits| 1 << bits)];
    prop_oneof![
        (1u64..12, 0u64..90, 0u64..100, power.clone(), power).prop_map(
            |(pages, low, more, align, boundary)| {
                Ask::Run { pages, low, high: low + more, align, boundary }
            }
        ),
        (1u64..30, 0u64..90, 0u64..20, 0u64..40).prop_map(|(pages, low, more, skip)| Ask::Any {
            pages,
            low,
            high: low + more,
            skip
        }),
        any::<prop::sample::Index>().prop_map(Ask::Free),
    ]
}

proptest! {
    #[test]
    fn the_allocator_finds_what_trying_every_page_finds(asks in prop::collection::vec(ask(), 1..60)) {
        let run = small(Scatter::Runs(4));
        let mut free: BTreeSet<u64> = (0..96).filter(|page| exists(*page)).collect();
        let mut taken = Vec::new();
        for ask in asks {
            match ask {
                Ask::Run { pages: count, low, high, align, boundary } => {
                    let request = PageRequest {
                        low: PhysAddr::new(low << 12),
                        high: PhysAddr::new((high << 12) + 4095),
                        layout: Layout::Contiguous { align, boundary },
                        ..PageRequest::anywhere(count)
                    };
                    let place = first_place(&free, count, (low, high), align, boundary);
                    let got = run.pages.allocate(&request, PageOwner::Kernel);
                    prop_assert_eq!(got.as_ref().ok().map(|runs| runs[0].start.get()), place);
                    if let Ok(runs) = got {
                        prop_assert_eq!(runs.len(), 1);
                        pages(&runs).for_each(|page| { free.remove(&page); });
                        taken.push(runs);
                    }
                }
                Ask::Any { pages: count, low, high, skip } => {
                    let request = PageRequest {
                        low: PhysAddr::new(low << 12),
                        high: PhysAddr::new((high << 12) + 4095),
                        skip,
                        ..PageRequest::anywhere(count)
                    };
                    let windows = if skip == 0 { 1 } else { 200 };
                    let within = |page: &u64| (0..windows).any(|k| (low + k * skip..=high + k * skip).contains(page));
                    let possible: BTreeSet<u64> = free.iter().copied().filter(within).collect();
                    match run.pages.allocate(&request, PageOwner::Kernel) {
                        Err(OutOfPages) => prop_assert!((possible.len() as u64) < count),
                        Ok(runs) => {
                            let got: BTreeSet<u64> = pages(&runs).collect();
                            prop_assert_eq!(got.len() as u64, count, "no page twice");
                            prop_assert!(got.is_subset(&possible));
                            // A later window is used only when the earlier ones are empty.
                            let first = |page: &u64| (0..windows).find(|k| (low + k * skip..=high + k * skip).contains(page));
                            let last = got.iter().filter_map(first).max().unwrap_or(0);
                            let left = possible.difference(&got).filter_map(first).min().unwrap_or(u64::MAX);
                            prop_assert!(left >= last, "window {} was used before {} was empty", last, left);
                            free.retain(|page| !got.contains(page));
                            taken.push(runs);
                        }
                    }
                }
                Ask::Free(_) if taken.is_empty() => {}
                Ask::Free(which) => {
                    let runs = taken.swap_remove(which.index(taken.len()));
                    prop_assert_eq!(run.pages.release(&runs, PageOwner::Kernel), Ok(total_pages(&runs)));
                    free.extend(pages(&runs));
                    prop_assert!(run.pages.release(&runs, PageOwner::Kernel).is_err(), "freed twice");
                }
            }
            prop_assert_eq!(run.pages.counts().free, free.len() as u64);
        }
    }
}

/// Shows S-MPE-10, S-MPE-14.
#[test]
fn blocks_are_contiguous_and_aligned_to_their_size() {
    let run = Run::new(Kind::Isolation);
    let mut args = pages_args(4 * MIB);
    args.flags = AllocatePagesFlags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS;
    args.skip_bytes = 64 << 10;
    let made = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args).expect("room");
    let list = run.mdl_pages(made.mdl);
    assert_eq!(list.len(), 1024);
    for block in list.chunks(16) {
        assert_eq!(block[0] % 16, 0);
        assert!(block.windows(2).all(|pair| pair[1] == pair[0] + 1));
    }
    args.skip_bytes = 0;
    let one = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args).expect("room");
    assert!(run.mdl_pages(one.mdl).windows(2).all(|pair| pair[1] == pair[0] + 1));
}

/// Shows S-MPE-09, S-MPE-22.
#[test]
fn pages_are_scattered_in_runs_unless_few_runs_are_preferred() {
    let run = Run::new(Kind::Isolation);
    let breaks = |list: &[u64]| list.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    let scattered = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(MIB)).expect("room");
    let list = run.mdl_pages(scattered.mdl);
    assert!((8..=32).contains(&breaks(&list)), "{} breaks in 256 pages", breaks(&list));
    let mut args = pages_args(MIB);
    args.flags = AllocatePagesFlags::ALLOCATE_PREFER_CONTIGUOUS;
    let dense = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args).expect("room");
    assert_eq!(breaks(&run.mdl_pages(dense.mdl)), 0);
}

/// Shows S-MPE-04.
#[test]
fn pages_are_zeroed_or_hold_the_poison() {
    let run = Run::new(Kind::Isolation);
    let mut args = pages_args(8192);
    let filled = |mdl| {
        let filled = run.machine.ram.filled.lock().expect("unpoisoned");
        run.mdl_pages(mdl).iter().map(|page| filled.get(page).copied()).collect::<Vec<_>>()
    };
    let zeroed = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args).expect("room");
    assert_eq!(filled(zeroed.mdl), [Some(0); 2]);
    args.flags = AllocatePagesFlags::DONT_ZERO_ALLOCATION;
    let poisoned = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args).expect("room");
    assert_eq!(filled(poisoned.mdl), [Some(Policy::POISON); 2]);
}

/// Shows S-MPE-06.
#[test]
fn pages_of_the_local_node_only_come_from_it() {
    let run = Run::new(Kind::Isolation);
    let mut args = pages_args(MIB);
    args.flags = AllocatePagesFlags::ALLOCATE_FROM_LOCAL_NODE_ONLY;
    for (node, expected) in [(0, false), (1, true)] {
        let caller = dxgk_sysmm::Caller { node, ..CALLER };
        let made = run.sysmm.allocate_pages_for_mdl(&caller, run.lead, &args).expect("room");
        assert!(run.mdl_pages(made.mdl).iter().all(|page| (*page >= 1 << 20) == expected), "node {node}");
    }
}

#[test]
fn the_same_seed_gives_the_same_pages_and_another_seed_others() {
    let list = |seed| {
        let run = Run::with(Kind::Isolation, Policy { seed, ..Policy::default() }, &[(0, 64 * MIB, 0)]);
        let made = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(MIB)).expect("room");
        run.mdl_pages(made.mdl)
    };
    assert_eq!(list(5), list(5));
    assert_ne!(list(5), list(6));
}

#[test]
fn table_frames_are_zeroed_counted_and_nobody_elses() {
    let run = small(Scatter::Dense);
    let frame = run.pages.take_frame().expect("room");
    assert_ne!(frame.get(), 0);
    assert_eq!(run.machine.ram.filled.lock().expect("unpoisoned").get(&frame.get()), Some(&0));
    assert_eq!(run.pages.counts().table, 1);
    let runs = [dxgk_hw::PageRun::new(frame, 1)];
    assert_eq!(run.pages.release(&runs, PageOwner::Kernel), Err(PageListError::NotOwned(frame)));
    run.pages.give_frame(frame);
    run.pages.give_frame(frame);
    run.assert_balanced();
}

#[test]
fn a_machine_of_terabytes_with_holes_costs_nothing_until_it_is_used() {
    let terabyte = 1 << 40;
    let run = Run::with(Kind::Passthrough, Policy::default(), &[(0, 1 << 30, 0), (terabyte, terabyte, 0)]);
    assert_eq!(run.pages.counts().total, (terabyte + (1 << 30)) >> 12);
    let mut args = pages_args(MIB);
    args.low_address = terabyte + (terabyte >> 1);
    let made = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args).expect("room");
    assert!(run.mdl_pages(made.mdl).iter().all(|page| *page >= args.low_address >> 12));
    // SkipBytes leads over the hole in one step each, whatever its length.
    let mut args = pages_args((1 << 30) + MIB);
    (args.high_address, args.skip_bytes) = ((1 << 30) - 1, 4096);
    run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args).expect("the rest comes from above the hole");
}

#[test]
fn tables_of_several_frames_are_contiguous_aligned_zeroed_and_given_back() {
    let run = small(Scatter::Dense);
    let before = run.pages.counts();
    let first = run.pages.take_frame().expect("room");
    let large = run.pages.take_run(16).expect("room");
    assert_eq!(large.get() % 16, 0);
    assert_ne!(large, first);
    assert_eq!(run.pages.counts().table, 17);
    assert_eq!(run.pages.take_run(64), None, "no such run is there");
    run.pages.give_run(large, 16);
    run.pages.give_frame(first);
    assert_eq!(run.pages.counts(), before);
}
