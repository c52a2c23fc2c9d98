//! Instructions that only a kernel may execute: ports and the level register are done here, the others refused.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::context::{Interrupted, mask};
use super::emulate::Failure;
use super::strings;
use crate::processor;
use crate::run::Run;

pub(super) enum Privileged {
    Done {
        /// The level is lower than before.
        lowered: bool,
    },
    /// A privileged instruction that this host does not do.
    Refused,
    /// The memory operand of a port instruction faults at this address.
    Inaccessible(u64),
    /// No privileged instruction at all.
    No,
}

pub(super) fn execute(trap: &mut Interrupted<'_>, run: &Run, instruction: &Instruction) -> Privileged {
    let done = match instruction.mnemonic() {
        Mnemonic::In => port_in(trap, run, instruction),
        Mnemonic::Out => port_out(trap, run, instruction),
        Mnemonic::Insb
        | Mnemonic::Insw
        | Mnemonic::Insd
        | Mnemonic::Outsb
        | Mnemonic::Outsw
        | Mnemonic::Outsd => {
            return match strings::execute(trap, run, instruction) {
                Ok(()) => Privileged::Done { lowered: false },
                Err(Failure::Unsupported) => Privileged::Refused,
                Err(Failure::Inaccessible(address)) => Privileged::Inaccessible(address),
            };
        }
        Mnemonic::Mov => return level(trap, instruction),
        Mnemonic::Rdmsr => model_specific(trap),
        _ if instruction.is_privileged() => None,
        _ => return Privileged::No,
    };
    match done {
        Some(()) => {
            trap.set_rip(instruction.next_ip());
            Privileged::Done { lowered: false }
        }
        None => Privileged::Refused,
    }
}

/// `rdmsr` of the registers that drivers look at to learn what machine they are on (Intel SDM volume 4): what a plain x64
/// processor under Windows has. Others are refused; `wrmsr` always is. `rdtsc` and `rdtscp` do not trap and are not virtual time.
fn model_specific(trap: &mut Interrupted<'_>) -> Option<()> {
    let value: u64 = match trap.gpr(1) as u32 {
        // The time-stamp counter: virtual time.
        0x10 => processor::boundary().wrapping_mul(1000),
        // APIC base: enabled, the boot processor, at its usual place.
        0x1B => 0xFEE0_0900,
        // Fast strings.
        0x1A0 => 1,
        // The memory types at reset.
        0x277 => 0x0007_0406_0007_0406,
        // EFER: system calls, long mode, no-execute.
        0xC000_0080 => 0xD01,
        _ => return None,
    };
    trap.set_gpr(0, value & 0xFFFF_FFFF);
    trap.set_gpr(2, value >> 32);
    Some(())
}

fn port(trap: &Interrupted<'_>, instruction: &Instruction, operand: u32) -> u64 {
    match instruction.op_kind(operand) {
        OpKind::Register => trap.get(Register::DX),
        _ => u64::from(instruction.immediate8()),
    }
}

fn port_in(trap: &mut Interrupted<'_>, run: &Run, instruction: &Instruction) -> Option<()> {
    let register = instruction.op0_register();
    let width = register.size() as u32;
    let port = port(trap, instruction, 1);
    let value = run.watches.port(port)?.load(port, width);
    trap.set(register, value & mask(width));
    Some(())
}

fn port_out(trap: &Interrupted<'_>, run: &Run, instruction: &Instruction) -> Option<()> {
    let register = instruction.op1_register();
    let width = register.size() as u32;
    let port = port(trap, instruction, 0);
    run.watches.port(port)?.store(port, width, trap.get(register));
    Some(())
}

/// `mov r, cr8` and `mov cr8, r`: how `KeGetCurrentIrql` and older headers' `KeLowerIrql` are inlined. Other control and debug
/// registers are none of a driver's business.
fn level(trap: &mut Interrupted<'_>, instruction: &Instruction) -> Privileged {
    let (to, from) = (instruction.op0_register(), instruction.op1_register());
    let system = |register: Register| register.is_cr() || register.is_dr() || register.is_tr();
    let lowered = match (to, from) {
        (_, Register::CR8) => {
            trap.set(to, u64::from(processor::irql()));
            false
        }
        (Register::CR8, _) => {
            let new = trap.get(from) as u8 & 15;
            processor::set_irql(new) > new
        }
        _ if system(to) || system(from) => return Privileged::Refused,
        _ => return Privileged::No,
    };
    trap.set_rip(instruction.next_ip());
    Privileged::Done { lowered }
}
