//! The structures that exception handling shares with driver code (ntddk.h and winnt.h for x64: offsets are theirs).

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::guarded::{self, Inaccessible};
use crate::unwind::{Registers, State};

/// Bits of `EXCEPTION_RECORD.ExceptionFlags`.
pub(crate) mod flag {
    /// Going on after the exception is not possible.
    pub(crate) const NONCONTINUABLE: u32 = 1;
    /// Frames are being unwound.
    pub(crate) const UNWINDING: u32 = 2;
    /// Every frame is, because there is no target.
    pub(crate) const EXIT_UNWIND: u32 = 4;
    /// The exception came up while another was dispatched below.
    pub(crate) const NESTED_CALL: u32 = 0x10;
    /// The frame is the one to unwind to.
    pub(crate) const TARGET_UNWIND: u32 = 0x20;
    /// Another unwind had got to this frame already.
    pub(crate) const COLLIDED_UNWIND: u32 = 0x40;
    /// Any of the bits that say that this is the second phase.
    pub(crate) const UNWIND: u32 = UNWINDING | EXIT_UNWIND | TARGET_UNWIND | COLLIDED_UNWIND;
}

/// `EXCEPTION_RECORD`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExceptionRecord {
    /// The exception's code.
    pub code: u32,
    /// Bits: 1 when going on is not possible; the others are the dispatcher's.
    pub flags: u32,
    /// A record that this one belongs to, or 0.
    pub record: u64,
    /// Where it happened.
    pub address: u64,
    /// How many of `information` mean something.
    pub parameters: u32,
    pub(super) reserved: u32,
    /// For access violations: 0 read, 1 write, 8 execution; then the address.
    pub information: [u64; 15],
}

impl ExceptionRecord {
    /// A record; of more than fifteen parameters the rest is dropped.
    #[must_use]
    pub fn new(code: u32, flags: u32, address: u64, parameters: &[u64]) -> Self {
        let mut information = [0; 15];
        information.iter_mut().zip(parameters).for_each(|(to, from)| *to = *from);
        Self {
            code,
            flags,
            record: 0,
            address,
            parameters: parameters.len().min(15) as u32,
            reserved: 0,
            information,
        }
    }
}

/// `CONTEXT`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(16))]
pub(crate) struct Context {
    home: [u64; 6],
    kinds: u32,
    mxcsr: u32,
    segments: [u16; 6],
    flags: u32,
    debug: [u64; 6],
    gpr: [u64; 16],
    rip: u64,
    pub(crate) float: Float,
    vectors: [[u64; 2]; 26],
    control: [u64; 6],
}

/// What FXSAVE writes (Intel SDM volume 1, 10.5.1).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct Float {
    control: u16,
    status: u16,
    tags: u16,
    opcode: u16,
    pointers: [u64; 2],
    mxcsr: u32,
    mxcsr_mask: u32,
    stack: [u64; 16],
    xmm: [[u64; 2]; 16],
    reserved: [u64; 12],
}

/// Control, integer, segment and floating-point parts, for x64.
const FULL: u32 = 0x10_000F;
/// What user code may set of the flags, and no trap.
const FLAGS: u32 = 0xCD5;

const _: () = assert!(size_of::<ExceptionRecord>() == 0x98);
const _: () = assert!(size_of::<Context>() == 0x4D0);
const _: () = assert!(std::mem::offset_of!(Context, mxcsr) == 0x34);
const _: () = assert!(std::mem::offset_of!(Context, flags) == 0x44);
const _: () = assert!(std::mem::offset_of!(Context, gpr) == 0x78);
const _: () = assert!(std::mem::offset_of!(Context, rip) == 0xF8);
const _: () = assert!(std::mem::offset_of!(Context, float) == 0x100);
const _: () = assert!(std::mem::offset_of!(Context, vectors) == 0x300);
const _: () = assert!(std::mem::offset_of!(Float, xmm) == 0xA0);

impl Context {
    pub(crate) fn read(at: u64) -> Result<Self, Inaccessible> {
        guarded::read_struct(at)
    }

    pub(crate) fn write(&self, at: u64) -> Result<(), Inaccessible> {
        guarded::write_struct(at, self)
    }

    /// A context of these registers, all else as a fresh thread has it.
    pub(crate) fn of(state: &State) -> Self {
        let mut context = Self::new_zeroed();
        context.float.control = 0x37F;
        context.float.mxcsr = 0x1F80;
        context.float.mxcsr_mask = 0xFFFF;
        context.kinds = FULL;
        context.set(state);
        context
    }

    /// A context of these registers and a state that FXSAVE wrote.
    pub(crate) fn with_float(registers: &Registers, float: Float) -> Self {
        let state = State { registers: *registers, vectors: float.xmm };
        let mut context = Self::of(&state);
        context.float = float;
        context.mxcsr = float.mxcsr;
        context
    }

    pub(crate) fn state(&self) -> State {
        let registers = Registers { gpr: self.gpr, rip: self.rip, rflags: u64::from(self.flags) };
        State { registers, vectors: self.float.xmm }
    }

    pub(crate) fn set(&mut self, state: &State) {
        self.gpr = state.registers.gpr;
        self.rip = state.registers.rip;
        self.flags = state.registers.rflags as u32;
        self.float.xmm = state.vectors;
        self.mxcsr = self.float.mxcsr;
        self.segments = [0x10, 0x2B, 0x2B, 0x53, 0x2B, 0x18];
    }

    pub(crate) fn rip(&self) -> u64 {
        self.rip
    }

    pub(crate) fn rsp(&self) -> u64 {
        self.gpr[4]
    }

    pub(crate) fn set_rip(&mut self, rip: u64) {
        self.rip = rip;
    }

    pub(crate) fn set_rax(&mut self, rax: u64) {
        self.gpr[0] = rax;
    }

    /// With nothing in it that the processor refuses to load, whatever driver code wrote there.
    pub(crate) fn loadable(mut self) -> Self {
        self.flags = self.flags & FLAGS | 0x202;
        self.float.mxcsr &= 0xFFBF;
        self
    }
}

/// `DISPATCHER_CONTEXT`.
#[derive(Clone, Copy, Default, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct DispatcherContext {
    pub(crate) control: u64,
    pub(crate) base: u64,
    pub(crate) function: u64,
    pub(crate) establisher: u64,
    pub(crate) target: u64,
    pub(crate) context: u64,
    pub(crate) handler: u64,
    pub(crate) handler_data: u64,
    pub(crate) history: u64,
    pub(crate) scope: u32,
    pub(crate) fill: u32,
}

const _: () = assert!(size_of::<DispatcherContext>() == 0x50);

/// Offset of the scope index, which a language handler leaves for whoever takes the unwind over.
pub(crate) const SCOPE_INDEX: u64 = 0x48;
