//! Exports of structured exception handling, and how an export raises an exception.

use dxgk_abi::NtStatus;

use super::memory;
use super::state::{Kernel, reason};
use super::trouble::{Outcome, Trouble};
use crate::guarded::Inaccessible;
use crate::layout::{HIGHEST_USER_ADDRESS, PAGE_SIZE, USER_PROBE_ADDRESS};
use crate::seh::{self, ExceptionRecord};

/// `EXCEPTION_NONCONTINUABLE`.
const NONCONTINUABLE: u32 = 1;

/// If the trouble is an exception that a handler of the driver may take: its status, and the export returns now. Else the run ends.
pub(super) fn raise(trouble: Trouble) -> Option<NtStatus> {
    let (status, record) = match trouble {
        Trouble::Fault { address, write } if address <= HIGHEST_USER_ADDRESS => {
            let status = NtStatus::ACCESS_VIOLATION;
            (status, ExceptionRecord::new(status.0, 0, 0, &[write.into(), address]))
        }
        Trouble::Raise(status) => (status, ExceptionRecord::new(status.0, NONCONTINUABLE, 0, &[])),
        _ => return None,
    };
    seh::raise_on_return(record, reason(trouble)).then_some(status)
}

fn fault(at: Inaccessible) -> Trouble {
    Trouble::Fault { address: at.address, write: false }
}

/// `__C_specific_handler`: the language handler that compiled `__try` blocks name.
pub(crate) fn c_specific_handler(
    _kernel: &Kernel,
    record: u64,
    frame: u64,
    context: u64,
    dispatcher: u64,
) -> Outcome<i32> {
    Ok(seh::c_specific_handler(record, frame, context, dispatcher))
}

/// RtlUnwindEx.
pub(crate) fn unwind_ex(
    _kernel: &Kernel,
    frame: u64,
    ip: u64,
    record: u64,
    value: u64,
    context: u64,
    history: u64,
) -> Outcome<()> {
    seh::unwind_ex(frame, ip, record, value, context, history);
    Ok(())
}

/// RtlUnwind.
pub(crate) fn unwind(_kernel: &Kernel, frame: u64, ip: u64, record: u64, value: u64) -> Outcome<()> {
    seh::unwind(frame, ip, record, value);
    Ok(())
}

/// RtlVirtualUnwind. The function entry that the caller gives is looked up again; nonvolatile-context pointers are not written.
#[expect(clippy::too_many_arguments, reason = "the prototype is given")]
pub(crate) fn virtual_unwind(
    _kernel: &Kernel,
    kinds: u32,
    _base: u64,
    control: u64,
    _function: u64,
    context: u64,
    handler_data: u64,
    establisher: u64,
    _pointers: u64,
) -> Outcome<u64> {
    seh::virtual_unwind(kinds, control, context, handler_data, establisher).map_err(fault)
}

/// RtlLookupFunctionEntry.
pub(crate) fn lookup_function_entry(_kernel: &Kernel, address: u64, base: u64, history: u64) -> Outcome<u64> {
    seh::lookup_function_entry(address, base, history).map_err(fault)
}

/// RtlRestoreContext.
pub(crate) fn restore_context(_kernel: &Kernel, context: u64, record: u64) -> Outcome<()> {
    seh::restore_context(context, record);
    Ok(())
}

/// RtlRaiseException.
pub(crate) fn raise_exception(_kernel: &Kernel, record: u64) -> Outcome<()> {
    let code: u32 = memory::read(record)?;
    let trouble = Trouble::Raise(NtStatus(code));
    match seh::raise_exception(record, reason(trouble)).map_err(fault)? {
        true => Ok(()),
        false => Err(trouble),
    }
}

/// ExRaiseAccessViolation.
pub(crate) fn raise_access_violation(_kernel: &Kernel) -> Outcome<()> {
    Err(Trouble::Raise(NtStatus::ACCESS_VIOLATION))
}

/// ExRaiseDatatypeMisalignment.
pub(crate) fn raise_misalignment(_kernel: &Kernel) -> Outcome<()> {
    Err(Trouble::Raise(NtStatus::DATATYPE_MISALIGNMENT))
}

/// ProbeForRead: the range must be aligned and in user space; whether anything is there is not looked at.
pub(crate) fn probe_for_read(_kernel: &Kernel, address: u64, bytes: u64, alignment: u32) -> Outcome<()> {
    if bytes == 0 {
        return Ok(());
    }
    if address & u64::from(alignment.saturating_sub(1)) != 0 {
        return Err(Trouble::Raise(NtStatus::DATATYPE_MISALIGNMENT));
    }
    match address.checked_add(bytes) {
        Some(end) if end <= USER_PROBE_ADDRESS => Ok(()),
        _ => Err(Trouble::Raise(NtStatus::ACCESS_VIOLATION)),
    }
}

/// ProbeForWrite: as [`probe_for_read`], and every page must be writable.
pub(crate) fn probe_for_write(kernel: &Kernel, address: u64, bytes: u64, alignment: u32) -> Outcome<()> {
    probe_for_read(kernel, address, bytes, alignment)?;
    let mut at = address;
    while at < address.saturating_add(bytes) {
        let byte: u8 = memory::read(at)?;
        memory::write(at, &byte)?;
        at = (at & !(PAGE_SIZE - 1)).saturating_add(PAGE_SIZE);
    }
    Ok(())
}
