//! Lists of pages as runs.

use alloc::vec::Vec;

use dxgk_hw::{PageRun, Pfn};

/// Appends `pages` pages from `start`, joining them to the last run where they continue it.
pub(crate) fn push(runs: &mut Vec<PageRun>, start: u64, pages: u64) {
    if pages == 0 {
        return;
    }
    match runs.last_mut() {
        Some(last) if last.start.get().checked_add(last.pages) == Some(start) => last.pages += pages,
        _ => runs.push(PageRun::new(Pfn::new(start), pages)),
    }
}

/// The part of a list from page `skip` on, at most `count` pages.
pub(crate) fn slice(runs: &[PageRun], skip: u64, count: u64) -> Vec<PageRun> {
    let mut out = Vec::new();
    let (mut skip, mut left) = (skip, count);
    for run in runs {
        if left == 0 {
            break;
        }
        if skip >= run.pages {
            skip -= run.pages;
            continue;
        }
        let take = (run.pages - skip).min(left);
        push(&mut out, run.start.get() + skip, take);
        (skip, left) = (0, left - take);
    }
    out
}

/// The words under which a list stands in the arena: first page, number of pages, for each run.
pub(crate) fn words(runs: &[PageRun]) -> impl Iterator<Item = u64> {
    runs.iter().flat_map(|run| [run.start.get(), run.pages])
}

/// `value` rounded up to a multiple of `align` (0 and 1 leave it alone), or `None` on overflow.
pub(crate) fn align_up(value: u64, align: u64) -> Option<u64> {
    if align <= 1 { Some(value) } else { value.checked_next_multiple_of(align) }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_slice_crosses_runs_and_joins_what_is_adjacent() {
        let runs =
            vec![PageRun::new(Pfn::new(10), 4), PageRun::new(Pfn::new(20), 4), PageRun::new(Pfn::new(24), 4)];
        assert_eq!(slice(&runs, 2, 8), vec![PageRun::new(Pfn::new(12), 2), PageRun::new(Pfn::new(20), 6)]);
        assert_eq!(slice(&runs, 12, 1), vec![]);
    }
}
