//! One instruction that touched a register window, done on the window's target.
//!
//! Covers what compilers make of volatile accesses and of the `READ_REGISTER_*` and `WRITE_REGISTER_*` inlines: moves of every
//! kind, read-modify-write with flags, exchanges, string moves, 16-byte vector moves. Operands outside of windows are memory,
//! accessed guardedly. The manual's names: Intel SDM volume 2.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use super::alu::{self, Operation};
use super::context::{Interrupted, mask};
use super::strings;
use crate::guarded;
use crate::run::Run;

pub(super) enum Failure {
    /// The instruction is none of those.
    Unsupported,
    /// Its other operand faults at this address.
    Inaccessible(u64),
}

/// Decodes and formats nothing, but makes the decoder build its tables now.
pub(super) fn warm_up() {
    let instruction = Decoder::with_ip(64, &[0x8B, 0x01], 0, DecoderOptions::NONE).decode();
    std::hint::black_box(instruction.memory_size().size());
}

pub(super) fn load(run: &Run, address: u64, width: u32) -> Result<u64, Failure> {
    if let Some(target) = run.window(address) {
        return Ok(target.load(address, width) & mask(width));
    }
    let mut bytes = [0; 8];
    let part = bytes.get_mut(..width as usize).ok_or(Failure::Unsupported)?;
    guarded::read(address, part).map_err(|_| Failure::Inaccessible(address))?;
    Ok(u64::from_le_bytes(bytes))
}

pub(super) fn store(run: &Run, address: u64, width: u32, value: u64) -> Result<(), Failure> {
    if let Some(target) = run.window(address) {
        target.store(address, width, value & mask(width));
        return Ok(());
    }
    let bytes = value.to_le_bytes();
    let part = bytes.get(..width as usize).ok_or(Failure::Unsupported)?;
    guarded::write(address, part).map_err(|_| Failure::Inaccessible(address))
}

fn sign_extend(value: u64, width: u32) -> u64 {
    let shift = 64 - (width * 8).clamp(8, 64);
    ((value << shift) as i64 >> shift) as u64
}

/// Does the instruction and steps over it. On failure nothing has changed but what the target did.
pub(super) fn emulate(
    trap: &mut Interrupted<'_>,
    run: &Run,
    instruction: &Instruction,
) -> Result<(), Failure> {
    if instruction.is_string_instruction() {
        return strings::execute(trap, run, instruction);
    }
    let count = instruction.op_count();
    let operand =
        (0..count).find(|&index| instruction.op_kind(index) == OpKind::Memory).ok_or(Failure::Unsupported)?;
    // Segment bases other than gs are 0, and no window is addressed through gs.
    let register =
        |register: Register, _, _| Some(if register.is_segment_register() { 0 } else { trap.get(register) });
    let address = instruction.virtual_address(operand, 0, register).ok_or(Failure::Unsupported)?;
    let width = instruction.memory_size().size() as u32;
    let access = Access { run, address, width, to_memory: operand == 0 };
    if width == 0 {
        return Err(Failure::Unsupported);
    }
    if is_vector_move(instruction) {
        access.vector_move(trap, instruction)?;
    } else if width <= 8 {
        access.integer(trap, instruction)?;
    } else {
        return Err(Failure::Unsupported);
    }
    trap.set_rip(instruction.next_ip());
    Ok(())
}

struct Access<'a> {
    run: &'a Run,
    address: u64,
    width: u32,
    /// The memory operand is the first.
    to_memory: bool,
}

