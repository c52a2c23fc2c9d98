//! Which intervals hold a point.
//!
//! An interval is kept as the aligned power-of-two blocks that make it up, at most 126 of them. Whoever holds a point then
//! holds one of the 64 blocks around it, so a look-up costs 64 tree searches at worst, however many intervals there are
//! and however they overlap: the stream is untrusted, and structures that are fast for tidy intervals only would let it
//! stop the verifier.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

const LEVELS: usize = 64;

/// Intervals of `u64`, each with a number, ordered by a key.
pub(crate) struct Intervals {
    /// Level, block number at that level, key, number.
    blocks: BTreeSet<(u8, u64, u64, u64)>,
    /// Blocks at each level, so that empty levels cost nothing.
    held: [usize; LEVELS],
}

impl Default for Intervals {
    fn default() -> Self {
        Self { blocks: BTreeSet::new(), held: [0; LEVELS] }
    }
}

/// The aligned blocks of an interval, as (level, block number). What lies beyond the last address is cut off.
fn blocks(start: u64, count: u64) -> impl Iterator<Item = (u8, u64)> {
    let end = start.saturating_add(count);
    let mut at = start;
    core::iter::from_fn(move || {
        let left = end.checked_sub(at).filter(|left| *left != 0)?;
        let level = at.trailing_zeros().min(left.ilog2());
        let block = at >> level;
        at += 1 << level;
        Some((level as u8, block))
    })
}

impl Intervals {
    /// Enters an interval; the number of blocks that are new.
    pub(crate) fn insert(&mut self, start: u64, count: u64, key: u64, number: u64) -> usize {
        let mut new = 0;
        for (level, block) in blocks(start, count) {
            if self.blocks.insert((level, block, key, number)) {
                new += 1;
                if let Some(held) = self.held.get_mut(usize::from(level)) {
                    *held += 1;
                }
            }
        }
        new
    }

    /// Takes an interval out, entered with the same words; the number of blocks that have gone.
    pub(crate) fn remove(&mut self, start: u64, count: u64, key: u64, number: u64) -> usize {
        let mut gone = 0;
        for (level, block) in blocks(start, count) {
            if self.blocks.remove(&(level, block, key, number)) {
                gone += 1;
                if let Some(held) = self.held.get_mut(usize::from(level)) {
                    *held -= 1;
                }
            }
        }
        gone
    }

    /// The blocks around a point that are held by somebody, as (level, block number), the smallest first.
    fn around(&self, point: u64) -> impl Iterator<Item = (u8, u64)> {
        let levels = self.held.iter().enumerate().filter(|(_, held)| **held != 0);
        levels.map(move |(level, _)| (level as u8, point >> level))
    }

    /// Of those that hold the point, the number with the smallest key.
    pub(crate) fn first(&self, point: u64) -> Option<u64> {
        self.around(point)
            .filter_map(|(level, block)| {
                let all = (level, block, 0, 0)..=(level, block, u64::MAX, u64::MAX);
                self.blocks.range(all).next().map(|(_, _, key, number)| (*key, *number))
            })
            .min()
            .map(|(_, number)| number)
    }

    /// Of those that hold the point, the number with the largest key.
    pub(crate) fn last(&self, point: u64) -> Option<u64> {
        self.around(point)
            .filter_map(|(level, block)| {
                let all = (level, block, 0, 0)..=(level, block, u64::MAX, u64::MAX);
                self.blocks.range(all).next_back().map(|(_, _, key, number)| (*key, *number))
            })
            .max()
            .map(|(_, number)| number)
    }

    /// Every number that holds the point, at most `limit` of them.
    pub(crate) fn all(&self, point: u64, limit: usize) -> Vec<u64> {
        self.around(point)
            .flat_map(|(level, block)| {
                let all = (level, block, 0, 0)..=(level, block, u64::MAX, u64::MAX);
                self.blocks.range(all).map(|(_, _, _, number)| *number)
            })
            .take(limit)
            .collect()
    }

