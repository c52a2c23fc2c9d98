//! What hardware notes in entries; and levels that somebody else's entries skip.

use std::sync::atomic::Ordering;

use dxgk_hw::{Access, LogicalPage, MachineMemory, MapError, PageRun, Pfn};
use dxgk_iopt::{
    AmdV1, Format, Granule, Outcome, PartialLeaf, SmmuStage1, SmmuStage2, Store, Table, Used, Visit,
    VtdFirstStage, VtdSecondStage,
};

use super::memory::Ram;

const RW: Access = Access::all();

fn page(number: u64) -> LogicalPage {
    LogicalPage::new(number)
}

/// Plays the hardware: changes the entry that translates a page.
fn hardware<F: Format>(tree: &Table<F>, ram: &Ram, at: u64, change: impl Fn(u64) -> u64) {
    let walk = tree.walk(ram, page(at).address());
    let step = walk.steps().last().unwrap();
    let words = ram.live(Pfn::new(step.table.get() + step.index / 512)).unwrap();
    let word = &words[step.index as usize % 512];
    word.store(change(word.load(Ordering::Relaxed)), Ordering::Relaxed);
}

/// Told: first page, pages, what.
fn told<F: Format>(tree: &Table<F>, ram: &Ram, pages: u64, clear: bool) -> Vec<(u64, u64, Used)> {
    let mut found = Vec::new();
    tree.used(ram, page(0), pages, clear, &mut |first, leaf, used| {
        found.push((first.get(), leaf.pages(), used));
    })
    .unwrap();
    found
}

/// A large leaf, single ones and a hole; `accessed` and `written` are what hardware does to an entry.
fn notes(format: impl Format, large: u64, accessed: fn(u64) -> u64, written: fn(u64) -> u64) {
    let ram = Ram::with_frames(64);
    let store = Store { memory: &ram, frames: &ram };
    let mut tree = Table::new(format, store).unwrap();
    tree.map(store, page(large), &[PageRun::new(Pfn::new(8 * large), large)], RW).unwrap();
    for (at, frame) in [(1, 7), (2, 9)] {
        tree.map(store, page(at), &[PageRun::new(Pfn::new(frame), 1)], RW).unwrap();
    }
    let none = Used::default();
    let all = [(1, 1, none), (2, 1, none), (large, large, none)];
    assert_eq!(told(&tree, &ram, 4 * large, false), all);
    hardware(&tree, &ram, 1, accessed);
    hardware(&tree, &ram, 2, written);
    hardware(&tree, &ram, large + large / 2, written);
    let (read, wrote) = (Used { accessed: true, dirty: false }, Used { accessed: true, dirty: true });
    let noted = [(1, 1, read), (2, 1, wrote), (large, large, wrote)];
    assert_eq!(told(&tree, &ram, 4 * large, false), noted);
    // Permissions change beside it.
    tree.protect(store, page(1), 2, RW, PartialLeaf::Refuse).unwrap();
    assert_eq!(told(&tree, &ram, 4 * large, true), noted);
    assert_eq!(told(&tree, &ram, 4 * large, false), all, "taken back");
    for at in [1, 2, large, 2 * large - 1] {
        let outcome = tree.walk(&ram, page(at).address()).outcome;
        assert!(matches!(outcome, Outcome::Mapped { access: RW, .. }), "{outcome:?}");
    }
}

#[test]
fn accesses_and_writes_are_read_and_taken_back() {
    notes(VtdSecondStage::LEVELS_4.with_tracking(), 512, |word| word | 1 << 8, |word| word | 3 << 8);
    notes(VtdFirstStage::LEVELS_4.with_tracking(), 512, |word| word | 1 << 5, |word| word | 3 << 5);
    // 16 pages are one leaf in 16 entries: any of them may have been noted in.
    notes(AmdV1::MODE_4.with_tracking(), 16, |word| word | 1 << 5, |word| word | 3 << 5);
    let stage_1 = SmmuStage1::new(Granule::K4).with_tracking();
    notes(stage_1, 16, |word| word | 1 << 10, |word| (word | 1 << 10) & !(1 << 7));
    let stage_2 = SmmuStage2::new(Granule::K4).with_tracking();
    notes(stage_2, 16, |word| word | 1 << 10, |word| word | 1 << 10 | 1 << 7);
}

