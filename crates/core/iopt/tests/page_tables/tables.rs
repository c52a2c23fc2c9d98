//! Table pages: how many, when they are taken, kept and given back; and what is refused.

use std::sync::atomic::Ordering;

use super::memory::{BASE, Ram};
use dxgk_hw::{Access, LogicalAddr, LogicalPage, MachineMemory, MapError, PageRun, Pfn};
use dxgk_iopt::{Format, Malformed, Outcome, PartialLeaf, RunCursor, Store, Table, VtdSecondStage};

const FORMAT: VtdSecondStage = VtdSecondStage::LEVELS_4;
const RW: Access = Access::all();

fn store(ram: &Ram) -> Store<'_> {
    Store { memory: ram, frames: ram }
}

fn page(number: u64) -> LogicalPage {
    LogicalPage::new(number)
}

fn run(start: u64, pages: u64) -> PageRun {
    PageRun::new(Pfn::new(start), pages)
}

#[test]
fn a_gibibyte_contiguous_and_aligned_takes_two_tables_and_by_small_pages_515() {
    for (format, tables) in [(FORMAT, 2), (FORMAT.with_large_pages(1), 3), (FORMAT.with_large_pages(0), 515)]
    {
        let ram = Ram::with_frames(600);
        let mut tree = Table::new(format, store(&ram)).unwrap();
        tree.map(store(&ram), page(1 << 18), &[run(1 << 20, 1 << 18)], RW).unwrap();
        assert_eq!(600 - ram.free(), tables);
    }
}

#[test]
fn runs_that_touch_make_one_leaf_and_two_maps_do_not() {
    let ram = Ram::with_frames(8);
    let shift_at = |tree: &Table<_>, at| match tree.walk(&ram, page(at).address()).outcome {
        Outcome::Mapped { shift, .. } => shift,
        other => panic!("{other:?}"),
    };
    let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
    tree.map(store(&ram), page(0), &[run(512, 100), run(612, 412)], RW).unwrap();
    assert_eq!(shift_at(&tree, 0), 21);
    tree.map(store(&ram), page(512), &[run(1024, 256)], RW).unwrap();
    tree.map(store(&ram), page(768), &[run(1280, 256)], RW).unwrap();
    assert_eq!(shift_at(&tree, 512), 12);
}

#[test]
fn a_shortage_midway_leaves_nothing_mapped_and_no_table_taken() {
    for frames in 1..7 {
        let ram = Ram::with_frames(frames);
        let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
        // Three lowest tables, one middle, one upper: needs six frames with the root.
        let result = tree.map(store(&ram), page(1), &[run(4, 1300)], RW);
        assert_eq!(result, if frames < 6 { Err(MapError::NoFrame) } else { Ok(()) }, "{frames} frames");
        if result.is_err() {
            assert_eq!(tree.walk(&ram, page(1).address()).outcome, Outcome::NotMapped);
            tree.settle(store(&ram), tree.pending(page(0), 1301));
            assert_eq!(ram.free() as u64, frames - 1);
        }
    }
}

#[test]
fn a_collision_midway_leaves_the_old_mapping_alone() {
    let ram = Ram::with_frames(16);
    let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
    tree.map(store(&ram), page(1000), &[run(7, 1)], RW).unwrap();
    let before = ram.free();
    let result = tree.map(store(&ram), page(0), &[run(5, 1500)], RW);
    assert_eq!(result, Err(MapError::Occupied(page(1000))));
    assert_eq!(tree.check_step(&ram, page(1000), 1, PartialLeaf::Refuse), Ok(1));
    assert_eq!(tree.walk(&ram, page(999).address()).outcome, Outcome::NotMapped);
    tree.settle(store(&ram), tree.pending(page(0), 1500));
    assert_eq!(ram.free(), before);
}

#[test]
fn tables_are_given_back_only_after_the_invalidation() {
    let ram = Ram::with_frames(16);
    let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
    tree.map(store(&ram), page(3), &[run(9, 1)], RW).unwrap();
    assert_eq!(ram.free(), 12);
    tree.unmap(store(&ram), page(3), 1, PartialLeaf::Refuse).unwrap();
    assert_eq!(ram.free(), 12, "nothing before");
    let pending = tree.pending(page(3), 1);
    assert!(pending.tables);
    assert_eq!((pending.first, pending.pages), (page(0), 1 << 27), "as far as the emptied tables reach");
    tree.settle(store(&ram), pending);
    assert_eq!(ram.free(), 15);
    assert!(!tree.pending(page(3), 1).tables);
}

#[test]
fn a_map_takes_back_the_detached_table_that_caches_may_still_hold() {
    let ram = Ram::with_frames(16);
    let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
    let lowest = |tree: &Table<_>, at| tree.walk(&ram, page(at).address()).steps().last().unwrap().table;
    tree.map(store(&ram), page(3), &[run(9, 1)], RW).unwrap();
    let table = lowest(&tree, 3);
    tree.unmap(store(&ram), page(3), 1, PartialLeaf::Refuse).unwrap();
    let pending = tree.pending(page(3), 1);
    tree.map(store(&ram), page(77), &[run(9, 1)], RW).unwrap();
    assert_eq!(lowest(&tree, 77), table);
    tree.settle(store(&ram), pending);
    assert!(matches!(tree.walk(&ram, page(77).address()).outcome, Outcome::Mapped { .. }));
    assert_eq!(ram.free(), 12, "a table in use is not given back");
    tree.unmap(store(&ram), page(77), 1, PartialLeaf::Refuse).unwrap();
    tree.settle(store(&ram), pending);
    assert_eq!(ram.free(), 12, "an invalidation from before the second detaching does not count");
}

