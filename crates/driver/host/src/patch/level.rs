//! Moves of cr8 without a trap: a read loads the level from the block at `gs`, a write stores it there, and calls us only where
//! the level falls and something may have waited for that.
//!
//! The replaced instructions go to pages right behind the image, each window as: the two instructions or what stands for them,
//! then a jump back. Registers and flags are what the processor's own instruction leaves, and the stack is untouched after it.

use iced_x86::{Code, Encoder, FlowControl, IcedError, Instruction, MemoryOperand, Register};

use super::detour::Detour;
use crate::processor;

/// Bytes that a window takes at most: two writes and the jump back.
const MOST_BYTES: usize = 64;
/// The pages begin with the address of what a lowered level calls.
const SLOT_BYTES: u64 = 8;
/// `jmp` to a distance.
const JUMP_BYTES: usize = 5;

/// Bytes of pages that `windows` need.
pub(crate) fn bytes_for(windows: usize) -> u64 {
    SLOT_BYTES + (windows * MOST_BYTES) as u64
}

/// Code that replaces windows.
pub(crate) struct Rewritten {
    /// What the pages hold.
    pub(crate) pages: Vec<u8>,
    /// For each window its jump, padded to the window's length.
    pub(crate) jumps: Vec<Vec<u8>>,
    /// What runs where.
    pub(crate) detours: Vec<Detour>,
}

/// Writes the code for windows of two instructions each, decoded at their addresses, to pages that will lie at `at`.
pub(crate) fn rewrite<'a>(
    windows: impl Iterator<Item = &'a [Instruction; 2]>,
    at: u64,
) -> Result<Rewritten, IcedError> {
    let slot = at;
    let mut pages = (level_written as *const () as u64).to_le_bytes().to_vec();
    let (mut jumps, mut detours) = (Vec::new(), Vec::new());
    for window in windows {
        let entry = at + pages.len() as u64;
        let mut place = entry;
        let mut put = |instruction: &Instruction| -> Result<u64, IcedError> {
            let mut encoder = Encoder::new(64);
            let length = encoder.encode(instruction, place)?;
            pages.extend(encoder.take_buffer());
            place += length as u64;
            Ok(place)
        };
        let mut start = entry;
        for (index, instruction) in window.iter().enumerate() {
            let mut end = start;
            for replacement in replacements(instruction, slot)? {
                end = put(&replacement)?;
            }
            detours.push(Detour { at: start, end, home: instruction.ip(), overwritten: index != 0 });
            start = end;
        }
        let [first, last] = window;
        if !matches!(last.flow_control(), FlowControl::Return | FlowControl::UnconditionalBranch) {
            let end = put(&Instruction::with_branch(Code::Jmp_rel32_64, last.next_ip())?)?;
            detours.push(Detour { at: start, end, home: last.next_ip(), overwritten: false });
        }
        let mut encoder = Encoder::new(64);
        encoder.encode(&Instruction::with_branch(Code::Jmp_rel32_64, entry)?, first.ip())?;
        let mut jump = encoder.take_buffer();
        debug_assert_eq!(jump.len(), JUMP_BYTES);
        // Nothing comes here; what did would stop.
        jump.resize(first.len() + last.len(), 0xCC);
        jumps.push(jump);
    }
    Ok(Rewritten { pages, jumps, detours })
}

/// What runs in an instruction's stead.
fn replacements(instruction: &Instruction, slot: u64) -> Result<Vec<Instruction>, IcedError> {
    let (to, from) = (instruction.op0_register(), instruction.op1_register());
    let level =
        MemoryOperand::new(Register::None, Register::None, 1, processor::IRQL as i64, 4, false, Register::GS);
    if from == Register::CR8 {
        let narrow = to.full_register32();
        return Ok(vec![Instruction::with2(Code::Movzx_r32_rm8, narrow, level)?]);
    }
    if to == Register::CR8 {
        let slot = MemoryOperand::with_base_displ(Register::RIP, slot as i64);
        return Ok(vec![
            Instruction::with1(Code::Push_r64, from)?,
            Instruction::with1(Code::Call_rm64, slot)?,
        ]);
    }
    let mut moved = *instruction;
    if moved.is_jcc_short_or_near() || moved.is_jmp_short_or_near() {
        // A short branch does not reach from here.
        moved.as_near_branch();
    }
    Ok(vec![moved])
}

/// Called with the new level on the stack, which it removes. Changes no register and no flag.
#[unsafe(naked)]
extern "sysv64" fn level_written() {
    std::arch::naked_asm!(
        "pushfq",
        "push rax",
        "mov al, [rsp + 24]",
        "and al, 15",
        "mov ah, gs:[{level}]",
        "mov gs:[{level}], al",
        "cmp al, ah",
        "pop rax",
        "jb 2f",
        "popfq",
        "ret 8",
        "2: jmp {lowered}",
        level = const processor::IRQL,
        lowered = sym crate::trap::lowered,
    )
}
