//! Walking the driver's stack by its `.pdata` ("x64 exception handling", learn.microsoft.com).
//!
//! Every read is guarded: the stack and the tables belong to the driver, and a walk that meets nonsense simply ends. Code
//! without `.pdata` (ours, or a linked sample's) ends it too.

use std::fmt;

use iced_x86::{Code, Decoder, DecoderOptions, Mnemonic, OpKind, Register};

use crate::guarded;
use crate::modules::{self, Module, ModuleId};
use crate::processor::{self, Capture};

/// Return addresses that a trace keeps.
pub const FRAMES: usize = 8;

/// Integer registers, in the order of their numbers: rax rcx rdx rbx rsp rbp rsi rdi r8 to r15.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Registers {
    /// The sixteen registers.
    pub gpr: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// Flags.
    pub rflags: u64,
}

const RSP: usize = 4;
const RBP: usize = 5;
/// Whether this program was built with frame pointers: the flag that asks for them says so too, because the compiler does not.
const FRAME_POINTERS: bool = cfg!(dxgk_frame_pointers);

/// What undoing frames changes: the integer registers, and the vector registers that functions preserve.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct State {
    pub(crate) registers: Registers,
    /// The low 128 bits of each.
    pub(crate) vectors: [[u64; 2]; 16],
}

/// What a frame's tables say of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Unwound {
    /// Address of its function table entry; 0 for a leaf, which has neither a frame nor a handler.
    pub(crate) function: u64,
    /// What locals are found from: the stack or frame pointer after the prologue.
    pub(crate) establisher: u64,
    /// Bit 0: the handler is for exceptions; bit 1: for unwinding. 0 in prologues and epilogues.
    pub(crate) kinds: u8,
    /// Address of the handler.
    pub(crate) handler: u64,
    /// Address of the data that follows its entry.
    pub(crate) handler_data: u64,
}

impl Registers {
    /// The caller of an entry thunk, just after its call instruction.
    pub fn of_capture(capture: &Capture) -> Self {
        let Capture { return_address, rsp, rbx, rbp, rsi, rdi, r12, r13, r14, r15 } = *capture;
        let rsp = rsp.wrapping_add(8);
        Self {
            gpr: [0, 0, 0, rbx, rsp, rbp, rsi, rdi, 0, 0, 0, 0, r12, r13, r14, r15],
            rip: return_address,
            rflags: 0,
        }
    }

    fn pop(&mut self) -> Option<u64> {
        let value = word(self.gpr[RSP])?;
        self.gpr[RSP] = self.gpr[RSP].wrapping_add(8);
        Some(value)
    }

    /// Returns from a function that has nothing on the stack.
    pub(crate) fn leave(&mut self) -> Option<()> {
        self.rip = self.pop()?;
        Some(())
    }

    /// Goes to the caller by the frame pointer: for a driver linked into this program, which has no `.pdata`. Only where
    /// the program was built with frame pointers, and never beyond the driver's own frames.
    fn follow_frame_pointer(&mut self) -> Option<()> {
        let frame = self.gpr[RBP];
        let (low, high) = crate::run::current()?.current_stack();
        let on_stack = frame >= self.gpr[RSP].max(low) && frame.checked_add(16)? <= high;
        if !FRAME_POINTERS || !on_stack || !frame.is_multiple_of(8) {
            return None;
        }
        let (saved, address) = (word(frame)?, word(frame + 8)?);
        // The saved zero of `switch::invoke`: the caller is ours.
        if saved == 0 {
            return None;
        }
        (self.gpr[RBP], self.gpr[RSP], self.rip) = (saved, frame + 16, address);
        Some(())
    }

    fn set(&mut self, register: u8, value: u64) {
        self.gpr[usize::from(register & 15)] = value;
    }

    fn get(&self, register: u8) -> u64 {
        self.gpr[usize::from(register & 15)]
    }
}

/// One place on a stack.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The address: of an instruction, or to which a call returns.
    pub address: u64,
    offset: u32,
    module: Option<ModuleId>,
}

