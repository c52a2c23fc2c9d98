//! Deferred procedure calls.
//!
//! Documents: the wdm.h pages of KeInitializeDpc, KeInsertQueueDpc, KeRemoveQueueDpc, KeFlushQueuedDpcs; KDPC in abi.md. The
//! queue is kept here, out of the driver's reach. DPCs run at DISPATCH_LEVEL on the stack of whoever is interrupted by them:
//! when the level falls below DISPATCH_LEVEL, and below it at the end of every export, in every wait, and when all wait.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use dxgk_abi::kernel::{DpcImportance, Kdpc};
use dxgk_abi::{BugCheck, Irql, Pointer};

use super::memory;
use super::space::lock;
use super::state::{Kernel, end};
use super::trouble::{Outcome, Trouble};
use crate::{call_driver, processor};

/// Kinds in the first byte of a KDPC (wdm.h, KOBJECTS): ordinary, and threaded.
const DPC_OBJECT: u8 = 19;
const THREADED_DPC_OBJECT: u8 = 24;
/// "Bug Check 0xC7", parameter 1: what was found.
pub(super) const FOUND_TIMER: u64 = 0;
const FOUND_DPC: u64 = 1;
/// `Importance` in a KDPC.
const IMPORTANCE: u64 = 1;
/// `SystemArgument1` and `SystemArgument2` in a KDPC.
const ARGUMENTS: u64 = 40;
/// `DpcData` in a KDPC.
const DATA: u64 = 56;

/// What is queued, by address of the KDPC.
pub(crate) type DpcQueue = VecDeque<u64>;

fn initialize_as(kind: u8, at: u64, routine: u64, context: u64) -> Outcome<()> {
    let dpc = Kdpc {
        kind,
        importance: DpcImportance::MEDIUM.0 as u8,
        deferred_routine: Pointer(routine),
        deferred_context: Pointer(context),
        ..Kdpc::default()
    };
    memory::write(at, &dpc)
}

/// KeInitializeDpc.
pub(crate) fn initialize(_kernel: &Kernel, at: u64, routine: u64, context: u64) -> Outcome<()> {
    initialize_as(DPC_OBJECT, at, routine, context)
}

/// KeInitializeThreadedDpc. Runs as an ordinary one, which Windows also may do.
pub(crate) fn initialize_threaded(_kernel: &Kernel, at: u64, routine: u64, context: u64) -> Outcome<()> {
    initialize_as(THREADED_DPC_OBJECT, at, routine, context)
}

/// KeSetImportanceDpc.
pub(crate) fn set_importance(_kernel: &Kernel, at: u64, importance: u32) -> Outcome<()> {
    memory::write(at.wrapping_add(IMPORTANCE), &(importance as u8))
}

/// KeSetTargetProcessorDpc: there is one processor.
pub(crate) fn set_target(_kernel: &Kernel, _at: u64, _number: i8) -> Outcome<()> {
    Ok(())
}

/// KeInsertQueueDpc: 0 when it was queued already, and its arguments stay those of the first time then.
pub(crate) fn insert(kernel: &Kernel, at: u64, first: u64, second: u64) -> Outcome<u8> {
    let importance: u8 = memory::read(at.wrapping_add(IMPORTANCE))?;
    let mut queue = lock(&kernel.dpcs);
    if queue.contains(&at) {
        return Ok(0);
    }
    memory::write(at.wrapping_add(ARGUMENTS), &[first, second])?;
    // Not null while queued; drivers do not look further.
    memory::write(at.wrapping_add(DATA), &at)?;
    if u32::from(importance) == DpcImportance::HIGH.0 {
        queue.push_front(at);
    } else {
        queue.push_back(at);
    }
    kernel.queued_dpcs.store(queue.len(), Ordering::Relaxed);
    Ok(1)
}

