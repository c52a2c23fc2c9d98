//! The rules a miniport must keep, decided from the event stream and nothing else.
//!
//! [`Verifier::feed`] takes events in order; [`Verifier::findings`] gives what was found so far. It never stops at
//! the first mistake, never asks the memory manager what it meant, and runs in another process than the driver's,
//! maybe after the driver died. An event that contradicts itself (a release of what was never made) is ignored here:
//! the stream's own checks are the reader's business.
//!
//! One act gives one finding: where several rules fit, the most specific wins; the order stands in `dma.rs` and
//! `calls.rs`, where the decision is made.
//!
//! The stream may be forged. Every event costs a bounded number of tree searches, apart from what it pays for itself
//! (a list is read once, an object judged once), and memory is bounded by the constants in `limits.rs`.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod adapters;
mod caching;
mod calls;
mod claims;
mod dma;
mod exclusive;
mod finding;
mod handle;
mod interface;
mod intervals;
mod leak;
mod level;
mod limits;
mod lists;
mod mappings;
mod mdl;
mod mdl_length;
mod mode;
mod modules;
mod object_calls;
mod objects;
mod overrun;
mod recent;
mod release;
mod rules;
mod self_check;
mod view;
mod words;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use dxgk_event::{
    Doorbell, Event, EventId, Mapping, MappingStep, Object, ObjectKind, ObjectStep, Record, Stamp,
};

pub use finding::{Culprit, Finding, HistoryEntry, ObjectSummary, Place, Severity};
pub use lists::Lists;
pub use modules::{Module, Modules};
pub use rules::{RULES, Rule};

use adapters::Adapters;
use caching::Caching;
use claims::SaveAreas;
use exclusive::Exclusive;
use finding::Findings;
use lists::PageLists;
use mappings::Mappings;
use mdl::MappedMdls;
use objects::Objects;
use recent::Recent;

/// A doorbell, with the place of the write.
#[derive(Clone, Debug)]
struct RungDoorbell {
    doorbell: Doorbell,
    at: Moment,
}

/// When and where something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) event: u64,
    pub(crate) boundary: u64,
    pub(crate) rip: u64,
    /// The process that was current.
    pub(crate) process: u32,
    pub(crate) stack: Vec<u64>,
}

impl Moment {
    /// Without the stack, which only some events carry.
    fn new(id: EventId, stamp: &Stamp) -> Self {
        Self {
            event: id.0,
            boundary: stamp.boundary,
            rip: stamp.rip,
            process: stamp.process,
            stack: Vec::new(),
        }
    }

    fn with_stack(self, stamp: &Stamp, lists: &dyn Lists) -> Self {
        Self { stack: lists::stack(stamp.stack, lists), ..self }
    }

    /// Something that no driver code did, whatever code happened to run.
    fn elsewhere(self) -> Self {
        Self { rip: 0, stack: Vec::new(), ..self }
    }
}

/// The rules at work.
#[derive(Default)]
pub struct Verifier {
    objects: Objects,
    mappings: Mappings,
    pages: PageLists,
    modules: Modules,
    doorbells: Recent<RungDoorbell, { limits::DOORBELLS }>,
    caching: Caching,
    faults: Recent<dxgk_event::FaultReason, { limits::FAULTS }>,
    calls: Recent<[u64; 6], { limits::CALLS }>,
    adapters: Adapters,
    exclusive: Exclusive,
    mapped_mdls: MappedMdls,
    /// Logical adapters whose driver did not answer PHYSICAL_MEMORY_CAPS.
    without_memory_caps: BTreeSet<u32>,
    save_areas: SaveAreas,
    /// Imports that a driver with isolation support does not have.
    bypassing: Vec<&'static str>,
    /// The scenario's step that is under way.
    step: Option<u64>,
    findings: Findings,
}

impl core::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Verifier").field("findings", &self.findings.list()).finish_non_exhaustive()
    }
}

