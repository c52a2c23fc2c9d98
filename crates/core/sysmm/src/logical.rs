//! The logical addresses of a remapping domain.
//!
//! Two pools of free ranges: addresses that are no RAM address of the machine, and the others. With
//! [`LogicalBase::Safe`] the first is used up before the second is touched, and begins above all RAM; with
//! [`LogicalBase::Windows`] everything is in the first pool and it begins at the bottom. Page 0, the interrupt window
//! and the adapter's own registers are in neither. All of it is our choice; Windows is documented to begin at 0.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use dxgk_hw::LogicalPage;

use crate::policy::{INTERRUPT_WINDOW, LogicalBase, Policy};
use crate::random::Random;
use crate::runs::align_up;

/// 2 MiB and 1 GiB in pages: what the large entries of every table format map.
const LARGE: [u64; 2] = [1 << 18, 1 << 9];

/// A range that was handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LogicalRun {
    pub(crate) start: LogicalPage,
    pub(crate) pages: u64,
    /// Pages behind it that stay unmapped and go back with it.
    guard: u64,
    pool: usize,
}

#[derive(Default)]
struct FreeRanges {
    /// First page to the page behind the last; disjoint, never touching.
    ranges: BTreeMap<u64, u64>,
}

impl FreeRanges {
    fn give(&mut self, mut from: u64, mut to: u64) {
        if from >= to {
            return;
        }
        if let Some((start, end)) = self.ranges.range(..=from).next_back().map(|(a, b)| (*a, *b))
            && end >= from
        {
            self.ranges.remove(&start);
            (from, to) = (start, to.max(end));
        }
        while let Some((start, end)) = self.ranges.range(from..=to).next().map(|(a, b)| (*a, *b)) {
            self.ranges.remove(&start);
            to = to.max(end);
        }
        self.ranges.insert(from, to);
    }

    fn take(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let hit: Vec<(u64, u64)> = self
            .ranges
            .range(..to)
            .rev()
            .take_while(|(_, end)| **end > from)
            .map(|(a, b)| (*a, *b))
            .collect();
        for (start, end) in hit {
            self.ranges.remove(&start);
            if start < from {
                self.ranges.insert(start, from);
            }
            if end > to {
                self.ranges.insert(to, end);
            }
        }
    }

    /// The first place for `count` pages on a multiple of `align` from page `origin` on, then from the bottom.
    fn find(&self, count: u64, align: u64, origin: u64) -> Option<u64> {
        let fit = |from: u64, to: u64| {
            align_up(from, align).filter(|at| at.checked_add(count).is_some_and(|end| end <= to))
        };
        let around = self.ranges.range(..origin).next_back().and_then(|(_, end)| fit(origin, *end));
        around
            .or_else(|| self.ranges.range(origin..).find_map(|(from, to)| fit(*from, *to)))
            .or_else(|| self.ranges.range(..origin).find_map(|(from, to)| fit(*from, *to)))
    }

    fn largest(&self) -> Option<(u64, u64)> {
        self.ranges.iter().map(|(from, to)| (*from, to - from)).max_by_key(|(_, pages)| *pages)
    }

    fn pages(&self) -> u64 {
        self.ranges.iter().map(|(from, to)| to - from).sum()
    }
}

/// The free logical addresses of one domain.
pub(crate) struct LogicalSpace {
    pools: [FreeRanges; 2],
    base: LogicalBase,
    above_ram: u64,
    end: u64,
    guard: u64,
    random: Random,
    used: u64,
}

impl LogicalSpace {
    /// The addresses below page `end`. `ram` and `registers` are ranges of page numbers.
    pub(crate) fn new(policy: &Policy, end: u64, ram: &[Range<u64>], registers: &[Range<u64>]) -> Self {
        let mut pools = [FreeRanges::default(), FreeRanges::default()];
        let [first, second] = &mut pools;
        first.give(1, end);
        if policy.logical_base == LogicalBase::Safe {
            for range in ram {
                first.take(range.start, range.end);
                second.give(range.start.max(1), range.end.min(end));
            }
        }
        for taken in registers.iter().chain([&INTERRUPT_WINDOW]) {
            first.take(taken.start, taken.end);
            second.take(taken.start, taken.end);
        }
        Self {
            pools,
            base: policy.logical_base,
            above_ram: ram.iter().map(|range| range.end).max().unwrap_or(0),
            end,
            guard: policy.guard_pages,
            random: Random::new(policy.seed ^ 0x6c6f_6769_6361_6c00),
            used: 0,
        }
    }

    fn origin(&mut self, pool: usize) -> u64 {
        match (self.base, pool) {
            (LogicalBase::Windows, _) => 0,
            (LogicalBase::Safe, 0) => self.above_ram,
            (LogicalBase::Safe, _) => self.random.below(self.end),
        }
    }

