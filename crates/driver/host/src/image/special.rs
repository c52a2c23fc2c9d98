//! Instructions that user mode does not execute as the kernel does, and numbers that say what a driver is.
//!
//! Only what `.pdata` calls a function is decoded: data among the code would decode to anything.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};

use super::bytes::Bytes;
use super::flow::{self, Flow};
use super::headers::Headers;

/// Start of KUSER_SHARED_DATA in the kernel, and its length.
const SHARED_DATA: u64 = 0xFFFF_F780_0000_0000;
const SHARED_BYTES: u64 = 0x1000;

/// What is special.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Special {
    /// `mov cr8`: the level, read or written inline.
    Level,
    /// Another control or debug register.
    ControlRegister,
    /// `in`, `out` and their string forms.
    Port,
    /// `rdmsr`, `wrmsr`.
    Msr,
    /// `int 29h`: the driver found itself damaged.
    FastFail,
    /// `int 2Ch`: an assertion of a checked build.
    Assertion,
    /// `int3`.
    Breakpoint,
    /// `syscall`, `sysenter`, `int 80h`: never a driver's.
    SystemCall,
    /// `rdtsc`, `rdtscp`, `rdpmc`.
    Counter,
    /// `wrfsbase` and its kin, `swapgs`.
    SegmentBase,
    /// Other privileged instructions: `cli`, `hlt`, `invlpg`, descriptor tables ...
    Privileged,
    /// A constant address in KUSER_SHARED_DATA.
    SharedData,
}

impl Special {
    /// In a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Level => "mov cr8",
            Self::ControlRegister => "control register",
            Self::Port => "in/out",
            Self::Msr => "rdmsr/wrmsr",
            Self::FastFail => "int 29h",
            Self::Assertion => "int 2Ch",
            Self::Breakpoint => "int3",
            Self::SystemCall => "system call",
            Self::Counter => "rdtsc/rdpmc",
            Self::SegmentBase => "segment base",
            Self::Privileged => "privileged",
            Self::SharedData => "KUSER_SHARED_DATA",
        }
    }
}

/// Where one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpecialInstruction {
    /// Relative to the image.
    pub at: u32,
    /// What it is.
    pub kind: Special,
}

/// What the functions of an image hold.
pub(super) struct Found {
    pub(super) functions: usize,
    pub(super) special: Vec<SpecialInstruction>,
    /// 32-bit constants of the family 0x0023xxxx: control codes of the graphics device.
    pub(super) control_codes: Vec<u32>,
}

/// Looks at every instruction of every function.
pub(super) fn look(image: &Bytes, headers: &Headers) -> Found {
    let (count, ranges) = flow::functions(image, headers);
    let mut found = Found { functions: count, special: Vec::new(), control_codes: Vec::new() };
    for (start, end) in ranges {
        for (at, instruction) in &Flow::of(image, start, end).instructions {
            if let Some(kind) = classify(instruction) {
                found.special.push(SpecialInstruction { at: *at, kind });
            }
            found.control_codes.extend(control_code(instruction));
        }
    }
    found.special.sort_unstable_by_key(|special| special.at);
    found.control_codes.sort_unstable();
    found.control_codes.dedup();
    found
}

fn is_shared_data(address: u64) -> bool {
    (SHARED_DATA..SHARED_DATA + SHARED_BYTES).contains(&address)
}

fn classify(instruction: &Instruction) -> Option<Special> {
    let registers = [instruction.op0_register(), instruction.op1_register()];
    Some(match instruction.mnemonic() {
        Mnemonic::Mov if registers.contains(&Register::CR8) => Special::Level,
        Mnemonic::Mov if registers.iter().any(|register| register.is_cr() || register.is_dr()) => {
            Special::ControlRegister
        }
        Mnemonic::Mov
            if (0..instruction.op_count()).any(|operand| names_shared_data(instruction, operand)) =>
        {
            Special::SharedData
        }
        Mnemonic::In
        | Mnemonic::Out
        | Mnemonic::Insb
        | Mnemonic::Insw
        | Mnemonic::Insd
        | Mnemonic::Outsb
        | Mnemonic::Outsw
        | Mnemonic::Outsd => Special::Port,
        Mnemonic::Rdmsr | Mnemonic::Wrmsr => Special::Msr,
        Mnemonic::Int3 => Special::Breakpoint,
        Mnemonic::Int => match instruction.immediate8() {
            0x29 => Special::FastFail,
            0x2C => Special::Assertion,
            0x03 => Special::Breakpoint,
            _ => Special::SystemCall,
        },
        Mnemonic::Syscall | Mnemonic::Sysenter | Mnemonic::Sysret | Mnemonic::Sysexit => Special::SystemCall,
        Mnemonic::Rdtsc | Mnemonic::Rdtscp | Mnemonic::Rdpmc => Special::Counter,
        Mnemonic::Wrfsbase
        | Mnemonic::Wrgsbase
        | Mnemonic::Rdfsbase
        | Mnemonic::Rdgsbase
        | Mnemonic::Swapgs => Special::SegmentBase,
        _ if instruction.is_privileged() => Special::Privileged,
        _ => return None,
    })
}

fn names_shared_data(instruction: &Instruction, operand: u32) -> bool {
    match instruction.op_kind(operand) {
        OpKind::Immediate64 => is_shared_data(instruction.immediate64()),
        OpKind::Memory => {
            instruction.memory_base() == Register::None && is_shared_data(instruction.memory_displacement64())
        }
        _ => false,
    }
}

/// FILE_DEVICE_VIDEO, METHOD_NEITHER: the codes by which a driver asks the graphics device for its entry point.
fn control_code(instruction: &Instruction) -> Option<u32> {
    let last = instruction.op_count().checked_sub(1)?;
    let value = match instruction.op_kind(last) {
        OpKind::Immediate32 => instruction.immediate32(),
        OpKind::Immediate32to64 => instruction.immediate32to64() as u32,
        _ => return None,
    };
    [0x23_003F, 0x23_0043, 0x23_0047, 0x23_004B].contains(&value).then_some(value)
}
