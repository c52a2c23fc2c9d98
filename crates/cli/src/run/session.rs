//! What the parent knows of a run: the verifier's findings, and the numbers of the report.

use std::collections::BTreeMap;

use dxgk_abi::table::Table;
use dxgk_abi::{DxgkrnlInterface, Irql, NtStatus};
use dxgk_event::{
    BadRecord, BugCheck, Callback, DdiCall, Event, EventId, Failure, FailureKind, ListRef, Mode,
    ModuleLoaded, Phase, Record, ScenarioStep, StopCause, Tally,
};
use dxgk_shm::ArenaReader;
use dxgk_verify::{Lists, Verifier};
use sha2::{Digest, Sha256};
use zerocopy::IntoBytes;

use super::cost::Costs;
use crate::symbols::Sites;

/// Slots from here on are kernel exports, not callbacks of the interface.
const EXPORTS: u16 = 0x8000;
/// Lines of the driver's that are kept, and bytes of one: far beyond what somebody reads (our choice).
const MOST_LINES: usize = 10_000;
const LONGEST_LINE: usize = 4096;

/// Everything that was learnt from the stream.
#[derive(Default)]
pub(crate) struct Session {
    pub(crate) verifier: Verifier,
    pub(crate) events: u64,
    /// Over the bytes of all records, where two runs of the same seed have the same.
    pub(crate) bytes: Option<Sha256>,
    pub(crate) boundaries: u64,
    /// How often a DDI was entered or left.
    pub(crate) boundaries_of_ddis: u64,
    pub(crate) life: Vec<LifeEntry>,
    pub(crate) callbacks: BTreeMap<u16, CallCount>,
    pub(crate) dma: DmaCount,
    pub(crate) mode: Option<Mode>,
    pub(crate) driver: DriverSeen,
    pub(crate) log: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) bug_check: Option<StopSeen>,
    pub(crate) failure: Option<(FailureKind, String)>,
    pub(crate) broken: Option<String>,
    pub(crate) tally: Option<Tally>,
    pub(crate) steps: Vec<StepEntry>,
    pub(crate) unmet: Vec<String>,
    pub(crate) sites: Sites,
    /// What the run cost; for one in this process nothing, because it cannot be told from what else happens here.
    pub(crate) costs: Option<Costs>,
    keep_trace: bool,
    last_rip: u64,
    line: String,
    failure_open: bool,
}

/// A DDI and how it ended; equal neighbours are counted together.
#[derive(Clone, Debug)]
pub(crate) struct LifeEntry {
    pub(crate) ddi: &'static str,
    pub(crate) argument: u64,
    /// Nothing while the call has not returned.
    pub(crate) status: Option<NtStatus>,
    pub(crate) count: u64,
}

/// A step of the scenario and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct StepEntry {
    pub(crate) verb: String,
    pub(crate) index: u32,
    /// Nothing while it is under way.
    pub(crate) status: Option<NtStatus>,
}

/// Calls of one callback.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct CallCount {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    pub(crate) unimplemented: bool,
}

/// DMA in numbers.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct DmaCount {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) bytes: u64,
    pub(crate) faults: u64,
}

/// What the stream said of the driver.
#[derive(Clone, Default, Debug)]
pub(crate) struct DriverSeen {
    pub(crate) imports: Vec<String>,
    pub(crate) missing: Vec<String>,
    pub(crate) interface_version: u32,
    pub(crate) display_only: bool,
    pub(crate) module: Option<ModuleLoaded>,
}

/// A start that failed.
#[derive(Clone, Debug)]
pub(crate) struct NotStarted {
    /// The call that the driver refused; nothing when the port refused.
    pub(crate) ddi: Option<&'static str>,
    pub(crate) status: Option<NtStatus>,
    pub(crate) why: String,
}

/// What stopped the machine.
#[derive(Clone, Debug)]
pub(crate) struct StopSeen {
    pub(crate) stop: BugCheck,
    pub(crate) rip: u64,
    pub(crate) stack: Vec<u64>,
    pub(crate) registers: Vec<u64>,
}

struct Arena<'a>(&'a ArenaReader);

impl Lists for Arena<'_> {
    fn get(&self, list: ListRef) -> Option<Vec<u64>> {
        self.0.get(list).ok()
    }
}

impl Session {
    /// `keep_trace`: keep a line for every DDI and callback.
    pub(crate) fn new(keep_trace: bool) -> Self {
        Self { keep_trace, ..Self::default() }
    }

