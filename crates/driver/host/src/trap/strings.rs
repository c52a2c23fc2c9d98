//! String instructions on register windows and ports: `movs`, `stos`, `lods`, `ins`, `outs`, with and without `rep`.

use iced_x86::{Instruction, Mnemonic, OpKind};

use super::context::{Interrupted, mask};
use super::emulate::{Failure, load, store};
use crate::run::Run;

/// Elements that one trap does at most; the instruction is simply met again for the rest.
const MOST: u64 = 4096;

const RAX: usize = 0;
const RCX: usize = 1;
const RDX: usize = 2;
const RSI: usize = 6;
const RDI: usize = 7;

#[derive(Clone, Copy)]
enum Kind {
    Move,
    Store,
    Load,
    In,
    Out,
}

fn kind(mnemonic: Mnemonic) -> Option<(Kind, u32)> {
    Some(match mnemonic {
        Mnemonic::Movsb => (Kind::Move, 1),
        Mnemonic::Movsw => (Kind::Move, 2),
        Mnemonic::Movsd => (Kind::Move, 4),
        Mnemonic::Movsq => (Kind::Move, 8),
        Mnemonic::Stosb => (Kind::Store, 1),
        Mnemonic::Stosw => (Kind::Store, 2),
        Mnemonic::Stosd => (Kind::Store, 4),
        Mnemonic::Stosq => (Kind::Store, 8),
        Mnemonic::Lodsb => (Kind::Load, 1),
        Mnemonic::Lodsw => (Kind::Load, 2),
        Mnemonic::Lodsd => (Kind::Load, 4),
        Mnemonic::Lodsq => (Kind::Load, 8),
        Mnemonic::Insb => (Kind::In, 1),
        Mnemonic::Insw => (Kind::In, 2),
        Mnemonic::Insd => (Kind::In, 4),
        Mnemonic::Outsb => (Kind::Out, 1),
        Mnemonic::Outsw => (Kind::Out, 2),
        Mnemonic::Outsd => (Kind::Out, 4),
        _ => return None,
    })
}

/// Does up to [`MOST`] elements. An element that cannot be done, if it is not the first, is left to the processor: it faults
/// there in its own right.
pub(super) fn execute(
    trap: &mut Interrupted<'_>,
    run: &Run,
    instruction: &Instruction,
) -> Result<(), Failure> {
    let (kind, width) = kind(instruction.mnemonic()).ok_or(Failure::Unsupported)?;
    // A 32-bit address size would wrap registers at 4 GiB, where no window lies.
    let narrow = [OpKind::MemorySegESI, OpKind::MemorySegEDI, OpKind::MemoryESEDI];
    if (0..instruction.op_count()).any(|operand| narrow.contains(&instruction.op_kind(operand))) {
        return Err(Failure::Unsupported);
    }
    let repeated = instruction.has_rep_prefix();
    let total = if repeated { trap.gpr(RCX) } else { 1 };
    let backwards = trap.flags() & 0x400 != 0;
    let stride = if backwards { u64::from(width).wrapping_neg() } else { u64::from(width) };
    let mut done = 0;
    while done < total && done < MOST {
        match element(trap, run, kind, width) {
            Ok(()) => {}
            Err(failure) if done == 0 => return Err(failure),
            Err(_) => break,
        }
        done += 1;
        if matches!(kind, Kind::Move | Kind::Load | Kind::Out) {
            trap.set_gpr(RSI, trap.gpr(RSI).wrapping_add(stride));
        }
        if matches!(kind, Kind::Move | Kind::Store | Kind::In) {
            trap.set_gpr(RDI, trap.gpr(RDI).wrapping_add(stride));
        }
        if repeated {
            trap.set_gpr(RCX, trap.gpr(RCX).wrapping_sub(1));
        }
    }
    if done == total {
        trap.set_rip(instruction.next_ip());
    }
    Ok(())
}

fn element(trap: &mut Interrupted<'_>, run: &Run, kind: Kind, width: u32) -> Result<(), Failure> {
    let (from, to) = (trap.gpr(RSI), trap.gpr(RDI));
    let port = trap.gpr(RDX) & 0xFFFF;
    match kind {
        Kind::Move => store(run, to, width, load(run, from, width)?),
        Kind::Store => store(run, to, width, trap.gpr(RAX) & mask(width)),
        Kind::Load => {
            let value = load(run, from, width)?;
            // As a register of that width: only the 32-bit form clears what is above.
            let rest = if width == 4 { 0 } else { trap.gpr(RAX) & !mask(width) };
            trap.set_gpr(RAX, rest | value);
            Ok(())
        }
        Kind::In => {
            let ports = run.watches.port(port).ok_or(Failure::Unsupported)?;
            store(run, to, width, ports.load(port, width) & mask(width))
        }
        Kind::Out => {
            let ports = run.watches.port(port).ok_or(Failure::Unsupported)?;
            ports.store(port, width, load(run, from, width)?);
            Ok(())
        }
    }
}
