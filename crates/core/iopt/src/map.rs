//! Mapping, one table at a time.

use dxgk_hw::{Access, LogicalPage, MapError, PAGE_SHIFT, Pfn};

use crate::format::{Entry, Format, Leaf, MAX_LEVELS};
use crate::runs::RunCursor;
use crate::table::Table;
use crate::words::{Store, Words};

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
    /// [`MapError`], for the page at `at`; nothing was changed by this step then.
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
        let landing = self.descend_for_map(store, at, frame, extent)?;
        if landing.level == landing.target {
            let mut words = Words::new(store.memory, landing.table).map_err(|_| MapError::Malformed(at))?;
            return self.fill(&mut words, landing.target, at, runs, access);
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
                // This code never skips a level, so a table that does is somebody else's.
                Entry::Table { table: next, level: lower, .. } if lower + 1 == level && lower > 0 => {
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
            let pages = 1u64 << (self.format.span_shift(level) - PAGE_SHIFT);
            let old = self.detached_for(LogicalPage::new(at.get() & !(pages - 1)), pages);
            let table = old.or_else(|| store.take_table(self.format.table_frames(level)));
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
        for &table in tables {
            Words::new(store.memory, table).map_err(malformed)?;
        }
        let mut done = 0;
        for (&table, level) in tables.iter().zip(landing.target..) {
            let mut words = Words::new(store.memory, table).map_err(malformed)?;
            match below {
                None => done = self.fill(&mut words, level, at, runs, access)?,
                Some(lower) => {
                    let index = self.format.index(level, at.address());
                    words.store(index, self.format.table(level, level - 1, lower)).map_err(malformed)?;
                }
            }
            below = Some(table);
        }
        if let Some(top) = below {
            let index = self.format.index(landing.level, at.address());
            parent
                .publish(index, self.format.table(landing.level, landing.level - 1, top))
                .map_err(malformed)?;
        }
        Ok(done)
    }

    /// Writes leaves into one table, until the list ends, the table ends, a smaller leaf is due, or something is
    /// in the way (which the next step will report: a step that has written does not fail).
    fn fill(
        &self,
        words: &mut Words<'_>,
        level: u32,
        at: LogicalPage,
        runs: &mut RunCursor<'_>,
        access: Access,
    ) -> Result<u64, MapError> {
        let format = self.format;
        let entry_pages = 1u64 << (format.entry_shift(level) - PAGE_SHIFT);
        let mut index = format.index(level, at.address());
        let end = 1u64 << format.index_bits(level);
        let mut done = 0;
        while index < end
            && let Some((frame, extent)) = runs.peek()
            && let Some(here) = at.checked_add(done)
            && let Some((leaf_level, shift)) = self.largest_leaf(level, here, frame, extent)
            && leaf_level == level
            && (frame.get() + (1 << (shift - PAGE_SHIFT)) - 1) >> (format.output_width() - PAGE_SHIFT) == 0
        {
            let leaf = Leaf { frame, shift, access };
            let entries = leaf.pages() / entry_pages;
            for part in 0..entries {
                let old = words.load(index + part).map_err(|_| MapError::Malformed(here))?;
                if old != 0 && format.decode(level, old) != Entry::Absent {
                    let in_the_way = LogicalPage::new(here.get() + part * entry_pages);
                    return if done == 0 { Err(MapError::Occupied(in_the_way)) } else { Ok(done) };
                }
            }
            for part in 0..entries {
                words
                    .store(index + part, format.leaf(level, leaf, part))
                    .map_err(|_| MapError::Malformed(here))?;
            }
            runs.advance(leaf.pages());
            done += leaf.pages();
            index += entries;
        }
        // Of what begins here nothing fits: a leaf that would end beyond the physical width.
        if done == 0 {
            Err(MapError::FrameBeyondWidth(runs.peek().map_or(Pfn::default(), |(frame, _)| frame)))
        } else {
            Ok(done)
        }
    }
}