#[test]
fn a_format_that_has_hardware_note_nothing_tells_nothing() {
    let ram = Ram::with_frames(16);
    let store = Store { memory: &ram, frames: &ram };
    let mut tree = Table::new(VtdFirstStage::LEVELS_4, store).unwrap();
    tree.map(store, page(0), &[PageRun::new(Pfn::new(3), 9)], RW).unwrap();
    assert_eq!(told(&tree, &ram, 1024, true), []);
    let beyond = tree.used(&ram, page(1 << 35), 1, false, &mut |_, _, _| {});
    assert_eq!(beyond, Err(MapError::BeyondWidth(page(1 << 35))));
}

/// An entry of level 4 that leads to a table of level 1.
#[test]
fn levels_that_an_entry_skips_translate_where_their_bits_are_0_and_only_there() {
    let format = AmdV1::MODE_4;
    let ram = Ram::with_frames(16);
    let store = Store { memory: &ram, frames: &ram };
    let mut tree = Table::new(format, store).unwrap();
    let lowest = Table::new(AmdV1::MODE_3, store).unwrap().root();
    let entry = format.table(4, 1, lowest);
    ram.live(tree.root()).unwrap()[1].store(entry, Ordering::Relaxed);
    let base = 1 << 27;
    tree.map(store, page(base + 5), &[PageRun::new(Pfn::new(77), 3)], RW).unwrap();
    let walk = tree.walk(&ram, page(base + 6).address());
    assert_eq!(walk.steps().map(|step| step.level).collect::<Vec<_>>(), [4, 1]);
    assert!(matches!(walk.outcome, Outcome::Mapped { to, .. } if to.page().get() == 78));
    let beside = page(base + 512 + 6);
    assert_eq!(tree.walk(&ram, beside.address()).outcome, Outcome::Skipped);
    assert_eq!(tree.walk(&ram, beside.address()).fault(format, RW).unwrap().code, 2);
    let run = [PageRun::new(Pfn::new(1), 1)];
    assert_eq!(tree.map(store, beside, &run, RW), Err(MapError::Malformed(beside)));
    let unmapped = tree.unmap(store, beside, 1, PartialLeaf::Split);
    assert_eq!(unmapped, Err(MapError::NotMapped(beside)));
    let mut leaves = Vec::new();
    let _ = tree.visit(&ram, &mut |met| {
        if let Visit::Leaf { first, .. } = met {
            leaves.push(first.get() - base);
        }
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!(leaves, [5, 6], "the second is one of 8 KiB");
    tree.unmap(store, page(base + 5), 3, PartialLeaf::Refuse).unwrap();
    assert_eq!(tree.walk(&ram, page(base + 5).address()).outcome, Outcome::NotMapped);
    assert_eq!(ram.live(tree.root()).unwrap()[1].load(Ordering::Relaxed), entry, "the skipping entry stays");
}

/// A row of entries with the contiguous hint that does not agree is said to be broken, and what follows is not lost.
#[test]
fn a_contiguous_row_that_does_not_agree_is_broken() {
    let format = SmmuStage1::new(Granule::K4);
    let ram = Ram::with_frames(16);
    let store = Store { memory: &ram, frames: &ram };
    let mut tree = Table::new(format, store).unwrap();
    tree.map(store, page(16), &[PageRun::new(Pfn::new(32), 17)], RW).unwrap();
    hardware(&tree, &ram, 20, |word| word ^ 1 << 12);
    let outcome = tree.walk(&ram, page(20).address()).outcome;
    assert_eq!(outcome, Outcome::Malformed(dxgk_iopt::Malformed::Contiguous));
    let (mut broken, mut leaves) = (0, Vec::new());
    let _ = tree.visit(&ram, &mut |met| {
        match met {
            Visit::Broken { .. } => broken += 1,
            Visit::Leaf { first, .. } => leaves.push(first.get()),
            Visit::Table { .. } => {}
        }
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!((broken, leaves), (16, vec![32]));
}
