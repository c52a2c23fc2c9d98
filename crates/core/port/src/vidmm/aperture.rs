//! Which pages of a segment are used, for the length of a round.

use alloc::vec::Vec;

/// The pages of one segment, given out first fit.
#[derive(Clone, Debug)]
pub(super) struct SegmentPages {
    pages: u64,
    /// (first, count), ascending and disjoint.
    taken: Vec<(u64, u64)>,
}

impl SegmentPages {
    pub(super) fn new(pages: u64) -> Self {
        Self { pages, taken: Vec::new() }
    }

    /// `count` pages in a row whose first is a multiple of `align` pages; the first.
    pub(super) fn take(&mut self, count: u64, align: u64) -> Option<u64> {
        let align = align.max(1);
        let mut from = 0u64;
        let mut position = 0;
        loop {
            let start = from.checked_next_multiple_of(align)?;
            let end = start.checked_add(count)?;
            match self.taken.get(position) {
                Some((first, _)) if *first >= end => break,
                Some((first, taken)) => {
                    from = first + taken;
                    position += 1;
                }
                None if end <= self.pages => break,
                None => return None,
            }
        }
        let start = from.checked_next_multiple_of(align)?;
        self.taken.insert(position, (start, count));
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::SegmentPages;

    /// Shows S-BPD-04.
    #[test]
    fn pages_are_given_first_fit_and_never_twice() {
        let mut pages = SegmentPages::new(8);
        assert_eq!(pages.take(3, 1), Some(0));
        assert_eq!(pages.take(2, 4), Some(4));
        assert_eq!(pages.take(1, 1), Some(3));
        assert_eq!(pages.take(3, 1), None);
        assert_eq!(pages.take(2, 1), Some(6));
        assert_eq!(pages.take(2, 1), None);
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        let mut pages = SegmentPages::new(u64::MAX);
        assert_eq!(pages.take(u64::MAX, 1), Some(0));
        assert_eq!(pages.take(1, 1), None);
        assert_eq!(SegmentPages::new(4).take(5, 1), None);
    }
}
