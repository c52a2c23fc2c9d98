//! What every format does at every level with leaves of every size, written once.

use dxgk_hw::{Access, LogicalPage, MapError, PAGE_SHIFT, PageRun, Pfn};
use dxgk_iopt::{Format, Outcome, PartialLeaf, RunCursor, Store, Table};

use super::memory::Ram;

macro_rules! levels {
    ($($module:ident = $format:expr;)*) => {$(
        mod $module {
            #[test]
            fn a_leaf_of_every_size_is_mapped_at_its_level_and_unmapped_whole() {
                super::every_size($format, super::map_and_unmap);
            }

            #[test]
            fn a_granule_is_cut_out_of_a_leaf_of_every_size() {
                super::every_size($format, super::cut_out);
            }

            #[test]
            fn a_leaf_of_every_size_changes_its_permission_in_its_place() {
                super::every_size($format, super::protect);
            }

            #[test]
            fn a_table_of_every_level_is_filled_and_unmapped() {
                super::every_table($format);
            }

            #[test]
            fn leaves_are_as_small_as_they_are_asked_to_be() {
                super::small_leaves($format);
            }

            #[test]
            fn what_is_off_the_granule_is_refused() {
                super::off_the_granule($format);
            }
        }
    )*};
}

every_format!(levels);

/// A leaf that is to be made: where, and what of.
#[derive(Clone, Copy, Debug)]
struct Case {
    level: u32,
    shift: u32,
    at: u64,
    frame: u64,
    pages: u64,
    access: Access,
}

struct Rig<F: Format> {
    ram: Ram,
    tree: Table<F>,
    frames: usize,
}

impl<F: Format> Rig<F> {
    fn new(format: F) -> Self {
        let frames = 24 * format.table_frames(1) + 2 * format.table_frames(format.root_level());
        let ram = Ram::with_frames(frames);
        let tree = Table::new(format, Store { memory: &ram, frames: &ram }).unwrap();
        Self { frames: ram.free(), ram, tree }
    }

    fn map(&mut self, case: Case) {
        let run = [PageRun::new(Pfn::new(case.frame), case.pages)];
        let store = Store { memory: &self.ram, frames: &self.ram };
        self.tree.map(store, LogicalPage::new(case.at), &run, case.access).unwrap();
    }

    /// Frame, permission and size of a page's translation, and the level that the walk ended at.
    fn lookup(&self, page: u64) -> Option<(u64, Access, u32, u32)> {
        let walk = self.tree.walk(&self.ram, LogicalPage::new(page).address());
        let level = walk.steps().last().unwrap().level;
        match walk.outcome {
            Outcome::Mapped { to, access, shift } => Some((to.page().get(), access, shift, level)),
            Outcome::NotMapped => None,
            other => panic!("{other:?}"),
        }
    }

    fn unmap(&mut self, at: u64, pages: u64) -> Result<(), MapError> {
        let store = Store { memory: &self.ram, frames: &self.ram };
        self.tree.unmap(store, LogicalPage::new(at), pages, PartialLeaf::Split)
    }

    fn split(&mut self, at: u64) {
        let store = Store { memory: &self.ram, frames: &self.ram };
        while let Some(broken) = self.tree.split_at(store, LogicalPage::new(at)).unwrap() {
            assert!(self.tree.format().break_before_make());
            assert!(broken.pending().first.get() <= at && !broken.pending().tables);
            self.tree.mend(store, broken).unwrap();
        }
    }

    /// Everything is unmapped: all frames come back when that has been settled.
    fn assert_empty(mut self) {
        let all = self.tree.pending(LogicalPage::new(0), self.tree.format().end().get());
        let store = Store { memory: &self.ram, frames: &self.ram };
        self.tree.settle(store, all);
        assert_eq!(self.ram.free(), self.frames);
    }
}

fn accesses(format: impl Format) -> impl Iterator<Item = Access> {
    (1..4).map(Access::from_bits_truncate).filter(move |&access| format.expresses(access))
}

