//! Tables that nothing leads to any more, but that a unit may still have in its caches.
//!
//! They belong to the tree until the caches have been invalidated for their range. Until then a map that needs a
//! table for the same range takes the detached one back: with a fresh one, a unit that still has the old one in
//! its caches would not see the new mapping, although a new mapping needs no invalidation. For the same reason no
//! leaf is put where a detached table was: it would be hidden by what caches have of that table.

use dxgk_hw::{LogicalPage, PAGE_SHIFT, Pfn};

use crate::format::Format;
use crate::table::Table;
use crate::words::Store;

/// A detached table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Detached {
    /// Its first frame.
    pub(crate) table: Pfn,
    /// Number of frames.
    pub(crate) frames: u64,
    /// First page of the range that it translated.
    pub(crate) first: LogicalPage,
    /// Pages of that range; no two levels have the same.
    pub(crate) pages: u64,
    /// Its entries still stand, and must be cleared before it is taken back.
    pub(crate) filled: bool,
    /// When it was detached.
    serial: u64,
}

impl Detached {
    fn end(&self) -> u64 {
        self.first.get() + self.pages
    }
}

/// What has to be invalidated before tables can be given back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    /// First page.
    pub first: LogicalPage,
    /// Number of pages.
    pub pages: u64,
    /// Whether tables wait for it: if not, only leaves have changed and caches of upper levels may stay.
    pub tables: bool,
    before: u64,
}

impl<F: Format> Table<F> {
    pub(crate) fn detach(&mut self, table: Pfn, level: u32, at: LogicalPage, filled: bool) {
        let pages = 1u64 << (self.format.span_shift(level) - PAGE_SHIFT);
        let first = LogicalPage::new(at.get() & !(pages - 1));
        let (frames, serial) = (self.format.table_frames(level), self.serial);
        self.serial += 1;
        self.detached.push(Detached { table, frames, first, pages, filled, serial });
    }

    /// The detached table of this level for the range that has the page.
    pub(crate) fn detached_for(&self, level: u32, at: LogicalPage) -> Option<Detached> {
        let pages = 1u64 << (self.format.span_shift(level) - PAGE_SHIFT);
        let first = at.get() & !(pages - 1);
        self.detached.iter().find(|old| old.first.get() == first && old.pages == pages).copied()
    }

    /// The largest leaf that may stand at `at` (see [`Format::largest_leaf`]) without a detached table in its range.
    pub(crate) fn largest_leaf(
        &self,
        mut ceiling: u32,
        at: LogicalPage,
        frame: Pfn,
        extent: u64,
    ) -> Option<(u32, u32)> {
        loop {
            let (level, shift) = self.format.largest_leaf(ceiling, at, frame, extent)?;
            let leaf = at.get()..at.get() + (1 << (shift - PAGE_SHIFT));
            let hidden = |old: &Detached| leaf.start <= old.first.get() && old.end() <= leaf.end;
            if !self.detached.iter().any(hidden) {
                return Some((level, shift));
            }
            ceiling = level.checked_sub(1)?;
        }
    }

    pub(crate) fn reattach(&mut self, table: Pfn) {
        self.detached.retain(|old| old.table != table);
    }

    /// What to invalidate after the leaves of a range have changed, and no table.
    pub(crate) const fn leaves_only(&self, first: LogicalPage, pages: u64) -> Pending {
        Pending { first, pages, tables: false, before: self.serial }
    }

    /// What to invalidate after unmaps in a range: the range, and the ranges of tables that those have detached.
    pub fn pending(&self, at: LogicalPage, pages: u64) -> Pending {
        let (mut first, mut end) = (at.get(), at.get().saturating_add(pages));
        let mut tables = false;
        for old in &self.detached {
            if old.first.get() < at.get().saturating_add(pages) && at.get() < old.end() {
                first = first.min(old.first.get());
                end = end.max(old.end());
                tables = true;
            }
        }
        Pending { first: LogicalPage::new(first), pages: end - first, tables, before: self.serial }
    }

    /// Gives back the tables that waited for an invalidation, which has completed. Tables that were taken back
    /// into the tree meanwhile, or detached again, stay.
    pub fn settle(&mut self, store: Store<'_>, done: Pending) {
        let (first, end) = (done.first.get(), done.first.get().saturating_add(done.pages));
        self.detached.retain(|old| {
            let covered = old.serial < done.before && first <= old.first.get() && old.end() <= end;
            if covered {
                store.give_table(old.table, old.frames);
            }
            !covered
        });
    }
}