    /// Takes the next record. From the first one that is no event on, the stream is closed.
    pub(crate) fn take(&mut self, record: &Record, arena: &ArenaReader) {
        if self.broken.is_some() {
            return;
        }
        self.events += 1;
        if let Some(bytes) = &mut self.bytes {
            bytes.update(record.as_bytes());
        }
        self.boundaries = record.stamp.boundary;
        if record.stamp.rip != 0 {
            self.last_rip = record.stamp.rip;
        }
        match record.decode() {
            Ok(event) => {
                self.note(record, &event, arena);
                self.verifier.feed(EventId(self.events), record, &event, &Arena(arena));
            }
            Err(error) => self.forged(&error),
        }
    }

    fn forged(&mut self, error: &BadRecord) {
        self.broken = Some(format!("the child forged or broke its event stream: {error}"));
    }

    fn note(&mut self, record: &Record, event: &Event, arena: &ArenaReader) {
        self.sites.note(record, event);
        match event {
            Event::ModuleLoaded(module) => self.driver.module = self.driver.module.or(Some(*module)),
            Event::Import(import) => {
                let name = import.name.as_str().to_owned();
                let list =
                    if import.missing != 0 { &mut self.driver.missing } else { &mut self.driver.imports };
                list.push(name);
            }
            Event::Adapter(adapter) => {
                self.driver.interface_version = adapter.driver_version;
                self.driver.display_only = adapter.display_only != 0;
            }
            Event::Mode(mode) => self.mode = Some(*mode),
            Event::Ddi(ddi) => self.note_ddi(ddi, Irql(record.irql)),
            Event::Callback(callback) => self.note_callback(callback),
            Event::Dma(transfer) => {
                let way = if transfer.write != 0 { &mut self.dma.writes } else { &mut self.dma.reads };
                *way += 1;
                self.dma.bytes += transfer.done;
                self.dma.faults += u64::from(transfer.fault != 0);
            }
            Event::Log(log) => {
                if self.line.len() < LONGEST_LINE {
                    self.line.push_str(log.text.as_str());
                }
                if log.more == 0 {
                    let line = std::mem::take(&mut self.line);
                    self.trace(|| format!("driver: {line}"));
                    self.keep_line(line);
                }
            }
            Event::BugCheck(stop) => {
                let get = |list| arena.get(list).unwrap_or_default();
                self.bug_check.get_or_insert_with(|| StopSeen {
                    stop: *stop,
                    rip: record.stamp.rip,
                    stack: get(record.stamp.stack),
                    registers: get(stop.registers),
                });
            }
            Event::Failure(failure) => self.note_failure(failure),
            Event::Tally(tally) => self.tally = Some(*tally),
            Event::Step(step) => self.note_step(step),
            _ => {}
        }
    }

    fn note_step(&mut self, step: &ScenarioStep) {
        let number = step.index.wrapping_add(1);
        let verb = step.name.as_str().to_owned();
        if step.status == u32::MAX {
            self.trace(|| format!("== step {number}: {verb}"));
            if self.steps.len() < MOST_LINES {
                self.steps.push(StepEntry { verb, index: step.index, status: None });
            }
        } else if let Some(last) = self.steps.last_mut().filter(|last| last.index == step.index) {
            last.status = Some(NtStatus(step.status));
        }
    }

    /// What the scenario expected and did not come about.
    pub(crate) fn unmet(&mut self, unmet: Vec<String>) {
        let text = unmet.join("; ");
        self.failure.get_or_insert((FailureKind::Scenario, text));
        self.unmet = unmet;
    }

    fn note_failure(&mut self, failure: &Failure) {
        match &mut self.failure {
            Some((_, text)) if self.failure_open => text.push_str(failure.text.as_str()),
            Some(_) => return,
            None => self.failure = Some((failure.kind, failure.text.as_str().to_owned())),
        }
        self.failure_open = failure.more != 0;
    }

    /// A driver that prints without end fills neither memory nor the report.
    fn keep_line(&mut self, line: String) {
        match self.log.len() {
            0..MOST_LINES => self.log.push(line),
            MOST_LINES => self.log.push(format!("(only the first {MOST_LINES} lines are kept)")),
            _ => {}
        }
    }

    /// Where the driver was when it was last seen, `module+offset`.
    pub(crate) fn last_place(&self) -> String {
        self.place(self.last_rip)
    }

    fn place(&self, address: u64) -> String {
        match self.verifier.modules().find(address) {
            Some((module, offset)) => format!("{}+{offset:#x}", module.name),
            None => format!("{address:#x}"),
        }
    }

    /// What stopped the machine; a system call out of driver code is no bug check of Windows.
    pub(crate) fn machine_stop(&self) -> Option<&StopSeen> {
        self.bug_check.as_ref().filter(|seen| seen.stop.cause != StopCause::Sandbox)
    }

