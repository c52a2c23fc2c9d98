//! Why a run ended early, and the way out.

use std::fmt;

use dxgk_abi::{BugCheck, NtStatus};

use crate::processor;
use crate::unwind::{Registers, StackTrace};

/// [`ExceptionReport::note`] of an access below the driver's stack.
pub const STACK_OVERFLOW: &str = "the driver's stack overflowed";
/// [`ExceptionReport::note`] of a jump into data.
pub const NOT_EXECUTABLE: &str = "execution of memory that is not executable";
/// [`ExceptionReport::note`] of a write where only reading is allowed.
pub const READ_ONLY: &str = "write to read-only memory";

/// An exception that the driver raised and nothing handled.
#[derive(Clone, Debug)]
pub struct ExceptionReport {
    /// The exception's code as Windows names it.
    pub code: NtStatus,
    /// The faulting instruction.
    pub rip: u64,
    /// The address it touched (access violations), the fast-fail code (`int 29h`), else 0.
    pub address: u64,
    /// What the instruction was doing.
    pub access: Access,
    /// The level at the instruction.
    pub irql: u8,
    /// The driver's registers at the instruction.
    pub registers: Registers,
    /// Return addresses, innermost first; the first entry is the instruction itself.
    pub stack: StackTrace,
    /// The first bytes of the instruction, zeroes where they cannot be read.
    pub bytes: [u8; 16],
    /// What is special about the case, where the code alone does not say it.
    pub note: &'static str,
}

/// The kind of access that an exception report speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// No memory access.
    None,
    /// A read.
    Read,
    /// A write.
    Write,
    /// An instruction fetch.
    Execute,
}

/// Why driver code does not go on.
#[derive(Clone, Debug)]
pub enum StopReason {
    /// A bug check: the machine stops.
    BugCheck {
        /// Its code.
        code: BugCheck,
        /// Its four parameters.
        parameters: [u64; 4],
        /// Where the driver was.
        stack: StackTrace,
    },
    /// An unhandled exception in driver code.
    Exception(Box<ExceptionReport>),
    /// The thread in which the driver was called waits for something that nothing left can bring about.
    WaitsForEver {
        /// Where the driver waits.
        stack: StackTrace,
    },
    /// The watchdog's signal (SIGALRM) found driver code executing.
    Watchdog {
        /// Where the driver is: the interrupted instruction first.
        stack: StackTrace,
    },
    /// Driver code made a system call, which only our own code may.
    SystemCall {
        /// Its number.
        number: i64,
        /// Where the instruction is.
        rip: u64,
        /// Return addresses.
        stack: StackTrace,
    },
    /// Our own code panicked while serving the driver: a defect of this program.
    HostPanic {
        /// The panic's message.
        message: String,
        /// Where the driver was.
        stack: StackTrace,
    },
    /// The thread that called the driver is no processor: a defect of this program.
    NoProcessor,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BugCheck { code, parameters: [a, b, c, d], stack } => {
                write!(f, "bug check {code} ({a:#x}, {b:#x}, {c:#x}, {d:#x}) at {stack}")
            }
            Self::Exception(report) => {
                let ExceptionReport { code, rip, address, access, stack, note, .. } = &**report;
                write!(f, "{code} at {rip:#x} ({access:?} {address:#x}) {note} {stack}")
            }
            Self::WaitsForEver { stack } => write!(f, "waits for ever at {stack}"),
            Self::Watchdog { stack } => write!(f, "does not come back from {stack}"),
            Self::SystemCall { number, stack, .. } => {
                write!(f, "driver code made system call {number} at {stack}")
            }
            Self::HostPanic { message, stack } => write!(f, "host panic \"{message}\" while serving {stack}"),
            Self::NoProcessor => f.write_str("no processor on this thread"),
        }
    }
}

/// Ends the run from inside a callback: no driver code runs any more, and the outermost [`crate::call::call_driver`] returns
/// `Stopped(reason)`.
///
/// The frames in between, the driver's and ours, are abandoned without running destructors. The caller must hold nothing that
/// somebody needs later: no lock, no borrow. Called outside of driver code it panics, because there is nobody to return to.
pub fn stop(reason: StopReason) -> ! {
    match processor::block().and_then(crate::run::of) {
        Some(run) => run.abandon(reason),
        None => panic!("stop outside of a run: {reason}"),
    }
}

/// [`stop`] with a bug check, the stack taken from the innermost callback.
pub fn bug_check(code: BugCheck, parameters: [u64; 4]) -> ! {
    stop(StopReason::BugCheck { code, parameters, stack: StackTrace::of_caller() })
}