fn every_size<F: Format>(format: F, test: fn(Rig<F>, Case)) {
    for level in 1..=format.root_level() {
        for shift in (0..64).filter(|shift| format.leaf_sizes(level) >> shift & 1 == 1) {
            let pages = 1u64 << (shift - PAGE_SHIFT);
            // In the middle of the address space, so that no level's index is 0 everywhere.
            let at = (format.end().get() / 2 + format.end().get() / 8) / pages * pages;
            for access in accesses(format) {
                test(Rig::new(format), Case { level, shift, at, frame: pages, pages, access });
            }
        }
    }
}

fn map_and_unmap<F: Format>(mut rig: Rig<F>, case: Case) {
    rig.map(case);
    for page in [0, case.pages / 2, case.pages - 1] {
        let expected = (case.frame + page, case.access, case.shift, case.level);
        assert_eq!(rig.lookup(case.at + page), Some(expected), "{case:?}");
    }
    assert_eq!(rig.lookup(case.at - 1), None, "{case:?}");
    if case.at + case.pages < rig.tree.format().end().get() {
        assert_eq!(rig.lookup(case.at + case.pages), None, "{case:?}");
    }
    let again = [PageRun::new(Pfn::new(0), rig.tree.format().granule_pages())];
    let at = LogicalPage::new(case.at);
    let store = Store { memory: &rig.ram, frames: &rig.ram };
    assert_eq!(rig.tree.map(store, at, &again, case.access), Err(MapError::Occupied(at)));
    if case.pages > 1 {
        let part = rig.tree.unmap(store, at, case.pages - 1, PartialLeaf::Refuse);
        assert_eq!(part, Err(MapError::NotMapped(at)), "{case:?}");
    }
    rig.unmap(case.at, case.pages).unwrap();
    assert_eq!(rig.lookup(case.at), None);
    assert_eq!(rig.unmap(case.at, case.pages), Err(MapError::NotMapped(at)));
    rig.assert_empty();
}

fn cut_out<F: Format>(mut rig: Rig<F>, case: Case) {
    let unit = rig.tree.format().granule_pages();
    if case.pages == unit {
        return;
    }
    rig.map(case);
    let hole = case.at + case.pages / 2;
    let whole = rig.lookup(hole);
    if rig.tree.format().break_before_make() {
        let refused = rig.unmap(hole, unit);
        assert_eq!(refused, Err(MapError::BreakFirst(LogicalPage::new(case.at))), "{case:?}");
        assert_eq!(rig.lookup(hole), whole, "nothing has changed");
        rig.split(hole);
        rig.split(hole + unit);
    }
    rig.unmap(hole, unit).unwrap();
    for page in [0, case.pages / 2 - 1, case.pages / 2 + unit, case.pages - 1] {
        if page == case.pages || case.at + page == hole {
            continue;
        }
        let (frame, access, ..) = rig.lookup(case.at + page).unwrap();
        assert_eq!((frame, access), (case.frame + page, case.access), "{case:?}, page {page}");
    }
    assert_eq!(rig.lookup(hole), None);
    rig.unmap(case.at, case.pages / 2).unwrap();
    if case.pages / 2 > unit {
        rig.unmap(hole + unit, case.pages / 2 - unit).unwrap();
    }
    rig.assert_empty();
}

fn protect<F: Format>(mut rig: Rig<F>, case: Case) {
    rig.map(case);
    let free = rig.ram.free();
    for access in accesses(rig.tree.format()).chain([case.access]) {
        let store = Store { memory: &rig.ram, frames: &rig.ram };
        rig.tree.protect(store, LogicalPage::new(case.at), case.pages, access, PartialLeaf::Refuse).unwrap();
        let expected = (case.frame + case.pages - 1, access, case.shift, case.level);
        assert_eq!(rig.lookup(case.at + case.pages - 1), Some(expected), "{case:?}");
    }
    let store = Store { memory: &rig.ram, frames: &rig.ram };
    let none = Access::empty();
    let refused = rig.tree.protect(store, LogicalPage::new(case.at), case.pages, none, PartialLeaf::Refuse);
    assert_eq!(refused, Err(MapError::Inexpressible(none)));
    assert_eq!(rig.ram.free(), free, "no table was needed");
    rig.unmap(case.at, case.pages).unwrap();
    rig.assert_empty();
}

