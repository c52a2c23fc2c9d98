//! Which free pages a request gets.

use alloc::vec::Vec;

use dxgk_hw::PageRun;

use super::request::{Layout, PageRequest};
use super::store::Store;
use super::zone::PageState;
use crate::policy::{LARGE_REQUEST, LARGE_RUN, Scatter};
use crate::runs;

/// A range of page numbers, and the node that pages must be of.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) low: u64,
    pub(super) high: u64,
    pub(super) node: Option<u32>,
}

impl Store {
    /// Takes pages for the request, or leaves everything as it was. Pages that somebody was charged for are not there.
    pub(super) fn select(
        &mut self,
        request: &PageRequest,
        scatter: Scatter,
        state: PageState,
    ) -> Option<Vec<PageRun>> {
        if request.pages > self.uncharged() { None } else { self.select_any(request, scatter, state) }
    }

    /// As [`select`](Self::select), from what was charged for before.
    pub(super) fn select_charged(
        &mut self,
        request: &PageRequest,
        scatter: Scatter,
        state: PageState,
    ) -> Option<Vec<PageRun>> {
        let selected = self.select_any(request, scatter, state)?;
        self.charged = self.charged.saturating_sub(request.pages);
        Some(selected)
    }

    /// The large pages that are kept whole are broken up before a request fails for them.
    fn select_any(
        &mut self,
        request: &PageRequest,
        scatter: Scatter,
        state: PageState,
    ) -> Option<Vec<PageRun>> {
        let selected = self.try_select(request, scatter, state);
        if selected.is_some() || request.large || !self.empty_large_cache() {
            return selected;
        }
        self.try_select(request, scatter, state)
    }

    fn try_select(
        &mut self,
        request: &PageRequest,
        scatter: Scatter,
        state: PageState,
    ) -> Option<Vec<PageRun>> {
        let (low, high) = request.window();
        let window = Window { low, high, node: request.node };
        let mut taken = Vec::new();
        if request.large {
            let Layout::Blocks(block) = request.layout else { return None };
            return self.take_large(request.pages, block, window, state);
        }
        let complete = match request.layout {
            Layout::Contiguous { align, boundary } => {
                self.take_block(request.pages, window, (align, boundary), state, &mut taken)
            }
            Layout::Blocks(block) => {
                let count = request.pages.checked_div(block).unwrap_or(0);
                (0..count).all(|_| self.take_block(block, window, (block, 0), state, &mut taken))
            }
            Layout::FewRuns => {
                self.take_block(request.pages, window, (0, 0), state, &mut taken)
                    || self.take_moving(request, window, Scatter::Dense, state, &mut taken)
            }
            Layout::Any => self.take_moving(request, window, scatter, state, &mut taken),
        };
        if complete {
            return Some(taken);
        }
        for run in taken {
            self.mark(run.start.get(), run.pages, PageState::Free);
        }
        None
    }

    fn take_block(
        &mut self,
        count: u64,
        window: Window,
        (align, boundary): (u64, u64),
        state: PageState,
        taken: &mut Vec<PageRun>,
    ) -> bool {
        if boundary != 0 && count > boundary {
            return false;
        }
        let place = self
            .zones
            .iter()
            .filter(|zone| window.node.is_none_or(|node| zone.node == node))
            .find_map(|zone| zone.find(count, window.low, window.high, align, boundary));
        let Some(first) = place else { return false };
        self.mark(first, count, state);
        runs::push(taken, first, count);
        true
    }

    /// Takes single pages from the window, and, when it cannot give enough, from the window moved up by
    /// `request.skip` pages, again and again.
    fn take_moving(
        &mut self,
        request: &PageRequest,
        mut window: Window,
        scatter: Scatter,
        state: PageState,
        taken: &mut Vec<PageRun>,
    ) -> bool {
        let mut left = request.pages;
        loop {
            left -= self.take_from(left, window, scatter, state, taken);
            if left == 0 {
                return true;
            }
            // The window is empty now. Steps that lead over stretches with nothing free are taken at once.
            if request.skip == 0 {
                return false;
            }
            let from = window.low.saturating_add(request.skip);
            let Some((_, next)) = self.next_free(Window { low: from, high: u64::MAX, ..window }) else {
                return false;
            };
            let steps = (next + 1).saturating_sub(window.high).div_ceil(request.skip).max(1);
            let distance = steps.saturating_mul(request.skip);
            window.low = window.low.saturating_add(distance);
            window.high = window.high.saturating_add(distance);
        }
    }

    /// Takes up to `count` pages from the window; fewer only when it has no more.
    fn take_from(
        &mut self,
        count: u64,
        window: Window,
        scatter: Scatter,
        state: PageState,
        taken: &mut Vec<PageRun>,
    ) -> u64 {
        let run = match scatter {
            Scatter::Dense => None,
            Scatter::Runs(_) if count >= LARGE_REQUEST => Some(LARGE_RUN),
            Scatter::Runs(run) => Some(run.max(1)),
        };
        let mut got = 0;
        while got < count {
            let limit = run.unwrap_or(u64::MAX).min(count - got);
            let origin = run.and_then(|run| self.origin(window, run));
            let above = Window { low: origin.unwrap_or(window.low), ..window };
            let Some((zone, first)) = self.next_free(above).or_else(|| self.next_free(window)) else { break };
            let pages = self.zones.get(zone).map_or(0, |zone| zone.free_run(first, window.high, limit));
            if pages == 0 {
                break;
            }
            self.mark(first, pages, state);
            runs::push(taken, first, pages);
            got += pages;
        }
        got
    }

    /// A place in the window, drawn by seed, on a multiple of `run`.
    fn origin(&mut self, window: Window, run: u64) -> Option<u64> {
        let cut = |zone: &super::zone::Zone| {
            let (from, to) = (zone.start().max(window.low), zone.end().min(window.high));
            (from, to.saturating_sub(from))
        };
        let fits = |zone: &&super::zone::Zone| window.node.is_none_or(|node| zone.node == node);
        let total = self.zones.iter().filter(fits).map(|zone| cut(zone).1).sum();
        let mut at = self.random.below(total);
        for zone in self.zones.iter().filter(fits) {
            let (from, pages) = cut(zone);
            if at < pages {
                return Some(((from + at) / run * run).max(from));
            }
            at -= pages;
        }
        None
    }

    fn next_free(&self, window: Window) -> Option<(usize, u64)> {
        self.zones
            .iter()
            .enumerate()
            .filter(|(_, zone)| window.node.is_none_or(|node| zone.node == node))
            .find_map(|(index, zone)| zone.next_free(window.low, window.high).map(|page| (index, page)))
    }
}
