//! Random lists of map and unmap operations, and the flat map that says what each amounts to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

pub(crate) const GIB: u64 = 1 << 30;
pub(crate) const PAGE: u64 = 4096;
/// Pages in a 2 MiB and in a 1 GiB leaf.
pub(crate) const LARGE: u64 = 512;
pub(crate) const HUGE: u64 = 512 * 512;
/// Pages in the 48-bit address space of a four-level table.
pub(crate) const WIDTH: u64 = 1 << 36;
/// Frames to be mapped.
pub(crate) const FIRST_FRAME: u64 = 4 * GIB / PAGE;
const FRAMES: u64 = 56 * GIB / PAGE;

/// Access, as bits.
pub(crate) const READ: u8 = 1;
pub(crate) const WRITE: u8 = 2;

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    pub(crate) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[derive(Clone, Copy)]
struct Extent {
    first: u64,
    pages: u64,
    /// A part of it can be unmapped without splitting a leaf if the cuts are multiples of this.
    cut: u64,
}

/// A random list of operations, and what it amounts to.
pub(crate) struct List {
    pub(crate) seed: u64,
    pub(crate) random: Random,
    pub(crate) operations: Vec<Value>,
    /// The reference: page to frame and access.
    pub(crate) mapped: BTreeMap<u64, (u64, u8)>,
    /// Pages that were unmapped, with the frame that they had.
    pub(crate) unmapped: BTreeMap<u64, u64>,
    live: Vec<Extent>,
    dead: Vec<Extent>,
}

impl List {
    pub(crate) fn empty(seed: u64) -> Self {
        Self {
            seed,
            random: Random(seed),
            operations: Vec::new(),
            mapped: BTreeMap::new(),
            unmapped: BTreeMap::new(),
            live: Vec::new(),
            dead: Vec::new(),
        }
    }

    pub(crate) fn new(seed: u64) -> Self {
        let mut list = Self::empty(seed);
        if seed.is_multiple_of(2) {
            list.map_run(HUGE, 1);
        }
        for _ in 0..list.random.between(3, 18) {
            match list.random.below(10) {
                0..=2 => list.map_run(1, 1),
                3 | 4 => list.map_run(LARGE, LARGE),
                5 => list.map_run(LARGE, 1),
                6 => list.map_scattered(),
                _ => list.unmap(),
            }
        }
        if list.mapped.is_empty() {
            list.map_run(1, 1);
        }
        list
    }

    /// A place for `pages` pages that is still free, at a multiple of `aligned`: near another mapping so that tables
    /// are shared, at the edges of the address space and of tables, or anywhere.
    fn room(&mut self, pages: u64, aligned: u64) -> Option<u64> {
        for _ in 0..20 {
            let near = match self.random.below(6) {
                0 => 0,
                1 => WIDTH - pages,
                2 => (self.random.between(1, 511) << 27).wrapping_sub(self.random.below(pages.min(8) + 1)),
                3 if !self.live.is_empty() => {
                    let neighbour = self.random.pick(&self.live);
                    neighbour.first + neighbour.pages
                }
                4 if !self.live.is_empty() => {
                    self.random.pick(&self.live).first.wrapping_add(self.random.below(4 * LARGE))
                }
                _ => self.random.below(WIDTH),
            };
            let first = near / aligned * aligned;
            let free = |taken: &Extent| first >= taken.first + taken.pages || taken.first >= first + pages;
            if first + pages <= WIDTH && !interrupts(first, pages) && self.live.iter().all(free) {
                return Some(first);
            }
        }
        None
    }

    fn access(&mut self) -> u8 {
        self.random.pick(&[READ, WRITE, READ | WRITE, READ | WRITE])
    }

    /// Maps a contiguous run. `aligned` is the alignment of its logical address (`HUGE` also makes it as long),
    /// `congruent` that of its frames; with both large it can be done in large leaves.
    fn map_run(&mut self, aligned: u64, congruent: u64) {
        let huge = aligned == HUGE;
        let mut pages = match aligned {
            1 => self.random.between(1, 40),
            LARGE => self.random.between(1, 3) * LARGE + self.random.pick(&[0, 0, 7]),
            _ => HUGE + self.random.pick(&[0, 3, LARGE]),
        };
        let Some(mut first) = self.room(pages, aligned) else { return };
        let congruent = if huge { HUGE } else { congruent };
        let mut frame = FIRST_FRAME + self.random.below(FRAMES - pages) / congruent * congruent;
        if congruent == 1 && aligned == LARGE && frame.is_multiple_of(LARGE) {
            frame += 1;
        }
        // Sometimes the run begins a little later, so that small leaves come before the large ones.
        if congruent > 1 && self.random.below(if huge { 6 } else { 3 }) == 0 {
            let late = if huge { self.random.pick(&[1, LARGE]) } else { self.random.between(1, 20) };
            (first, frame, pages) = (first + late, frame + late, pages - late);
        }
        let cut = if huge { HUGE } else { congruent };
        let access = self.access();
        self.record_map(first, access, cut, (frame..frame + pages).collect(), json!(hex(frame * PAGE)));
    }