fn every_table(format: impl Format) {
    let access = accesses(format).next().unwrap();
    for level in 1..format.root_level() {
        let span = 1u64 << (format.span_shift(level) - PAGE_SHIFT);
        if format.leaf_sizes(level) >> format.entry_shift(level) & 1 == 0
            || span >= 1 << (format.output_width() - PAGE_SHIFT - 2)
        {
            continue;
        }
        let mut rig = Rig::new(format);
        let at = format.end().get() / 2 / span * span;
        // A list that no larger leaf can be made of.
        let unit = 1u64 << (format.entry_shift(level) - PAGE_SHIFT);
        let case = Case { level, shift: format.entry_shift(level), at, frame: unit, pages: span, access };
        rig.map(case);
        let (frame, _, _, found) = rig.lookup(at + span - 1).unwrap();
        assert_eq!((frame, found), (case.frame + span - 1, level));
        rig.unmap(at, span).unwrap();
        assert_eq!(rig.lookup(at), None);
        // The table may be taken back before it is settled: nothing of it may show through.
        let half = Case { frame: 0, pages: unit, ..case };
        rig.map(half);
        assert_eq!(rig.lookup(at).unwrap().0, 0);
        assert_eq!(rig.lookup(at + unit), None, "level {level}");
        rig.unmap(at, unit).unwrap();
        rig.assert_empty();
    }
}

fn small_leaves(format: impl Format) {
    let unit = format.granule_pages();
    let pages = unit << format.index_bits(1);
    let mut rig = Rig::new(format);
    let runs = [PageRun::new(Pfn::new(0), pages)];
    let access = accesses(format).next().unwrap();
    let store = Store { memory: &rig.ram, frames: &rig.ram };
    let singly = RunCursor::new(&runs).with_largest_leaf(unit);
    rig.tree.map_cursor(store, LogicalPage::new(0), singly, access).unwrap();
    assert_eq!(rig.lookup(pages / 2).unwrap().2, format.entry_shift(1));
    for page in (0..pages).step_by(unit as usize * 7) {
        let one = rig.tree.unmap(
            Store { memory: &rig.ram, frames: &rig.ram },
            LogicalPage::new(page),
            unit,
            PartialLeaf::Refuse,
        );
        assert_eq!(one, Ok(()), "each can be unmapped by itself");
    }
}

fn off_the_granule(format: impl Format) {
    let unit = format.granule_pages();
    if unit == 1 {
        return;
    }
    let mut rig = Rig::new(format);
    let access = accesses(format).next().unwrap();
    for (at, frame, pages) in [(1, 0, unit), (0, 1, unit), (0, 0, unit - 1), (0, 0, unit + 1)] {
        let run = [PageRun::new(Pfn::new(frame), pages)];
        let store = Store { memory: &rig.ram, frames: &rig.ram };
        let result = rig.tree.map(store, LogicalPage::new(at), &run, access);
        let page = LogicalPage::new(if pages > unit { unit } else { at });
        assert_eq!(result, Err(MapError::OffGranule(page)));
        assert_eq!(rig.lookup(0), None, "all or nothing");
    }
    let run = [PageRun::new(Pfn::new(0), unit)];
    let store = Store { memory: &rig.ram, frames: &rig.ram };
    rig.tree.map(store, LogicalPage::new(0), &run, access).unwrap();
    assert_eq!(rig.unmap(0, 1), Err(MapError::OffGranule(LogicalPage::new(1))), "no leaf is smaller");
    rig.unmap(0, unit).unwrap();
    rig.assert_empty();
}
