//! A finding: everything that a person needs to understand and mend a mistake.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use dxgk_event::ObjectKind;

pub use dxgk_event::Who as Culprit;

use crate::limits;
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

/// What makes two findings the same mistake again.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum SameAct {
    /// One place did it to one object: rule, place, object, and, where no object is known, the requester.
    AtObject(&'static str, u64, Option<u64>, u16),
    /// One place called one callback: rule, place, slot.
    AtSlot(&'static str, u64, u16),
    /// One call chain left several of a kind: rule, place, stack, kind.
    FromSite(&'static str, u64, Vec<u64>, ObjectKind),
}

/// The findings, in the order of their first occurrence. Finding a mistake again costs one search.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    acts: BTreeMap<SameAct, usize>,
    beyond: u64,
}

impl Findings {
    /// Whether another finding would only be counted.
    pub(crate) fn knows(&self, act: &SameAct) -> bool {
        self.list.len() >= limits::FINDINGS || self.acts.contains_key(act)
    }

    /// Counts the act when it was found before, else adds the finding.
    pub(crate) fn found(&mut self, act: SameAct, finding: Option<Finding>) {
        if let Some(known) = self.acts.get(&act).and_then(|index| self.list.get_mut(*index)) {
            known.count += 1;
        } else if let Some(finding) = finding {
            self.acts.insert(act, self.list.len());
            self.list.push(finding);
        } else {
            self.beyond += 1;
        }
    }

    pub(crate) fn list(&self) -> &[Finding] {
        &self.list
    }

    pub(crate) fn beyond(&self) -> u64 {
        self.beyond
    }
}
