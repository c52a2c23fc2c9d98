//! What a trap was, and what Windows calls it ("Bug check 0x1E", parameter 1; ntstatus.h).

use dxgk_abi::NtStatus;
use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};

use super::context::Interrupted;
use super::emulate::{self, Failure};
use super::privileged::{self, Privileged};
use super::watch::GuardAction;
use crate::layout::{PAGE_SIZE, Protection};
use crate::run::Run;
use crate::stop::{Access, ExceptionReport, NOT_EXECUTABLE, READ_ONLY, STACK_OVERFLOW, StopReason};
use crate::unwind::StackTrace;
use crate::{guarded, leaf, processor};

/// Vectors of the processor's exceptions (Intel SDM volume 3, table 6-1).
const DIVIDE_ERROR: u64 = 0;
const DEBUG: u64 = 1;
const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;
const X87_ERROR: u64 = 16;
const ALIGNMENT_CHECK: u64 = 17;
const SIMD_ERROR: u64 = 19;

pub(super) enum Verdict {
    /// Handled: the context says where to go on. `lowered`: the level was lowered by the instruction.
    Done { lowered: bool },
    /// The driver cannot go on.
    Stop(StopReason),
    /// Nothing that a driver does.
    NotOurs,
}

/// Deals with a trap. Windows and guards are honoured whoever touches them, everything else only while driver code runs.
pub(super) fn handle(trap: &mut Interrupted<'_>, run: &Run, by_driver: bool) -> Verdict {
    match (trap.signal, trap.trap_number()) {
        (libc::SIGSEGV | libc::SIGBUS, PAGE_FAULT) => page_fault(trap, run, by_driver),
        _ if !by_driver => Verdict::NotOurs,
        (libc::SIGSEGV, GENERAL_PROTECTION) => general_protection(trap, run),
        (libc::SIGTRAP, DEBUG) => stop(trap, NtStatus(0x8000_0004), 0, Access::None, "single step"),
        (libc::SIGTRAP, _) => {
            // The processor reports the breakpoint after the instruction, Windows at it.
            let rip = trap.rip().wrapping_sub(1);
            trap.set_rip(rip);
            stop(trap, NtStatus::BREAKPOINT, 0, Access::None, "breakpoint without a debugger")
        }
        (libc::SIGFPE, DIVIDE_ERROR) => stop(trap, NtStatus::INTEGER_DIVIDE_BY_ZERO, 0, Access::None, ""),
        (libc::SIGFPE, X87_ERROR | SIMD_ERROR) => {
            stop(trap, NtStatus(0xC000_0090), 0, Access::None, "floating point")
        }
        (libc::SIGBUS, ALIGNMENT_CHECK) => stop(trap, NtStatus::DATATYPE_MISALIGNMENT, 0, Access::None, ""),
        (libc::SIGILL, _) => stop(trap, NtStatus::ILLEGAL_INSTRUCTION, 0, Access::None, ""),
        (libc::SIGALRM, _) => {
            Verdict::Stop(StopReason::Watchdog { stack: StackTrace::walk(&trap.registers()) })
        }
        (libc::SIGSYS, _) => Verdict::Stop(StopReason::SystemCall {
            number: trap.address as i64,
            rip: trap.registers().rip,
            stack: StackTrace::walk(&trap.registers()),
        }),
        (_, _) => {
            stop(trap, NtStatus::ACCESS_VIOLATION, trap.address, Access::None, "memory of this host is gone")
        }
    }
}

fn access(error_code: u64) -> Access {
    // Bits of the page-fault error code (Intel SDM volume 3, figure 4-12).
    match error_code {
        code if code & 0x10 != 0 => Access::Execute,
        code if code & 2 != 0 => Access::Write,
        _ => Access::Read,
    }
}

