//! Permissions, and what hardware notes of a leaf's use: changes of entries in their place.

use dxgk_hw::{Access, LogicalPage, MachineMemory, MapError};

use crate::format::{Entry, Format, Leaf, Used};
use crate::table::Table;
use crate::words::Words;

/// A leaf that was come to.
struct Met {
    /// The level of its table.
    level: u32,
    /// The entry for `here`; in a row of several not always the first.
    index: u64,
    /// How many entries the leaf has.
    entries: u64,
    leaf: Leaf,
    here: LogicalPage,
}

/// What is done with each; says whether to go on.
type Work<'a> = dyn FnMut(&mut Words<'_>, Met) -> Result<bool, MapError> + 'a;

impl<F: Format> Table<F> {
    /// Gives the leaves of the pages from `at` on another permission, as far as one table has them. Returns the
    /// pages changed, 1..=`pages`. A leaf that is covered in part stays.
    ///
    /// # Errors
    /// [`MapError::NotMapped`] when the page at `at` is not mapped, or is in a leaf that is covered in part.
    pub fn protect_step(
        &mut self,
        memory: &dyn MachineMemory,
        at: LogicalPage,
        pages: u64,
        access: Access,
    ) -> Result<u64, MapError> {
        let format = self.format;
        let mut changed = 0;
        self.for_leaves(memory, at, pages, &mut |words, Met { level, index, entries, leaf, here }| {
            if here.get() & (leaf.pages() - 1) != 0 || leaf.pages() > pages - changed {
                return Ok(false);
            }
            for part in 0..entries {
                let change = |word| format.with_access(level, word, access);
                words.update(index + part, change).map_err(|_| MapError::Malformed(here))?;
            }
            changed += leaf.pages();
            Ok(true)
        })?;
        if changed == 0 { Err(MapError::NotMapped(at)) } else { Ok(changed) }
    }

    /// Reads, and if `clear` takes back, what hardware has noted of each leaf that translates pages of a range; the
    /// leaf's first page is told. Pages that are not mapped are passed over. Nothing is told where the format, as
    /// configured, has hardware note nothing. After `clear` a unit may go on without noting until the range has been
    /// invalidated.
    ///
    /// # Errors
    /// [`MapError::BeyondWidth`], [`MapError::Malformed`].
    pub fn used(
        &self,
        memory: &dyn MachineMemory,
        at: LogicalPage,
        pages: u64,
        clear: bool,
        tell: &mut dyn FnMut(LogicalPage, Leaf, Used),
    ) -> Result<(), MapError> {
        self.check_width(at, pages)?;
        let format = self.format;
        let end = at.get() + pages;
        let mut next = at.get();
        while next < end {
            let here = LogicalPage::new(next);
            if self.path(memory, here)?.is_none() {
                next += self.absent_pages(memory, here)?;
                continue;
            }
            self.for_leaves(
                memory,
                here,
                end - next,
                &mut |words, Met { level, index, entries, leaf, here }| {
                    let first = LogicalPage::new(here.get() & !(leaf.pages() - 1));
                    let row = index & !(entries - 1);
                    let mut together = None;
                    for index in row..row + entries {
                        let word = if clear {
                            words.update(index, |word| format.unused(level, word))
                        } else {
                            words.load(index)
                        };
                        let word = word.map_err(|_| MapError::Malformed(here))?;
                        if let Some(used) = format.used(level, word) {
                            let all: &mut Used = together.get_or_insert_default();
                            all.accessed |= used.accessed;
                            all.dirty |= used.dirty;
                        }
                    }
                    if let Some(used) = together {
                        tell(first, leaf, used);
                    }
                    next = first.get() + leaf.pages();
                    Ok(true)
                },
            )?;
        }
        Ok(())
    }

    /// Goes over the leaves of one table from `at` on, until `work` says no, `pages` are over, the table ends, or
    /// something else than a leaf comes.
    fn for_leaves(
        &self,
        memory: &dyn MachineMemory,
        at: LogicalPage,
        pages: u64,
        work: &mut Work<'_>,
    ) -> Result<(), MapError> {
        let path = self.path(memory, at)?.ok_or(MapError::NotMapped(at))?;
        let (table, level) = path.lowest();
        let mut words = Words::new(memory, table).map_err(|_| MapError::Malformed(at))?;
        let entry_pages = self.entry_pages(level);
        let last = at.get().saturating_add(pages);
        let (mut here, mut leaf) = (at, path.leaf);
        loop {
            let index = self.format.index(level, here.address());
            let entries = leaf.pages() / entry_pages;
            if !work(&mut words, Met { level, index, entries, leaf, here })? {
                return Ok(());
            }
            let next = (here.get() & !(leaf.pages() - 1)) + leaf.pages();
            here = LogicalPage::new(next);
            let index = self.format.index(level, here.address());
            if next >= last || index == 0 {
                return Ok(());
            }
            match self.format.decode(level, words.load(index).map_err(|_| MapError::Malformed(here))?) {
                Entry::Leaf(found) => leaf = found,
                _ => return Ok(()),
            }
        }
    }

    /// How many pages from a page that is not mapped are so by the same entry.
    fn absent_pages(&self, memory: &dyn MachineMemory, at: LogicalPage) -> Result<u64, MapError> {
        let walk = self.walk(memory, at.address());
        let level = walk.steps().last().map(|step| step.level).ok_or(MapError::Malformed(at))?;
        let pages = self.entry_pages(level);
        Ok(pages - (at.get() & (pages - 1)))
    }
}
