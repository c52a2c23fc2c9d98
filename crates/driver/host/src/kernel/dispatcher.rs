//! Waiting: who waits for what, and who is let go when an object is signaled.
//!
//! Documents: the wdm.h pages of KeWaitForSingleObject and KeWaitForMultipleObjects; DISPATCHER_HEADER in abi.md. The state
//! of an object lies in the driver's memory; who waits for it is known here, in the order of arrival. A signal goes to the
//! waiters at once, so that one that is taken back right after (KeSetEvent, KeClearEvent) is not lost, as on Windows.

use dxgk_abi::kernel::{DispatcherHeader, Kmutant};
use dxgk_abi::{BugCheck, Irql, Pointer};

use super::memory;
use super::objects::Kind;
use super::space::lock;
use super::state::Kernel;
use super::time::SYSTEM_TIME_AT_START;
use super::trouble::{Outcome, bug_check};
use crate::{fiber, processor};

/// Kinds in the first byte of a dispatcher header (wdm.h, KOBJECTS) whose signal a wait takes. Notification events (0),
/// notification timers (8) and threads keep theirs.
const SYNCHRONIZATION_EVENT: u8 = 1;
/// A mutex.
pub(super) const MUTANT: u8 = 2;
/// A semaphore.
pub(super) const SEMAPHORE: u8 = 5;
/// A notification timer.
pub(super) const NOTIFICATION_TIMER: u8 = 8;
/// A synchronization timer.
pub(super) const SYNCHRONIZATION_TIMER: u8 = 9;
/// `SignalState` in a dispatcher header.
const SIGNAL_STATE: u64 = 4;

/// A fresh header of an object of `bytes` bytes: its list of waiters is empty.
pub(super) fn header(at: u64, kind: u8, bytes: usize, state: i32) -> DispatcherHeader {
    let list = Pointer(at.wrapping_add(8));
    DispatcherHeader {
        kind,
        size: (bytes / 4) as u8,
        signal_state: state,
        wait_list_head: dxgk_abi::kernel::ListEntry { flink: list, blink: list },
        ..DispatcherHeader::default()
    }
}

/// The state of an object.
pub(super) fn state(object: u64) -> Outcome<i32> {
    memory::read(object.wrapping_add(SIGNAL_STATE))
}

/// Sets the state of an object; the state before. Waiters are not told.
pub(super) fn exchange_state(object: u64, state: i32) -> Outcome<i32> {
    let before = self::state(object)?;
    memory::write(object.wrapping_add(SIGNAL_STATE), &state)?;
    Ok(before)
}

struct Waiter {
    number: u64,
    thread: u64,
    objects: Vec<u64>,
    all: bool,
    granted: Option<usize>,
}

/// Everyone who waits, in the order of arrival.
#[derive(Default)]
pub(crate) struct Waiters {
    next: u64,
    queue: Vec<Waiter>,
}

/// Whether `thread` would not wait for the object now.
fn is_signaled(kernel: &Kernel, object: u64, thread: u64) -> Outcome<bool> {
    if let Some(Kind::Thread(fiber)) = lock(&kernel.objects).kind(object) {
        return Ok(fiber.is_some_and(|fiber| !fiber::is_live(fiber)));
    }
    let header: DispatcherHeader = memory::read(object)?;
    if header.kind == MUTANT && header.signal_state <= 0 {
        return Ok(memory::read::<Kmutant>(object)?.owner_thread.0 == thread);
    }
    Ok(header.signal_state > 0)
}

/// Takes the signal where a wait does.
fn take(kernel: &Kernel, object: u64, thread: u64) -> Outcome<()> {
    if lock(&kernel.objects).kind(object).is_some_and(|kind| matches!(kind, Kind::Thread(_))) {
        return Ok(());
    }
    let header: DispatcherHeader = memory::read(object)?;
    match header.kind {
        SYNCHRONIZATION_EVENT | SYNCHRONIZATION_TIMER => exchange_state(object, 0).map(drop),
        SEMAPHORE => exchange_state(object, header.signal_state - 1).map(drop),
        MUTANT => {
            let mut mutant: Kmutant = memory::read(object)?;
            mutant.header.signal_state = mutant.header.signal_state.wrapping_sub(1);
            mutant.owner_thread = Pointer(thread);
            memory::write(object, &mutant)
        }
        _ => Ok(()),
    }
}

