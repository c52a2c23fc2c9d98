//! A page store in the memory of whoever runs the memory manager.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use dxgk_hw::{Lost, PageSlot, PageStore};
use lock_api::{Mutex, RawMutex};

/// A kept page. Pages of one repeated word are common (zeroes, fill patterns) and cost a word, as zram and zswap do it.
enum Kept {
    Filled(u64),
    Whole(Box<[u64; 512]>),
}

/// A [`PageStore`] on the heap, for at most so many pages that are not all alike.
///
/// Chosen over a file because it needs nothing of its surroundings (a sealed process can open none), takes memory only
/// for what is kept, and gives it back at once.
pub struct HeapPageStore<R: RawMutex> {
    capacity: u64,
    inner: Mutex<R, Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    whole: u64,
    kept: BTreeMap<u64, Kept>,
}

impl<R: RawMutex> HeapPageStore<R> {
    /// A store for `capacity` pages; those of one repeated word are not counted.
    #[must_use]
    pub fn new(capacity: u64) -> Self {
        Self { capacity, inner: Mutex::new(Inner::default()) }
    }

    /// Pages that are kept.
    #[must_use]
    pub fn kept(&self) -> u64 {
        self.inner.lock().kept.len() as u64
    }
}

impl<R: RawMutex> core::fmt::Debug for HeapPageStore<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HeapPageStore").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl<R: RawMutex + Send + Sync> PageStore for HeapPageStore<R> {
    fn keep(&self, page: &[u64; 512]) -> Option<PageSlot> {
        let [first, ..] = page;
        let filled = page.iter().all(|word| word == first);
        let mut inner = self.inner.lock();
        if !filled && inner.whole >= self.capacity {
            return None;
        }
        let kept = if filled { Kept::Filled(*first) } else { Kept::Whole(Box::new(*page)) };
        inner.whole += u64::from(!filled);
        let slot = inner.next;
        inner.next += 1;
        inner.kept.insert(slot, kept);
        Some(PageSlot(slot))
    }

    fn fetch(&self, slot: PageSlot, page: &mut [u64; 512]) -> Result<(), Lost> {
        match self.inner.lock().kept.get(&slot.0).ok_or(Lost)? {
            Kept::Filled(word) => page.fill(*word),
            Kept::Whole(words) => *page = **words,
        }
        Ok(())
    }

    fn discard(&self, slot: PageSlot) {
        let mut inner = self.inner.lock();
        if let Some(Kept::Whole(_)) = inner.kept.remove(&slot.0) {
            inner.whole -= 1;
        }
    }
}