/// KeRemoveQueueDpc: whether it was queued.
pub(crate) fn remove(kernel: &Kernel, at: u64) -> Outcome<u8> {
    let mut queue = lock(&kernel.dpcs);
    let before = queue.len();
    queue.retain(|queued| *queued != at);
    kernel.queued_dpcs.store(queue.len(), Ordering::Relaxed);
    let removed = queue.len() != before;
    if removed {
        memory::write(at.wrapping_add(DATA), &0u64)?;
    }
    Ok(removed.into())
}

/// KeFlushQueuedDpcs: returns when all that were queued have run.
pub(crate) fn flush(kernel: &Kernel) -> Outcome<()> {
    kernel.deliver();
    Ok(())
}

/// A KDPC with which nothing can be done: freed, overwritten, never initialized.
fn invalid(at: u64) -> Trouble {
    Trouble::BugCheck { code: BugCheck::TIMER_OR_DPC_INVALID, parameters: [FOUND_DPC, at, 0, 0] }
}

impl Kernel {
    /// Whether [`deliver`](Self::deliver) has something to do at a level that lets it.
    pub(super) fn is_anything_due(&self) -> bool {
        (self.queued_dpcs.load(Ordering::Relaxed) != 0
            || self.next_timer.load(Ordering::Relaxed) <= self.now())
            && processor::irql() < Irql::DISPATCH_LEVEL.0
    }

    /// Lets timers expire and runs the queued DPCs, unless the level is too high. Runs as a callback does, and only in one.
    pub fn deliver(&self) {
        while self.is_anything_due() {
            if let Err(trouble) = self.expire_timers() {
                end(trouble);
            }
            let next = {
                let mut queue = lock(&self.dpcs);
                let next = queue.pop_front();
                self.queued_dpcs.store(queue.len(), Ordering::Relaxed);
                next
            };
            if let Some(dpc) = next {
                self.note_progress();
                self.run_dpc(dpc);
            }
        }
    }

    fn run_dpc(&self, at: u64) {
        let dpc: Kdpc = match memory::read(at) {
            Ok(dpc) => dpc,
            Err(_) => end(invalid(at)),
        };
        if ![DPC_OBJECT, THREADED_DPC_OBJECT].contains(&dpc.kind) || dpc.deferred_routine.is_null() {
            end(invalid(at));
        }
        if memory::write(at.wrapping_add(DATA), &0u64).is_err() {
            end(invalid(at));
        }
        let before = processor::set_irql(Irql::DISPATCH_LEVEL.0);
        // From inside of a callback a stopped call does not come back.
        let _ = call_driver(
            dpc.deferred_routine.0,
            &[at, dpc.deferred_context.0, dpc.system_argument1.0, dpc.system_argument2.0],
        );
        let level = processor::irql();
        if level != Irql::DISPATCH_LEVEL.0 {
            let parameters = [level.into(), Irql::DISPATCH_LEVEL.0.into(), dpc.deferred_routine.0, at];
            end(Trouble::BugCheck { code: BugCheck::IRQL_UNEXPECTED_VALUE, parameters });
        }
        processor::set_irql(before);
    }

    /// What Windows stops for when memory is freed: a queued DPC or an armed timer in it. It is taken out of its queue.
    pub(super) fn kernel_objects_in(&self, start: u64, bytes: u64) -> Option<Trouble> {
        let end = start.saturating_add(bytes);
        let found = |kind, at| {
            let parameters = [kind, at, start, bytes];
            Some(Trouble::Misuse { code: BugCheck::TIMER_OR_DPC_INVALID, parameters })
        };
        if let Some(timer) = self.forget_timer_in(start, end) {
            return found(FOUND_TIMER, timer);
        }
        let mut queue = lock(&self.dpcs);
        let index = queue.iter().position(|at| (start..end).contains(at))?;
        let dpc = queue.remove(index)?;
        self.queued_dpcs.store(queue.len(), Ordering::Relaxed);
        found(FOUND_DPC, dpc)
    }
}
