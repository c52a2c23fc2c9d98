//! Table pages as a file has them: machine memory that starts at the load address and grows as tables are made.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use dxgk_hw::{FrameSource, MachineMemory, NotRam, PAGE_SIZE, PageRun, Pfn, PhysAddr, RamRange};
use dxgk_iopt::{Entry, Format, Table, Visit};

use super::Refused;

type Page = [AtomicU64; 512];

/// Pages are allocated in chunks that never move, as memory hands out references to them.
const CHUNK_PAGES: u64 = 64;
/// The most table pages: 1 GiB of them.
const MOST_PAGES: u64 = 1 << 18;

struct Free {
    /// Pages handed out so far, those given back and those left out for alignment included.
    used: u64,
    /// Runs given back, by their number of pages.
    given_back: BTreeMap<u64, Vec<Pfn>>,
}

/// Memory for tables from a load address on.
pub(super) struct Image {
    base: Pfn,
    ranges: [RamRange; 1],
    chunks: Vec<OnceLock<Box<[Page]>>>,
    free: Mutex<Free>,
}

fn empty_chunk() -> Box<[Page]> {
    (0..CHUNK_PAGES).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect()
}

impl Image {
    /// Empty, at a page-aligned address.
    pub(super) fn new(load_address: PhysAddr) -> Self {
        Self::with_pages(load_address, MOST_PAGES)
    }

    fn with_pages(load_address: PhysAddr, pages: u64) -> Self {
        let chunks = pages.div_ceil(CHUNK_PAGES);
        Self {
            base: load_address.page(),
            ranges: [RamRange { start: load_address, bytes: pages * PAGE_SIZE, node: 0 }],
            chunks: (0..chunks).map(|_| OnceLock::new()).collect(),
            free: Mutex::new(Free { used: 0, given_back: BTreeMap::new() }),
        }
    }

    /// With a file's contents; a last page that is not whole is filled up with zeros.
    pub(super) fn load(load_address: PhysAddr, bytes: &[u8]) -> Result<Self, Refused> {
        let pages = (bytes.len() as u64).div_ceil(PAGE_SIZE);
        let image = Self::with_pages(load_address, pages);
        for (nth, word) in bytes.chunks(8).enumerate() {
            let mut raw = [0; 8];
            raw[..word.len()].copy_from_slice(word);
            let at = PhysAddr::new(load_address.get() + nth as u64 * 8);
            image.write(at, &raw).map_err(|_| Refused(format!("--image: no room at {at}")))?;
        }
        Ok(image)
    }

    fn pages(&self) -> u64 {
        self.ranges[0].bytes / PAGE_SIZE
    }

    fn with_free<T>(&self, work: impl FnOnce(&mut Free) -> T) -> T {
        work(&mut self.free.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The bytes of a tree's tables, moved together so that they follow each other from the load address on, the
    /// root first, with gaps only where the alignment of large tables makes them; and how many pages the tables have.
    pub(super) fn packed<F: Format>(&self, tree: &Table<F>) -> (Vec<u8>, u64) {
        let mut tables = Vec::new();
        let _ = tree.visit(self, &mut |met| {
            if let Visit::Table { level, table, .. } = met {
                tables.push((table, level));
            }
            ControlFlow::Continue(())
        });
        let mut next = self.base.get();
        let mut pages = 0;
        let mut moved = BTreeMap::new();
        for &(table, level) in &tables {
            let frames = tree.format().table_frames(level);
            next = next.next_multiple_of(frames);
            moved.insert(table.get(), Pfn::new(next));
            next += frames;
            pages += frames;
        }
        let mut bytes = Vec::new();
        for &(table, level) in &tables {
            let start = moved.get(&table.get()).map_or(0, |to| to.get() - self.base.get());
            bytes.resize((start * PAGE_SIZE) as usize, 0);
            for nth in 0..tree.format().table_frames(level) {
                let Some(words) = self.live(Pfn::new(table.get() + nth)) else { continue };
                for word in words {
                    let word = word.load(Ordering::Relaxed);
                    let word = match tree.format().decode(level, word) {
                        Entry::Table { table, level: next, .. } => match moved.get(&table.get()) {
                            Some(&table) => tree.format().table(level, next, table),
                            None => word,
                        },
                        _ => word,
                    };
                    bytes.extend_from_slice(&word.to_le_bytes());
                }
            }
        }
        (bytes, pages)
    }
}

impl MachineMemory for Image {
    fn ranges(&self) -> &[RamRange] {
        &self.ranges
    }

    fn live(&self, frame: Pfn) -> Option<&Page> {
        let nth = frame.get().checked_sub(self.base.get()).filter(|&nth| nth < self.pages())?;
        let chunk = self.chunks.get((nth / CHUNK_PAGES) as usize)?.get_or_init(empty_chunk);
        chunk.get((nth % CHUNK_PAGES) as usize)
    }

    fn fill(&self, run: PageRun, pattern: u64) -> Result<(), NotRam> {
        let last = run.start.checked_add(run.pages.saturating_sub(1)).unwrap_or(Pfn::new(u64::MAX));
        for end in [run.start, last] {
            self.live(end).ok_or(NotRam(end.address()))?;
        }
        for nth in 0..run.pages {
            for word in self.live(Pfn::new(run.start.get() + nth)).into_iter().flatten() {
                word.store(pattern, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn read(&self, at: PhysAddr, out: &mut [u8]) -> Result<(), NotRam> {
        for (here, byte) in (at.get()..).zip(out) {
            let here = PhysAddr::new(here);
            let word = self.live(here.page()).ok_or(NotRam(here))?;
            let word = &word[(here.offset() / 8) as usize];
            *byte = word.load(Ordering::Relaxed).to_le_bytes()[(here.offset() % 8) as usize];
        }
        Ok(())
    }

    fn write(&self, at: PhysAddr, bytes: &[u8]) -> Result<(), NotRam> {
        let last = at.checked_add(bytes.len().saturating_sub(1) as u64).ok_or(NotRam(at))?;
        for end in [at, last] {
            self.live(end.page()).ok_or(NotRam(end))?;
        }
        for (here, byte) in (at.get()..).zip(bytes) {
            let here = PhysAddr::new(here);
            let Some(words) = self.live(here.page()) else { continue };
            let word = &words[(here.offset() / 8) as usize];
            let mut raw = word.load(Ordering::Relaxed).to_le_bytes();
            raw[(here.offset() % 8) as usize] = *byte;
            word.store(u64::from_le_bytes(raw), Ordering::Relaxed);
        }
        Ok(())
    }
}

impl FrameSource for Image {
    fn take_frame(&self) -> Option<Pfn> {
        self.take_run(1)
    }

    fn give_frame(&self, frame: Pfn) {
        self.give_run(frame, 1);
    }

    fn take_run(&self, frames: u64) -> Option<Pfn> {
        self.with_free(|free| {
            if let Some(run) = free.given_back.get_mut(&frames).and_then(Vec::pop) {
                return Some(run);
            }
            let first = self.base.checked_add(free.used)?.get().checked_next_multiple_of(frames)?;
            let used = first.checked_add(frames)? - self.base.get();
            (used <= self.pages()).then(|| {
                free.used = used;
                Pfn::new(first)
            })
        })
    }

    fn give_run(&self, first: Pfn, frames: u64) {
        for word in (0..frames).filter_map(|nth| self.live(Pfn::new(first.get() + nth))).flatten() {
            word.store(0, Ordering::Relaxed);
        }
        self.with_free(|free| free.given_back.entry(frames).or_default().push(first));
    }
}
