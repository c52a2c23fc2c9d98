//! Explaining translations, on tables that may be anybody's and may be broken.
//!
//! Every table entry must lead to a lower level than its own, so a walk ends after at most [`MAX_LEVELS`] steps
//! whatever memory holds.

use core::ops::ControlFlow;

use dxgk_hw::{Access, LogicalAddr, LogicalPage, MachineMemory, PAGE_SHIFT, Pfn, PhysAddr};

use crate::format::{Entry, Fault, Format, Leaf, MAX_LEVELS, Malformed, Stop};
use crate::table::Table;
use crate::words::Words;

/// One entry that a walk has read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Level of the table.
    pub level: u32,
    /// The table's frame.
    pub table: Pfn,
    /// Index of the entry.
    pub index: u64,
    /// The entry as it stands in memory.
    pub word: u64,
    /// What it says.
    pub entry: Entry,
}

impl Step {
    /// Where the entry is.
    #[must_use]
    pub fn at(&self) -> PhysAddr {
        PhysAddr::new(self.table.address().get().wrapping_add(self.index * 8))
    }
}

/// How a walk ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The address is translated.
    Mapped {
        /// To here.
        to: PhysAddr,
        /// What all levels together permit; may be nothing.
        access: Access,
        /// log2 of the leaf's size in bytes.
        shift: u32,
    },
    /// The last step's entry is not present.
    NotMapped,
    /// The last step's entry is not legal.
    Malformed(Malformed),
    /// The last step leads to a table that is not in RAM (or the root is not).
    OutsideRam(Pfn),
    /// The last step leads over skipped levels, for which the address has bits that are not 0.
    Skipped,
    /// The address has more bits than the format, or is not canonical.
    BeyondWidth,
}

/// A walk, entry by entry from the root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walk {
    steps: [Option<Step>; MAX_LEVELS],
    /// How it ended.
    pub outcome: Outcome,
}

impl Walk {
    /// The entries read, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().flatten()
    }

    /// What a unit reports for a request that wants `access`; `None` when it lets the request pass.
    pub fn fault<F: Format>(&self, format: F, access: Access) -> Option<Fault> {
        let stop = match self.outcome {
            Outcome::Mapped { access: allowed, .. } if allowed.contains(access) => return None,
            Outcome::Mapped { .. } => Stop::NoPermission,
            Outcome::NotMapped | Outcome::Skipped => Stop::NotPresent,
            Outcome::Malformed(why) => Stop::Malformed(why),
            Outcome::OutsideRam(_) => Stop::Unreadable,
            Outcome::BeyondWidth => Stop::BeyondWidth,
        };
        let level = self.steps().last().map_or(format.root_level(), |step| step.level);
        Some(format.fault(level, stop, access))
    }
}

/// What a traversal of the tree meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visit {
    /// A table, before its entries.
    Table {
        /// Its level.
        level: u32,
        /// Its frame.
        table: Pfn,
        /// First page that it translates.
        first: LogicalPage,
    },
    /// A leaf; one that takes several entries is met once.
    Leaf {
        /// The level of the table that has it.
        level: u32,
        /// First page that it translates.
        first: LogicalPage,
        /// Where to, and how much.
        leaf: Leaf,
    },
    /// An entry or a table that cannot be followed.
    Broken {
        /// The level of the entry's table, or of the table outside RAM.
        level: u32,
        /// First page of its range.
        first: LogicalPage,
        /// As the walk of that page would end.
        outcome: Outcome,
    },
}

impl<F: Format> Table<F> {
    /// Walks as a unit does, without any cache.
    pub fn walk(&self, memory: &dyn MachineMemory, at: LogicalAddr) -> Walk {
        let mut walk = Walk { steps: [None; MAX_LEVELS], outcome: Outcome::NotMapped };
        if !self.format.translates(at) {
            walk.outcome = Outcome::BeyondWidth;
            return walk;
        }
        let (mut table, mut level) = (self.root, self.format.root_level());
        let mut allowed = Access::all();
        for step in &mut walk.steps {
            let index = self.format.index(level, at);
            let Ok(word) = Words::new(memory, table).and_then(|mut words| words.load(index)) else {
                walk.outcome = Outcome::OutsideRam(table);
                return walk;
            };
            let entry = self.format.decode(level, word);
            *step = Some(Step { level, table, index, word, entry });
            match entry {
                Entry::Absent => return walk,
                Entry::Leaf(_) if self.format.misplaced(level, index, word) => {
                    walk.outcome = Outcome::Malformed(Malformed::Contiguous);
                    return walk;
                }
                Entry::Malformed(why) => {
                    walk.outcome = Outcome::Malformed(why);
                    return walk;
                }
                Entry::Leaf(leaf) => {
                    let offset = at.get() & ((1 << leaf.shift) - 1);
                    walk.outcome = Outcome::Mapped {
                        to: PhysAddr::new(leaf.frame.address().get() | offset),
                        access: allowed & leaf.access,
                        shift: leaf.shift,
                    };
                    return walk;
                }
                Entry::Table { table: next, level: lower, access } => {
                    if lower == 0 || lower >= level {
                        walk.outcome = Outcome::Malformed(Malformed::NextLevel(lower));
                        return walk;
                    }
                    if self.skipped_bits(level, lower, at.page()) {
                        walk.outcome = Outcome::Skipped;
                        return walk;
                    }
                    allowed &= access;
                    (table, level) = (next, lower);
                }
            }
        }
        walk
    }