impl Access<'_> {
    fn load(&self) -> Result<u64, Failure> {
        load(self.run, self.address, self.width)
    }

    fn store(&self, value: u64) -> Result<(), Failure> {
        store(self.run, self.address, self.width, value)
    }

    fn integer(&self, trap: &mut Interrupted<'_>, instruction: &Instruction) -> Result<(), Failure> {
        // The operand that is not memory; one-operand instructions have none.
        let other = u32::from(self.to_memory);
        let target = instruction.try_op_register(u32::from(!self.to_memory) ^ 1).unwrap_or(Register::None);
        match instruction.mnemonic() {
            Mnemonic::Mov | Mnemonic::Movnti if self.to_memory => {
                let value = source(trap, instruction, other)?;
                self.store(value)
            }
            Mnemonic::Mov | Mnemonic::Movzx if instruction.op0_register().is_gpr() => {
                let value = self.load()?;
                trap.set(instruction.op0_register(), value);
                Ok(())
            }
            Mnemonic::Movsx | Mnemonic::Movsxd if instruction.op0_register().is_gpr() => {
                let value = self.load()?;
                trap.set(instruction.op0_register(), sign_extend(value, self.width));
                Ok(())
            }
            Mnemonic::Xchg => {
                // Either order of operands means the same.
                let register = if target.is_gpr() { target } else { instruction.op0_register() };
                if !register.is_gpr() {
                    return Err(Failure::Unsupported);
                }
                let value = self.load()?;
                self.store(trap.get(register))?;
                trap.set(register, value);
                Ok(())
            }
            Mnemonic::Xadd if target.is_gpr() => {
                let value = self.load()?;
                let result = alu::compute(Operation::Add, value, trap.get(target), self.width, trap.flags());
                self.store(result.value)?;
                trap.set(target, value);
                trap.set_flags(result.flags);
                Ok(())
            }
            Mnemonic::Cmpxchg if target.is_gpr() => {
                let value = self.load()?;
                let accumulator = trap.gpr(0) & mask(self.width);
                let result = alu::compute(Operation::Compare, accumulator, value, self.width, trap.flags());
                if accumulator == value {
                    self.store(trap.get(target))?;
                } else {
                    // The processor writes the old value back, but a device must see no write that changes nothing.
                    let register = [Register::AL, Register::AX, Register::EAX, Register::RAX];
                    let index = self.width.trailing_zeros() as usize;
                    trap.set(register.get(index).copied().unwrap_or(Register::None), value);
                }
                trap.set_flags(result.flags);
                Ok(())
            }
            mnemonic => {
                let operation = Operation::of(mnemonic).ok_or(Failure::Unsupported)?;
                // A bit number in a register reaches beyond the operand.
                if operation.is_bit_test() && instruction.op1_kind() == OpKind::Register {
                    return Err(Failure::Unsupported);
                }
                let operand = if instruction.op_count() == 1 { 0 } else { source(trap, instruction, other)? };
                let memory = self.load()?;
                let (left, right) = if self.to_memory { (memory, operand) } else { (operand, memory) };
                let result = alu::compute(operation, left, right, self.width, trap.flags());
                if operation.writes() {
                    match self.to_memory {
                        true => self.store(result.value)?,
                        false => trap.set(instruction.op0_register(), result.value),
                    }
                }
                trap.set_flags(result.flags);
                Ok(())
            }
        }
    }

    fn vector_move(&self, trap: &mut Interrupted<'_>, instruction: &Instruction) -> Result<(), Failure> {
        let register = instruction.try_op_register(u32::from(self.to_memory)).unwrap_or(Register::None);
        let [low, high] = trap.xmm(register).ok_or(Failure::Unsupported)?;
        let second = self.address.wrapping_add(8);
        match (self.to_memory, self.width) {
            (true, 16) => {
                store(self.run, self.address, 8, low)?;
                store(self.run, second, 8, high)
            }
            (true, _) => self.store(low),
            (false, 16) => {
                let loaded = [load(self.run, self.address, 8)?, load(self.run, second, 8)?];
                trap.set_xmm(register, loaded).ok_or(Failure::Unsupported)
            }
            // Shorter loads clear the rest of the register.
            (false, _) => {
                let loaded = [self.load()?, 0];
                trap.set_xmm(register, loaded).ok_or(Failure::Unsupported)
            }
        }
    }
}

/// The value of a register or immediate operand.
fn source(trap: &Interrupted<'_>, instruction: &Instruction, operand: u32) -> Result<u64, Failure> {
    match instruction.try_op_kind(operand) {
        Ok(OpKind::Register) => {
            let register = instruction.try_op_register(operand).unwrap_or(Register::None);
            if register.is_gpr() { Ok(trap.get(register)) } else { Err(Failure::Unsupported) }
        }
        Ok(_) => instruction.try_immediate(operand).map_err(|_| Failure::Unsupported),
        Err(_) => Err(Failure::Unsupported),
    }
}

fn is_vector_move(instruction: &Instruction) -> bool {
    use Mnemonic::{
        Lddqu, Movapd, Movaps, Movd, Movdqa, Movdqu, Movntdq, Movntdqa, Movntpd, Movntps, Movq, Movsd, Movss,
        Movupd, Movups,
    };
    let moves = [
        Lddqu, Movapd, Movaps, Movd, Movdqa, Movdqu, Movntdq, Movntdqa, Movntpd, Movntps, Movq, Movsd, Movss,
        Movupd, Movups,
    ];
    moves.contains(&instruction.mnemonic())
}
