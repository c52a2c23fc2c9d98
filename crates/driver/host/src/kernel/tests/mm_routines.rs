//! The Mm routines that the port's callbacks stand in for, as far as Microsoft's pages describe them.

use dxgk_abi::mdl::Mdl;

use super::order::{DISPATCH, too_high};
use super::*;

const LIST: &str = "MmAllocatePagesForMdlEx";
const CONTIGUOUS: &str = "MmAllocateContiguousMemorySpecifyCache";
const FULLY_REQUIRED: u64 = 4;

/// Shows S-MPE-20.
#[test]
fn a_list_of_pages_may_be_shorter_than_was_asked_for_and_says_how_long_it_is() {
    let bench = Bench::new();
    // Two pages in the range, and one behind it.
    let (lowest, highest) = (100 * PAGE_SIZE, 102 * PAGE_SIZE - 1);
    let mdl = bench.call(LIST, &[lowest, highest, 0, 3 * PAGE_SIZE, 1, 0]);
    assert_ne!(mdl, 0);
    assert_eq!(u64::from(get::<Mdl>(mdl).byte_count), 2 * PAGE_SIZE);
    bench.call("MmFreePagesFromMdl", &[mdl]);
    bench.call("ExFreePool", &[mdl]);
    assert_eq!(bench.call(LIST, &[lowest, highest, 0, 3 * PAGE_SIZE, 1, FULLY_REQUIRED]), 0);
    assert_eq!(bench.call(LIST, &[FRAMES * PAGE_SIZE, u64::MAX, 0, PAGE_SIZE, 1, 0]), 0, "none at all");
}

/// Shows S-MCC-01, S-MCC-02, S-MCC-03.
#[test]
fn contiguous_memory_begins_with_a_page_and_is_one_view_of_one_run() {
    let bench = Bench::new();
    let va = bench.call(CONTIGUOUS, &[2 * PAGE_SIZE + 1, 0, u64::MAX, 0, 1]);
    assert_ne!(va, 0);
    assert_eq!(va % PAGE_SIZE, 0);
    let first = bench.call("MmGetPhysicalAddress", &[va]);
    for page in 0..3 {
        memory::write(va + page * PAGE_SIZE, &page).expect("mapped");
        assert_eq!(bench.call("MmGetPhysicalAddress", &[va + page * PAGE_SIZE]), first + page * PAGE_SIZE);
    }
    bench.call("MmFreeContiguousMemory", &[va]);
}

/// Shows S-MCC-09, S-MPE-25, S-MPE-26.
#[test]
fn both_may_be_called_up_to_dispatch_level_and_are_never_made_to_wait_there() {
    let bench = Bench::new();
    for level in [1, DISPATCH] {
        bench.call("KfRaiseIrql", &[level]);
        assert_ne!(bench.call(LIST, &[0, u64::MAX, 0, PAGE_SIZE, 1, 0]), 0, "level {level}");
        assert_ne!(bench.call(CONTIGUOUS, &[PAGE_SIZE, 0, u64::MAX, 0, 1]), 0, "level {level}");
    }
    assert_eq!(too_high(&bench), []);
    bench.call("KfRaiseIrql", &[DISPATCH + 1]);
    bench.call(LIST, &[0, u64::MAX, 0, PAGE_SIZE, 1, 0]);
    bench.call(CONTIGUOUS, &[PAGE_SIZE, 0, u64::MAX, 0, 1]);
    assert_eq!(too_high(&bench).iter().map(|(name, _)| *name).collect::<Vec<_>>(), [LIST, CONTIGUOUS]);
}
