//! Exceptions dispatched to handlers of drivers whose tables are written by hand.

mod assembled;
mod compiled;

use std::cell::Cell;

use dxgk_abi::{BugCheck, NtStatus};
use dxgk_host::image::Image;
use dxgk_host::layout::{Purpose, Region, RunGuard};
use dxgk_host::seh::{self, ExceptionRecord};
use dxgk_host::unwind::StackTrace;
use dxgk_host::{CallOutcome, Processor, StopReason, call_driver, guarded, leaf, thunk};

use crate::portable;

thread_local! {
    static NESTED: Cell<u64> = const { Cell::new(0) };
    static LOG: Cell<u64> = const { Cell::new(0) };
}

/// Raises with a status; goes on where nobody has a handler by ending the run as a bug check.
fn raise_status(status: u32) -> u64 {
    let kept = String::from("owned by the export");
    let unhandled = StopReason::BugCheck {
        code: BugCheck::KMODE_EXCEPTION_NOT_HANDLED,
        parameters: [status.into(), 0, 0, 0],
        stack: StackTrace::of_caller(),
    };
    if !seh::raise_on_return(ExceptionRecord::new(status, 1, 0, &[]), unhandled.clone()) {
        dxgk_host::stop(unhandled)
    }
    kept.len() as u64
}

fn call_nested(entry: u64, argument: u64) -> u64 {
    call_driver(entry, &[argument]).returned().unwrap_or(0xDEAD)
}

/// Appends a digit to what the test sees.
fn note(digit: u64) -> u64 {
    LOG.set(LOG.get().wrapping_mul(10) + digit);
    LOG.get()
}

fn unwind_ex(frame: u64, ip: u64, record: u64, value: u64, context: u64, history: u64) {
    seh::unwind_ex(frame, ip, record, value, context, history);
}

thunk! {
    /// `__C_specific_handler`.
    fn c_handler(record: u64, frame: u64, context: u64, dispatcher: u64) -> i32 => seh::c_specific_handler;
    /// ExRaiseStatus.
    fn raises(status: u32) -> u64 => raise_status;
    /// Calls the driver from a callback.
    fn nests(entry: u64, argument: u64) -> u64 => call_nested;
    /// Notes a digit.
    fn notes(digit: u64) -> u64 => note;
    /// RtlUnwindEx.
    fn unwinds(frame: u64, ip: u64, record: u64, value: u64, context: u64, history: u64) => unwind_ex;
}

fn resolve(_: &str, name: &str) -> Option<u64> {
    Some(match name {
        "__C_specific_handler" => c_handler as *const () as u64,
        "ExRaiseStatus" => raises as *const () as u64,
        "Nest" => nests as *const () as u64,
        "Note" => notes as *const () as u64,
        "RtlUnwindEx" => unwinds as *const () as u64,
        "memcpy" => leaf::memmove as *const () as u64,
        "RtlCaptureContext" => seh::capture_context_address(),
        _ => return None,
    })
}

/// What a driver did.
struct Ran {
    outcome: CallOutcome,
    log: u64,
    handled: u64,
    base: u64,
}

/// Loads a file and calls its code at `entry`.
fn run(file: &[u8], entry: Option<u32>, arguments: &[u64]) -> Ran {
    let guard = RunGuard::acquire();
    let mut images = Region::new(Purpose::Images, &guard);
    let processor = Processor::attach(&guard).expect("a processor");
    let image = Image::load(file, "test.sys", &mut images, &mut resolve).expect("loads");
    LOG.set(0);
    let at = entry.map_or(image.entry(), |entry| image.base() + u64::from(portable::TEXT + entry));
    let outcome = call_driver(at, arguments);
    let ran =
        Ran { outcome, log: LOG.get(), handled: processor.run().handled_exceptions(), base: image.base() };
    drop(processor);
    ran
}

#[track_caller]
fn returned(ran: &Ran) -> u64 {
    match &ran.outcome {
        CallOutcome::Returned(value) => *value,
        other => panic!("{other} after {}", ran.log),
    }
}

#[track_caller]
fn stopped(ran: &Ran) -> (NtStatus, u64) {
    match &ran.outcome {
        CallOutcome::Stopped(StopReason::Exception(report)) => (report.code, report.rip - ran.base),
        other => panic!("{other} after {}", ran.log),
    }
}

/// A user address where nothing is.
const NOWHERE: u64 = 0x10_0000;

fn readable(address: u64) -> bool {
    guarded::read_struct::<u8>(address).is_ok()
}
