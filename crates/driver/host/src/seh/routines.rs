//! The Rtl routines of exception handling, for drivers that do parts of it themselves.

use super::records::{Context, ExceptionRecord};
use super::unwinding::{self, Target};
use super::{dispatch, raise_on_return};
use crate::guarded::{self, Inaccessible};
use crate::modules;
use crate::processor;
use crate::run;
use crate::stop::{StopReason, stop};
use crate::unwind::{self, Registers, State};

/// `RtlUnwindEx`: unwinds from the caller to the frame `frame` and goes on at `ip` in it with `value` in rax. Does not return.
pub fn unwind_ex(frame: u64, ip: u64, record: u64, value: u64, _context: u64, _history: u64) {
    let Some(run) = run::current() else { stop(StopReason::NoProcessor) };
    let registers = Registers::of_capture(&processor::captured());
    let start = State { registers, ..State::default() };
    unwinding::unwind(run, start, Target { frame, ip, value, record })
}

/// `RtlUnwind`.
pub fn unwind(frame: u64, ip: u64, record: u64, value: u64) {
    unwind_ex(frame, ip, record, value, 0, 0);
}

/// `RtlRestoreContext`: goes on with the context. Does not return.
pub fn restore_context(context: u64, _record: u64) {
    let Some(run) = run::current() else { stop(StopReason::NoProcessor) };
    dispatch::go_on(run, context)
}

/// `RtlLookupFunctionEntry`: the entry that covers `address`, or 0; its module's base goes to `base`.
///
/// # Errors
/// When `base` is not writable.
pub fn lookup_function_entry(address: u64, base: u64, _history: u64) -> Result<u64, Inaccessible> {
    let Some((entry, image)) = unwind::lookup(address) else {
        guarded::write_struct(base, &modules::find(address).map_or(0, |module| module.base))?;
        return Ok(0);
    };
    guarded::write_struct(base, &image)?;
    Ok(entry)
}

/// `RtlVirtualUnwind`: makes the context that of the frame's caller, and gives the address of the language handler of the
/// wanted kinds (bit 0: exceptions, bit 1: unwinding), or 0. Arguments are those of the routine; the function entry is looked up
/// again, and saved-register pointers are not filled in.
///
/// # Errors
/// When one of the structures is not accessible.
pub fn virtual_unwind(
    kinds: u32,
    control: u64,
    context: u64,
    handler_data: u64,
    establisher: u64,
) -> Result<u64, Inaccessible> {
    let mut found = Context::read(context)?;
    let mut state = found.state();
    state.registers.rip = control;
    let unwound = match modules::find(control).filter(|module| module.exceptions != 0) {
        Some(module) => unwind::step(&module, &mut state),
        None => state.registers.leave().map(|()| unwind::Unwound::default()),
    };
    let Some(unwound) = unwound else {
        return Err(Inaccessible { address: state.registers.gpr[4], bytes: 8 });
    };
    found.set(&state);
    found.write(context)?;
    guarded::write_struct(establisher, &unwound.establisher)?;
    if u32::from(unwound.kinds) & kinds == 0 {
        return Ok(0);
    }
    guarded::write_struct(handler_data, &unwound.handler_data)?;
    Ok(unwound.handler)
}

/// `RtlRaiseException`: raises what the record at an address says; see [`raise_on_return`].
///
/// # Errors
/// When the record is not readable.
pub fn raise_exception(record: u64, unhandled: StopReason) -> Result<bool, Inaccessible> {
    let record: ExceptionRecord = guarded::read_struct(record)?;
    Ok(raise_on_return(record, unhandled))
}
