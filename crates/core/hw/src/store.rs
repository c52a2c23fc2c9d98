//! Where the contents of pages are kept while they have no frame: a paging file, or whatever a platform has for one.

/// What a [`PageStore`] calls a page that it keeps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageSlot(pub u64);

/// The store cannot give back what it was given to keep: a medium that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lost;

/// Keeps the contents of pages. It is called with locks of the memory manager held, so it must not call back.
pub trait PageStore: Send + Sync {
    /// Keeps a page, as 512 little-endian words. `None` when there is no room; nothing was kept then.
    fn keep(&self, page: &[u64; 512]) -> Option<PageSlot>;

    /// What was kept. The slot stays taken until [`discard`](Self::discard).
    ///
    /// # Errors
    /// [`Lost`], also for a slot that is not taken; `page` is then unspecified.
    fn fetch(&self, slot: PageSlot, page: &mut [u64; 512]) -> Result<(), Lost>;

    /// Frees a slot. One that is not taken is ignored.
    fn discard(&self, slot: PageSlot);
}