    /// Some interval that has a point in common with `count` points from `start`, and such a point.
    pub(crate) fn touching(&self, start: u64, count: u64) -> Option<(u64, u64)> {
        blocks(start, count).find_map(|(level, block)| {
            let first = block << level;
            let wider = self.around(first).filter(|(wider, _)| *wider >= level).find_map(|(level, block)| {
                let all = (level, block, 0, 0)..=(level, block, u64::MAX, u64::MAX);
                self.blocks.range(all).next().map(|(_, _, _, number)| (*number, first))
            });
            let held = self.held.iter().enumerate().take(usize::from(level)).filter(|(_, held)| **held != 0);
            wider.or_else(|| {
                held.map(|(narrower, _)| narrower as u8).find_map(|narrower| {
                    let (low, more) = (block << (level - narrower), (1u64 << (level - narrower)) - 1);
                    let all = (narrower, low, 0, 0)..=(narrower, low | more, u64::MAX, u64::MAX);
                    let found = self.blocks.range(all).next();
                    found.map(|(_, block, _, number)| (*number, block << narrower))
                })
            })
        })
    }

    /// A point beyond `point` up to which everything is held, or `None` when `point` itself is not.
    pub(crate) fn held_up_to(&self, point: u64) -> Option<u64> {
        self.around(point)
            .filter(|(level, block)| {
                let all = (*level, *block, 0, 0)..=(*level, *block, u64::MAX, u64::MAX);
                self.blocks.range(all).next().is_some()
            })
            .last()
            .map(|(level, block)| (block << level).saturating_add(1 << level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_its_points_and_no_others() {
        for (start, count) in [(0, 1), (3, 10), (0xfff, 0x1002), (u64::MAX - 5, 5), (0, u64::MAX), (7, 0)] {
            let mut intervals = Intervals::default();
            let new = intervals.insert(start, count, 1, 9);
            let end = start.saturating_add(count);
            for point in [start.wrapping_sub(1), start, start + count / 2, end.saturating_sub(1), end] {
                let inside = point >= start && point < end;
                assert_eq!(intervals.first(point) == Some(9), inside, "{point:#x} of {start:#x}+{count:#x}");
                assert_eq!(intervals.held_up_to(point).is_some_and(|to| to > point && to <= end), inside);
            }
            assert_eq!(intervals.remove(start, count, 1, 9), new);
            assert_eq!(intervals.first(start), None);
            assert!(intervals.held.iter().all(|held| *held == 0));
        }
    }

    #[test]
    fn what_has_a_point_in_common_is_found_from_either_side() {
        for (start, count) in [(0u64, 1u64), (3, 10), (0xfff, 0x1002), (0x40, 0x40), (1 << 40, 1 << 30)] {
            let mut intervals = Intervals::default();
            intervals.insert(start, count, 1, 7);
            let last = start + count - 1;
            for (from, many, common) in [
                (start, 1, true),
                (last, 1, true),
                (start.saturating_sub(5), 6 + start.min(5) - 5, true),
                (last, 0x10_0000, true),
                (0, u64::MAX, true),
                (start, count, true),
                (last + 1, 0x1000, false),
                (start, 0, false),
            ] {
                let found = intervals.touching(from, many);
                assert_eq!(found.is_some(), common, "{from:#x}+{many:#x} of {start:#x}+{count:#x}");
                if let Some((number, point)) = found {
                    assert_eq!(number, 7);
                    assert!((start..=last).contains(&point) && point >= from && point - from < many);
                }
            }
            assert_eq!(intervals.all(start, 4), [7]);
            assert_eq!(intervals.all(last + 1, 4), []);
        }
    }

    #[test]
    fn of_overlapping_intervals_the_key_decides() {
        let mut intervals = Intervals::default();
        for (key, number) in [(5, 50), (1, 10), (9, 90)] {
            intervals.insert(0x10 - key, 0x20, key, number);
        }
        assert_eq!((intervals.first(0x10), intervals.last(0x10)), (Some(10), Some(90)));
        assert_eq!(intervals.last(0x2a), Some(50));
    }
}