/// Ends a wait if it can end now: the index of the object that ended it, 0 where all had to be signaled.
fn attempt(kernel: &Kernel, objects: &[u64], all: bool, thread: u64) -> Outcome<Option<usize>> {
    if all {
        for object in objects {
            if !is_signaled(kernel, *object, thread)? {
                return Ok(None);
            }
        }
        for object in objects {
            take(kernel, *object, thread)?;
        }
        return Ok(Some(0));
    }
    for (index, object) in objects.iter().enumerate() {
        if is_signaled(kernel, *object, thread)? {
            take(kernel, *object, thread)?;
            return Ok(Some(index));
        }
    }
    Ok(None)
}

impl Kernel {
    /// Tells those who wait that `object` is signaled now.
    pub(super) fn signal(&self, object: u64) {
        let mut waiters = lock(&self.waiters);
        let waiting = waiters.queue.iter_mut();
        for waiter in waiting.filter(|it| it.granted.is_none() && it.objects.contains(&object)) {
            // An object of theirs that cannot be read is their trouble, and they find it when it is their turn.
            waiter.granted = attempt(self, &waiter.objects, waiter.all, waiter.thread).unwrap_or(None);
            if waiter.granted.is_some() {
                self.note_progress();
            }
        }
    }

    /// When the time-out behind the driver's pointer ends, in 100 ns of virtual time; `None` for never (a null pointer).
    fn deadline(&self, timeout: u64) -> Outcome<Option<u64>> {
        if timeout == 0 {
            return Ok(None);
        }
        Ok(Some(self.deadline_of(memory::read(timeout)?)))
    }

    /// A time as drivers give it: negative is relative, positive is absolute system time.
    pub(super) fn deadline_of(&self, time: i64) -> u64 {
        match time {
            ..=0 => self.now().saturating_add(time.unsigned_abs()),
            _ => time.unsigned_abs().saturating_sub(SYSTEM_TIME_AT_START),
        }
    }

    /// Waits until one of `objects` (all of them, if `all`) is signaled: the index of the one, or `None` when the time-out
    /// passed. Without objects only the time-out ends it.
    pub(super) fn wait_for(&self, objects: &[u64], all: bool, timeout: u64) -> Outcome<Option<usize>> {
        let deadline = self.deadline(timeout)?;
        let all = all && !objects.is_empty();
        let thread = processor::current_thread();
        if let Some(found) = attempt(self, objects, all, thread)? {
            return Ok(Some(found));
        }
        if processor::irql() >= Irql::DISPATCH_LEVEL.0 {
            if !objects.is_empty() && deadline.is_some_and(|deadline| deadline <= self.now()) {
                return Ok(None);
            }
            // "Bug Check 0xB8": a wait at DISPATCH_LEVEL or above.
            return bug_check(BugCheck::ATTEMPTED_SWITCH_FROM_DPC, [thread, 0, 0, 0]);
        }
        if deadline.is_some_and(|deadline| deadline <= self.now()) {
            if objects.is_empty() {
                // A delay of nothing gives up the rest of the turn; a loop of such delays lets others run.
                fiber::yield_now();
            }
            return Ok(None);
        }
        let number = {
            let mut waiters = lock(&self.waiters);
            waiters.next += 1;
            let number = waiters.next;
            waiters.queue.push(Waiter { number, thread, objects: objects.to_vec(), all, granted: None });
            number
        };
        if let Some(deadline) = deadline {
            self.clock.want(deadline);
        }
        let result = fiber::wait(|| {
            self.deliver();
            self.look(number, deadline)
        });
        if let Some(deadline) = deadline {
            self.clock.unwant(deadline);
        }
        lock(&self.waiters).queue.retain(|waiter| waiter.number != number);
        result
    }

    /// One look of a waiter: whether it was let go, or its time is over.
    fn look(&self, number: u64, deadline: Option<u64>) -> Option<Outcome<Option<usize>>> {
        let mut waiters = lock(&self.waiters);
        let waiter = waiters.queue.iter_mut().find(|waiter| waiter.number == number)?;
        if waiter.granted.is_none() {
            // Threads end without a signal.
            match attempt(self, &waiter.objects, waiter.all, waiter.thread) {
                Ok(found) => waiter.granted = found,
                Err(trouble) => return Some(Err(trouble)),
            }
        }
        match waiter.granted {
            Some(index) => Some(Ok(Some(index))),
            None => deadline.is_some_and(|deadline| deadline <= self.now()).then_some(Ok(None)),
        }
    }
}
