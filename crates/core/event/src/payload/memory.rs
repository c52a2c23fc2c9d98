//! Objects of the memory manager and mappings in domains.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

use crate::record::ListRef;

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
        /// A CPU view of a save area, made by MapFrameBufferPointer.
        SaveView = 16,
        /// A range that is an adapter's hardware's, reported by its driver.
        ReservedRange = 17,
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
    /// When an MDL was looked at.
    pub enum MdlMoment {
        /// DxgkCbMapMdlToIoMmu: before anything was done.
        Map = 0,
        /// DxgkCbUnmapMdlFromIoMmu: before anything was done.
        Unmap = 1,
    }
}

wire! {
    /// An MDL of the driver's as it stood when it was mapped for a device, or unmapped. Members that the kernel may
    /// change meanwhile (`Process`, `MappedSystemVa`) are left out. Emitted during the callback; for a map that
    /// succeeded, after its object's event.
    pub struct MdlState {
        /// Address of the MDL.
        pub mdl: u64,
        /// `hMemoryHandle` of the mapping; 0 when the map was refused.
        pub handle: u64,
        /// [`digest`](crate::digest) of the page numbers behind the header, as many as the buffer touches.
        pub pages_digest: u64,
        /// `Next`.
        pub next: u64,
        /// `StartVa`.
        pub start_va: u64,
        /// `ByteCount`.
        pub byte_count: u32,
        /// `ByteOffset`.
        pub byte_offset: u32,
        /// `Size`.
        pub size: u16,
        /// `MdlFlags`.
        pub flags: u16,
        /// When.
        pub moment: MdlMoment,
        /// 0 when the MDL could not be read: the other members are 0 then.
        pub readable: u8,
        /// Padding.
        pub reserved: [u8; 2],
    }
}
