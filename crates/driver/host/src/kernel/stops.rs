//! Exports with which a driver ends, or with which its compiled code meets the kernel in trouble.

use std::sync::atomic::Ordering;

use dxgk_abi::{BugCheck, NtStatus};

use super::state::Kernel;
use super::trouble::{Outcome, Trouble, bug_check};

/// KeBugCheckEx.
pub(crate) fn bug_check_ex(kernel: &Kernel, code: u32, a: u64, b: u64, c: u64, d: u64) -> Outcome<()> {
    kernel.asked_to_stop.store(true, Ordering::Relaxed);
    bug_check(BugCheck(code), [a, b, c, d])
}

/// KeBugCheck.
pub(crate) fn bug_check_plain(kernel: &Kernel, code: u32) -> Outcome<()> {
    bug_check_ex(kernel, code, 0, 0, 0, 0)
}

/// `_purecall`: a pure virtual function was called.
pub(crate) fn pure_call(_kernel: &Kernel) -> Outcome<()> {
    Err(Trouble::Raise(NtStatus::PROCEDURE_NOT_FOUND))
}

/// ExRaiseStatus.
pub(crate) fn raise_status(_kernel: &Kernel, status: u32) -> Outcome<()> {
    Err(Trouble::Raise(NtStatus(status)))
}

/// DbgBreakPoint: without a debugger, an exception that nothing handles.
pub(crate) fn break_point(_kernel: &Kernel) -> Outcome<()> {
    Err(Trouble::Raise(NtStatus::BREAKPOINT))
}

/// DbgBreakPointWithStatus.
pub(crate) fn break_point_with(kernel: &Kernel, _status: u32) -> Outcome<()> {
    break_point(kernel)
}

/// RtlAssert: prints, and goes on, as with no debugger attached (our choice).
pub(crate) fn assertion(kernel: &Kernel, condition: u64, file: u64, line: u32, message: u64) -> Outcome<()> {
    let text = |at: u64| -> Outcome<String> {
        if at == 0 {
            return Ok(String::new());
        }
        Ok(super::memory::read_text(at, 512)?.iter().map(|byte| char::from(*byte)).collect())
    };
    let (condition, file, message) = (text(condition)?, text(file)?, text(message)?);
    kernel.log(&format!("assertion failed: {condition} at {file}:{line} {message}"));
    Ok(())
}
