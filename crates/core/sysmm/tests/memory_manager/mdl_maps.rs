//! MapMdlToIoMmu: pages are counted, the record counts and not the MDL, and freed pages wait.

use dxgk_abi::callback::{ArgCbFreePagesFromMdl, ArgCbMapMdlToIoMmu, ArgCbUnmapMdlFromIoMmu};
use dxgk_abi::mdl::MdlFlags;
use dxgk_abi::{Handle, Pointer};
use dxgk_event::{MappingStep, ObjectKind};
use dxgk_hw::total_pages;
use dxgk_sysmm::pages::{PageOwner, PageRequest};

use crate::machine::{CALLER, Kind, MODES_2_4, Run, mdl_header, pages, pages_args};

fn map(run: &Run, mdl: u64) -> Handle {
    run.sysmm.map_mdl_to_iommu(&CALLER, run.lead, &arg(mdl)).expect("a good MDL")
}

fn arg(mdl: u64) -> ArgCbMapMdlToIoMmu {
    ArgCbMapMdlToIoMmu { mdl: Pointer(mdl), memory_handle: Handle::NULL }
}

fn unmap(run: &Run, memory_handle: Handle) {
    run.sysmm
        .unmap_mdl_from_iommu(&CALLER, run.lead, &ArgCbUnmapMdlFromIoMmu { memory_handle })
        .expect("live");
}

/// Shows S-UMI-01, S-MMIA-03, S-MMI-01.
#[test]
fn a_page_stays_reachable_until_its_last_mapping_goes() {
    let run = Run::new(Kind::Isolation);
    let pool = run.pages.allocate(&PageRequest::anywhere(4), PageOwner::Kernel).expect("room");
    let list: Vec<u64> = pages(&pool).collect();
    let mdl = |part: &[u64]| {
        run.machine.driver.own_mdl(mdl_header(part.len() as u64, MdlFlags::SOURCE_IS_NONPAGED_POOL), part)
    };
    let (whole, part) = (mdl(&list), mdl(&[list[1], list[2]]));
    let (first, second, third) = (map(&run, whole), map(&run, whole), map(&run, part));
    assert!(first != second && second != third && first != third);
    let mut sorted = list.clone();
    sorted.sort_unstable();
    unmap(&run, first);
    assert_eq!(run.domain.reachable(), sorted);
    unmap(&run, second);
    let mut left = vec![list[1], list[2]];
    left.sort_unstable();
    assert_eq!(run.domain.reachable(), left);
    unmap(&run, third);
    assert_eq!(run.domain.reachable(), Vec::<u64>::new());
    assert_eq!(run.pages.release(&pool, PageOwner::Kernel), Ok(4));
    run.assert_balanced();
}

#[test]
fn a_page_that_an_mdl_names_twice_is_mapped_and_unmapped_once_for_each() {
    let run = Run::new(Kind::Isolation);
    let pool = run.pages.allocate(&PageRequest::anywhere(1), PageOwner::Kernel).expect("room");
    let page = pages(&pool).next().expect("one");
    let mdl = run.machine.driver.own_mdl(mdl_header(3, MdlFlags::PAGES_LOCKED), &[page, page, page]);
    let handle = map(&run, mdl);
    assert_eq!(run.domain.reachable(), [page]);
    unmap(&run, handle);
    assert_eq!(run.pages.release(&pool, PageOwner::Kernel), Ok(1));
    run.assert_balanced();
}

/// Shows S-UMI-01.
#[test]
fn what_is_unmapped_is_what_was_mapped_and_not_what_the_mdl_says_by_then() {
    let run = Run::new(Kind::Isolation);
    let pool = run.pages.allocate(&PageRequest::anywhere(2), PageOwner::Kernel).expect("room");
    let list: Vec<u64> = pages(&pool).collect();
    let mdl = run.machine.driver.own_mdl(mdl_header(1, MdlFlags::PAGES_LOCKED), &list[..1]);
    let handle = map(&run, mdl);
    if let Some((_, pages)) = run.machine.driver.mdls.lock().expect("unpoisoned").get_mut(&mdl) {
        *pages = vec![list[1]];
    }
    unmap(&run, handle);
    assert_eq!(run.domain.reachable(), Vec::<u64>::new());
}

