//! Bytes in and out of atomic words.

use std::sync::atomic::{AtomicU64, Ordering};

/// Gives each word that `length` bytes from `offset` touch: the bytes of the word (from, to) and the position in
/// the buffer of the first of them.
fn each_word(
    offset: u64,
    length: usize,
    words: &[AtomicU64],
    mut visit: impl FnMut(&AtomicU64, usize, usize, usize),
) {
    let mut from = (offset % 8) as usize;
    let mut position = 0;
    for word in words {
        let to = (from + (length - position)).min(8);
        visit(word, from, to, position);
        position += to - from;
        from = 0;
    }
}

/// Copies the bytes from `offset` out; `words` are those that they touch.
pub(crate) fn read_words(offset: u64, words: &[AtomicU64], out: &mut [u8]) {
    each_word(offset, out.len(), words, |word, from, to, position| {
        let bytes = word.load(Ordering::Relaxed).to_le_bytes();
        out[position..position + (to - from)].copy_from_slice(&bytes[from..to]);
    });
}

/// Copies `bytes` in at `offset`; `words` are those that they touch.
pub(crate) fn write_words(offset: u64, words: &[AtomicU64], bytes: &[u8]) {
    each_word(offset, bytes.len(), words, |word, from, to, position| {
        let new = &bytes[position..position + (to - from)];
        if let Ok(whole) = <[u8; 8]>::try_from(new) {
            word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
            return;
        }
        let merge = |old: u64| {
            let mut merged = old.to_le_bytes();
            merged[from..to].copy_from_slice(new);
            Some(u64::from_le_bytes(merged))
        };
        // The closure never declines, so there is always a previous value; it is of no interest.
        let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, merge);
    });
}
