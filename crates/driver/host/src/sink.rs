//! Where a run's events go: stamped with the driver's place, into the ring and the arena.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dxgk_event::{
    Event, EventId, EventSink, Failure, FailureKind, Fault, ListRef, Log, ObjectKind, ObjectStep, Phase,
    Record, Stamp, Text, digest,
};
use dxgk_shm::{ArenaWriter, RingWriter};

use crate::cost::{self, Stage};
use crate::unwind::StackTrace;
use crate::{fiber, processor};

/// How many stacks are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StackPolicy {
    /// At every event that has a place.
    All,
    /// Where one may be needed, the first [`FEW`] of each.
    #[default]
    Few,
    /// Nowhere.
    None,
}

/// How often the same stack is kept under [`StackPolicy::Few`]; later events carry the address of their place alone. It is
/// counted by the whole stack, because what rings a doorbell is one function for many callers.
pub const FEW: u32 = 64;

/// Different stacks that are told apart: a driver may have any number of them.
const DIFFERENT: usize = 1 << 16;

struct Output {
    ring: RingWriter,
    arena: ArenaWriter,
    /// How often each stack was kept, by its digest.
    kept: BTreeMap<u64, u32>,
}

/// The sink of a run.
pub struct HostSink {
    output: Mutex<Output>,
    stacks: StackPolicy,
    last_fault: Mutex<Option<Fault>>,
}

impl core::fmt::Debug for HostSink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HostSink").field("stacks", &self.stacks).finish_non_exhaustive()
    }
}

impl HostSink {
    /// A sink over the writing ends of the ring and the arena.
    #[must_use]
    pub fn new(ring: RingWriter, arena: ArenaWriter, stacks: StackPolicy) -> Self {
        let output = Mutex::new(Output { ring, arena, kept: BTreeMap::new() });
        Self { output, stacks, last_fault: Mutex::default() }
    }

    /// Records what the driver printed, in as many records as it takes.
    pub fn log(&self, text: &str) {
        for (part, more) in pieces::<79>(text) {
            self.emit(&Event::Log(Log { text: part, more: more.into() }));
        }
    }

    /// Records a failure in words.
    pub fn fail(&self, kind: FailureKind, text: &str) {
        for (text, more) in pieces::<78>(text) {
            self.emit(&Event::Failure(Failure { kind, more: more.into(), text }));
        }
    }

    /// Records an event at a place that is not where the driver is now: where it was stopped. `frames` are the return
    /// addresses above `rip`.
    pub fn emit_at(&self, event: &Event, rip: u64, frames: &mut dyn Iterator<Item = u64>) {
        let mut output = self.output();
        let stack = output.arena.append(frames).unwrap_or_default();
        let stamp =
            Stamp { boundary: processor::boundary(), rip, stack, thread: 1, process: processor::process() };
        output.ring.push(&Record::new(stamp, processor::irql() & 15, event));
    }

    /// Marks the end of a stage of the run.
    pub fn mark(&self, stage: Stage) {
        self.output().ring.mark(stage as usize, cost::now());
    }

    /// Says that no event will follow: a sealed process ends without taking itself apart.
    pub fn finish(&self) {
        self.output().ring.finish();
    }

    /// Waits until the reader has read every event, and says whether it wants the run to stop.
    pub fn stop_wanted(&self) -> bool {
        let output = self.output();
        output.ring.wait_until_read();
        output.ring.stop_requested()
    }

    /// The last access that an IOMMU refused.
    pub(crate) fn last_fault(&self) -> Option<Fault> {
        *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: &Event, wants_stack: bool) -> EventId {
        if let Event::Fault(fault) = event {
            *self.last_fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(*fault);
        }
        let rip = place();
        let mut output = self.output();
        let stack = if rip != 0 && self.takes_stacks(wants_stack) {
            let trace = StackTrace::of_caller();
            // The first frame is the place itself.
            let above: Vec<u64> = trace.frames().skip(1).map(|frame| frame.address).collect();
            let kept = self.stacks == StackPolicy::All || output.keeps(rip, &above);
            if kept {
                output.arena.append(&mut above.into_iter()).unwrap_or_default()
            } else {
                ListRef::default()
            }
        } else {
            ListRef::default()
        };
        let stamp = Stamp {
            boundary: processor::boundary(),
            rip,
            stack,
            thread: fiber::current().0.wrapping_add(1),
            process: processor::process(),
        };
        EventId(output.ring.push(&Record::new(stamp, processor::irql() & 15, event)))
    }

    fn takes_stacks(&self, wanted: bool) -> bool {
        match self.stacks {
            StackPolicy::None => false,
            StackPolicy::All => true,
            StackPolicy::Few => wanted,
        }
    }
}

impl Output {
    /// Whether this stack was not kept often enough yet.
    fn keeps(&mut self, rip: u64, above: &[u64]) -> bool {
        let stack = digest(above) ^ rip;
        if self.kept.len() >= DIFFERENT && !self.kept.contains_key(&stack) {
            return false;
        }
        let times = self.kept.entry(stack).or_insert(0);
        *times = times.saturating_add(1);
        *times <= FEW
    }
}

/// Where the driver is while our code runs on its behalf; 0 while none of its code is.
fn place() -> u64 {
    match processor::block() {
        Some(block) if block.in_callback.get() != 0 => block.capture.get().return_address,
        _ => 0,
    }
}

/// A text in pieces of `N` bytes, with whether another follows. An empty text is one empty piece.
fn pieces<const N: usize>(text: &str) -> impl Iterator<Item = (Text<N>, bool)> + '_ {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let now = rest?;
        let piece = Text::<N>::new(now);
        let used = piece.as_str().len();
        let left = now.get(used..).unwrap_or_default();
        // A text with a NUL in it would never be used up: what follows the NUL is dropped.
        rest = (!left.is_empty() && used > 0).then_some(left);
        Some((piece, rest.is_some()))
    })
}

/// Events that a person will want a stack for.
fn wants_stack(event: &Event) -> bool {
    match event {
        // An MDL that is freed may still be mapped for a device.
        Event::Object(object) => object.step == ObjectStep::Created || object.kind == ObjectKind::Mdl,
        Event::Doorbell(_) | Event::BugCheck(_) | Event::Misuse(_) => true,
        Event::Callback(callback) => match callback.phase {
            // Above PASSIVE_LEVEL a call may be a mistake by itself.
            Phase::Entered => processor::irql() > 0,
            Phase::Returned => callback.status >> 30 == 3,
        },
        _ => false,
    }
}

impl EventSink for HostSink {
    fn emit(&self, event: &Event) -> EventId {
        self.push(event, wants_stack(event))
    }

    fn emit_with_stack(&self, event: &Event) -> EventId {
        self.push(event, true)
    }

    fn list(&self, words: &mut dyn Iterator<Item = u64>) -> ListRef {
        self.output().arena.append(words).unwrap_or_default()
    }
}