#[test]
fn no_large_leaf_is_put_where_a_detached_table_may_be_cached() {
    let ram = Ram::with_frames(16);
    let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
    let shift = |tree: &Table<_>| match tree.walk(&ram, LogicalAddr::new(0)).outcome {
        Outcome::Mapped { shift, .. } => shift,
        other => panic!("{other:?}"),
    };
    tree.map(store(&ram), page(3), &[run(9, 1)], RW).unwrap();
    tree.unmap(store(&ram), page(3), 1, PartialLeaf::Refuse).unwrap();
    tree.map(store(&ram), page(0), &[run(0, 1 << 18)], RW).unwrap();
    assert_eq!(shift(&tree), 12);
    tree.unmap(store(&ram), page(0), 1 << 18, PartialLeaf::Refuse).unwrap();
    tree.settle(store(&ram), tree.pending(page(0), 1 << 18));
    tree.map(store(&ram), page(0), &[run(0, 1 << 18)], RW).unwrap();
    assert_eq!(shift(&tree), 30);
}

#[test]
fn a_step_never_leaves_its_table() {
    let ram = Ram::with_frames(16);
    let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
    let runs = [run(1, 2000)];
    let mut cursor = RunCursor::new(&runs);
    let mut done = Vec::new();
    let mut at = 500;
    loop {
        match tree.map_step(store(&ram), page(at), &mut cursor, RW).unwrap() {
            0 => break,
            pages => {
                done.push(pages);
                at += pages;
            }
        }
    }
    assert_eq!(done, [12, 512, 512, 512, 452]);
}

#[test]
fn part_of_a_large_leaf_is_refused_or_split_as_asked() {
    let ram = Ram::with_frames(16);
    let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
    tree.map(store(&ram), page(1 << 18), &[run(1 << 18, 1 << 18)], RW).unwrap();
    let hole = page((1 << 18) + 700);
    let refused = tree.unmap(store(&ram), hole, 1, PartialLeaf::Refuse);
    assert_eq!(refused, Err(MapError::NotMapped(hole)));
    tree.unmap(store(&ram), hole, 1, PartialLeaf::Split).unwrap();
    assert_eq!(tree.walk(&ram, hole.address()).outcome, Outcome::NotMapped);
    for (at, expected) in [((1 << 18) + 699, 12), ((1 << 18) + 701, 12), (1 << 18, 21), ((2 << 18) - 1, 21)] {
        let Outcome::Mapped { to, shift, .. } = tree.walk(&ram, page(at).address()).outcome else { panic!() };
        assert_eq!((to.page().get(), shift), (at, expected));
    }
}

#[test]
fn what_the_format_cannot_hold_is_refused() {
    let ram = Ram::with_frames(16);
    let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
    let end = FORMAT.end();
    let last = page(end.get() - 1);
    let beyond = Err(MapError::BeyondWidth(end));
    assert_eq!(tree.map(store(&ram), last, &[run(0, 2)], RW), beyond);
    assert_eq!(
        tree.map(store(&ram), page(u64::MAX), &[run(0, 2)], RW),
        Err(MapError::BeyondWidth(page(u64::MAX)))
    );
    assert_eq!(tree.unmap(store(&ram), last, 2, PartialLeaf::Split), beyond);
    assert_eq!(tree.walk(&ram, end.address()).outcome, Outcome::BeyondWidth);
    let none = Access::empty();
    assert_eq!(tree.map(store(&ram), page(0), &[run(0, 1)], none), Err(MapError::Inexpressible(none)));
    assert!(tree.map(store(&ram), page(0), &[run((1 << 40) - 1, 2)], RW).is_err());
    assert_eq!(tree.walk(&ram, LogicalAddr::new(0)).outcome, Outcome::NotMapped);
    tree.map(store(&ram), last, &[run(0, 1)], RW).unwrap();
}

#[test]
fn broken_tables_are_explained_and_nothing_loops_or_panics() {
    let ram = Ram::with_frames(8);
    let mut tree = Table::new(FORMAT, store(&ram)).unwrap();
    tree.map(store(&ram), page(0), &[run(1, 1)], RW).unwrap();
    let root = tree.root();
    let outcome = |word: u64| {
        ram.live(root).unwrap()[0].store(word, Ordering::Relaxed);
        tree.walk(&ram, LogicalAddr::new(0)).outcome
    };
    assert_eq!(outcome(0x83), Outcome::Malformed(Malformed::LeafLevel));
    assert_eq!(outcome(0xffff_f003), Outcome::OutsideRam(Pfn::new(0xf_ffff)));
    assert_eq!(outcome(0x4000_0000_0010_0003), Outcome::Malformed(Malformed::Reserved(1 << 62)));
    // The root as its own lower table: four levels, then a leaf that is the root itself.
    let Outcome::Mapped { to, .. } = outcome(BASE << 12 | 3) else { panic!() };
    assert_eq!(to, root.address());
    assert_eq!(tree.walk(&ram, LogicalAddr::new(0)).steps().count(), 4);
    let mut tree = Table::at(FORMAT, root);
    for word in [0x83u64, 0xffff_f003, 0x4000_0000_0010_0003] {
        ram.live(root).unwrap()[0].store(word, Ordering::Relaxed);
        assert_eq!(tree.map(store(&ram), page(0), &[run(1, 1)], RW), Err(MapError::Malformed(page(0))));
        let unmapped = tree.unmap(store(&ram), page(0), 1, PartialLeaf::Split);
        assert_eq!(unmapped, Err(MapError::Malformed(page(0))));
    }
}