    /// Maps one frame for each page: scattered ones, or (at times) ones that happen to be contiguous.
    fn map_scattered(&mut self) {
        let pages = self.random.between(1, 64);
        let Some(first) = self.room(pages, 1) else { return };
        let start = self.random.below(FRAMES - pages);
        let contiguous = self.random.below(4) == 0;
        let frames: Vec<u64> = (0..pages)
            .map(|page| FIRST_FRAME + if contiguous { start + page } else { self.random.below(FRAMES) })
            .collect();
        let list: Vec<Value> = frames.iter().map(|frame| json!(hex(frame * PAGE))).collect();
        let access = self.access();
        self.record_map(first, access, 1, frames, json!(list));
    }

    pub(crate) fn record_map(&mut self, first: u64, access: u8, cut: u64, frames: Vec<u64>, phys: Value) {
        let word = ["", "r", "w", "rw"][usize::from(access)];
        let pages = frames.len() as u64;
        self.operations.push(
            json!({"op": "map", "iova": hex(first * PAGE), "phys": phys, "pages": pages, "access": word}),
        );
        self.live.push(Extent { first, pages, cut });
        for (page, frame) in (first..).zip(frames) {
            assert_eq!(self.mapped.insert(page, (frame, access)), None, "the list maps a page twice");
            self.unmapped.remove(&page);
        }
    }

    /// Unmaps a mapping, or a part of one that does not split a leaf.
    fn unmap(&mut self) {
        if self.live.is_empty() {
            return;
        }
        let chosen = self.random.below(self.live.len() as u64) as usize;
        let whole = self.live.swap_remove(chosen);
        let end = whole.first + whole.pages;
        let (mut first, mut last) = (whole.first, end);
        if self.random.below(2) == 0 {
            // Cuts are at multiples of `cut`, except that both ends may stay.
            let round = |page: u64| (page / whole.cut * whole.cut).clamp(whole.first, end);
            let one = round(self.random.between(whole.first, end));
            let other = round(self.random.between(whole.first, end));
            if one != other {
                (first, last) = (one.min(other), one.max(other));
            }
        }
        self.operations.push(json!({"op": "unmap", "iova": hex(first * PAGE), "pages": last - first}));
        self.dead.push(Extent { first, pages: last - first, cut: 1 });
        for (first, end) in [(whole.first, first), (last, end)] {
            if first < end {
                self.live.push(Extent { first, pages: end - first, cut: whole.cut });
            }
        }
        for page in first..last {
            let (frame, _) = self.mapped.remove(&page).expect("the list unmaps what it mapped");
            self.unmapped.insert(page, frame);
        }
    }

    /// The pages to try: ends, insides and neighbours of everything that is or was mapped, pages whose number differs
    /// in one index of the tree, pages anywhere, and pages beyond the address width; in random order, at most `most`.
    pub(crate) fn sample(&mut self, most: usize) -> Vec<u64> {
        let mut pages = BTreeSet::new();
        let extents: Vec<Extent> = self.live.iter().chain(&self.dead).copied().collect();
        for extent in &extents {
            let last = extent.first + extent.pages - 1;
            pages.extend([extent.first, last, extent.first.wrapping_sub(1), last + 1]);
            pages.extend([self.random.between(extent.first, last), self.random.between(extent.first, last)]);
            pages.insert(
                self.random.between(extent.first, last)
                    ^ (1 << self.random.pick(&[0, 8, 9, 17, 18, 26, 27, 35])),
            );
        }
        pages.extend([self.random.below(WIDTH), self.random.below(WIDTH), WIDTH - 1, 0]);
        pages.extend([WIDTH, extents[0].first | WIDTH, extents[0].first | (1 << 51)]);
        let mut pages: Vec<u64> =
            pages.into_iter().filter(|&page| page >> 52 == 0 && !interrupts(page, 1)).collect();
        self.random.shuffle(&mut pages);
        pages.truncate(most);
        pages
    }
}

/// QEMU never translates the interrupt range 0xFEE00000 to 0xFEEFFFFF.
fn interrupts(first: u64, pages: u64) -> bool {
    first < 0xfef00 && first + pages > 0xfee00
}

pub(crate) fn hex(number: u64) -> String {
    format!("{number:#x}")
}