impl Frame {
    /// The frame of an address.
    pub fn at(address: u64) -> Self {
        let Some(module) = modules::find(address) else { return Self { address, offset: 0, module: None } };
        Self { address, offset: (address - module.base) as u32, module: Some(module.id) }
    }

    /// The module that the address lies in, and the offset from its base.
    pub fn place(&self) -> Option<(ModuleId, u32)> {
        self.module.map(|module| (module, self.offset))
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.module {
            Some(module) => write!(f, "{module}+{:#x}", self.offset),
            None => write!(f, "{:#x}", self.address),
        }
    }
}

/// Up to [`FRAMES`] places, innermost first.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct StackTrace {
    frames: [Frame; FRAMES],
}

impl StackTrace {
    /// The trace from a state of the processor: its rip first.
    pub fn walk(start: &Registers) -> Self {
        let mut trace = Self::default();
        let mut state = State { registers: *start, ..State::default() };
        for slot in &mut trace.frames {
            let registers = &mut state.registers;
            if registers.rip == 0 {
                break;
            }
            let module = modules::find(registers.rip);
            // An unknown address is worth showing only where the processor really was.
            if *registers != *start && module.is_none() {
                break;
            }
            *slot = Frame::at(registers.rip);
            let stack = registers.gpr[RSP];
            let stepped = match module {
                Some(module) if module.exceptions == 0 => registers.follow_frame_pointer(),
                Some(module) => step(&module, &mut state).map(|_| ()),
                // A call through a bad pointer: the caller's address is on top of the stack.
                None => registers.leave(),
            };
            if stepped.is_none() || state.registers.gpr[RSP] <= stack {
                break;
            }
        }
        trace
    }

    /// The trace of whoever called the innermost entry thunk.
    pub fn of_caller() -> Self {
        Self::of_capture(&processor::captured())
    }

    /// The trace of what a thunk captured.
    pub fn of_capture(capture: &Capture) -> Self {
        Self::walk(&Registers::of_capture(capture))
    }

    /// The frames, innermost first.
    pub fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.frames.iter().filter(|frame| frame.address != 0)
    }
}

impl fmt::Display for StackTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for frame in self.frames() {
            write!(f, "{separator}{frame}")?;
            separator = " < ";
        }
        Ok(())
    }
}

fn word(address: u64) -> Option<u64> {
    guarded::read_struct::<u64>(address).ok()
}

fn half(address: u64) -> Option<u32> {
    guarded::read_struct::<u32>(address).ok()
}

/// A function table entry.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Function {
    /// Its address.
    at: u64,
    /// Relative virtual address of the function.
    begin: u32,
    /// Of its unwind information.
    info: u32,
}

/// Address of the function table entry that covers `address`, and the base of its module (`RtlLookupFunctionEntry`).
pub(crate) fn lookup(address: u64) -> Option<(u64, u64)> {
    let module = modules::find(address).filter(|module| module.exceptions != 0)?;
    let rva = u32::try_from(address - module.base).ok()?;
    function(&module, rva).map(|function| (function.at, module.base))
}

/// The function table entry of `rva`.
fn function(module: &Module, rva: u32) -> Option<Function> {
    let (mut low, mut high) = (0, module.exception_bytes / 12);
    while low < high {
        let middle = low + (high - low) / 2;
        let entry = module.exceptions + middle * 12;
        let (begin, end) = (half(entry)?, half(entry + 4)?);
        if rva < begin {
            high = middle;
        } else if rva >= end {
            low = middle + 1;
        } else {
            return Some(Function { at: entry, begin, info: half(entry + 8)? });
        }
    }
    None
}

