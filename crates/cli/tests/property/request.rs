//! Page requests: which are legal, and which can be met, found out by trying every place.

use std::collections::BTreeSet;

use dxgk_abi::callback::AllocatePagesFlags as Flags;

use crate::reference::{INVALID, Reference, Verdict};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layout {
    Any,
    /// Aligned runs of this many pages.
    Blocks(u64),
    /// One run that crosses no multiple of this many pages (0: any).
    OneRun(u64),
}

/// A legal request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    pub(crate) pages: u64,
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) skip: u64,
    pub(crate) layout: Layout,
    pub(crate) zeroed: bool,
    pub(crate) node: Option<u32>,
    /// Only from the cache of large pages, of which no book is kept here: a refusal where there is room is right, too.
    pub(crate) large: bool,
}

/// What the driver may ask for single pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ask {
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) skip: u64,
    pub(crate) bytes: u64,
    pub(crate) flags: Flags,
}

impl Ask {
    pub(crate) fn check(&self, node: u32) -> Verdict<Request> {
        let has = |flag: Flags| self.flags.contains(flag);
        let illegal = self.flags.bits() & !0xff != 0
            || self.low > self.high
            || !self.skip.is_multiple_of(4096)
            || self.bytes == 0;
        if illegal {
            return Err(INVALID);
        }
        let skip = self.skip / 4096;
        let layout = match (has(Flags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS), skip) {
            (false, _) => Layout::Any,
            (true, 0) => Layout::OneRun(0),
            (true, skip) if skip.is_power_of_two() && self.bytes.is_multiple_of(self.skip) => {
                Layout::Blocks(skip)
            }
            (true, _) => return Err(INVALID),
        };
        let large = matches!(layout, Layout::Blocks(pages) if pages.is_multiple_of(512));
        if has(Flags::ALLOCATE_FAST_LARGE_PAGES) && !large {
            return Err(INVALID);
        }
        Ok(Request {
            pages: self.bytes.div_ceil(4096),
            low: self.low,
            high: self.high,
            skip,
            layout,
            zeroed: !has(Flags::DONT_ZERO_ALLOCATION),
            node: has(Flags::ALLOCATE_FROM_LOCAL_NODE_ONLY).then_some(node),
            large: has(Flags::ALLOCATE_FAST_LARGE_PAGES),
        })
    }
}

impl Request {
    /// Whether the page lies in the window, or in one of those that follow it at `skip`.
    fn inside(&self, page: u64) -> bool {
        let first = self.low.div_ceil(4096);
        let end = self.high.checked_add(1).map_or(u64::MAX, |end| end / 4096);
        if page < first {
            return false;
        }
        let moves = self.layout == Layout::Any && self.skip != 0;
        let by = if moves { (page - first) / self.skip * self.skip } else { 0 };
        page < end.saturating_add(by)
    }

    /// Lengths of usable runs, by first page.
    fn runs(&self, reference: &Reference, tables: &BTreeSet<u64>) -> Vec<(u64, u64)> {
        let free = reference.free(tables);
        let mut runs: Vec<(u64, u64)> = Vec::new();
        let mut before = 0;
        for range in &reference.ranges {
            let (start, count) = (range.start.get() >> 12, range.bytes >> 12);
            let mut fresh = true;
            for nth in 0..count {
                let page = start + nth;
                let usable = free[(before + nth) as usize]
                    && self.node.is_none_or(|node| node == range.node)
                    && self.inside(page);
                match runs.last_mut() {
                    Some(run) if usable && !fresh && run.0 + run.1 == page => run.1 += 1,
                    _ if usable => runs.push((page, 1)),
                    _ => {}
                }
                fresh &= !usable;
            }
            before += count;
        }
        runs
    }

    /// Whether it can be met.
    pub(crate) fn fits(&self, reference: &Reference, tables: &BTreeSet<u64>) -> bool {
        let runs = self.runs(reference, tables);
        let count = self.pages;
        match self.layout {
            Layout::Any => runs.iter().map(|(_, pages)| pages).sum::<u64>() >= count,
            Layout::Blocks(block) => {
                let blocks =
                    |(at, pages): &(u64, u64)| ((at + pages) / block).saturating_sub(at.div_ceil(block));
                runs.iter().map(blocks).sum::<u64>() >= count / block
            }
            Layout::OneRun(boundary) => runs.iter().any(|(at, pages)| {
                let crosses =
                    |first: u64| boundary != 0 && first / boundary != (first + count - 1) / boundary;
                *pages >= count && (*at..=at + pages - count).any(|first| !crosses(first))
            }),
        }
    }

    /// What is wrong with what was given for it, if anything. The pages were free before.
    pub(crate) fn objection(
        &self,
        given: &[u64],
        reference: &Reference,
        tables: &BTreeSet<u64>,
    ) -> Option<String> {
        if given.len() as u64 != self.pages {
            return Some(format!("{} pages instead of {}", given.len(), self.pages));
        }
        let free = reference.free(tables);
        let mut seen = BTreeSet::new();
        for page in given {
            let Some(index) = reference.index(*page) else {
                return Some(format!("page {page:#x} is no RAM"));
            };
            if !free[index] || !seen.insert(*page) {
                return Some(format!("page {page:#x} was not free"));
            }
            let range = |range: &&dxgk_hw::RamRange| page - (range.start.get() >> 12) < range.bytes >> 12;
            let node = reference.ranges.iter().filter(|it| it.start.get() >> 12 <= *page).find(range);
            if !self.inside(*page) || self.node.is_some_and(|wanted| node.map(|it| it.node) != Some(wanted)) {
                return Some(format!("page {page:#x} is outside what was asked for"));
            }
        }
        let one_run = |part: &[u64]| part.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let laid_out = match self.layout {
            Layout::Any => true,
            Layout::Blocks(block) => {
                given.chunks(block as usize).all(|part| one_run(part) && part[0].is_multiple_of(block))
            }
            Layout::OneRun(boundary) => {
                let same = |limit| given[0] / limit == given[given.len() - 1] / limit;
                one_run(given) && (boundary == 0 || same(boundary))
            }
        };
        (!laid_out).then(|| format!("{given:x?} do not lie as asked"))
    }
}
