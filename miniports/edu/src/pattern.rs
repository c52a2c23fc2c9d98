//! Data that is easy to tell from anything else, and that is different everywhere.

use dxgk_miniport::{Memory, Result};

/// Bytes in a word of the pattern.
const WORD: usize = 4;

/// The word at a place of a pattern: no two near places have the same, and none is zero for long.
fn word(seed: u32, index: usize) -> u32 {
    let mixed = (index as u32 ^ seed.rotate_left(16)).wrapping_mul(0x9E37_79B1);
    mixed ^ mixed >> 15
}

/// Fills `bytes` bytes at `offset` with the pattern of `seed`.
pub(crate) fn fill(memory: &Memory, offset: usize, bytes: usize, seed: u32) -> Result<()> {
    (0..bytes / WORD).try_for_each(|index| memory.write(offset + index * WORD, word(seed, index)))
}

/// Clears `bytes` bytes at `offset`.
pub(crate) fn clear(memory: &Memory, offset: usize, bytes: usize) -> Result<()> {
    (0..bytes / WORD).try_for_each(|index| memory.write(offset + index * WORD, 0_u32))
}

/// The offset of the first word that is not the pattern of `seed`.
pub(crate) fn first_difference(
    memory: &Memory,
    offset: usize,
    bytes: usize,
    seed: u32,
) -> Result<Option<usize>> {
    for index in 0..bytes / WORD {
        if memory.read::<u32>(offset + index * WORD)? != word(seed, index) {
            return Ok(Some(offset + index * WORD));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn patterns_of_different_pages_share_no_place_and_hold_no_zero_run() {
        for seed in [0x100, 0x101, 0x200] {
            for index in 0..1024 {
                assert_ne!(word(seed, index), word(seed + 1, index), "seed {seed:#x}, word {index}");
                assert_ne!(word(seed, index), word(seed, index + 1), "seed {seed:#x}, word {index}");
            }
            assert!((0..1024).filter(|&index| word(seed, index) == 0).count() <= 1);
        }
    }
}
