//! Random maps and unmaps against a flat list of pages, in every format.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Instant;

use std::sync::atomic::Ordering;

use dxgk_hw::{Access, LogicalPage, MachineMemory, MapError, PageRun, Pfn};
use dxgk_iopt::{Entry, Format, Outcome, PartialLeaf, Store, Table, Visit};

use super::memory::Ram;

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

/// Four windows far apart, so that every level gets tables.
const WINDOWS: usize = 4;

/// A mapped granule: its first frame and what is allowed.
type Granule = (u64, Access);

/// A change of a range of pages.
type Change<'a, F> = dyn Fn(&mut Table<F>, Store<'_>, LogicalPage, u64) -> Result<(), MapError> + 'a;

struct Bench<F: Format> {
    ram: Ram,
    frames: usize,
    tree: Table<F>,
    /// 4 KiB pages of a granule.
    unit: u64,
    /// Granules of a lowest table.
    per_table: u64,
    /// First pages of the windows.
    starts: [u64; WINDOWS],
    flat: Vec<Option<Granule>>,
    accesses: Vec<Access>,
    dice: Dice,
}

impl<F: Format> Bench<F> {
    fn new(format: F, seed: u64) -> Self {
        let tables = if cfg!(miri) { 60 } else { 200 };
        let frames = tables * format.table_frames(1) + 2 * format.table_frames(format.root_level());
        let ram = Ram::with_frames(frames);
        let tree = Table::new(format, Store { memory: &ram, frames: &ram }).unwrap();
        let (unit, per_table) = (format.granule_pages(), 1 << format.index_bits(1));
        let window = 8 * per_table * unit;
        let end = format.end().get();
        // The second crosses into another table of level 2.
        let second = 1 << (format.span_shift(2).min(format.width() - 1) - 12);
        let starts = [0, second - window / 2, (end / 2 + 8 * window).min(end - 2 * window), end - window];
        let accesses =
            (1..4).map(Access::from_bits_truncate).filter(|&access| format.expresses(access)).collect();
        let flat = vec![None; WINDOWS * 8 * per_table as usize];
        let dice = Dice(seed);
        Self {
            frames: ram.free() + format.table_frames(format.root_level()) as usize,
            ram,
            tree,
            unit,
            per_table,
            starts,
            flat,
            accesses,
            dice,
        }
    }

    /// A window, and granules in it.
    fn range(&mut self) -> (u64, u64, u64) {
        // Whole tables are rarer where they are larger, to let the list keep up.
        let granules = match self.dice.roll(32 * self.per_table / 512) {
            0..2 => self.per_table,
            2..6 => 1 + self.dice.roll(self.per_table * 5 / 2),
            6..10 => 1 + self.dice.roll(200),
            _ => 1 + self.dice.roll(24),
        };
        let start = self.dice.roll(8 * self.per_table - granules + 1);
        let start = if granules >= self.per_table { start / self.per_table * self.per_table } else { start };
        (self.dice.roll(WINDOWS as u64), start, granules)
    }

    fn page(&self, window: u64, granule: u64) -> LogicalPage {
        LogicalPage::new(self.starts[window as usize] + granule * self.unit)
    }

    fn flat(&mut self, window: u64, start: u64, granules: u64) -> &mut [Option<Granule>] {
        let first = (window * 8 * self.per_table + start) as usize;
        &mut self.flat[first..first + granules as usize]
    }

    fn map(&mut self) {
        let (window, start, granules) = self.range();
        let access = self.accesses[self.dice.roll(self.accesses.len() as u64) as usize];
        let mut runs = Vec::new();
        let mut left = granules;
        let mut frame = self.dice.roll(1 << 18) * self.per_table;
        while left != 0 {
            let run = if self.dice.roll(3) == 0 { 1 + self.dice.roll(left) } else { left };
            runs.push(PageRun::new(Pfn::new(frame * self.unit), run * self.unit));
            frame += run + self.dice.roll(2);
            left -= run;
        }
        let at = self.page(window, start);
        let taken = self.flat(window, start, granules).iter().position(Option::is_some);
        let store = Store { memory: &self.ram, frames: &self.ram };
        let result = self.tree.map(store, at, &runs, access);
        if let Some(taken) = taken {
            return assert_eq!(result, Err(MapError::Occupied(self.page(window, start + taken as u64))));
        }
        assert_eq!(result, Ok(()));
        let unit = self.unit;
        let frames =
            runs.iter().flat_map(|run| (0..run.pages / unit).map(|nth| run.start.get() + nth * unit));
        for (slot, frame) in self.flat(window, start, granules).iter_mut().zip(frames) {
            *slot = Some((frame, access));
        }
    }

