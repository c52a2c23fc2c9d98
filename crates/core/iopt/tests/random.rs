//! Random maps and unmaps against a flat list of pages.

mod memory;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use dxgk_hw::{Access, LogicalPage, MapError, PageRun, Pfn};
use dxgk_iopt::{Format, Outcome, PartialLeaf, Store, Table, Visit, VtdSecondStage};
use memory::Ram;

/// xorshift64*: small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below
    }
}

struct Bench<F: Format> {
    ram: Ram,
    tree: Table<F>,
    flat: BTreeMap<u64, (u64, Access)>,
    dice: Dice,
}

/// Four windows far apart, so that every level gets tables.
const WINDOWS: [u64; 4] = [0, 0x3_fe00, 0x7ff_fe00, 0xf_ffff_f000];
const WINDOW: u64 = 0x1000;

impl<F: Format> Bench<F> {
    fn new(format: F, seed: u64) -> Self {
        let ram = Ram::with_frames(600);
        let tree = Table::new(format, Store { memory: &ram, frames: &ram }).unwrap();
        Self { ram, tree, flat: BTreeMap::new(), dice: Dice(seed) }
    }

    fn range(&mut self) -> (u64, u64) {
        let pages = match self.dice.roll(8) {
            0 => 512,
            1 => 1 + self.dice.roll(1200),
            _ => 1 + self.dice.roll(24),
        };
        let start = self.dice.roll(WINDOW - pages + 1);
        let start = if pages >= 512 { start & !511 } else { start };
        (WINDOWS[self.dice.roll(4) as usize] + start, pages)
    }

    fn map(&mut self) {
        let (at, pages) = self.range();
        let access = [Access::READ, Access::WRITE, Access::all()][self.dice.roll(3) as usize];
        let mut runs = Vec::new();
        let mut left = pages;
        let mut frame = self.dice.roll(1 << 30) & !511;
        while left != 0 {
            let run = if self.dice.roll(3) == 0 { 1 + self.dice.roll(left) } else { left };
            runs.push(PageRun::new(Pfn::new(frame), run));
            frame += run + self.dice.roll(2);
            left -= run;
        }
        let taken = (at..at + pages).find(|page| self.flat.contains_key(page));
        let store = Store { memory: &self.ram, frames: &self.ram };
        let result = self.tree.map(store, LogicalPage::new(at), &runs, access);
        match taken {
            Some(page) => assert_eq!(result, Err(MapError::Occupied(LogicalPage::new(page)))),
            None => {
                assert_eq!(result, Ok(()));
                let frames = runs.iter().flat_map(|run| run.start.get()..run.start.get() + run.pages);
                self.flat.extend((at..at + pages).zip(frames.map(|frame| (frame, access))));
            }
        }
    }

    /// Any range, splitting leaves.
    fn unmap(&mut self) {
        let (mut at, mut pages) = self.range();
        if self.dice.roll(3) != 0 {
            // A range that is mapped, most of the time: what is contiguous from some mapped page on.
            let Some((&first, _)) = self.flat.range(at..).next() else { return };
            at = first;
            pages = (0..pages).take_while(|nth| self.flat.contains_key(&(at + nth))).count() as u64;
        }
        let hole = (at..at + pages).find(|page| !self.flat.contains_key(page));
        let store = Store { memory: &self.ram, frames: &self.ram };
        let result = self.tree.unmap(store, LogicalPage::new(at), pages, PartialLeaf::Split);
        match hole {
            Some(page) => assert_eq!(result, Err(MapError::NotMapped(LogicalPage::new(page)))),
            None => {
                assert_eq!(result, Ok(()));
                (at..at + pages).for_each(|page| {
                    self.flat.remove(&page);
                });
            }
        }
    }

    /// Sometimes late, so that maps meet detached tables.
    fn settle(&mut self) {
        let store = Store { memory: &self.ram, frames: &self.ram };
        let (at, pages) = (LogicalPage::new(WINDOWS[self.dice.roll(4) as usize]), WINDOW);
        let pending = self.tree.pending(at, pages);
        self.tree.settle(store, pending);
    }

    fn agree(&self) {
        let mut leaves = BTreeMap::new();
        let mut tables = 0;
        let _ = self.tree.visit(&self.ram, &mut |met| {
            match met {
                Visit::Leaf { first, leaf, .. } => {
                    let pages = (0..leaf.pages())
                        .map(|nth| (first.get() + nth, (leaf.frame.get() + nth, leaf.access)));
                    leaves.extend(pages);
                }
                Visit::Table { .. } => tables += 1,
                Visit::Broken { .. } => panic!("{met:?}"),
            }
            std::ops::ControlFlow::Continue(())
        });
        assert_eq!(leaves, self.flat);
        if self.flat.is_empty() {
            assert_eq!(tables, 1, "only the root is left");
        }
        for (&page, &(frame, access)) in self.flat.iter().step_by(97) {
            let walk = self.tree.walk(&self.ram, LogicalPage::new(page).address());
            let Outcome::Mapped { to, access: allowed, .. } = walk.outcome else { panic!("{walk:?}") };
            assert_eq!((to.page().get(), allowed), (frame, access));
        }
    }
}

fn run(format: impl Format, steps: u64, seed: u64) {
    let mut bench = Bench::new(format, seed);
    let started = Instant::now();
    for step in 0..steps {
        match bench.dice.roll(16) {
            0..8 => bench.map(),
            8..15 => bench.unmap(),
            _ => bench.settle(),
        }
        if step % 1000 == 0 {
            bench.agree();
        }
    }
    bench.agree();
    let rate = steps as f64 / started.elapsed().as_secs_f64();
    let _ = writeln!(std::io::stderr(), "{}: {rate:.0} steps/s", format.name());
    let Bench { ram, mut tree, flat, .. } = bench;
    let store = Store { memory: &ram, frames: &ram };
    for &page in flat.keys() {
        tree.unmap(store, LogicalPage::new(page), 1, PartialLeaf::Split).unwrap();
        tree.settle(store, tree.pending(LogicalPage::new(page), 1));
    }
    tree.settle(store, tree.pending(LogicalPage::new(0), format.end().get()));
    assert_eq!(ram.free(), 599, "all but the root are given back");
    tree.release(store);
    assert_eq!(ram.free(), 600);
}

#[test]
fn a_hundred_thousand_random_steps_agree_with_a_flat_list() {
    run(VtdSecondStage::LEVELS_4, 100_000, 1);
}

#[test]
fn without_large_pages_too() {
    run(VtdSecondStage::LEVELS_4.with_large_pages(0), 20_000, 2);
}
