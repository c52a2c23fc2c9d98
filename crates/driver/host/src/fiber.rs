//! Driver threads as fibers: coroutines with their own driver stack on the one processor thread.
//!
//! Only one of them executes at a time, and another takes over only where the first waits, yields or ends, so that a run is
//! reproducible. The first fiber is the thread in which the driver is called; the others are the driver's system threads.
//! Fibers take turns in the order in which they were started. A waiting fiber, when its turn comes, looks itself whether it
//! can go on. When all have looked in vain, time has to pass: the idle hook says whether it could bring anything about.
#![expect(unsafe_code, reason = "switches between stacks")]

use crate::call;
use crate::layout::{LayoutError, Protection, Region, Reservation};
use crate::processor::{self, Capture};
use crate::run::{self, Run};
use crate::stop::{StopReason, stop};
use crate::switch;
use crate::unwind::StackTrace;

/// Bytes of a driver stack. Windows gives 24 KiB; here our callbacks run on it too, so it is larger and the driver's own
/// depth is measured instead ([`crate::call::deepest_stack`]).
pub const STACK_BYTES: u64 = 1 << 20;
/// Fibers that can exist at a time: the first one and the driver's system threads.
pub const MOST_FIBERS: usize = 64;

/// Names a fiber; never reused in a run. 0 is the thread in which the driver is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FiberId(pub u32);

/// Why a driver thread cannot start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpawnError {
    /// [`MOST_FIBERS`] live already; a limit of this program.
    #[error("no stack is left for another driver thread")]
    NoStack,
    /// The calling thread is no processor.
    #[error("no processor on this thread")]
    NoProcessor,
}

/// How [`run_fibers`] ended.
#[derive(Clone, Debug)]
pub enum FibersOutcome {
    /// Every fiber waits or has ended.
    Quiet,
    /// The number of switches was reached.
    Budget,
    /// The run was stopped.
    Stopped(StopReason),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody's; its stack can be used.
    Free,
    Live,
    /// Ended, its id still known; becomes free when its stack is wanted.
    Ended,
}

pub(crate) struct Slot {
    id: u32,
    state: State,
    stack: Reservation,
    rsp: u64,
    entry: u64,
    context: u64,
    // What the processor block holds for the fiber while another one executes.
    capture: Capture,
    irql: u8,
    thread: u64,
}

impl Run {
    /// Reserves every stack; none can be added once the process is sealed in a way that forbids it, and none costs memory unused.
    pub(crate) fn add_stacks(&self, stacks: &mut Region) -> Result<(), LayoutError> {
        let mut fibers = self.fibers.borrow_mut();
        for _ in 0..MOST_FIBERS {
            // The region leaves an unreadable page between reservations: an overflow faults.
            let stack = stacks.reserve(STACK_BYTES, 0)?;
            stack.commit(0, STACK_BYTES, Protection::ReadWrite)?;
            let mut slot = Slot {
                id: 0,
                state: State::Free,
                stack,
                rsp: 0,
                entry: 0,
                context: 0,
                capture: Capture::default(),
                irql: 0,
                thread: 0,
            };
            if fibers.is_empty() {
                slot.state = State::Live;
                slot.rsp = ready(&slot.stack, call::first_fiber);
            }
            fibers.push(slot);
        }
        Ok(())
    }

    /// The stack of the fiber that executes: first address and first address after it.
    #[inline]
    pub(crate) fn current_stack(&self) -> (u64, u64) {
        let fibers = self.fibers.borrow();
        fibers
            .get(self.current.get())
            .map_or((0, 0), |slot| (slot.stack.address(), slot.stack.address() + STACK_BYTES))
    }

    /// Whether `address` lies on or just below a driver stack (where an overflow touches).
    pub(crate) fn near_stack(&self, address: u64) -> bool {
        let (low, _) = self.current_stack();
        address < low && low - address <= crate::layout::PAGE_SIZE
    }

    fn live(&self, slot: usize, fibers: &[Slot]) -> bool {
        match slot {
            0 => self.job.get().active,
            _ => fibers.get(slot).is_some_and(|slot| slot.state == State::Live),
        }
    }

    fn count_live(&self) -> usize {
        let fibers = self.fibers.borrow();
        (0..fibers.len()).filter(|&slot| self.live(slot, &fibers)).count()
    }

    fn next_live(&self, after: usize) -> Option<usize> {
        let fibers = self.fibers.borrow();
        let count = fibers.len();
        (1..=count).map(|step| (after + step) % count).find(|&slot| self.live(slot, &fibers))
    }