    /// One range for `pages` pages, aligned for large entries where it is large and there is room for that.
    fn one_run(&mut self, pages: u64) -> Option<LogicalRun> {
        for pool in 0..self.pools.len() {
            let origin = self.origin(pool);
            for guard in [self.guard, 0] {
                let count = pages.checked_add(guard)?;
                let aligns = LARGE.iter().copied().filter(|large| pages >= *large).chain([1]);
                let place =
                    aligns.map(|align| self.pools.get(pool)?.find(count, align, origin)).find_map(|at| at);
                if let Some(start) = place {
                    return Some(self.commit(pool, start, pages, guard));
                }
            }
        }
        None
    }

    fn commit(&mut self, pool: usize, start: u64, pages: u64, guard: u64) -> LogicalRun {
        if let Some(ranges) = self.pools.get_mut(pool) {
            ranges.take(start, start + pages + guard);
        }
        self.used += pages + guard;
        LogicalRun { start: LogicalPage::new(start), pages, guard, pool }
    }

    /// Room for `pages` pages: one run where possible; if not, and `contiguous` is false, several. `None` when there
    /// is not enough.
    pub(crate) fn allocate(&mut self, pages: u64, contiguous: bool) -> Option<Vec<LogicalRun>> {
        if let Some(run) = self.one_run(pages) {
            return Some(Vec::from([run]));
        }
        if contiguous || self.pools.iter().map(FreeRanges::pages).sum::<u64>() < pages {
            return None;
        }
        let mut out = Vec::new();
        let mut left = pages;
        while left > 0 {
            let found = self
                .pools
                .iter()
                .enumerate()
                .find_map(|(pool, ranges)| ranges.largest().map(|best| (pool, best)));
            let Some((pool, (start, room))) = found else { break };
            let count = room.min(left);
            out.push(self.commit(pool, start, count, 0));
            left -= count;
        }
        Some(out)
    }

    /// Takes a range back. Nothing refers to it any more.
    pub(crate) fn free(&mut self, run: LogicalRun) {
        let start = run.start.get();
        let pages = run.pages + run.guard;
        if let Some(ranges) = self.pools.get_mut(run.pool) {
            ranges.give(start, start + pages);
        }
        self.used = self.used.saturating_sub(pages);
    }

    /// Pages handed out, guards included.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(base: LogicalBase, end: u64, ram: Range<u64>) -> LogicalSpace {
        let policy = Policy { logical_base: base, ..Policy::default() };
        LogicalSpace::new(&policy, end, &[ram], &[])
    }

    #[test]
    fn safe_addresses_are_no_ram_addresses_while_there_is_room_then_they_are() {
        let mut space = space(LogicalBase::Safe, 0x300, 0x100..0x200);
        let mut seen = Vec::new();
        while let Some(runs) = space.allocate(0x10, true) {
            seen.extend(runs);
        }
        let is_ram = |run: &LogicalRun| (0x100..0x200).contains(&run.start.get());
        let first_in_ram = seen.iter().position(is_ram).expect("in the end RAM addresses are used");
        assert!(seen.iter().skip(first_in_ram).all(is_ram));
        assert!(seen.first().is_some_and(|run| run.start.get() == 0x200));
        assert!(seen.iter().all(|run| run.start.get() != 0));
        for run in seen {
            space.free(run);
        }
        assert_eq!(space.used(), 0);
        assert_eq!(space.pools.iter().map(|pool| pool.ranges.len()).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn windows_addresses_begin_at_the_bottom_but_not_at_page_0() {
        let mut space = space(LogicalBase::Windows, 0x1000, 0..0x800);
        let runs = space.allocate(4, true).expect("room");
        assert_eq!(runs.first().map(|run| run.start.get()), Some(1));
    }

    #[test]
    fn large_ranges_are_aligned_for_large_entries() {
        let mut space = space(LogicalBase::Windows, 1 << 22, 0..1);
        space.allocate(3, true).expect("room");
        let two_megabytes = space.allocate(512, true).expect("room");
        let gigabyte = space.allocate(1 << 18, true).expect("room");
        assert_eq!(two_megabytes.first().map(|run| run.start.get() % 512), Some(0));
        assert_eq!(gigabyte.first().map(|run| run.start.get() % (1 << 18)), Some(0));
    }

    #[test]
    fn the_interrupt_window_is_never_handed_out() {
        let mut space = space(LogicalBase::Windows, 1 << 20, 0..1);
        while let Some(runs) = space.allocate(0x400, false) {
            for run in runs {
                let end = run.start.get() + run.pages;
                assert!(end <= INTERRUPT_WINDOW.start || run.start.get() >= INTERRUPT_WINDOW.end);
            }
        }
    }

    #[test]
    fn scattered_room_is_used_when_no_run_fits_and_none_is_demanded() {
        let mut space = space(LogicalBase::Windows, 64, 0..1);
        let all: Vec<_> = core::iter::from_fn(|| space.allocate(7, true)).flatten().collect();
        for run in all.iter().step_by(2) {
            space.free(*run);
        }
        assert_eq!(space.allocate(16, true), None);
        let pieces = space.allocate(16, false).expect("room in pieces");
        assert_eq!(pieces.iter().map(|run| run.pages).sum::<u64>(), 16);
        assert!(pieces.len() > 1);
    }
}
