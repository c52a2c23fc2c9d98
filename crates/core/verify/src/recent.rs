//! The newest of something: what later events may still point back to.

use alloc::collections::BTreeMap;

/// At most `MOST` values by event number; the oldest goes first.
pub(crate) struct Recent<V, const MOST: usize> {
    values: BTreeMap<u64, V>,
}

impl<V, const MOST: usize> Default for Recent<V, MOST> {
    fn default() -> Self {
        Self { values: BTreeMap::new() }
    }
}

impl<V, const MOST: usize> Recent<V, MOST> {
    pub(crate) fn insert(&mut self, event: u64, value: V) {
        self.values.insert(event, value);
        if self.values.len() > MOST {
            self.values.pop_first();
        }
    }

    pub(crate) fn get(&self, event: u64) -> Option<&V> {
        self.values.get(&event)
    }

    pub(crate) fn take(&mut self, event: u64) -> Option<V> {
        self.values.remove(&event)
    }
}
