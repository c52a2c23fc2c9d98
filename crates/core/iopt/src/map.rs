//! Mapping, one table at a time.

use dxgk_hw::{Access, LogicalPage, MapError, PAGE_SHIFT, Pfn};

use crate::format::{Entry, Format, Leaf, MAX_LEVELS};
use crate::runs::RunCursor;
use crate::table::Table;
use crate::words::{Store, Words, meter};

/// Where the descent of a step ended.
struct Landing {
    /// The lowest table that exists on the way.
    table: Pfn,
    level: u32,
    /// The level that the leaves go to; below `level` when tables are missing in between.
    target: u32,
}

impl<F: Format> Table<F> {
    /// Maps as much of `runs` from `at` on as goes into one table, and moves the cursor on. Returns the pages
    /// mapped; 0 only when the cursor is at its end. Fresh tables are filled first and become reachable by one
    /// releasing store. The caller has checked the range with [`check_width`](Self::check_width).
    ///
    /// # Errors
    /// [`MapError`]; nothing was changed by this step then.
    pub fn map_step(
        &mut self,
        store: Store<'_>,
        at: LogicalPage,
        runs: &mut RunCursor<'_>,
        access: Access,
    ) -> Result<u64, MapError> {
        let Some((frame, extent)) = runs.peek() else { return Ok(0) };
        if at >= self.format.end() {
            return Err(MapError::BeyondWidth(at));
        }
        if frame.get() >> (self.format.output_width() - PAGE_SHIFT) != 0 {
            return Err(MapError::FrameBeyondWidth(frame));
        }
        if !self.format.expresses(access) {
            return Err(MapError::Inexpressible(access));
        }
        let landing = self.descend_for_map(store, at, frame, extent.min(runs.leaf_extent()))?;
        if landing.level == landing.target {
            let mut words = Words::new(store.memory, landing.table).map_err(|_| MapError::Malformed(at))?;
            return self.fill(&mut words, false, landing.target, at, runs, access);
        }
        self.build(store, &landing, at, runs, access)
    }

    fn descend_for_map(
        &self,
        store: Store<'_>,
        at: LogicalPage,
        frame: Pfn,
        extent: u64,
    ) -> Result<Landing, MapError> {
        meter::descent();
        let format = self.format;
        let choose = |ceiling| {
            let leaf = self.largest_leaf(ceiling, at, frame, extent);
            leaf.map(|(level, _)| level).ok_or(MapError::OffGranule(at))
        };
        let (mut table, mut level) = (self.root, format.root_level());
        let mut target = choose(level)?;
        loop {
            let mut words = Words::new(store.memory, table).map_err(|_| MapError::Malformed(at))?;
            let index = format.index(level, at.address());
            let word = words.load(index).map_err(|_| MapError::Malformed(at))?;
            match format.decode(level, word) {
                Entry::Absent => return Ok(Landing { table, level, target }),
                Entry::Leaf(_) => return Err(MapError::Occupied(at)),
                // This code skips no level, so an entry that does is somebody else's: what it cannot translate
                // cannot be mapped below it.
                Entry::Table { table: next, level: lower, .. }
                    if lower < level && lower > 0 && !self.skipped_bits(level, lower, at) =>
                {
                    if target > lower {
                        target = choose(lower)?;
                    }
                    (table, level) = (next, lower);
                }
                Entry::Table { .. } | Entry::Malformed(_) => return Err(MapError::Malformed(at)),
            }
        }
    }

    /// Makes the tables that are missing, fills the lowest, links them from the bottom up. A detached table of
    /// the same range is taken back instead of a fresh one (see [`pending`](crate::pending)).
    fn build(
        &mut self,
        store: Store<'_>,
        landing: &Landing,
        at: LogicalPage,
        runs: &mut RunCursor<'_>,
        access: Access,
    ) -> Result<u64, MapError> {
        // The lowest comes first.
        let mut tables = [Pfn::default(); MAX_LEVELS];
        let mut fresh = [false; MAX_LEVELS];
        let mut taken = 0;
        for level in landing.target..landing.level {
            let old = self.detached_for(level, at);
            let table = old.map(|old| old.table).or_else(|| self.take(store, level));
            let (Some(table), Some(slot), Some(is_fresh)) =
                (table, tables.get_mut(taken), fresh.get_mut(taken))
            else {
                break;
            };
            (*slot, *is_fresh) = (table, old.is_none());
            taken += 1;
        }
        let linked = tables.get(..taken).unwrap_or(&[]);
        let result = if linked.len() as u32 == landing.level - landing.target {
            self.link(store, landing, linked, at, runs, access)
        } else {
            Err(MapError::NoFrame)
        };
        for ((&table, is_fresh), level) in linked.iter().zip(fresh).zip(landing.target..) {
            match (&result, is_fresh) {
                (Ok(_), false) => self.reattach(table),
                (Err(_), true) => store.give_table(table, self.format.table_frames(level)),
                _ => {}
            }
        }
        result
    }

