//! What a scenario maps, the flat map of it, and the accesses that are tried.

use std::collections::BTreeSet;

use dxgk_hw::{Access, PageRun, Pfn};

use crate::family::Family;
use crate::random::Random;

/// Pages in a 2 MiB and in a 1 GiB leaf.
const LARGE: u64 = 512;
const HUGE: u64 = 512 * 512;

/// Why a request must be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    Absent,
    Denied,
    BeyondWidth,
}

/// Something mapped at once.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    pub(crate) first: u64,
    pub(crate) pages: u64,
    pub(crate) runs: Vec<PageRun>,
    pub(crate) access: Access,
}

impl Extent {
    /// The frame of a page of it.
    pub(crate) fn frame(&self, page: u64) -> Option<u64> {
        let mut within = page.checked_sub(self.first)?;
        for run in &self.runs {
            if within < run.pages {
                return Some(run.start.get() + within);
            }
            within -= run.pages;
        }
        None
    }

    /// Whether no 2^`order` pages hold parts of both.
    pub(crate) fn is_apart(&self, other: &Self, order: u32) -> bool {
        self.parts(order).all(|part| !other.parts(order).contains(&part))
    }

    fn parts(&self, order: u32) -> std::ops::RangeInclusive<u64> {
        self.first >> order..=(self.first + self.pages - 1) >> order
    }

    /// The aligned blocks that make it up, as (first page, log2 of the pages): what an invalidation of pages needs.
    pub(crate) fn blocks(&self) -> Vec<(u64, u32)> {
        let (mut at, mut left, mut blocks) = (self.first, self.pages, Vec::new());
        while left != 0 {
            let order = left.ilog2().min(at.trailing_zeros()).min(18);
            blocks.push((at, order));
            at += 1 << order;
            left -= 1 << order;
        }
        blocks
    }

    /// Whether a page number, or that of the first page of a larger leaf around it, is like that of a block of it in
    /// the low eight bits.
    pub(crate) fn is_like(&self, page: u64) -> bool {
        let like = |(at, order): (u64, u32)| {
            let mask = 0xffu64.checked_shl(order).unwrap_or(0) & 0xff;
            (page ^ at) & mask == 0 || at & mask == 0
        };
        self.blocks().into_iter().any(like)
    }
}

/// A scenario's mappings: the flat reference.
pub(crate) struct Plan {
    pub(crate) random: Random,
    pub(crate) extents: Vec<Extent>,
    /// The page through which the device's buffer is filled and emptied.
    pub(crate) landing: u64,
    /// Pages of the granule: everything is mapped in multiples of it.
    pub(crate) step: u64,
    width: u64,
}