    /// Whether an address has bits that are not 0 among those of the levels between `level` and `lower`: the entry
    /// does not translate it then.
    pub(crate) fn skipped_bits(&self, level: u32, lower: u32, at: LogicalPage) -> bool {
        let below = at.get() & ((1 << (self.format.entry_shift(level) - PAGE_SHIFT)) - 1);
        below >> (self.format.span_shift(lower) - PAGE_SHIFT) != 0
    }

    /// Visits tables, leaves and broken entries, ascending by address, until `visit` breaks. On tables made to
    /// harm this can be as many as 2^[`width`](Format::width) / 4096 leaves: who reads such must break.
    pub fn visit(
        &self,
        memory: &dyn MachineMemory,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.visit_table(memory, self.root, self.format.root_level(), LogicalPage::new(0), visit)
    }

    fn visit_table(
        &self,
        memory: &dyn MachineMemory,
        table: Pfn,
        level: u32,
        first: LogicalPage,
        visit: &mut dyn FnMut(Visit) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Ok(mut words) = Words::new(memory, table) else {
            return visit(Visit::Broken { level, first, outcome: Outcome::OutsideRam(table) });
        };
        visit(Visit::Table { level, table, first: self.format.canonical(first) })?;
        let entry_pages = 1u64 << (self.format.entry_shift(level) - PAGE_SHIFT);
        let mut index = 0;
        while index < 1 << self.format.index_bits(level) {
            let here = LogicalPage::new(first.get() + index * entry_pages);
            let shown = self.format.canonical(here);
            let Ok(word) = words.load(index) else {
                return visit(Visit::Broken { level, first: shown, outcome: Outcome::OutsideRam(table) });
            };
            let entry = self.format.decode(level, word);
            let at = index;
            index += 1;
            match entry {
                Entry::Absent => {}
                Entry::Malformed(why) => {
                    visit(Visit::Broken { level, first: shown, outcome: Outcome::Malformed(why) })?;
                }
                Entry::Leaf(leaf) => {
                    let entries = leaf.pages() / entry_pages;
                    let whole = at & (entries - 1) == 0
                        && (at..at + entries).all(|part| {
                            let same = |word| {
                                self.format.decode(level, word) == entry
                                    && !self.format.misplaced(level, part, word)
                            };
                            words.load(part).is_ok_and(same)
                        });
                    if whole {
                        visit(Visit::Leaf { level, first: shown, leaf })?;
                        index += entries - 1;
                    } else {
                        let outcome = Outcome::Malformed(Malformed::Contiguous);
                        visit(Visit::Broken { level, first: shown, outcome })?;
                    }
                }
                Entry::Table { table: next, level: lower, .. } if lower > 0 && lower < level => {
                    self.visit_table(memory, next, lower, here, visit)?;
                }
                Entry::Table { level: lower, .. } => {
                    let outcome = Outcome::Malformed(Malformed::NextLevel(lower));
                    visit(Visit::Broken { level, first: shown, outcome })?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Gives every table back. Nothing may use the tree any more, no unit's cache included.
    pub fn release(self, store: crate::words::Store<'_>) {
        let mut tables = alloc::vec::Vec::new();
        let _ = self.visit(store.memory, &mut |met| {
            if let Visit::Table { table, level, .. } = met {
                tables.push((table, self.format.table_frames(level)));
            }
            ControlFlow::Continue(())
        });
        let detached = self.detached.iter().map(|old| (old.table, old.frames));
        for (table, frames) in tables.into_iter().chain(detached) {
            store.give_table(table, frames);
        }
    }
}