    /// A range, mostly one that is mapped: what is contiguous from some mapped granule on.
    fn mapped(&mut self) -> Option<(u64, u64, u64)> {
        let (window, mut start, mut granules) = self.range();
        if self.dice.roll(3) != 0 {
            let rest = self.flat(window, start, 8 * self.per_table - start);
            let first = rest.iter().position(Option::is_some)?;
            let run = rest[first..].iter().take(granules as usize).take_while(|slot| slot.is_some()).count();
            (start, granules) = (start + first as u64, run as u64);
        }
        Some((window, start, granules))
    }

    /// Changes any range, splitting leaves, and breaking them first where that must be.
    fn change(&mut self, work: &Change<'_, F>, afterwards: &dyn Fn(Granule) -> Option<Granule>) {
        let Some((window, start, granules)) = self.mapped() else { return };
        let hole = self.flat(window, start, granules).iter().position(Option::is_none);
        let (at, pages) = (self.page(window, start), granules * self.unit);
        let store = Store { memory: &self.ram, frames: &self.ram };
        let mut result = work(&mut self.tree, store, at, pages);
        if let Err(MapError::BreakFirst(_)) = result {
            assert!(self.tree.format().break_before_make());
            split(&mut self.tree, &self.ram, at);
            split(&mut self.tree, &self.ram, LogicalPage::new(at.get() + pages));
            result = work(&mut self.tree, store, at, pages);
        }
        match hole {
            Some(hole) => {
                assert_eq!(result, Err(MapError::NotMapped(self.page(window, start + hole as u64))));
            }
            None => {
                assert_eq!(result, Ok(()));
                for slot in self.flat(window, start, granules) {
                    *slot = slot.and_then(afterwards);
                }
            }
        }
    }

    fn unmap(&mut self) {
        self.change(&|tree, store, at, pages| tree.unmap(store, at, pages, PartialLeaf::Split), &|_| None);
    }

    fn protect(&mut self) {
        let access = self.accesses[self.dice.roll(self.accesses.len() as u64) as usize];
        let work = |tree: &mut Table<F>, store: Store<'_>, at, pages| {
            tree.protect(store, at, pages, access, PartialLeaf::Split)
        };
        self.change(&work, &|(frame, _)| Some((frame, access)));
    }

    /// Sometimes late, so that maps meet detached tables.
    fn settle(&mut self) {
        let store = Store { memory: &self.ram, frames: &self.ram };
        let window = self.dice.roll(WINDOWS as u64);
        let pending = self.tree.pending(self.page(window, 0), 8 * self.per_table * self.unit);
        self.tree.settle(store, pending);
    }

    fn agree(&self) {
        let mut leaves = vec![None; self.flat.len()];
        let mut tables = 0;
        let mut full = Vec::new();
        let window_pages = 8 * self.per_table * self.unit;
        let _ = self.tree.visit(&self.ram, &mut |met| {
            match met {
                Visit::Leaf { first, leaf, .. } => {
                    let window = self.starts.iter().rposition(|&start| start <= first.get()).unwrap();
                    let offset = first.get() - self.starts[window];
                    assert!(offset + leaf.pages() <= window_pages);
                    let slot = window * 8 * self.per_table as usize + (offset / self.unit) as usize;
                    for nth in 0..leaf.pages() / self.unit {
                        leaves[slot + nth as usize] = Some((leaf.frame.get() + nth * self.unit, leaf.access));
                    }
                }
                Visit::Table { level, table, first } => {
                    tables += 1;
                    full.push((level, table, first));
                }
                Visit::Broken { .. } => panic!("{met:?}"),
            }
            ControlFlow::Continue(())
        });
        assert!(leaves == self.flat, "the tree and the list differ");
        for (level, table, first) in full {
            self.check_mark(level, table, first);
        }
        if self.flat.iter().all(Option::is_none) {
            assert_eq!(tables, 1, "only the root is left");
        }
        let in_window = 8 * self.per_table;
        for (nth, slot) in self.flat.iter().enumerate().step_by(97) {
            let at = self.page(nth as u64 / in_window, nth as u64 % in_window);
            let outcome = self.tree.walk(&self.ram, at.address()).outcome;
            match *slot {
                None => assert_eq!(outcome, Outcome::NotMapped),
                Some((frame, allowed)) => {
                    let Outcome::Mapped { to, access, .. } = outcome else { panic!("{outcome:?}") };
                    assert_eq!((to.page().get(), access), (frame, allowed));
                }
            }
        }
    }
}

