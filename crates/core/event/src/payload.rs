//! The payloads, one structure an event (at most 80 bytes each).
//!
//! Numbers only: names of callbacks and DDIs are looked up by slot offset in `dxgk-abi`'s tables, so that a record
//! cannot carry a text that a report would then believe.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::record::{BadRecord, ListRef, Record};

/// A text of up to `N` bytes, padded with NULs.
#[derive(Clone, Copy, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// The first `N` bytes of `text`, cut at a character.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut cut = text.len().min(N);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let mut bytes = [0; N];
        bytes.iter_mut().zip(text.as_bytes().iter().take(cut)).for_each(|(to, from)| *to = *from);
        Self { bytes }
    }

    /// The text up to its first NUL; bytes that are not UTF-8 end it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(N);
        let head = self.bytes.get(..len).unwrap_or_default();
        match core::str::from_utf8(head) {
            Ok(text) => text,
            Err(error) => {
                core::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
            }
        }
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

macro_rules! wire {
    ($(#[$doc:meta])* pub struct $name:ident { $($body:tt)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct $name { $($body)* }
    };
    ($(#[$doc:meta])* pub enum $name:ident { $($body:tt)* }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, TryFromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(u8)]
        pub enum $name { $($body)* }
    };
}

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
    /// An adapter was added.
    pub struct Adapter {
        /// The handle that the driver knows it by.
        pub handle: u64,
        /// Physical adapter number, from 0 over all logical adapters.
        pub adapter: u32,
        /// Logical adapter number.
        pub logical_adapter: u32,
        /// Requester id on the bus.
        pub requester: u16,
        /// 1 for the lead adapter of its chain.
        pub lead: u8,
        /// Padding.
        pub reserved: u8,
        /// Interface version offered.
        pub interface_version: u32,
        /// Interface version that the driver's initialization data names.
        pub driver_version: u32,
        /// 1 when the driver is display-only.
        pub display_only: u32,
    }
}

wire! {
    /// A translated resource of an adapter.
    pub struct ResourceRange {
        /// First byte or port.
        pub base: u64,
        /// Bytes or ports.
        pub bytes: u64,
        /// Physical adapter.
        pub adapter: u32,
        /// BAR number.
        pub bar: u8,
        /// 1 for I/O ports.
        pub is_port: u8,
        /// Padding.
        pub reserved: u16,
    }
}

wire! {
    /// How the adapter's DMA is handled.
    pub enum ModeChoice {
        /// Device addresses are physical, nothing is translated.
        Passthrough = 0,
        /// Device addresses equal physical ones; only mapped pages are reachable.
        Isolation = 1,
        /// Device addresses are logical.
        Remapping = 2,
    }
}

wire! {
    /// Why a mode came about.
    pub enum ModeReason {
        /// Asked for on the command line, and possible.
        Asked = 0,
        /// The strongest mode that the driver claims.
        StrongestClaimed = 1,
        /// The device cannot see all of RAM, so it must be remapped.
        NeededByAddressLimit = 2,
        /// The driver claims no support.
        DriverClaimsNothing = 3,
        /// IOMMUFlags leaves the IOMMU off.
        SwitchedOff = 4,
        /// Forced against what the driver claims.
        Forced = 5,
        /// The driver requires isolation.
        RequiredByDriver = 6,
        /// The offered interface is older than the mode.
        InterfaceTooOld = 7,
        /// IOMMUFlags allows less than a translating mode.
        FlagsIncomplete = 8,
        /// There is no IOMMU.
        NoUnit = 9,
        /// Remapping claimed without MapAperture2, or caps that disagree: the start was refused.
        CapsDisagree = 10,
        /// The device cannot see all of RAM and remapping cannot come about: the start was refused.
        LimitNotMet = 11,
        /// Attaching failed.
        AttachFailed = 12,
    }
}

wire! {
    /// The mode was chosen (or the start refused: see `refused`).
    pub struct Mode {
        /// Highest address the device can see, as decided.
        pub highest_visible: u64,
        /// Highest installed physical address.
        pub highest_physical: u64,
        /// Logical adapter.
        pub logical_adapter: u32,
        /// `DXGK_IOMMU_CAPS` as reported, 0 when the query failed.
        pub iommu_caps: u32,
        /// The domain attached, when there is one.
        pub domain: u16,
        /// The mode.
        pub mode: ModeChoice,
        /// Why.
        pub reason: ModeReason,
        /// 1 when the adapter does not start because of it.
        pub refused: u8,
        /// Padding.
        pub reserved: [u8; 3],
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
    /// Kinds of things that are made and must be unmade.
    pub enum ObjectKind {
        /// Pages from AllocatePagesForMdl.
        MdlPages = 0,
        /// Memory from AllocateContiguousMemory.
        ContiguousMemory = 1,
        /// A mapping made by MapMdlToIoMmu.
        MdlMapping = 2,
        /// A physical memory object.
        PhysicalMemory = 3,
        /// An adapter memory object.
        AdapterMemory = 4,
        /// An ADL.
        Adl = 5,
        /// A register map made by MapMemory, in system space.
        RegisterMap = 6,
        /// A register map made by MapMemory, in a process.
        UserRegisterMap = 7,
        /// A port range made by MapMemory.
        PortMap = 8,
        /// A CPU view made by MapPhysicalMemory in kernel mode.
        KernelView = 9,
        /// A CPU view made by MapPhysicalMemory in user mode.
        UserView = 10,
        /// A pinned save area.
        Pin = 11,
        /// Pool.
        Pool = 12,
        /// An MDL that the driver made (IoAllocateMdl).
        Mdl = 13,
        /// Memory from the Mm routines (MmAllocateContiguousMemory and the like).
        MmMemory = 14,
        /// A mapping from MmMapIoSpace and the like.
        MmMapping = 15,
    }
}

wire! {
    /// What happened to an object.
    pub enum ObjectStep {
        /// Made.
        Created = 0,
        /// Unmade.
        Released = 1,
    }
}

wire! {
    /// An object was made or unmade. Objects have a number of their own that is never used again, whatever happens
    /// to the handle that the driver sees.
    pub struct Object {
        /// The object's number, from 1.
        pub object: u64,
        /// What the driver holds: a handle or a pointer.
        pub handle: u64,
        /// The object that owns this one (an ADL's adapter object, a view's physical object), or 0.
        pub parent: u64,
        /// Bytes.
        pub bytes: u64,
        /// CPU address, or 0.
        pub va: u64,
        /// First logical page number when the device reaches it through one run, or `u64::MAX`.
        pub logical_page: u64,
        /// Physical pages (runs: two words each).
        pub pages: ListRef,
        /// Physical adapter that asked, or `u32::MAX`.
        pub adapter: u32,
        /// What it is.
        pub kind: ObjectKind,
        /// What happened.
        pub step: ObjectStep,
        /// Cache type, as CacheType.
        pub cache: u8,
        /// Kind-specific: for an ADL 1 when contiguous.
        pub flags: u8,
    }
}

wire! {
    /// The steps in the life of a mapping, in the order that is a security property.
    pub enum MappingStep {
        /// Entries written.
        Mapped = 0,
        /// Entries cleared.
        Unmapped = 1,
        /// Invalidation submitted, and completed.
        Invalidated = 2,
        /// The frames were given back.
        PagesReturned = 3,
    }
}

wire! {
    /// A mapping in a domain changed.
    pub struct Mapping {
        /// The object it belongs to (an ADL, an MDL mapping, MDL pages, ...).
        pub object: u64,
        /// First logical page number.
        pub logical_page: u64,
        /// Number of pages.
        pub pages: u64,
        /// Frames (runs: two words each); empty for every step but `Mapped`.
        pub frames: ListRef,
        /// Domain, or `u32::MAX` in passthrough.
        pub domain: u32,
        /// Logical adapter.
        pub logical_adapter: u32,
        /// What happened.
        pub step: MappingStep,
        /// As `Access`.
        pub access: u8,
        /// 1 when logical pages equal physical ones and `frames` says which (isolation: scattered).
        pub identity: u8,
        /// Padding.
        pub reserved: [u8; 5],
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
    /// A trapped register or port access.
    pub struct RegisterAccess {
        /// Physical address, or port number.
        pub address: u64,
        /// Value written or read.
        pub value: u64,
        /// Bytes.
        pub width: u8,
        /// 1 for a write.
        pub write: u8,
        /// 1 for a port.
        pub is_port: u8,
        /// Padding.
        pub reserved: [u8; 5],
    }
}

wire! {
    /// A register write made a device start DMA.
    pub struct Doorbell {
        /// Physical address of the register.
        pub register: u64,
        /// The address that the device was given.
        pub address: u64,
        /// Bytes to transfer.
        pub bytes: u64,
        /// Requester id.
        pub requester: u16,
        /// 1 when the device will write memory.
        pub write: u8,
        /// Padding.
        pub reserved: [u8; 5],
    }
}

wire! {
    /// A DMA transfer, done or refused.
    pub struct DmaTransfer {
        /// The doorbell's record, or 0.
        pub cause: u64,
        /// First logical address.
        pub address: u64,
        /// Bytes asked for.
        pub bytes: u64,
        /// Bytes that went through.
        pub done: u64,
        /// The fault's record when it was refused, or 0.
        pub fault: u64,
        /// Requester id.
        pub requester: u16,
        /// 1 when the device wrote memory.
        pub write: u8,
        /// 1 when the request was translated (0: passthrough).
        pub translated: u8,
        /// Padding.
        pub reserved: [u8; 4],
    }
}

wire! {
    /// Why a unit refused a request, whatever its own code for it.
    pub enum FaultReason {
        /// The device has no (valid) entry in the unit's device tables.
        NoDevice = 0,
        /// An entry on the way is not present.
        NotPresent = 1,
        /// Reading is not allowed.
        NoRead = 2,
        /// Writing is not allowed.
        NoWrite = 3,
        /// The address is beyond the domain's width.
        BeyondWidth = 4,
        /// A table or entry is malformed (reserved bits, or outside memory).
        Malformed = 5,
        /// The translated address is no memory.
        NoMemory = 6,
    }
}

wire! {
    /// An IOMMU fault: the unit's own record as it stands, and what the walk found.
    pub struct Fault {
        /// The unit's fault record, raw, low word first.
        pub record: [u64; 2],
        /// The address that was refused.
        pub address: u64,
        /// The last table entry read, or 0.
        pub entry: u64,
        /// Where that entry is in memory.
        pub entry_at: u64,
        /// Requester id.
        pub requester: u16,
        /// 1 for a write.
        pub write: u8,
        /// Why.
        pub reason: FaultReason,
        /// Level of the last entry, 1 = leaf table; 0 = device tables.
        pub level: u8,
        /// 1 when a cached translation refused it.
        pub cached: u8,
        /// Domain number, or 0.
        pub domain: u16,
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
    /// Misuse that is no call: seen by a guard page.
    pub enum MisuseKind {
        /// Read of DXGKRNL_INTERFACE beyond the size offered.
        InterfaceOverRead = 0,
        /// Touch of a view that is gone.
        ViewAfterUnmap = 1,
        /// Touch beyond a view, or of a register outside the mapped window.
        OutsideView = 2,
    }
}

wire! {
    /// See [`MisuseKind`].
    pub struct Misuse {
        /// Address touched.
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

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $tag:literal,)*) => {
        /// An event.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Event {
            $($(#[$doc])* $variant($payload),)*
        }

        impl Event {
            pub(crate) fn encode(&self, out: &mut [u8; Record::PAYLOAD]) -> u16 {
                match self {
                    $(Self::$variant(payload) => {
                        out.iter_mut().zip(payload.as_bytes()).for_each(|(to, from)| *to = *from);
                        $tag
                    })*
                }
            }

            pub(crate) fn decode(tag: u16, bytes: &[u8; Record::PAYLOAD]) -> Result<Self, BadRecord> {
                match tag {
                    $($tag => <$payload>::try_read_from_prefix(bytes)
                        .map(|(payload, _)| Self::$variant(payload))
                        .map_err(|_| BadRecord::BadPayload(tag)),)*
                    _ => Err(BadRecord::UnknownTag(tag)),
                }
            }
        }

        $(const _: () = assert!(size_of::<$payload>() <= Record::PAYLOAD);)*
    };
}

events! {
    /// A module was loaded.
    ModuleLoaded(ModuleLoaded) = 1,
    /// An import was bound, or is missing.
    Import(Import) = 2,
    /// An adapter was added.
    Adapter(Adapter) = 3,
    /// An adapter has this resource.
    Resource(ResourceRange) = 4,
    /// The mode was chosen.
    Mode(Mode) = 5,
    /// Dxgkrnl called the driver.
    Ddi(DdiCall) = 6,
    /// The driver called Dxgkrnl.
    Callback(Callback) = 7,
    /// An object was made or unmade.
    Object(Object) = 8,
    /// A mapping changed.
    Mapping(Mapping) = 9,
    /// MmGetPhysicalAddress.
    PhysicalQuery(PhysicalQuery) = 10,
    /// A register or port was touched.
    Register(RegisterAccess) = 11,
    /// A device was told to start DMA.
    Doorbell(Doorbell) = 12,
    /// A device's transfer.
    Dma(DmaTransfer) = 13,
    /// The IOMMU refused.
    Fault(Fault) = 14,
    /// The driver printed.
    Log(Log) = 15,
    /// The machine stopped.
    BugCheck(BugCheck) = 16,
    /// A guard page was hit.
    Misuse(Misuse) = 17,
    /// The scenario's next step.
    Step(ScenarioStep) = 18,
}
