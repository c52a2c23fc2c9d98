//! A cache of the upper levels of tables: entries that lead to another table, as they stood when a walk met them.
//!
//! With it a walk begins as low as it can. A table that was taken out of a tree is walked until the entry that led
//! to it is invalidated, even where no translation through it was ever used.

use super::Tag;

/// What an entry that leads to a table said, with all levels above it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Below {
    /// Frame of the table.
    pub table: u64,
    /// Level of the table.
    pub level: u8,
    /// Reads are allowed by all levels so far.
    pub read: bool,
    /// Writes likewise.
    pub write: bool,
}

#[derive(Clone, Copy)]
struct Line<T> {
    tag: T,
    /// Input address shifted right by `shift`.
    prefix: u64,
    /// log2 of the bytes that the table covers.
    shift: u32,
    below: Below,
}

/// Fully associative, round robin.
pub(crate) struct StructureCache<T> {
    lines: Vec<Option<Line<T>>>,
    victim: usize,
}

impl<T: Tag> StructureCache<T> {
    /// A cache of `entries`; one of none never remembers anything.
    pub(crate) fn new(entries: usize) -> Self {
        Self { lines: vec![None; entries], victim: 0 }
    }

    /// The lowest table for `address` that is known.
    pub(crate) fn lookup(&self, tag: T, address: u64) -> Option<Below> {
        let covers = |line: &&Line<T>| line.tag == tag && address >> line.shift == line.prefix;
        self.lines.iter().flatten().filter(covers).min_by_key(|line| line.shift).map(|line| line.below)
    }

    /// Remembers that the table in `below`, which covers 2^`shift` bytes, is the one for `address`.
    pub(crate) fn insert(&mut self, tag: T, address: u64, shift: u32, below: Below) {
        let shift = shift.min(u64::BITS - 1);
        let prefix = address >> shift;
        let same = |line: &Option<Line<T>>| {
            line.is_some_and(|it| (it.tag, it.prefix, it.shift) == (tag, prefix, shift))
        };
        let known = self.lines.iter().position(same);
        let place = known.or_else(|| self.lines.iter().position(Option::is_none)).unwrap_or_else(|| {
            let way = self.victim;
            self.victim = (way + 1) % self.lines.len().max(1);
            way
        });
        if let Some(place) = self.lines.get_mut(place) {
            *place = Some(Line { tag, prefix, shift, below });
        }
    }

    fn drop_if(&mut self, covered: impl Fn(&Line<T>) -> bool) {
        for line in &mut self.lines {
            line.take_if(|line| covered(line));
        }
    }

    pub(crate) fn invalidate_all(&mut self) {
        self.drop_if(|_| true);
    }

    /// Drops the entries whose tag `of` selects.
    pub(crate) fn invalidate_tags(&mut self, of: impl Fn(T) -> bool) {
        self.drop_if(|line| of(line.tag));
    }

    /// Drops the entries whose tag `of` selects and whose tables overlap the 4 KiB pages `first..=last`.
    pub(crate) fn invalidate_pages(&mut self, of: impl Fn(T) -> bool, first: u64, last: u64) {
        self.drop_if(|line| {
            let extra = line.shift.saturating_sub(12);
            let start = line.prefix << extra;
            let end = start | ((1 << extra) - 1);
            of(line.tag) && start <= last && first <= end
        });
    }
}