impl Plan {
    pub(crate) fn new(family: Family, seed: u64) -> Self {
        let random = Random(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let width = 1 << (family.width() - 12);
        let mut plan = Self { random, extents: Vec::new(), landing: 0, step: family.granule_pages(), width };
        plan.landing = plan.room(plan.step, plan.step).expect("nothing is taken");
        for _ in 0..plan.random.between(3, 7) {
            plan.add(family);
        }
        plan
    }

    fn is_free(&self, first: u64, pages: u64) -> bool {
        let apart = |start: u64, count: u64| first >= start + count || start >= first + pages;
        // Where interrupt messages go.
        apart(0xfee00, 0x100)
            && apart(self.landing, self.step)
            && self.extents.iter().all(|extent| apart(extent.first, extent.pages))
    }

    /// A place that is free: at the edges of the address space and of tables, near another mapping, or anywhere.
    fn room(&mut self, pages: u64, aligned: u64) -> Option<u64> {
        for _ in 0..20 {
            let near = match self.random.below(6) {
                0 => 0,
                1 => self.width - pages,
                2 => (self.random.below(self.width >> 27).max(1) << 27)
                    .wrapping_sub(self.random.below(pages.min(8) + 1)),
                3 | 4 if !self.extents.is_empty() => {
                    let nth = self.random.below(self.extents.len() as u64) as usize;
                    let neighbour = &self.extents[nth];
                    (neighbour.first + neighbour.pages).wrapping_add(self.random.pick(&[0, 0, 1, 64, LARGE]))
                }
                _ => self.random.below(self.width),
            };
            let first = near / aligned * aligned;
            if first + pages <= self.width && self.is_free(first, pages) {
                return Some(first);
            }
        }
        None
    }

    fn add(&mut self, family: Family) {
        let frames = family.ram().2;
        let all = frames.end - frames.start;
        let access = self.random.pick(&family.permissions());
        let (pages, aligned, scattered) = match self.random.below(16) {
            0..=4 => (self.random.between(1, 40), 1, false),
            5..=7 => (self.random.between(1, 24), 1, true),
            8..=10 => {
                let order = self.random.between(1, 8);
                (1 << order, 1 << order, false)
            }
            11..=14 => (self.random.between(1, 3) * LARGE + self.random.pick(&[0, 0, 7]), LARGE, false),
            _ => (HUGE + self.random.pick(&[0, 3]), HUGE, false),
        };
        let (pages, aligned) = (pages.next_multiple_of(self.step), aligned.max(self.step));
        if frames.start.next_multiple_of(aligned) + pages > frames.end {
            return;
        }
        let Some(first) = self.room(pages, aligned) else { return };
        let runs = if scattered {
            let step = self.step;
            let one = |random: &mut Random| {
                PageRun::new(Pfn::new(frames.start + random.below(all / step) * step), step)
            };
            (0..pages / step).map(|_| one(&mut self.random)).collect()
        } else {
            let lowest = frames.start.next_multiple_of(aligned);
            let places = (frames.end - pages).saturating_sub(lowest) / aligned + 1;
            vec![PageRun::new(Pfn::new(lowest + self.random.below(places) * aligned), pages)]
        };
        self.extents.push(Extent { first, pages, runs, access });
    }

    /// Whether every third table that `extent` needs has something else mapped in it.
    pub(crate) fn has_neighbours(&self, extent: &Extent) -> bool {
        let lives = |part| {
            self.landing >> 27 == part || self.extents.iter().any(|other| other.parts(27).contains(&part))
        };
        extent.parts(27).all(lives)
    }

    /// Where a page leads, and for what.
    pub(crate) fn lookup(&self, page: u64) -> Option<(u64, Access)> {
        let holds = |extent: &&Extent| extent.first <= page && page < extent.first + extent.pages;
        let extent = self.extents.iter().find(holds)?;
        Some((extent.frame(page)?, extent.access))
    }

    /// Whether an access must be let through, to which frame, or why not.
    pub(crate) fn verdict(&self, page: u64, write: bool) -> Result<u64, Why> {
        let needs = if write { Access::WRITE } else { Access::READ };
        match self.lookup(page) {
            _ if page >= self.width => Err(Why::BeyondWidth),
            None => Err(Why::Absent),
            Some((_, access)) if !access.contains(needs) => Err(Why::Denied),
            Some((frame, _)) => Ok(frame),
        }
    }

    /// The pages to try: ends, insides and neighbours of everything, pages whose number differs in one bit, pages
    /// anywhere, and beyond the width; at most `most`.
    pub(crate) fn sample(&mut self, most: usize) -> Vec<u64> {
        let mut pages = BTreeSet::new();
        let extents: Vec<(u64, u64)> = self.extents.iter().map(|it| (it.first, it.pages)).collect();
        for &(first, count) in &extents {
            let last = first + count - 1;
            let inside = self.random.between(first, last);
            pages.extend([first, last, inside, first.wrapping_sub(1), last + 1]);
            pages.insert(inside ^ 1 << self.random.pick(&[0, 8, 9, 17, 18, 26]));
        }
        pages.extend([self.random.below(self.width), 0, self.width - 1]);
        pages.extend([self.width, self.width | extents.first().map_or(0, |it| it.0)]);
        let usable = |page: &u64| {
            *page >> 52 == 0
                && (*page < self.width || self.width < 1 << 51)
                && *page / self.step != self.landing / self.step
                && !(0xfee00..0xfef00).contains(page)
        };
        let mut pages: Vec<u64> = pages.into_iter().filter(usable).collect();
        self.random.shuffle(&mut pages);
        pages.truncate(most);
        pages
    }
}
