//! The cache of large pages, which MM_ALLOCATE_FAST_LARGE_PAGES takes from and nothing else fills on purpose.
//!
//! The documentation says that such a request is met from "the large page cache" or not at all, and nothing of how pages
//! get there. Our choice: at the start the cache holds the highest large pages of RAM; a request that would fail without
//! them breaks all of them up; a large page that is given back whole goes into the cache while there is room.

use alloc::vec::Vec;

use dxgk_hw::PageRun;

use super::select::Window;
use super::store::Store;
use super::zone::PageState;
use crate::policy::LARGE_RUN;
use crate::runs;

impl Store {
    /// Takes the highest large pages of RAM, a quarter of it at most.
    pub(super) fn fill_large_cache(&mut self) {
        let total: u64 = self.zones.iter().map(super::zone::Zone::pages).sum();
        self.most_large = self.most_large.min(total / 4 / LARGE_RUN);
        let ranges: Vec<(u64, u64)> =
            self.zones.iter().rev().map(|zone| (zone.start(), zone.end())).collect();
        for (start, end) in ranges {
            let mut at = end / LARGE_RUN * LARGE_RUN;
            while self.has_room() && at >= start.max(1) + LARGE_RUN {
                at -= LARGE_RUN;
                self.mark(at, LARGE_RUN, PageState::Cached);
                self.large.insert(at);
            }
        }
    }

    fn has_room(&self) -> bool {
        (self.large.len() as u64) < self.most_large
    }

    /// Pages that have just become free: whole large pages among them are kept.
    pub(super) fn keep_large(&mut self, first: u64, pages: u64) {
        let end = first.saturating_add(pages);
        let mut at = first.next_multiple_of(LARGE_RUN);
        while self.has_room() && at.saturating_add(LARGE_RUN) <= end {
            self.mark(at, LARGE_RUN, PageState::Cached);
            self.large.insert(at);
            at += LARGE_RUN;
        }
    }

    /// Breaks up all that is in the cache. False when there was nothing.
    pub(super) fn empty_large_cache(&mut self) -> bool {
        let large = core::mem::take(&mut self.large);
        for at in &large {
            self.mark(*at, LARGE_RUN, PageState::Free);
        }
        !large.is_empty()
    }

    /// `count` pages in blocks of `block` (whole large pages, a power of two), each contiguous and aligned to its size, all
    /// of them from the cache; or nothing.
    pub(super) fn take_large(
        &mut self,
        count: u64,
        block: u64,
        window: Window,
        state: PageState,
    ) -> Option<Vec<PageRun>> {
        let wanted = count.checked_div(block)?;
        let whole = |start: u64| {
            (start..start.saturating_add(block))
                .step_by(LARGE_RUN as usize)
                .all(|at| self.large.contains(&at))
        };
        let of_node = |start: u64| {
            let zone = self.zone_of(start).and_then(|index| self.zones.get(index));
            window.node.is_none_or(|node| zone.is_some_and(|zone| zone.node == node))
        };
        let blocks: Vec<u64> = self
            .large
            .iter()
            .copied()
            .filter(|start| start.is_multiple_of(block) && *start >= window.low)
            .filter(|start| start.saturating_add(block) <= window.high && whole(*start) && of_node(*start))
            .take(usize::try_from(wanted).ok()?)
            .collect();
        if blocks.len() as u64 != wanted {
            return None;
        }
        let mut taken = Vec::new();
        for start in blocks {
            for at in (start..start + block).step_by(LARGE_RUN as usize) {
                self.large.remove(&at);
            }
            self.mark(start, block, state);
            runs::push(&mut taken, start, block);
        }
        Some(taken)
    }
}
