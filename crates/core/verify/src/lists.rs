//! Lists of the arena, read within limits.

use alloc::vec::Vec;

use dxgk_event::ListRef;

use crate::limits;

/// Gives lists of the arena. A list that is out of bounds or does not match its digest is `None`.
pub trait Lists {
    /// The words of a list.
    fn get(&self, list: ListRef) -> Option<Vec<u64>>;
}

/// Reads page lists, up to [`limits::LIST_WORDS`] words in a run.
#[derive(Default)]
pub(crate) struct PageLists {
    read: u64,
}

impl PageLists {
    /// The runs of a page list, two words each. `None` when there is no such list, or too much was read already.
    pub(crate) fn runs(&mut self, list: ListRef, lists: &dyn Lists) -> Option<Vec<(u64, u64)>> {
        self.read = self.read.saturating_add(u64::from(list.count));
        if list.count == 0 || self.read > limits::LIST_WORDS {
            return None;
        }
        let words = lists.get(list)?;
        let (pairs, _) = words.as_chunks::<2>();
        Some(pairs.iter().map(|[first, count]| (*first, *count)).collect())
    }
}

/// A stack; empty when there is none, or none that a writer of ours makes.
pub(crate) fn stack(list: ListRef, lists: &dyn Lists) -> Vec<u64> {
    let sane = list.count != 0 && list.count <= limits::STACK_FRAMES;
    if sane { lists.get(list).unwrap_or_default() } else { Vec::new() }
}