    /// Leaves the host's context for the fiber in `slot`; comes back when a fiber calls [`Run::to_host`] or the run stops.
    pub(crate) fn leave_host(&self, slot: usize) {
        let Some(rsp) = self.take_up(slot) else { return };
        self.in_driver.set(true);
        // SAFETY: `rsp` is the suspended context of a live fiber, whose stack nobody else uses; `host` is a cell of the run,
        // which outlives the exchange.
        unsafe { switch::exchange(self.host.as_ptr(), rsp) };
        self.in_driver.set(false);
    }

    /// Suspends the current fiber and goes back to the host's context.
    pub(crate) fn to_host(&self) {
        let Some(save) = self.put_down() else { return };
        // SAFETY: while a fiber executes, `host` is the suspended context of the caller. `save` points into the vector of slots,
        // which never grows after it was filled.
        unsafe { switch::exchange(save, self.host.get()) };
    }

    /// Ends everything: the host's context goes on, no fiber ever does.
    pub(crate) fn abandon(&self, reason: StopReason) -> ! {
        assert!(self.in_driver.get(), "stop outside of driver code: {reason}");
        self.set_stopped(reason);
        // SAFETY: as in `to_host`; the abandoned frames are never returned to, because no fiber runs after `stopped` is set.
        unsafe { switch::resume(self.host.get()) }
    }

    /// Saves what the processor block holds for the current fiber and says where its stack pointer is to be kept.
    fn put_down(&self) -> Option<*mut u64> {
        let mut fibers = self.fibers.borrow_mut();
        let slot = fibers.get_mut(self.current.get())?;
        slot.capture = processor::captured();
        slot.irql = processor::irql();
        slot.thread = processor::current_thread();
        Some(&raw mut slot.rsp)
    }

    /// Makes `slot` the current fiber and returns its suspended context.
    fn take_up(&self, slot: usize) -> Option<u64> {
        let fibers = self.fibers.borrow();
        let block = processor::block()?;
        let fiber = fibers.get(slot)?;
        self.current.set(slot);
        block.capture.set(fiber.capture);
        // A suspended fiber is always inside a callback; a fresh one sets this itself.
        block.in_callback.set(1);
        if slot != 0 || self.in_driver.get() {
            processor::set_irql(fiber.irql);
            processor::set_current_thread(fiber.thread);
        }
        Some(fiber.rsp)
    }

    fn switch_to(&self, slot: usize) {
        if slot == self.current.get() {
            return;
        }
        let Some(save) = self.put_down() else { return };
        let Some(rsp) = self.take_up(slot) else { return };
        // SAFETY: as in `leave_host` and `to_host`: both stacks are fibers' own, and the slots never move.
        unsafe { switch::exchange(save, rsp) };
    }

    /// Lets the next fiber run, or the host if it set a budget that is used up.
    fn pass_on(&self) {
        processor::next_boundary();
        if let Some(left) = self.budget.get() {
            if left == 0 {
                return self.to_host();
            }
            self.budget.set(Some(left - 1));
        }
        if let Some(next) = self.next_live(self.current.get()) {
            self.switch_to(next);
        }
    }

    /// One fiber has looked in vain: passes on, or lets time pass when all have.
    fn wait_once(&self) {
        self.in_vain.set(self.in_vain.get() + 1);
        if self.in_vain.get() <= self.count_live() {
            return self.pass_on();
        }
        self.in_vain.set(0);
        if self.budget.get().is_some() {
            // The host runs the fibers, and passes time itself.
            self.budget.set(None);
            return self.to_host();
        }
        if self.idle_hook.get().is_some_and(|idle| idle()) {
            return;
        }
        // Workers may wait as long as they like; it is the call into the driver that cannot end.
        let first = self.fibers.borrow().first().map_or(Capture::default(), |slot| slot.capture);
        let capture = if self.current.get() == 0 { processor::captured() } else { first };
        stop(StopReason::WaitsForEver { stack: StackTrace::of_capture(&capture) })
    }
}

fn ready(stack: &Reservation, start: extern "sysv64" fn() -> !) -> u64 {
    // SAFETY: the top of a committed stack that no context uses (fresh, free or ended).
    unsafe { switch::prepare(stack.address() + STACK_BYTES, start) }
}

extern "sysv64" fn start() -> ! {
    let job = run::current().and_then(|run| {
        run.in_vain.set(0);
        run.fibers.borrow().get(run.current.get()).map(|slot| (slot.entry, slot.context))
    });
    if let Some((entry, context)) = job {
        call::enter_driver(entry, &[context]);
    }
    exit()
}

