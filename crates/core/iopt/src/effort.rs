//! What operations cost, in accesses to entries and in descents from the root: numbers that must not grow.

extern crate std;

use std::vec::Vec;

use core::sync::atomic::{AtomicU64, Ordering};

use dxgk_hw::{Access, FrameSource, LogicalPage, MachineMemory, NotRam, PageRun, Pfn, PhysAddr, RamRange};

use crate::words::meter::{self, Effort};
use crate::{
    AmdV1, Format, Granule, PartialLeaf, RunCursor, SmmuStage1, Store, Table, VtdFirstStage, VtdSecondStage,
};

/// RAM whose frames are handed out upwards and never come back.
struct Ram {
    pages: Vec<[AtomicU64; 512]>,
    next: AtomicU64,
}

impl Ram {
    fn new() -> Self {
        let pages = (0..320).map(|_| core::array::from_fn(|_| AtomicU64::new(0))).collect();
        Self { pages, next: AtomicU64::new(0) }
    }
}

impl MachineMemory for Ram {
    fn ranges(&self) -> &[RamRange] {
        &[]
    }

    fn live(&self, frame: Pfn) -> Option<&[AtomicU64; 512]> {
        self.pages.get(frame.get() as usize)
    }

    fn fill(&self, run: PageRun, _pattern: u64) -> Result<(), NotRam> {
        Err(NotRam(run.start.address()))
    }

    fn read(&self, at: PhysAddr, _out: &mut [u8]) -> Result<(), NotRam> {
        Err(NotRam(at))
    }

    fn write(&self, at: PhysAddr, _bytes: &[u8]) -> Result<(), NotRam> {
        Err(NotRam(at))
    }
}

impl FrameSource for Ram {
    fn take_frame(&self) -> Option<Pfn> {
        self.take_run(1)
    }

    fn give_frame(&self, _frame: Pfn) {}

    fn take_run(&self, frames: u64) -> Option<Pfn> {
        let first = self.next.load(Ordering::Relaxed).next_multiple_of(frames);
        self.next.store(first + frames, Ordering::Relaxed);
        (first + frames <= self.pages.len() as u64).then(|| Pfn::new(first))
    }
}

const READ: Access = Access::READ;

fn effort(loads: u64, stores: u64, descents: u64) -> Effort {
    Effort { loads, stores, descents }
}

fn page(number: u64) -> LogicalPage {
    LogicalPage::new(number)
}

/// Scattered granules, none of which continues its neighbour.
fn scattered(format: impl Format, granules: u64) -> Vec<PageRun> {
    let unit = format.granule_pages();
    (0..granules).map(|nth| PageRun::new(Pfn::new((2 * nth + 1) * unit), unit)).collect()
}

/// Costs in one format, whose lowest tables have `entries` entries and stand below `above` others.
fn costs(format: impl Format) {
    let (ram, unit) = (Ram::new(), format.granule_pages());
    let store = Store { memory: &ram, frames: &ram };
    let (entries, above) = (1u64 << format.index_bits(1), u64::from(format.root_level()) - 1);
    let mut tree = Table::new(format, store).unwrap();
    let span = entries * unit;

    // Two whole tables: one descent each, and one store a granule and a link. Filled before they are linked: no load
    // but those of the descent.
    let list = scattered(format, 2 * entries);
    meter::take();
    tree.map(store, page(0), &list, READ).unwrap();
    let (links, loads) = (above + 1, 1 + above);
    assert_eq!(meter::take(), effort(loads, 2 * entries + links, 2), "{format:?}");

    // Unmapping one of them whole looks at no entry of it: one descent to check, one to clear, one store.
    tree.unmap(store, page(0), span, PartialLeaf::Refuse).unwrap();
    // (The table above is looked through for what else it leads to, which is beside it.)
    assert_eq!(meter::take(), effort(2 * above + 1, 1, 2), "{format:?}");

    // A granule less, from the other: each entry is read once to check, once to clear.
    tree.unmap(store, page(span), span - unit, PartialLeaf::Refuse).unwrap();
    let unmark = u64::from(format.full_mark() != 0);
    let Effort { loads, stores, descents } = meter::take();
    assert_eq!((stores, descents), (entries - 1 + unmark, 2), "{format:?}");
    assert!(loads <= 2 * (entries + above + 1), "{format:?}: {loads} loads");

    // Into a live table: one load and one store each.
    let list = scattered(format, entries - 1);
    tree.map(store, page(span), &list, READ).unwrap();
    assert_eq!(meter::take(), effort(above + 1 + entries - 1, entries - 1, 1), "{format:?}");

    // A contiguous list by single granules costs no more descents than a scattered one.
    let runs = [PageRun::new(Pfn::new(span), 2 * span)];
    let singly = RunCursor::new(&runs).with_largest_leaf(unit);
    tree.map_cursor(store, page(4 * span), singly, READ).unwrap();
    let Effort { stores, descents, .. } = meter::take();
    assert_eq!((stores, descents), (2 * entries + 2, 2), "{format:?}");
}

#[test]
fn lists_descend_once_a_table_and_full_tables_go_unread() {
    costs(VtdSecondStage::LEVELS_4);
    costs(VtdSecondStage::LEVELS_5);
    costs(VtdFirstStage::LEVELS_4);
    costs(AmdV1::MODE_6);
    costs(SmmuStage1::new(Granule::K4));
    costs(SmmuStage1::new(Granule::K64));
}

#[test]
fn a_large_leaf_costs_one_store() {
    let ram = Ram::new();
    let store = Store { memory: &ram, frames: &ram };
    let mut tree = Table::new(VtdSecondStage::LEVELS_4, store).unwrap();
    meter::take();
    tree.map(store, page(1 << 18), &[PageRun::new(Pfn::new(1 << 18), 1 << 18)], READ).unwrap();
    assert_eq!(meter::take(), effort(1, 2, 1), "a gibibyte: the leaf, and the link to its table");
}
