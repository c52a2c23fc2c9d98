//! Exceptions of driver code, dispatched to the driver's own handlers ("x64 exception handling", learn.microsoft.com).
//!
//! A trap in driver code, or an export that raises, becomes an EXCEPTION_RECORD and a CONTEXT on the driver's stack and a
//! dispatcher that goes on there, as in Windows: first every frame's language handler is asked (`dispatch`), then, if one
//! takes the exception, the frames below it are unwound (`unwinding`) and the driver goes on in its handler. The language
//! handlers and the filters and `__finally` blocks behind them are driver code, called on the driver's stack.
//!
//! The frames of ours that lie on the driver's stack meanwhile (the dispatcher, `__C_specific_handler`) are abandoned when the
//! driver goes on: they own nothing. Frames of exports never are: an export that raises returns first ([`raise_on_return`]).
//! A walk that comes to code of ours ends there, except at a dispatcher, which it steps over; so an exception in a nested
//! call (an interrupt routine) can be handled inside of it and not beyond.
//!
//! Not done: STATUS_UNWIND_CONSOLIDATE (C++ exceptions), vector registers beyond their low 128 bits, and the preserved vector
//! registers of a driver that calls RtlUnwindEx outside of a handler.
#![expect(unsafe_code, reason = "goes on in driver code at places that the driver's tables give")]

mod dispatch;
mod entry;
mod frames;
mod handler;
mod records;
mod routines;
mod unwinding;

use std::cell::{Cell, RefCell};

use crate::processor;
use crate::run::{self, Run};
use crate::stop::{ExceptionReport, StopReason};
use crate::unwind::{Registers, State};

pub(crate) use dispatch::begin;
pub(crate) use entry::{capture_context, capture_context_contains};
pub use handler::c_specific_handler;
pub use records::ExceptionRecord;
pub use routines::{
    lookup_function_entry, raise_exception, restore_context, unwind, unwind_ex, virtual_unwind,
};

/// The address to import as `RtlCaptureContext`: a leaf without a door, because it must see its caller's registers.
#[must_use]
pub fn capture_context_address() -> u64 {
    capture_context as *const () as u64
}

/// What a dispatcher or an unwind under way on a driver's stack left for walks that come to it from below.
struct Activation {
    /// Whose stack.
    fiber: usize,
    /// Where on it.
    at: u64,
    kind: Kind,
    /// For a dispatcher: address of the CONTEXT of the exception.
    context: u64,
    /// Address of the DISPATCHER_CONTEXT of the handler being called.
    dispatcher: u64,
    /// For a dispatcher: what the run ends with when nobody takes the exception.
    reason: Option<StopReason>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Dispatch,
    Unwind,
}

struct Pending {
    record: ExceptionRecord,
    /// Where the exception counts as having happened; 0 for a trap, whose context says it.
    rip: u64,
    reason: StopReason,
}

/// Exceptions of a run.
#[derive(Default)]
pub(crate) struct Exceptions {
    activations: RefCell<Vec<Activation>>,
    pending: RefCell<Option<Pending>>,
    handled: Cell<u64>,
}

impl Exceptions {
    /// Forgets what was under way on a fiber's stack below an address: those frames are gone.
    fn forget_below(&self, fiber: usize, address: u64) {
        self.activations.borrow_mut().retain(|one| one.fiber != fiber || one.at >= address);
    }

    /// Forgets everything of a fiber that ended.
    pub(crate) fn forget(&self, fiber: usize) {
        self.forget_below(fiber, u64::MAX);
    }

    /// Exceptions that handlers of the driver took.
    pub(crate) fn handled(&self) -> u64 {
        self.handled.get()
    }

    fn count_handled(&self) {
        self.handled.set(self.handled.get() + 1);
    }
}

/// Raises an exception from the export being served, if any handler of the driver may want it: when the export's body has
/// returned, whatever it returns, the driver goes on in the dispatcher. The caller returns as soon as it can, having
/// released everything as usual. False when no frame of the driver has a handler: the caller ends the run.
///
/// `unhandled` is what the run ends with when no handler takes the exception. The record's address should be 0: the
/// exception happens where the export was called.
pub fn raise_on_return(record: ExceptionRecord, unhandled: StopReason) -> bool {
    let Some(run) = run::current().filter(|run| run.in_driver.get()) else { return false };
    let capture = processor::captured();
    let state = State { registers: Registers::of_capture(&capture), ..State::default() };
    // The slot must be what the door noted, else it is not where the export returns to.
    let slot = crate::guarded::read_struct::<u64>(capture.rsp);
    if slot != Ok(capture.return_address) || !frames::any_handler(run, &state) {
        return false;
    }
    let rip = capture.return_address;
    let record = ExceptionRecord { address: rip, ..record };
    run.exceptions.pending.replace(Some(Pending { record, rip, reason: unhandled }));
    crate::guarded::write_struct(capture.rsp, &entry::raised_address()).is_ok()
}

/// Ends the run because exception handling itself cannot go on: the tables or stacks that it needs are damaged.
fn give_up(run: &Run, code: u32, registers: &Registers, note: &'static str) -> ! {
    let report = ExceptionReport {
        irql: processor::irql(),
        code: dxgk_abi::NtStatus(code),
        rip: registers.rip,
        address: 0,
        access: crate::stop::Access::None,
        registers: *registers,
        stack: crate::unwind::StackTrace::walk(registers),
        bytes: [0; 16],
        note,
    };
    run.abandon(StopReason::Exception(Box::new(report)))
}