/// Starts a driver thread at `entry(context)`, whose `KeGetCurrentThread` is `thread`. It executes when the others next wait.
pub fn spawn(entry: u64, context: u64, thread: u64) -> Result<FiberId, SpawnError> {
    let run = run::current().ok_or(SpawnError::NoProcessor)?;
    // The one that executes is never taken: an ended fiber leaves its stack only with its last switch.
    let current = if run.in_driver.get() { run.current.get() } else { 0 };
    let mut fibers = run.fibers.borrow_mut();
    let id = fibers.iter().map(|slot| slot.id).max().unwrap_or(0) + 1;
    let free =
        |(index, slot): (usize, &Slot)| (index != current && slot.state == State::Free).then_some(index);
    let ended = |(index, slot): (usize, &Slot)| {
        (index != current && slot.state == State::Ended).then_some((slot.id, index))
    };
    let index = fibers.iter().enumerate().find_map(free);
    let index = index.or_else(|| fibers.iter().enumerate().filter_map(ended).min().map(|(_, index)| index));
    let slot = index.and_then(|index| fibers.get_mut(index)).ok_or(SpawnError::NoStack)?;
    slot.id = id;
    slot.state = State::Live;
    slot.rsp = ready(&slot.stack, start);
    slot.entry = entry;
    slot.context = context;
    slot.capture = Capture::default();
    slot.irql = 0;
    slot.thread = thread;
    Ok(FiberId(id))
}

/// The fiber that executes.
pub fn current() -> FiberId {
    let id = run::current().and_then(|run| run.fibers.borrow().get(run.current.get()).map(|slot| slot.id));
    FiberId(id.unwrap_or(0))
}

/// Whether the fiber has not ended yet.
pub fn is_live(id: FiberId) -> bool {
    run::current().is_some_and(|run| {
        run.fibers.borrow().iter().any(|slot| slot.id == id.0 && slot.state == State::Live)
    })
}

/// Suspends the calling fiber until `poll` gives something, letting the others run meanwhile. `poll` may take what it found
/// (an auto-reset event). From outside of driver code it polls once and, if that was in vain, panics.
///
/// When nothing can run any more the idle hook lets time pass; when that brings nothing about either, and a call into the
/// driver is under way, the run stops with [`StopReason::WaitsForEver`]. Nothing borrowed may be held across.
pub fn wait<R>(mut poll: impl FnMut() -> Option<R>) -> R {
    loop {
        let found = poll();
        let run = run::current();
        if let Some(found) = found {
            if let Some(run) = run {
                run.in_vain.set(0);
            }
            return found;
        }
        match run {
            Some(run) if run.in_driver.get() => run.wait_once(),
            _ => panic!("a wait outside of driver code can never be satisfied"),
        }
    }
}

/// Lets every other fiber that can run have one turn.
pub fn yield_now() {
    if let Some(run) = run::current().filter(|run| run.in_driver.get()) {
        run.in_vain.set(0);
        run.pass_on();
    }
}

/// Ends the calling fiber (`PsTerminateSystemThread`), abandoning its frames. The first fiber cannot end: there it stops the run.
pub fn exit() -> ! {
    let Some(run) = run::current() else { panic!("a fiber's end outside of driver code") };
    if run.current.get() == 0 {
        stop(StopReason::WaitsForEver { stack: StackTrace::of_caller() });
    }
    run.in_vain.set(0);
    if let Some(slot) = run.fibers.borrow_mut().get_mut(run.current.get()) {
        slot.state = State::Ended;
    }
    run.exceptions.forget(run.current.get());
    loop {
        // The stack stays this fiber's until another one executes; `spawn` never takes the current one.
        match run.next_live(run.current.get()) {
            Some(next) => run.switch_to(next),
            None => run.to_host(),
        }
    }
}

/// From outside of driver code: lets the driver's threads run until all wait or have ended, at most `most_switches` switches.
pub fn run_fibers(most_switches: usize) -> FibersOutcome {
    let Some(run) = run::current() else { return FibersOutcome::Stopped(StopReason::NoProcessor) };
    if let Some(reason) = run.stopped() {
        return FibersOutcome::Stopped(reason.clone());
    }
    if run.in_driver.get() {
        return FibersOutcome::Budget;
    }
    let Some(first) = run.next_live(run.current.get()) else { return FibersOutcome::Quiet };
    let level = processor::irql();
    let thread = processor::current_thread();
    run.budget.set(Some(most_switches));
    run.in_vain.set(0);
    run.leave_host(first);
    let outcome = match (run.stopped(), run.budget.take()) {
        (Some(reason), _) => FibersOutcome::Stopped(reason.clone()),
        (None, Some(0)) => FibersOutcome::Budget,
        (None, _) => FibersOutcome::Quiet,
    };
    processor::set_irql(level);
    processor::set_current_thread(thread);
    outcome
}

/// Sets what happens when every fiber waits while a call into the driver is under way: the hook lets time pass to the next
/// timer or device event and returns whether there was one. It runs on the stack of a waiting fiber, as a callback does.
pub fn set_idle_hook(hook: fn() -> bool) {
    if let Some(run) = run::current() {
        run.idle_hook.set(Some(hook));
    }
}