fn page_fault(trap: &mut Interrupted<'_>, run: &Run, by_driver: bool) -> Verdict {
    let address = trap.address;
    let access = access(trap.error_code());
    let own = run.watches.window(address).is_some();
    let in_window = own || access == Access::Read && run.window(address).is_some();
    // An access can begin below the window that it faults in, but no driver does that on purpose.
    if in_window && access != Access::Execute {
        let Some(instruction) = decode(trap.rip()) else { return Verdict::NotOurs };
        run.counters.count(|counts| if own { &mut counts.registers } else { &mut counts.shared_data });
        return match emulate::emulate(trap, run, &instruction) {
            Ok(()) => Verdict::Done { lowered: false },
            Err(Failure::Unsupported) => {
                let note = "this instruction on device registers is not supported by the host";
                stop(trap, NtStatus::NOT_SUPPORTED, address, access, note)
            }
            Err(Failure::Inaccessible(other)) => stop(trap, NtStatus::ACCESS_VIOLATION, other, access, ""),
        };
    }
    if let Some(guard) = run.watches.guard(address)
        && access != Access::Execute
    {
        run.counters.count(|counts| &mut counts.guards);
        match guard.touched(address, access) {
            GuardAction::Retry => return Verdict::Done { lowered: false },
            GuardAction::MakeAccessible => {
                let page = address & !(PAGE_SIZE - 1);
                if crate::layout::protect_page(page, Protection::ReadWrite).is_ok() {
                    return Verdict::Done { lowered: false };
                }
            }
            GuardAction::Refuse(note) => {
                return stop(trap, NtStatus::ACCESS_VIOLATION, address, access, note);
            }
        }
    }
    if !by_driver {
        return Verdict::NotOurs;
    }
    let note = match access {
        _ if run.near_stack(address) => STACK_OVERFLOW,
        Access::Execute if trap.error_code() & 1 != 0 => NOT_EXECUTABLE,
        Access::Write if trap.error_code() & 1 != 0 => READ_ONLY,
        _ => "",
    };
    stop(trap, NtStatus::ACCESS_VIOLATION, address, access, note)
}

fn general_protection(trap: &mut Interrupted<'_>, run: &Run) -> Verdict {
    let Some(instruction) = decode(trap.rip()) else {
        return stop(trap, NtStatus::ACCESS_VIOLATION, u64::MAX, Access::Execute, "");
    };
    if instruction.mnemonic() == Mnemonic::Int {
        return match instruction.immediate8() {
            // RtlFailFast: the code is in ecx.
            0x29 => stop(
                trap,
                NtStatus::STACK_BUFFER_OVERRUN,
                trap.gpr(1) & 0xFFFF_FFFF,
                Access::None,
                "fast fail",
            ),
            0x2C => stop(trap, NtStatus::ASSERTION_FAILURE, 0, Access::None, "assertion"),
            0x03 => stop(trap, NtStatus::BREAKPOINT, 0, Access::None, "breakpoint without a debugger"),
            _ => stop(trap, NtStatus::ACCESS_VIOLATION, u64::MAX, Access::None, "software interrupt"),
        };
    }
    match privileged::execute(trap, run, &instruction) {
        Privileged::Done { lowered } => {
            let level = instruction.mnemonic() == Mnemonic::Mov;
            run.counters.count(|counts| if level { &mut counts.level } else { &mut counts.privileged });
            Verdict::Done { lowered }
        }
        Privileged::Refused => {
            stop(trap, NtStatus::PRIVILEGED_INSTRUCTION, 0, Access::None, "not supported by the host")
        }
        Privileged::Inaccessible(address) => {
            stop(trap, NtStatus::ACCESS_VIOLATION, address, Access::None, "")
        }
        Privileged::No => stop(
            trap,
            NtStatus::ACCESS_VIOLATION,
            u64::MAX,
            Access::None,
            "an address that no processor can reach",
        ),
    }
}

fn decode(rip: u64) -> Option<Instruction> {
    let bytes = code_bytes(rip);
    let instruction = Decoder::with_ip(64, bytes.get(..15)?, rip, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

/// The bytes at `rip`, zeroes from where they cannot be read.
fn code_bytes(rip: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    if guarded::read(rip, &mut bytes).is_err() {
        let room = (PAGE_SIZE - rip % PAGE_SIZE).min(16) as usize;
        bytes = [0; 16];
        if let Some(part) = bytes.get_mut(..room) {
            let _ = guarded::read(rip, part);
        }
    }
    bytes
}

fn stop(trap: &Interrupted<'_>, code: NtStatus, address: u64, access: Access, note: &'static str) -> Verdict {
    let mut registers = trap.registers();
    let moved = registers.rip != trap.rip();
    // A fault in a routine that we lend the driver is the fault of its caller.
    leaf::pretend_at_caller(&mut registers);
    Verdict::Stop(StopReason::Exception(Box::new(ExceptionReport {
        code,
        rip: registers.rip,
        address,
        access,
        irql: processor::irql(),
        stack: StackTrace::walk(&registers),
        // What was moved is not there any more.
        bytes: code_bytes(if moved { trap.rip() } else { registers.rip }),
        registers,
        note,
    })))
}
