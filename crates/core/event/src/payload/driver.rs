//! The driver and the calls across its border: modules, DDIs, callbacks, what it printed, what stopped it.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use super::text::Text;
use crate::record::ListRef;

wire! {
    /// Entered or returned.
    pub enum Phase {
        /// The call begins.
        Entered = 0,
        /// The call ends.
        Returned = 1,
    }
}

wire! {
    /// Who is to blame, or who acted.
    pub enum Who {
        /// The miniport.
        Driver = 0,
        /// The device.
        Device = 1,
        /// This project's port driver and kernel.
        Port = 2,
    }
}

wire! {
    /// A module was loaded (or, for the linked sample, is part of the process).
    pub struct ModuleLoaded {
        /// First address.
        pub base: u64,
        /// Bytes from `base`.
        pub bytes: u64,
        /// File name without its folder.
        pub name: Text<56>,
        /// 1 when the code is linked into the host instead of loaded.
        pub linked: u64,
    }
}

wire! {
    /// An import of the driver.
    pub struct Import {
        /// Its name.
        pub name: Text<64>,
        /// 1 when nothing exports it.
        pub missing: u64,
        /// Address of its slot in the driver's import table; 0 when the module has none.
        pub slot: u64,
    }
}

wire! {
    /// Dxgkrnl called the driver.
    pub struct DdiCall {
        /// Offset of the DDI in DRIVER_INITIALIZATION_DATA; [`DdiCall::DRIVER_ENTRY`] and
        /// [`DdiCall::PRESENT_DISPLAY_ONLY`] stand for what that table lacks.
        pub ddi: u16,
        /// Entered or returned.
        pub phase: Phase,
        /// Padding.
        pub reserved: u8,
        /// On return: the status.
        pub status: u32,
        /// Physical adapter, `u32::MAX` for none.
        pub adapter: u32,
        /// Padding.
        pub reserved2: u32,
        /// What matters: the query type, the power state, the operation.
        pub argument: u64,
    }
}

impl DdiCall {
    /// `DriverEntry`, which has no slot.
    pub const DRIVER_ENTRY: u16 = 0;
    /// `DxgkDdiPresentDisplayOnly`: only the display-only table has it.
    pub const PRESENT_DISPLAY_ONLY: u16 = 0xfff8;
}

wire! {
    /// The driver called Dxgkrnl.
    pub struct Callback {
        /// On return: the record of the entry.
        pub entry: u64,
        /// Arguments that matter (entry) or results (return), in the order of `spec/callbacks.md`.
        pub words: [u64; 6],
        /// Offset of the slot in DXGKRNL_INTERFACE; from 0x8000 on, kernel exports (see the host).
        pub slot: u16,
        /// Entered or returned.
        pub phase: Phase,
        /// 1 when the slot has no implementation.
        pub unimplemented: u8,
        /// On return: the status; for callbacks that return nothing, the one they would have returned.
        pub status: u32,
        /// Physical adapter the handle names; `u32::MAX` when it names none.
        pub adapter: u32,
        /// On return: boundaries between entry and return.
        pub duration: u32,
    }
}

wire! {
    /// The driver asked for a physical address (MmGetPhysicalAddress).
    pub struct PhysicalQuery {
        /// Address asked about.
        pub va: u64,
        /// The answer.
        pub physical: u64,
    }
}

wire! {
    /// A line the driver printed, or a part of one.
    pub struct Log {
        /// The text.
        pub text: Text<79>,
        /// 1 when the next record continues the line.
        pub more: u8,
    }
}

wire! {
    /// What stopped the machine.
    pub enum StopCause {
        /// The driver called KeBugCheck(Ex).
        DriverAsked = 0,
        /// Dxgkrnl found its state violated.
        Port = 1,
        /// An exception that nothing handled.
        Exception = 2,
        /// `int 0x29`: the driver found itself damaged.
        FastFail = 3,
        /// A system call from driver code, or another way out of the sandbox.
        Sandbox = 4,
        /// The host itself failed; not the driver's doing.
        Host = 5,
    }
}

wire! {
    /// The machine stopped.
    pub struct BugCheck {
        /// The four parameters.
        pub parameters: [u64; 4],
        /// Registers: rax rcx rdx rbx rsp rbp rsi rdi r8..r15 rip eflags; empty when not taken.
        pub registers: ListRef,
        /// Faulting address for memory exceptions.
        pub address: u64,
        /// Code.
        pub code: u32,
        /// What stopped it.
        pub cause: StopCause,
        /// Padding.
        pub reserved: [u8; 3],
    }
}

wire! {
    /// Misuse that is no record of its own: seen by a guard page, or by what a call requires.
    pub enum MisuseKind {
        /// Read of DXGKRNL_INTERFACE beyond the size offered.
        InterfaceOverRead = 0,
        /// Touch of a view that is gone.
        ViewAfterUnmap = 1,
        /// Touch beyond a view, or of a register outside the mapped window.
        OutsideView = 2,
        /// Call of a kernel export above its highest level: `va` is the export's [`Callback::slot`], `offset` the
        /// highest level, and the record's IRQL the level of the call.
        LevelTooHigh = 3,
    }
}

wire! {
    /// See [`MisuseKind`].
    pub struct Misuse {
        /// Address touched; see the kind.
        pub va: u64,
        /// Object whose view it was, or 0.
        pub object: u64,
        /// Offset from the start of the table or view.
        pub offset: u64,
        /// What.
        pub kind: MisuseKind,
        /// 1 for a write.
        pub write: u8,
        /// Padding.
        pub reserved: [u8; 6],
    }
}

wire! {
    /// The scenario goes on to its next step, or ends.
    pub struct ScenarioStep {
        /// Its name.
        pub name: Text<64>,
        /// Number, from 0.
        pub index: u32,
        /// Status with which the step ended; `u32::MAX` when it begins.
        pub status: u32,
    }
}

wire! {
    /// Why a run could not be made, or did not end by itself.
    pub enum FailureKind {
        /// The driver cannot be loaded.
        LoadFailed = 0,
        /// The driver or the port refused to start the adapter.
        NotStarted = 1,
        /// The driver does not come back: it runs on, or every thread of it waits.
        Hang = 2,
        /// The host failed; not the driver's doing.
        Internal = 3,
        /// A step of the scenario could not be done, or did not find what it expected.
        Scenario = 4,
    }
}

wire! {
    /// A failure in words; long ones continue in the next record of the same kind.
    pub struct Failure {
        /// What kind.
        pub kind: FailureKind,
        /// 1 when the next record continues the text.
        pub more: u8,
        /// The text, or a part of it.
        pub text: Text<78>,
    }
}

wire! {
    /// How the driver's code was helped along: sites changed when it was loaded, and traps of the whole run.
    pub struct Tally {
        /// Constants of KUSER_SHARED_DATA that were rewritten at load.
        pub patched: u64,
        /// Accesses to register windows.
        pub registers: u64,
        /// Loads of KUSER_SHARED_DATA that were not rewritten.
        pub shared_data: u64,
        /// Guard pages touched.
        pub guards: u64,
        /// Port accesses and privileged instructions.
        pub privileged: u64,
        /// Moves from and to cr8.
        pub level: u64,
        /// Exceptions of the driver.
        pub exceptions: u64,
        /// Of these, taken by the driver's own handlers.
        pub handled: u64,
        /// Boundaries passed: the virtual clock at the end.
        pub boundaries: u64,
        /// Moves from and to cr8 that were rewritten at load.
        pub level_patched: u32,
        /// Of those that were found at load, those left to the trap.
        pub level_left: u32,
    }
}
