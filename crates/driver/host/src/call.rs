//! Calling the driver.

use std::fmt;

use crate::fiber::STACK_BYTES;
use crate::processor;
use crate::run::{self, Job};
use crate::stop::StopReason;
use crate::switch;

/// How a call into the driver ended.
#[derive(Clone, Debug)]
pub enum CallOutcome {
    /// It returned; rax.
    Returned(u64),
    /// It did not, and no driver code will run again.
    Stopped(StopReason),
}

impl CallOutcome {
    /// The returned value, or the reason why there is none.
    pub fn returned(self) -> Result<u64, Box<StopReason>> {
        match self {
            Self::Returned(value) => Ok(value),
            Self::Stopped(reason) => Err(Box::new(reason)),
        }
    }
}

impl fmt::Display for CallOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(value) => write!(f, "returned {value:#x}"),
            Self::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}

/// Calls driver code at `entry` by the win64 convention with integer arguments.
///
/// From outside of driver code it runs on the first fiber's stack, and other fibers run whenever it waits. From inside a
/// callback (an interrupt or DPC delivered there, an interface function of the driver) it runs nested on the current stack;
/// if the run is stopped meanwhile the nested call never comes back, and the outermost one returns the reason.
/// `entry` should be the address of code taking that many arguments; if not, the driver's fault is reported as any other.
pub fn call_driver(entry: u64, arguments: &[u64]) -> CallOutcome {
    let Some(run) = run::current() else { return CallOutcome::Stopped(StopReason::NoProcessor) };
    if let Some(reason) = run.stopped() {
        return CallOutcome::Stopped(reason.clone());
    }
    if run.in_driver.get() {
        return CallOutcome::Returned(enter_driver(entry, arguments));
    }
    let (at, count) = (arguments.as_ptr() as u64, arguments.len() as u64);
    run.job.set(Job { entry, arguments: at, count, active: true });
    run.in_vain.set(0);
    run.deepest.set(0);
    run.leave_host(0);
    run.job.set(Job::default());
    match run.stopped() {
        Some(reason) => CallOutcome::Stopped(reason.clone()),
        None => CallOutcome::Returned(run.result.get()),
    }
}

/// Bytes of stack that the driver had used, at most, when it called us during the last outermost call.
pub fn deepest_stack() -> u64 {
    run::current().map_or(0, |run| run.deepest.get())
}

/// Runs driver code on the current stack, which must be a driver stack, keeping what the processor block says of the caller.
#[expect(unsafe_code, reason = "calls into the driver")]
pub(crate) fn enter_driver(entry: u64, arguments: &[u64]) -> u64 {
    let Some(block) = processor::block() else { return 0 };
    let capture = block.capture.get();
    crate::patch::shared_data::update(run::of(block));
    let before = block.in_callback.replace(0);
    // SAFETY: driver code is foreign and promises nothing; what it does wrong by accident traps and ends the run, what it does
    // wrong on purpose is contained by the sealed child process. The arguments are a valid slice for the call.
    let result = unsafe { switch::invoke(entry, arguments.as_ptr(), arguments.len() as u64) };
    block.in_callback.set(before);
    block.capture.set(capture);
    result
}

/// What the first fiber does for its whole life: one call after the other, in between the host.
#[expect(unsafe_code, reason = "looks at the arguments of the outermost call")]
pub(crate) extern "sysv64" fn first_fiber() -> ! {
    loop {
        if let Some(run) = run::current() {
            let job = run.job.get();
            if job.active {
                // SAFETY: pointer and length of the slice given to `call_driver`, which waits for us with the slice borrowed.
                let arguments =
                    unsafe { std::slice::from_raw_parts(job.arguments as *const u64, job.count as usize) };
                run.result.set(enter_driver(job.entry, arguments));
            }
            run.job.set(Job::default());
            run.to_host();
        }
    }
}

/// Notes how deep the driver's stack was at a callback's entry.
#[inline]
pub(crate) fn measure_depth(rsp: u64) {
    let Some(run) = run::current() else { return };
    let (low, high) = run.current_stack();
    let depth = high.wrapping_sub(rsp);
    if rsp >= low && depth <= STACK_BYTES && depth > run.deepest.get() {
        run.deepest.set(depth);
    }
}