/// Shows S-MMI-07, S-MMI-08.
#[test]
fn an_mdl_that_is_gone_by_the_time_of_the_unmap_leaves_nothing_mapped() {
    let run = Run::new(Kind::Isolation);
    let pool = run.pages.allocate(&PageRequest::anywhere(3), PageOwner::Kernel).expect("room");
    let list: Vec<u64> = pages(&pool).collect();
    let mdl = run.machine.driver.own_mdl(mdl_header(3, MdlFlags::PAGES_LOCKED), &list);
    let handle = map(&run, mdl);
    run.machine.driver.mdls.lock().expect("unpoisoned").remove(&mdl);
    unmap(&run, handle);
    assert_eq!(run.domain.reachable(), Vec::<u64>::new());
    assert_eq!(run.pages.release(&pool, PageOwner::Kernel), Ok(3));
    run.assert_balanced();
}

/// Shows S-MMI-08.
#[test]
fn a_page_freed_while_mapped_is_nobodys_until_the_unmap() {
    for kind in MODES_2_4 {
        let run = Run::new(kind);
        let pool = run.pages.allocate(&PageRequest::anywhere(3), PageOwner::Kernel).expect("room");
        let list: Vec<u64> = pages(&pool).collect();
        let mdl = run.machine.driver.own_mdl(mdl_header(2, MdlFlags::PAGES_LOCKED), &list[..2]);
        let handle = map(&run, mdl);
        assert_eq!(run.pages.release(&pool, PageOwner::Kernel), Ok(1), "{kind:?}: two are still mapped");
        assert_eq!(run.sysmm.statistics().pages.held, 2);
        let rest = run.sysmm.statistics().pages.free;
        let taken = run.pages.allocate(&PageRequest::anywhere(rest), PageOwner::Kernel).expect("room");
        assert_eq!(total_pages(&taken), rest);
        assert!(pages(&taken).all(|page| !list[..2].contains(&page)), "{kind:?}: a held page was handed out");
        run.pages.release(&taken, PageOwner::Kernel).expect("ours");
        unmap(&run, handle);
        run.assert_balanced();
    }
}

/// Shows S-MMI-08.
#[test]
fn pages_of_the_callback_may_be_mapped_again_and_outlive_their_first_mapping() {
    let run = Run::new(Kind::Isolation);
    let made = run.sysmm.allocate_pages_for_mdl(&CALLER, run.linked, &pages_args(8192)).expect("room");
    let again = map(&run, made.mdl.get());
    let object = run.machine.sink.latest(ObjectKind::MdlMapping);
    let args = ArgCbFreePagesFromMdl { memory_handle: made.memory_handle };
    run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &args).expect("any linked adapter's handle will do");
    assert_eq!(run.domain.reachable().len(), 2);
    assert_eq!(run.sysmm.statistics().pages.held, 2);
    unmap(&run, again);
    assert_eq!(run.machine.sink.steps(object).last(), Some(&MappingStep::PagesReturned));
    run.assert_balanced();
}

#[test]
fn threads_that_map_the_same_pages_at_once_never_lose_a_mapping() {
    let run = Run::new(Kind::Isolation);
    let pool = run.pages.allocate(&PageRequest::anywhere(700), PageOwner::Kernel).expect("room");
    let mut list: Vec<u64> = pages(&pool).collect();
    let mdl = run.machine.driver.own_mdl(mdl_header(700, MdlFlags::PAGES_LOCKED), &list);
    list.sort_unstable();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let handle = map(&run, mdl);
                    let reachable = run.domain.reachable();
                    assert_eq!(reachable, list, "everything is reachable while this thread maps it");
                    unmap(&run, handle);
                }
            });
        }
    });
    assert_eq!(run.pages.release(&pool, PageOwner::Kernel), Ok(700));
    run.assert_balanced();
}

#[test]
fn a_release_that_names_a_page_twice_frees_it_once() {
    let run = Run::new(Kind::Isolation);
    let pool = run.pages.allocate(&PageRequest::anywhere(1), PageOwner::Kernel).expect("room");
    let twice = [pool[0], pool[0]];
    assert_eq!(run.pages.release(&twice, PageOwner::Kernel), Ok(1));
    run.assert_balanced();
}