    fn link(
        &mut self,
        store: Store<'_>,
        landing: &Landing,
        tables: &[Pfn],
        at: LogicalPage,
        runs: &mut RunCursor<'_>,
        access: Access,
    ) -> Result<u64, MapError> {
        let malformed = |_| MapError::Malformed(at);
        let mut parent = Words::new(store.memory, landing.table).map_err(malformed)?;
        let mut below: Option<Pfn> = None;
        // Every table is looked at before the cursor moves: after that nothing can fail.
        for (&table, level) in tables.iter().zip(landing.target..) {
            let mut words = Words::new(store.memory, table).map_err(malformed)?;
            if self.detached_for(level, at).is_some_and(|old| old.filled) {
                for index in 0..1u64 << self.format.index_bits(level) {
                    words.store(index, 0).map_err(malformed)?;
                }
            }
        }
        let (mut done, mut mark) = (0, 0);
        for (&table, level) in tables.iter().zip(landing.target..) {
            let mut words = Words::new(store.memory, table).map_err(malformed)?;
            if let Some(lower) = below {
                let index = self.format.index(level, at.address());
                let word = self.format.table(level, level - 1, lower) | mark;
                words.store(index, word).map_err(malformed)?;
                mark = 0;
            } else {
                done = self.fill(&mut words, true, level, at, runs, access)?;
                let full = done == 1 << (self.format.span_shift(level) - PAGE_SHIFT);
                mark = if full { self.mark } else { 0 };
            }
            below = Some(table);
        }
        if let Some(top) = below {
            let index = self.format.index(landing.level, at.address());
            let word = self.format.table(landing.level, landing.level - 1, top) | mark;
            parent.publish(index, word).map_err(malformed)?;
        }
        Ok(done)
    }

    /// Writes leaves into one table, until the list ends, the table ends, a smaller leaf is due, or something is
    /// in the way (which the next step will report: a step that has written does not fail). In an `empty` table
    /// nothing is.
    fn fill(
        &self,
        words: &mut Words<'_>,
        empty: bool,
        level: u32,
        at: LogicalPage,
        runs: &mut RunCursor<'_>,
        access: Access,
    ) -> Result<u64, MapError> {
        let format = self.format;
        let (own, entry_pages) = (format.entry_shift(level), self.entry_pages(level));
        let mut index = format.index(level, at.address());
        let end = 1u64 << format.index_bits(level);
        let mut done = 0;
        while index < end
            && let Some((frame, extent)) = runs.peek()
            && let Some(here) = at.checked_add(done)
            && let Some((leaf_level, shift)) = if level == 1 && extent < 2 * entry_pages {
                // By far the commonest in scattered lists, and without a choice.
                let whole = extent >= entry_pages && (here.get() | frame.get()) & (entry_pages - 1) == 0;
                whole.then_some((1, own))
            } else {
                self.largest_leaf(level, here, frame, runs.leaf_extent())
            }
            && leaf_level == level
            && (frame.get() + (1 << (shift - PAGE_SHIFT)) - 1) >> (format.output_width() - PAGE_SHIFT) == 0
        {
            let mut leaf = Leaf { frame, shift, access };
            // Leaves of one entry come in batches; those of several, one by one.
            let wanted = if shift == own {
                self.alike(level, here, frame, extent).min(end - index)
            } else {
                leaf.pages() / entry_pages
            };
            let entries = if empty { wanted } else { self.free_entries(words, level, index, wanted, here)? };
            if entries < wanted {
                // What is in the way may be a table with something further up only: the next step finds out what.
                leaf.shift = own;
                if entries == 0 || format.leaf_sizes(level) >> own & 1 == 0 {
                    let taken = LogicalPage::new(here.get() + entries * entry_pages);
                    return if done == 0 { Err(MapError::Occupied(taken)) } else { Ok(done) };
                }
            }
            for nth in 0..entries {
                let word = if leaf.shift == own {
                    format.leaf(level, leaf.piece(own, nth), 0)
                } else {
                    format.leaf(level, leaf, nth)
                };
                words.store(index + nth, word).map_err(|_| MapError::Malformed(here))?;
            }
            runs.advance(entries * entry_pages);
            done += entries * entry_pages;
            index += entries;
            if entries < wanted {
                break;
            }
        }
        // Of what begins here nothing fits: the leaf would end beyond the physical width.
        match runs.peek() {
            Some((frame, _)) if done == 0 => Err(MapError::FrameBeyondWidth(frame)),
            _ => Ok(done),
        }
    }

    /// How many of some entries are free before the first that is not.
    fn free_entries(
        &self,
        words: &mut Words<'_>,
        level: u32,
        index: u64,
        entries: u64,
        at: LogicalPage,
    ) -> Result<u64, MapError> {
        for nth in 0..entries {
            let old = words.load(index + nth).map_err(|_| MapError::Malformed(at))?;
            if old != 0 && self.format.decode(level, old) != Entry::Absent {
                return Ok(nth);
            }
        }
        Ok(entries)
    }

    /// How many leaves of one entry each follow each other from `at` on before a larger one is possible, or the
    /// physical width ends.
    fn alike(&self, level: u32, at: LogicalPage, frame: Pfn, extent: u64) -> u64 {
        let own = self.format.entry_shift(level);
        let width = self.format.output_width() - PAGE_SHIFT;
        let mut pages = extent.min((1 << width) - frame.get());
        let larger = self.format.leaf_sizes(level) >> own >> 1;
        if larger != 0 {
            let size = 1u64 << (own - PAGE_SHIFT + 1 + larger.trailing_zeros());
            if (at.get() ^ frame.get()) & (size - 1) == 0 {
                pages = pages.min(size - (at.get() & (size - 1)));
            }
        }
        (pages >> (own - PAGE_SHIFT)).max(1)
    }
}
