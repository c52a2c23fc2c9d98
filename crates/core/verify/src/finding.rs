//! A finding: everything that a person needs to understand and mend a mistake.

use alloc::string::String;
use alloc::vec::Vec;

pub use dxgk_event::Who as Culprit;

use crate::rules::Rule;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Wrong by one page of the documentation, allowed by another; or wrong only under conditions.
    Warning,
    /// Wrong.
    Error,
}

/// A place in code.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The address; 0 when no driver code was running.
    pub rip: u64,
    /// The module it lies in.
    pub module: Option<String>,
    /// Offset in the module.
    pub offset: u64,
    /// Return addresses above it, innermost first.
    pub stack: Vec<u64>,
}

/// What a finding is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectSummary {
    /// Its number in the event stream.
    pub number: u64,
    /// What it is, in words.
    pub kind: &'static str,
    /// The handle or pointer that the driver holds.
    pub handle: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A step in the life of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryEntry {
    /// What happened.
    pub what: String,
    /// When, in boundaries.
    pub boundary: u64,
    /// Where in the driver.
    pub place: Place,
}

/// A broken rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad.
    pub severity: Severity,
    /// Who did it.
    pub culprit: Culprit,
    /// One sentence.
    pub message: String,
    /// Where.
    pub place: Place,
    /// About what.
    pub object: Option<ObjectSummary>,
    /// Who made, mapped and unmapped it, and when.
    pub history: Vec<HistoryEntry>,
    /// The mend.
    pub fix: String,
    /// How often the same was found.
    pub count: u64,
}

impl Finding {
    /// Whether `other` is the same mistake again: same rule, same place, same object.
    pub(crate) fn same_act(&self, other: &Self) -> bool {
        self.rule.id == other.rule.id
            && self.place.rip == other.place.rip
            && self.object.as_ref().map(|object| object.number)
                == other.object.as_ref().map(|object| object.number)
    }
}