/// Goes from one frame to its caller's.
pub(crate) fn step(module: &Module, state: &mut State) -> Option<Unwound> {
    if module.exceptions == 0 {
        return None;
    }
    let rva = u32::try_from(state.registers.rip.checked_sub(module.base)?).ok()?;
    let Some(Function { at, begin, mut info }) = function(module, rva) else {
        state.registers.leave()?;
        return Some(Unwound::default());
    };
    let mut unwound = Unwound { function: at, establisher: state.registers.gpr[RSP], ..Unwound::default() };
    if epilogue(module, &mut state.registers) {
        return Some(unwound);
    }
    let mut executed = Some(rva - begin);
    let mut in_body = true;
    // A chain is short; a damaged one may be a ring.
    for round in 0..32 {
        // An odd address is that of another function's entry, whose information counts.
        if info & 1 != 0 {
            info = half(module.base + u64::from(info & !1) + 8)?;
        }
        let header = module.base + u64::from(info);
        let [first, prologue, count, _] = half(header)?.to_le_bytes();
        let undone = undo(module, info, executed, state)?;
        if round == 0 {
            unwound.establisher = undone.base;
            in_body = rva - begin >= u32::from(prologue);
        }
        match undone.next {
            Next::Return => {
                let kinds = first >> 3 & 3;
                if in_body && kinds != 0 {
                    let at = header + 4 + u64::from(count).next_multiple_of(2) * 2;
                    unwound.kinds = kinds;
                    unwound.handler = module.base + u64::from(half(at)?);
                    unwound.handler_data = at + 4;
                }
                break;
            }
            Next::Interrupted => return Some(unwound),
            Next::Chained(parent) => (info, executed) = (parent, None),
        }
    }
    state.registers.leave()?;
    Some(unwound)
}

struct Undone {
    next: Next,
    /// What the frame's saves are relative to.
    base: u64,
}

enum Next {
    /// The return address is on top of the stack.
    Return,
    /// A machine frame was undone: rip and rsp are set.
    Interrupted,
    /// More is to be undone: the rva of the parent's information.
    Chained(u32),
}

/// Undoes the part of a prologue that was executed; `None` for all of it.
fn undo(module: &Module, info: u32, executed: Option<u32>, state: &mut State) -> Option<Undone> {
    let State { registers, vectors } = state;
    let at = module.base + u64::from(info);
    let [first, prologue, count, frame] = half(at)?.to_le_bytes();
    let (frame_register, frame_offset) = (frame & 15, u64::from(frame >> 4) * 16);
    let slot = |index: u64| guarded::read_struct::<u16>(at + 4 + index * 2).ok();
    let count = u64::from(count);
    let passed = |offset: u8| executed.is_none_or(|executed| u32::from(offset) <= executed);

    // Saves are relative to the stack pointer after the prologue, or to the frame pointer once that is set.
    let mut base = registers.gpr[RSP];
    let complete = first >> 3 & 4 != 0 || executed.is_none_or(|executed| executed >= u32::from(prologue));
    if frame_register != 0 && complete {
        base = registers.get(frame_register).wrapping_sub(frame_offset);
    }
    let mut index = 0;
    while index < count {
        let [offset, code] = slot(index)?.to_le_bytes();
        let (operation, operand) = (code & 15, code >> 4);
        if operation == 3 && passed(offset) {
            base = registers.get(frame_register).wrapping_sub(frame_offset);
        }
        index += slots(operation, operand)?;
    }

    index = 0;
    while index < count {
        let [offset, code] = slot(index)?.to_le_bytes();
        let (operation, operand) = (code & 15, code >> 4);
        let length = slots(operation, operand)?;
        let scaled = |scale: u64| match length {
            2 => Some(u64::from(slot(index + 1)?) * scale),
            _ => Some(u64::from(slot(index + 1)?) | u64::from(slot(index + 2)?) << 16),
        };
        if passed(offset) {
            match operation {
                0 => {
                    let value = registers.pop()?;
                    registers.set(operand, value);
                }
                1 => registers.gpr[RSP] = registers.gpr[RSP].wrapping_add(scaled(8)?),
                2 => registers.gpr[RSP] = registers.gpr[RSP].wrapping_add(u64::from(operand) * 8 + 8),
                3 => registers.gpr[RSP] = base,
                4 | 5 => registers.set(operand, word(base.wrapping_add(scaled(8)?))?),
                8 | 9 => {
                    let saved = base.wrapping_add(scaled(16)?);
                    let value = [word(saved)?, word(saved.wrapping_add(8))?];
                    if let Some(slot) = vectors.get_mut(usize::from(operand)) {
                        *slot = value;
                    }
                }
                10 => {
                    if operand == 1 {
                        registers.pop()?;
                    }
                    let stack = registers.gpr[RSP];
                    registers.rip = word(stack)?;
                    registers.gpr[RSP] = word(stack.wrapping_add(24))?;
                    return Some(Undone { next: Next::Interrupted, base });
                }
                // The epilogue descriptions of version 2: epilogues are recognised by their instructions.
                _ => {}
            }
        }
        index += length;
    }
    if first >> 3 & 4 != 0 {
        let parent = at + 4 + count.next_multiple_of(2) * 2;
        return Some(Undone { next: Next::Chained(half(parent + 8)?), base });
    }
    Some(Undone { next: Next::Return, base })
}

