//! Messages as they stand on the wire (QEMU, `docs/interop/vfio-user.rst`; regions and interrupts as in
//! `<linux/vfio.h>`). All words are in the byte order of the host.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The version that we propose.
pub const MAJOR: u16 = 0;
/// Likewise.
pub const MINOR: u16 = 1;

/// Bytes of data in one message at most, ours and by default everybody's ("max_data_xfer_size").
pub const LARGEST_DATA: usize = 1 << 20;

/// Commands ("Commands").
pub mod command {
    /// Agree on a version.
    pub const VERSION: u16 = 1;
    /// Announce memory.
    pub const DMA_MAP: u16 = 2;
    /// What the device is.
    pub const GET_INFO: u16 = 4;
    /// What a region is.
    pub const GET_REGION_INFO: u16 = 5;
    /// What a kind of interrupt is.
    pub const GET_IRQ_INFO: u16 = 7;
    /// Set interrupts up.
    pub const SET_IRQS: u16 = 8;
    /// Read a region.
    pub const REGION_READ: u16 = 9;
    /// Write a region.
    pub const REGION_WRITE: u16 = 10;
    /// The server reads memory.
    pub const DMA_READ: u16 = 11;
    /// The server writes memory.
    pub const DMA_WRITE: u16 = 12;
    /// Reset the device.
    pub const RESET: u16 = 13;
}

/// Flags of a header.
pub mod flag {
    /// The message type's bits: 0 is a command.
    pub const TYPE: u32 = 0xf;
    /// A reply.
    pub const REPLY: u32 = 1;
    /// A command that wants no reply.
    pub const NO_REPLY: u32 = 1 << 4;
    /// A reply that says that the command failed.
    pub const ERROR: u32 = 1 << 5;
}

/// Region indices of a PCI device (`VFIO_PCI_*_REGION_INDEX`): BARs are 0..=5.
pub const CONFIG_REGION: u32 = 7;
/// Bytes of the registers that every PCI device has in configuration space.
pub const CONFIG_BYTES: u64 = 256;

/// `VFIO_DEVICE_FLAGS_RESET`.
pub const DEVICE_RESETS: u32 = 1 << 0;
/// `VFIO_DEVICE_FLAGS_PCI`.
pub const DEVICE_IS_PCI: u32 = 1 << 1;
/// `VFIO_IRQ_INFO_EVENTFD`.
pub const IRQ_BY_EVENTFD: u32 = 1 << 0;
/// `VFIO_IRQ_INFO_MASKABLE`.
pub const IRQ_MASKABLE: u32 = 1 << 1;
/// `VFIO_IRQ_INFO_AUTOMASKED`.
pub const IRQ_AUTOMASKED: u32 = 1 << 2;
/// `VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK`.
pub const UNMASK: u32 = 1 << 0 | 1 << 4;
/// `VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER`.
pub const TRIGGER_BY_EVENTFD: u32 = 1 << 2 | 1 << 5;
/// Readable and writable, in `DMA_MAP`.
pub const READ_WRITE: u32 = 3;

/// What a body that follows a header is.
pub trait Body: FromBytes + IntoBytes + KnownLayout + Immutable {}
impl<T: FromBytes + IntoBytes + KnownLayout + Immutable> Body for T {}

/// In front of every message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Header {
    /// The sender's number for it; a reply repeats it.
    pub id: u16,
    /// [`command`].
    pub command: u16,
    /// Bytes of the whole message.
    pub size: u32,
    /// [`flag`].
    pub flags: u32,
    /// An errno, or 0.
    pub error: u32,
}

impl Header {
    /// Bytes of a header.
    pub const BYTES: usize = size_of::<Self>();

    /// Whether it is a reply.
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        self.flags & flag::TYPE == flag::REPLY
    }
}

/// `VERSION`, both ways; JSON and a NUL follow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Version {
    /// Must agree.
    pub major: u16,
    /// The lower one counts.
    pub minor: u16,
}

/// `DMA_MAP`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct DmaMap {
    /// Bytes of this structure.
    pub argsz: u32,
    /// [`READ_WRITE`].
    pub flags: u32,
    /// In the file that is sent along, if one is.
    pub offset: u64,
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
}

/// `DEVICE_GET_INFO`, both ways.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct DeviceInfo {
    /// Bytes of this structure.
    pub argsz: u32,
    /// [`DEVICE_RESETS`], [`DEVICE_IS_PCI`].
    pub flags: u32,
    /// Regions that there are.
    pub regions: u32,
    /// Kinds of interrupts that there are.
    pub irqs: u32,
}

/// `DEVICE_GET_REGION_INFO`, both ways; capabilities may follow.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct RegionInfo {
    /// Bytes of this structure, and of what follows it.
    pub argsz: u32,
    /// Readable, writable, mappable, has capabilities.
    pub flags: u32,
    /// The region.
    pub index: u32,
    /// Where capabilities begin.
    pub capabilities: u32,
    /// Bytes of the region; 0: there is none.
    pub size: u64,
    /// For mapping it.
    pub offset: u64,
}

/// `DEVICE_GET_IRQ_INFO`, both ways.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct IrqInfo {
    /// Bytes of this structure.
    pub argsz: u32,
    /// [`IRQ_BY_EVENTFD`] and its neighbours.
    pub flags: u32,
    /// The kind.
    pub index: u32,
    /// Interrupts of that kind.
    pub count: u32,
}

/// `DEVICE_SET_IRQS`.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct IrqSet {
    /// Bytes of this structure.
    pub argsz: u32,
    /// [`UNMASK`], [`TRIGGER_BY_EVENTFD`].
    pub flags: u32,
    /// The kind.
    pub index: u32,
    /// First interrupt.
    pub start: u32,
    /// Interrupts.
    pub count: u32,
}

/// `REGION_READ` and `REGION_WRITE`, both ways; data follows a write and the reply to a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct RegionAccess {
    /// In the region.
    pub offset: u64,
    /// The region.
    pub region: u32,
    /// Bytes.
    pub count: u32,
}

/// `DMA_READ` and `DMA_WRITE`, both ways; data follows a write and the reply to a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct DmaAccess {
    /// As the device sees memory.
    pub address: u64,
    /// Bytes.
    pub count: u64,
}

/// The body at the front of `bytes`, and what follows it.
#[must_use]
pub fn body<T: Body>(bytes: &[u8]) -> Option<(T, &[u8])> {
    T::read_from_prefix(bytes).ok()
}
