//! The rules a miniport must keep, decided from the event stream and nothing else.
//!
//! [`Verifier::feed`] takes events in order; [`Verifier::findings`] gives what was found so far. It never stops at
//! the first mistake, never asks the memory manager what it meant, and runs in another process than the driver's,
//! maybe after the driver died. An event that contradicts itself (a release of what was never made) is ignored here:
//! the stream's own checks are the reader's business.
//!
//! One act gives one finding: where several rules fit, the most specific wins; the order stands in [`dma`] and
//! [`release`], where the decision is made.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod dma;
mod finding;
mod leak;
mod ledger;
mod modules;
mod release;
mod rules;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use dxgk_event::{Doorbell, Event, EventId, ListRef, ModeChoice, Record};

pub use finding::{Culprit, Finding, HistoryEntry, ObjectSummary, Place, Severity};
pub use modules::{Module, Modules};
pub use rules::{RULES, Rule};

use ledger::Ledger;

/// Gives lists of the arena. A list that is out of bounds or does not match its digest is `None`.
pub trait Lists {
    /// The words of a list.
    fn get(&self, list: ListRef) -> Option<Vec<u64>>;
}

/// A doorbell, with the place of the write.
#[derive(Clone, Debug)]
pub(crate) struct RungDoorbell {
    pub(crate) doorbell: Doorbell,
    pub(crate) at: Moment,
}

/// When and where something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) event: u64,
    pub(crate) boundary: u64,
    pub(crate) rip: u64,
    pub(crate) stack: Vec<u64>,
}

/// The rules at work.
#[derive(Default)]
pub struct Verifier {
    ledger: Ledger,
    modules: Modules,
    doorbells: BTreeMap<u64, RungDoorbell>,
    faults: BTreeMap<u64, dxgk_event::Fault>,
    calls: BTreeMap<u64, ([u64; 6], Moment)>,
    requesters: BTreeMap<u16, u32>,
    modes: BTreeMap<u32, ModeChoice>,
    findings: Vec<Finding>,
}

impl Verifier {
    /// No events yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event.
    pub fn feed(&mut self, id: EventId, record: &Record, event: &Event, lists: &dyn Lists) {
        let moment = Moment {
            event: id.0,
            boundary: record.stamp.boundary,
            rip: record.stamp.rip,
            stack: lists.get(record.stamp.stack).unwrap_or_default(),
        };
        match event {
            Event::ModuleLoaded(module) => self.modules.add(module),
            Event::Adapter(adapter) => {
                self.requesters.insert(adapter.requester, adapter.logical_adapter);
                self.ledger.add_adapter(adapter.adapter, adapter.logical_adapter);
            }
            Event::Mode(mode) if mode.refused == 0 => {
                self.modes.insert(mode.logical_adapter, mode.mode);
            }
            Event::Object(object) => self.ledger.object(object, moment, lists),
            Event::Mapping(mapping) => self.ledger.mapping(mapping, moment, lists),
            Event::Doorbell(doorbell) => {
                self.doorbells.insert(id.0, RungDoorbell { doorbell: *doorbell, at: moment });
            }
            Event::Fault(fault) => {
                self.faults.insert(id.0, *fault);
            }
            Event::Dma(transfer) => self.judge_transfer(transfer, moment),
            Event::Callback(callback) => self.judge_call(id, callback, moment),
            Event::Ddi(ddi) => self.judge_leaks(ddi, moment),
            _ => {}
        }
    }

    /// What was found, in the order of the first occurrence.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Where addresses lie.
    #[must_use]
    pub fn modules(&self) -> &Modules {
        &self.modules
    }

    /// Adds a finding, or counts it when the same was found at the same place about the same object.
    pub(crate) fn found(&mut self, finding: Finding) {
        match self.findings.iter_mut().find(|known| known.same_act(&finding)) {
            Some(known) => known.count += 1,
            None => self.findings.push(finding),
        }
    }

    pub(crate) fn place(&self, moment: &Moment) -> Place {
        self.modules.place(moment.rip, &moment.stack)
    }

    pub(crate) fn history(&self, what: alloc::string::String, moment: &Moment) -> HistoryEntry {
        HistoryEntry { what, boundary: moment.boundary, place: self.place(moment) }
    }
}