impl Verifier {
    /// No events yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event. Numbers grow from event to event.
    pub fn feed(&mut self, id: EventId, record: &Record, event: &Event, lists: &dyn Lists) {
        let stamp = &record.stamp;
        let moment = Moment::new(id, stamp);
        match event {
            Event::ModuleLoaded(module) => self.modules.add(module),
            Event::Import(import) => self.imported(import),
            Event::Adapter(adapter) => {
                self.adapters.added(adapter);
                self.mappings.add_space(adapter.logical_adapter);
            }
            Event::MemoryClaim(claim) => self.judge_claim(claim, &moment),
            Event::Mode(mode) => self.judge_claims(mode, moment),
            Event::Object(object) if object.step == ObjectStep::Created => {
                self.object_created(object, moment.with_stack(stamp, lists), lists);
            }
            Event::Object(object) => {
                self.judge_freed_under_mapping(object, &moment, stamp, lists);
                if object.kind == ObjectKind::MdlMapping {
                    self.mapped_mdls.remove(object.object);
                }
                self.caching.released(object.object);
                self.objects.released(object.object, moment);
            }
            Event::Mapping(mapping) => self.mapping(mapping, moment, lists),
            Event::Doorbell(doorbell) => {
                let rung = RungDoorbell { doorbell: *doorbell, at: moment.with_stack(stamp, lists) };
                self.doorbells.insert(id.0, rung);
            }
            Event::Fault(fault) => self.faults.insert(id.0, fault.reason),
            Event::Dma(transfer) => self.judge_transfer(transfer, moment),
            Event::Callback(callback) => self.judge_call(callback, record.irql, moment, stamp, lists),
            Event::Ddi(ddi) => {
                self.follow_exclusive_access(ddi, &moment);
                self.note_unanswered(ddi);
                self.judge_leaks(ddi, &moment);
            }
            Event::MdlState(state) => self.mdl_state(state, moment, stamp, lists),
            Event::Misuse(misuse) => {
                self.judge_over_read(misuse, moment.clone(), stamp, lists);
                self.judge_guard(misuse, moment, stamp, lists);
            }
            Event::SelfCheck(check) => self.judge_self_check(check, &moment),
            Event::Step(step) => self.step = (step.status == u32::MAX).then_some(id.0),
            Event::BugCheck(stop) => self.judge_stop(stop, moment, stamp, lists),
            _ => {}
        }
    }

    fn object_created(&mut self, object: &Object, moment: Moment, lists: &dyn Lists) {
        let wanted = Objects::wants_pages(object.kind);
        let frames = if wanted { self.pages.runs(object.pages, lists) } else { None };
        self.judge_uninitialised(object, &moment);
        self.objects.created(object, frames.unwrap_or_default(), moment);
        if Caching::matters(object.kind) && self.stays_where_it_is(object) {
            let pages = self.pages.runs(object.pages, lists).unwrap_or_default();
            self.judge_caching(object, pages);
        }
    }

    fn mapping(&mut self, mapping: &Mapping, moment: Moment, lists: &dyn Lists) {
        match mapping.step {
            MappingStep::Mapped => {
                let runs = self.pages.runs(mapping.frames, lists);
                self.mappings.mapped(mapping, runs, moment);
            }
            MappingStep::Unmapped => self.mappings.unmapped(mapping, &moment),
            MappingStep::Invalidated => self.mappings.invalidated(mapping),
            MappingStep::PagesReturned => self.judge_pages_taken(mapping, &moment, lists),
        }
    }

    /// What was found, in the order of the first occurrence.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        self.findings.list()
    }

    /// Mistakes that were found when [`findings`](Self::findings) was full (at 4,096 different ones).
    #[must_use]
    pub fn findings_beyond(&self) -> u64 {
        self.findings.beyond()
    }

    /// Where addresses lie.
    #[must_use]
    pub fn modules(&self) -> &Modules {
        &self.modules
    }
}

impl Modules {
    fn at(&self, moment: &Moment) -> Place {
        self.place(moment.rip, &moment.stack)
    }

    fn history(&self, what: impl Into<String>, moment: &Moment) -> HistoryEntry {
        HistoryEntry { what: what.into(), boundary: moment.boundary, place: self.at(moment) }
    }
}
