//! This crate.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dxgk_hw::{Access, FrameSource, LogicalPage, MachineMemory, NotRam, PageRun, Pfn, PhysAddr, RamRange};
use dxgk_iopt::{Format, PartialLeaf, RunCursor, Store, Table};

use super::{AT, Case, Contender, measured};

/// Frames for tables, in a vector.
pub(crate) struct Pool {
    pages: Vec<[AtomicU64; 512]>,
    free: Mutex<Vec<Pfn>>,
}

impl Pool {
    fn new() -> Self {
        let frames = 4200;
        Self {
            pages: (0..frames).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect(),
            free: Mutex::new((0..frames).rev().map(Pfn::new).collect()),
        }
    }
}

impl MachineMemory for Pool {
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

impl FrameSource for Pool {
    fn take_frame(&self) -> Option<Pfn> {
        let frame = self.free.lock().ok()?.pop()?;
        self.live(frame)?.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        Some(frame)
    }

    fn give_frame(&self, frame: Pfn) {
        if let Ok(mut free) = self.free.lock() {
            free.push(frame);
        }
    }
}

pub(crate) struct Ours<F: Format> {
    pool: Pool,
    tree: Table<F>,
}

impl<F: Format> Ours<F> {
    pub(crate) fn new(format: F) -> Self {
        let pool = Pool::new();
        let tree = Table::new(format, Store { memory: &pool, frames: &pool }).expect("a root");
        Self { pool, tree }
    }
}

impl<F: Format> Contender for Ours<F> {
    fn name(&self) -> &'static str {
        self.tree.format().name()
    }

    fn map(&mut self, case: &Case) -> Duration {
        let store = Store { memory: &self.pool, frames: &self.pool };
        let largest = if case.large { u64::MAX } else { 1 };
        measured(|| {
            let cursor = RunCursor::new(&case.runs).with_largest_leaf(largest);
            self.tree.map_cursor(store, LogicalPage::new(AT), cursor, Access::READ).expect("it is free");
        })
    }

    /// With the giving back of the tables, as after an invalidation.
    fn unmap(&mut self, case: &Case) -> Option<Duration> {
        let store = Store { memory: &self.pool, frames: &self.pool };
        Some(measured(|| {
            let at = LogicalPage::new(AT);
            self.tree.unmap(store, at, case.pages, PartialLeaf::Refuse).expect("it is mapped");
            let pending = self.tree.pending(at, case.pages);
            self.tree.settle(store, pending);
        }))
    }
}
