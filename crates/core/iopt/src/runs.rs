//! Reading a page list in order.

use dxgk_hw::{PageRun, Pfn};

/// A place in a page list that knows how far memory is contiguous from it. Neighbouring runs that happen to
/// touch count as one.
#[derive(Clone, Debug)]
pub struct RunCursor<'a> {
    runs: &'a [PageRun],
    frame: u64,
    extent: u64,
    largest: u64,
}

impl<'a> RunCursor<'a> {
    /// At the first page of `runs`.
    #[must_use]
    pub fn new(runs: &'a [PageRun]) -> Self {
        let mut cursor = Self { runs, frame: 0, extent: 0, largest: u64::MAX };
        cursor.join();
        cursor
    }

    /// The same list, to be mapped by leaves of at most so many pages.
    #[must_use]
    pub const fn with_largest_leaf(mut self, pages: u64) -> Self {
        self.largest = pages;
        self
    }

    /// The most pages that a leaf may have here.
    pub(crate) fn leaf_extent(&self) -> u64 {
        self.extent.min(self.largest)
    }

    /// Takes the runs at the front that are contiguous. Each run is taken once, so a list is read in linear time.
    fn join(&mut self) {
        while let Some((run, rest)) = self.runs.split_first() {
            if self.extent == 0 {
                self.frame = run.start.get();
            } else if self.frame.checked_add(self.extent) != Some(run.start.get()) {
                return;
            }
            let Some(extent) = self.extent.checked_add(run.pages) else { return };
            self.extent = extent;
            self.runs = rest;
        }
    }

    /// The frame here and how many frames are contiguous from it (at least 1), or `None` at the end.
    #[must_use]
    pub fn peek(&self) -> Option<(Pfn, u64)> {
        (self.extent != 0).then(|| (Pfn::new(self.frame), self.extent))
    }

    /// Goes on by `pages`, at most the extent.
    pub fn advance(&mut self, pages: u64) {
        let pages = pages.min(self.extent);
        self.frame = self.frame.wrapping_add(pages);
        self.extent -= pages;
        if self.extent == 0 {
            self.join();
        }
    }
}