/// Slots that an unwind code occupies; `None` for an unknown one.
fn slots(operation: u8, operand: u8) -> Option<u64> {
    match (operation, operand) {
        (0 | 2 | 3 | 10, _) => Some(1),
        (1, 0) | (4 | 6 | 8, _) => Some(2),
        (1, 1) | (5 | 7 | 9, _) => Some(3),
        _ => None,
    }
}

/// If rip is in an epilogue, executes the rest of it. Its form is prescribed: release the frame, pop, return or jump away.
fn epilogue(module: &Module, registers: &mut Registers) -> bool {
    let mut bytes = [0; 64];
    let room = (module.base + module.bytes).saturating_sub(registers.rip).min(64) as usize;
    let Some(window) = bytes.get_mut(..room) else { return false };
    if guarded::read(registers.rip, window).is_err() {
        return false;
    }
    let mut state = *registers;
    let mut decoder = Decoder::with_ip(64, window, registers.rip, DecoderOptions::NONE);
    let mut first = true;
    while decoder.can_decode() {
        let instruction = decoder.decode();
        let frame_release =
            instruction.op0_kind() == OpKind::Register && instruction.op0_register() == Register::RSP;
        match instruction.mnemonic() {
            Mnemonic::Add if first && frame_release && instruction.op1_kind() != OpKind::Register => {
                state.gpr[RSP] = state.gpr[RSP].wrapping_add(instruction.immediate(1));
            }
            Mnemonic::Lea if first && frame_release && instruction.memory_index() == Register::None => {
                let base = instruction.memory_base();
                if base.full_register() != base || !base.is_gpr64() {
                    return false;
                }
                let value = state.get(base.number() as u8);
                state.gpr[RSP] = value.wrapping_add(instruction.memory_displacement64());
            }
            Mnemonic::Pop if instruction.op0_register().is_gpr64() => {
                let Some(value) = state.pop() else { return false };
                state.set(instruction.op0_register().number() as u8, value);
            }
            Mnemonic::Ret => {
                let Some(rip) = state.pop() else { return false };
                state.rip = rip;
                *registers = state;
                return true;
            }
            // A tail call: to another function of the module, or through the import table.
            Mnemonic::Jmp if !first && leaves(module, registers.rip, &instruction) => {
                let Some(rip) = state.pop() else { return false };
                state.rip = rip;
                *registers = state;
                return true;
            }
            _ => return false,
        }
        first = false;
    }
    false
}

fn leaves(module: &Module, rip: u64, jump: &iced_x86::Instruction) -> bool {
    match jump.code() {
        Code::Jmp_rm64 => true,
        Code::Jmp_rel8_64 | Code::Jmp_rel32_64 => {
            let begin = |address: u64| {
                let rva = u32::try_from(address.wrapping_sub(module.base)).ok()?;
                function(module, rva).map(|function| function.begin)
            };
            begin(rip) != begin(jump.near_branch_target())
        }
        _ => false,
    }
}