impl<F: Format> Bench<F> {
    /// A table that is marked as full of leaves is.
    fn check_mark(&self, level: u32, table: Pfn, first: LogicalPage) {
        let (format, walk) = (self.tree.format(), self.tree.walk(&self.ram, first.address()));
        let leads = |entry| matches!(entry, Entry::Table { table: to, .. } if to == table);
        let marked = walk.steps().any(|step| leads(step.entry) && step.word & format.full_mark() != 0);
        for index in 0..if marked { 1u64 << format.index_bits(level) } else { 0 } {
            let frame = Pfn::new(table.get() + index / 512);
            let word = self.ram.live(frame).unwrap()[index as usize % 512].load(Ordering::Relaxed);
            assert!(
                matches!(format.decode(level, word), Entry::Leaf(_)),
                "{word:#x} at {index} of a full table"
            );
        }
    }
}

/// Splits with the order that hardware needs.
fn split<F: Format>(tree: &mut Table<F>, ram: &Ram, boundary: LogicalPage) {
    let store = Store { memory: ram, frames: ram };
    while let Some(broken) = tree.split_at(store, boundary).unwrap() {
        let first = broken.pending().first;
        assert_eq!(tree.walk(ram, first.address()).outcome, Outcome::NotMapped, "broken before it is made");
        tree.mend(store, broken).unwrap();
    }
}

fn run(format: impl Format, steps: u64, seed: u64) {
    let mut bench = Bench::new(format, seed);
    let started = Instant::now();
    for step in 0..steps {
        match bench.dice.roll(16) {
            0..8 => bench.map(),
            8..14 => bench.unmap(),
            14 => bench.protect(),
            _ => bench.settle(),
        }
        if step % 1000 == 0 && !cfg!(miri) {
            bench.agree();
        }
    }
    bench.agree();
    let rate = steps as f64 / started.elapsed().as_secs_f64();
    let _ = writeln!(std::io::stderr(), "{}: {rate:.0} steps/s", format.name());
    drain(bench);
}

/// Unmaps all, granule by granule: every frame comes back.
fn drain<F: Format>(mut bench: Bench<F>) {
    let in_window = 8 * bench.per_table;
    for nth in 0..bench.flat.len() as u64 {
        if bench.flat[nth as usize].is_some() {
            let at = bench.page(nth / in_window, nth % in_window);
            let store = Store { memory: &bench.ram, frames: &bench.ram };
            split(&mut bench.tree, &bench.ram, at);
            split(&mut bench.tree, &bench.ram, LogicalPage::new(at.get() + bench.unit));
            bench.tree.unmap(store, at, bench.unit, PartialLeaf::Refuse).unwrap();
            bench.tree.settle(store, bench.tree.pending(at, bench.unit));
        }
    }
    let Bench { ram, mut tree, frames, .. } = bench;
    let store = Store { memory: &ram, frames: &ram };
    tree.settle(store, tree.pending(LogicalPage::new(0), tree.format().end().get()));
    let root_frames = tree.format().table_frames(tree.format().root_level()) as usize;
    assert_eq!(ram.free(), frames - root_frames, "all but the root are given back");
    tree.release(store);
    assert_eq!(ram.free(), frames);
}

/// Steps a format; `DXGK_IOPT_STEPS` says otherwise.
fn steps() -> u64 {
    let usual = if cfg!(miri) { 60 } else { 100_000 };
    std::env::var("DXGK_IOPT_STEPS").map_or(usual, |steps| steps.parse().expect("a number of steps"))
}

macro_rules! random_steps {
    ($($module:ident = $format:expr;)*) => {$(
        mod $module {
            #[test]
            fn a_hundred_thousand_random_steps_agree_with_a_flat_list() {
                super::run($format, super::steps(), 1);
            }
        }
    )*};
}

every_format!(random_steps);