    /// Where the start ended, if the driver or the adapter did not start.
    pub(crate) fn not_started(&self) -> Option<NotStarted> {
        let (kind, why) = self.failure.as_ref()?;
        if *kind != FailureKind::NotStarted {
            return None;
        }
        // What undoes the start comes after what ended it, and succeeds as a rule. A question that is answered with
        // STATUS_NOT_SUPPORTED ends nothing.
        let starts = ["DriverEntry", "DxgkDdiAddDevice", "DxgkDdiStartDevice"];
        let last = self.life.iter().rfind(|entry| starts.contains(&entry.ddi));
        let refused = last.filter(|entry| entry.status.is_some_and(|status| !status.is_success()));
        Some(NotStarted {
            ddi: refused.map(|entry| entry.ddi),
            status: refused.and_then(|entry| entry.status),
            why: why.clone(),
        })
    }

    /// What went wrong, other than a bug check.
    pub(crate) fn told_failure(&self) -> Option<String> {
        let violation = || {
            let seen = self.bug_check.as_ref().filter(|seen| seen.stop.cause == StopCause::Sandbox)?;
            let [number, ..] = seen.stop.parameters;
            let calls: Vec<String> = seen.stack.iter().map(|address| self.place(*address)).collect();
            let from =
                if calls.is_empty() { String::new() } else { format!(", called from {}", calls.join(" < ")) };
            Some(format!("driver code made system call {number} at {}{from}", self.place(seen.rip)))
        };
        let failure = || self.failure.as_ref().map(|(_, text)| text.clone());
        self.broken.clone().or_else(violation).or_else(failure)
    }

    fn note_ddi(&mut self, ddi: &DdiCall, level: Irql) {
        self.boundaries_of_ddis += 1;
        let name = ddi_name(ddi.ddi);
        if ddi.phase == Phase::Entered {
            // Where it would be surprising, the level.
            let level = if level > Irql::PASSIVE_LEVEL { format!(" at {level}") } else { String::new() };
            self.trace(|| format!("-> {name}({:#x}){level}", ddi.argument));
            self.life.push(LifeEntry { ddi: name, argument: ddi.argument, status: None, count: 1 });
            return;
        }
        let status = NtStatus(ddi.status);
        self.trace(|| format!("<- {name} {status}"));
        // A return closes the innermost call of its name; one without a call is the child's invention.
        let Some(open) = self.life.iter().rposition(|entry| entry.ddi == name && entry.status.is_none())
        else {
            return;
        };
        if let Some(entry) = self.life.get_mut(open) {
            entry.status = Some(status);
        }
        self.join_equal(open);
    }

    /// Counts a call together with an equal one right before it.
    fn join_equal(&mut self, at: usize) {
        let Some(before) = at.checked_sub(1) else { return };
        let equal = match (self.life.get(before), self.life.get(at)) {
            (Some(a), Some(b)) => (a.ddi, a.argument, a.status) == (b.ddi, b.argument, b.status),
            _ => false,
        };
        if equal {
            let joined = self.life.remove(at).count;
            if let Some(entry) = self.life.get_mut(before) {
                entry.count += joined;
            }
        }
    }

    fn note_callback(&mut self, callback: &Callback) {
        if callback.slot >= EXPORTS {
            return;
        }
        let name = callback_name(callback.slot);
        if callback.phase == Phase::Entered {
            let words = callback.words;
            self.trace(|| format!("   {name}({})", hex_words(&words)));
            return;
        }
        let status = NtStatus(callback.status);
        self.trace(|| format!("   {name} returned {status}"));
        let count = self.callbacks.entry(callback.slot).or_default();
        count.calls += 1;
        count.failed += u64::from(!status.is_success());
        count.unimplemented |= callback.unimplemented != 0;
    }

    fn trace(&mut self, line: impl FnOnce() -> String) {
        if self.keep_trace {
            self.trace.push(line());
        }
    }
}

fn hex_words(words: &[u64]) -> String {
    let used = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
    words.iter().take(used).map(|word| format!("{word:#x}")).collect::<Vec<_>>().join(", ")
}

/// The name of a callback by its slot.
pub(crate) fn callback_name(slot: u16) -> &'static str {
    let slot = usize::from(slot);
    DxgkrnlInterface::SLOTS
        .iter()
        .find(|known| known.offset == slot)
        .map_or("unknown callback", |known| known.name)
}

/// The name of a DDI by its slot in DRIVER_INITIALIZATION_DATA.
pub(crate) fn ddi_name(slot: u16) -> &'static str {
    match slot {
        DdiCall::DRIVER_ENTRY => "DriverEntry",
        DdiCall::PRESENT_DISPLAY_ONLY => "DxgkDdiPresentDisplayOnly",
        _ => {
            let slot = usize::from(slot);
            dxgk_abi::init::DriverInitializationData::SLOTS
                .iter()
                .find(|known| known.offset == slot)
                .map_or("unknown DDI", |known| known.name)
        }
    }
}
