//! A bitmap that finds the next free page without looking at full stretches.
//!
//! A set bit means used, so that memory that was never touched reads as free. Above the bits stand two summaries: a
//! bit for each word that is full, and a bit for each word of those. Bits behind the end are set.

use alloc::vec;
use alloc::vec::Vec;

const BITS: u64 = u64::BITS as u64;
const LEVELS: usize = 3;

pub(crate) struct Bitmap {
    levels: [Vec<u64>; LEVELS],
}

impl Bitmap {
    pub(crate) fn new(bits: u64) -> Self {
        let words = |bits: u64| vec![0u64; bits.div_ceil(BITS).max(1) as usize];
        let bottom = bits.div_ceil(BITS).max(1);
        let middle = bottom.div_ceil(BITS);
        let mut map = Self { levels: [words(bits), words(bottom), words(middle)] };
        for (level, count) in [(0, bits), (1, bottom), (2, middle)] {
            map.set_within(level, count, count.max(1).next_multiple_of(BITS));
        }
        map
    }

    fn word(&self, level: usize, index: u64) -> Option<u64> {
        self.levels.get(level)?.get(index as usize).copied()
    }

    fn word_mut(&mut self, level: usize, index: u64) -> Option<&mut u64> {
        self.levels.get_mut(level)?.get_mut(index as usize)
    }

    fn set_within(&mut self, level: usize, from: u64, to: u64) {
        let mut at = from;
        while at < to {
            let index = at / BITS;
            let end = to.min((index + 1) * BITS);
            let mask = mask(at % BITS, end - at);
            let Some(word) = self.word_mut(level, index) else { return };
            let before = *word;
            *word |= mask;
            if before != u64::MAX && *word == u64::MAX && level + 1 < LEVELS {
                self.set_within(level + 1, index, index + 1);
            }
            at = end;
        }
    }

    fn clear_within(&mut self, level: usize, from: u64, to: u64) {
        let mut at = from;
        while at < to {
            let index = at / BITS;
            let end = to.min((index + 1) * BITS);
            let mask = mask(at % BITS, end - at);
            let Some(word) = self.word_mut(level, index) else { return };
            let before = *word;
            *word &= !mask;
            if before == u64::MAX && *word != u64::MAX && level + 1 < LEVELS {
                self.clear_within(level + 1, index, index + 1);
            }
            at = end;
        }
    }

    /// Marks `[from, to)` used.
    pub(crate) fn set(&mut self, from: u64, to: u64) {
        self.set_within(0, from, to);
    }

    /// Marks `[from, to)` free.
    pub(crate) fn clear(&mut self, from: u64, to: u64) {
        self.clear_within(0, from, to);
    }

    fn next_clear(&self, level: usize, from: u64) -> Option<u64> {
        let index = from / BITS;
        let free = !self.word(level, index)? & (u64::MAX << (from % BITS));
        if free != 0 {
            return Some(index * BITS + u64::from(free.trailing_zeros()));
        }
        let next = if level + 1 < LEVELS {
            self.next_clear(level + 1, index + 1)?
        } else {
            let rest = self.levels.get(level)?.get(index as usize + 1..)?;
            index + 1 + rest.iter().position(|word| *word != u64::MAX)? as u64
        };
        Some(next * BITS + u64::from((!self.word(level, next)?).trailing_zeros()))
    }

    /// The first free page of `[from, to)`.
    pub(crate) fn next_free(&self, from: u64, to: u64) -> Option<u64> {
        self.next_clear(0, from).filter(|page| *page < to)
    }

    /// The first used page of `[from, to)`, or `to`.
    pub(crate) fn next_used(&self, from: u64, to: u64) -> u64 {
        let mut at = from;
        while at < to {
            let index = at / BITS;
            let Some(word) = self.word(0, index) else { return to };
            let used = word & (u64::MAX << (at % BITS));
            if used != 0 {
                return to.min(index * BITS + u64::from(used.trailing_zeros()));
            }
            at = (index + 1) * BITS;
        }
        to
    }
}

/// `count` bits from bit `first`; both at most 64, and their sum too.
fn mask(first: u64, count: u64) -> u64 {
    if count >= BITS { u64::MAX } else { ((1 << count) - 1) << first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn it_agrees_with_a_plain_list_of_bits() {
        for bits in [1u64, 63, 64, 65, 4096, 4097, 270_000] {
            let mut map = Bitmap::new(bits);
            let mut plain = vec![false; bits as usize];
            let mut random = Random::new(bits);
            for _ in 0..60 {
                let from = random.below(bits);
                let to = from + random.below(bits - from + 1);
                let used = random.below(3) != 0;
                if used {
                    map.set(from, to);
                } else {
                    map.clear(from, to);
                }
                plain.iter_mut().take(to as usize).skip(from as usize).for_each(|bit| *bit = used);
                let probe = random.below(bits);
                let find = |wanted: bool| {
                    plain.iter().skip(probe as usize).position(|bit| *bit == wanted).map(|n| probe + n as u64)
                };
                assert_eq!(map.next_free(probe, bits), find(false), "{bits} bits from {probe}");
                assert_eq!(
                    map.next_used(probe, bits),
                    find(true).unwrap_or(bits),
                    "{bits} bits from {probe}"
                );
            }
        }
    }
}
