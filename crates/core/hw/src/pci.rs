//! PCI functions as a port driver sees them.

use core::fmt;
use core::time::Duration;

use crate::PhysAddr;

/// Bus, device and function, as they stand in a transaction (PCI Express Base 2.2.6.2): what the IOMMU
/// looks a device up by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequesterId(pub u16);

impl RequesterId {
    /// From bus (0..=255), device (0..=31; higher bits are dropped) and function (0..=7; likewise).
    #[must_use]
    pub const fn new(bus: u8, device: u8, function: u8) -> Self {
        Self((bus as u16) << 8 | ((device & 0x1f) as u16) << 3 | (function & 7) as u16)
    }

    /// The bus number.
    #[must_use]
    pub const fn bus(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Device and function in one byte, as context tables index by it.
    #[must_use]
    pub const fn devfn(self) -> u8 {
        self.0 as u8
    }
}

impl fmt::Display for RequesterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{}", self.bus(), self.devfn() >> 3, self.devfn() & 7)
    }
}

impl fmt::Debug for RequesterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequesterId({self})")
    }
}

/// Width of one register or port access.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Width {
    /// 1 byte.
    Byte,
    /// 2 bytes.
    Word,
    /// 4 bytes.
    Dword,
    /// 8 bytes.
    Qword,
}

impl Width {
    /// Bytes of the access: 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
            Self::Dword => 4,
            Self::Qword => 8,
        }
    }

    /// The width of `bytes` bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Option<Self> {
        match bytes {
            1 => Some(Self::Byte),
            2 => Some(Self::Word),
            4 => Some(Self::Dword),
            8 => Some(Self::Qword),
            _ => None,
        }
    }

    /// A mask of the bits that an access of this width carries.
    #[must_use]
    pub const fn mask(self) -> u64 {
        match self {
            Self::Qword => u64::MAX,
            narrower => (1 << (narrower.bytes() * 8)) - 1,
        }
    }
}

/// What a base address register decodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BarKind {
    /// Memory; whether it is prefetchable.
    Memory {
        /// Reads have no side effects, writes may be merged.
        prefetchable: bool,
    },
    /// I/O ports; the base is a port number.
    Io,
}

/// A base address register, assigned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bar {
    /// Its number, 0..=5.
    pub index: u8,
    /// What it decodes.
    pub kind: BarKind,
    /// First byte (memory) or first port.
    pub base: PhysAddr,
    /// Bytes or ports; a power of two.
    pub size: u64,
}

/// One function of a PCI device, with its resources assigned.
pub trait PciFunction: Send + Sync {
    /// Who it is on the bus.
    fn requester(&self) -> RequesterId;

    /// The name under which `--device` knows it ("edu").
    fn name(&self) -> &str;

    /// Reads configuration space; an offset beyond it reads as all ones.
    fn config_read(&self, offset: u16, width: Width) -> u64;

    /// Writes configuration space; read-only bits keep their value.
    fn config_write(&self, offset: u16, width: Width, value: u64);

    /// The assigned BARs, ascending by index. They do not move while the driver is started.
    fn bars(&self) -> alloc::vec::Vec<Bar>;

    /// Reads from a BAR. Outside the BAR, or of a width that the device does not decode, it reads as all ones.
    fn read(&self, bar: u8, offset: u64, width: Width) -> u64;

    /// Writes to a BAR. What the device does not decode is dropped.
    fn write(&self, bar: u8, offset: u64, width: Width, value: u64);

    /// Whether the function asserts its interrupt now (INTx level).
    fn interrupt_pending(&self) -> bool;

    /// The processor takes the interrupt: the driver's routine is called next. What it gives is passed back to
    /// [`interrupt_served`](Self::interrupt_served). A line that the driver lowers through registers needs neither.
    fn interrupt_taken(&self) -> u64 {
        0
    }

    /// The driver's routine for the interrupt that was `taken` has returned.
    fn interrupt_served(&self, taken: u64) {
        let _ = taken;
    }

    /// Lets the device's own time run up to `now` (boundaries, see [`Clock`](crate::Clock)): transfers that are
    /// due are made.
    fn advance(&self, now: u64);

    /// Nothing can happen in the machine but what devices do by themselves. A device that lives in real time (in
    /// another process) is given up to `most` of it: whether it did something. Others have no time but boundaries,
    /// and answer at once.
    fn wait(&self, most: Duration) -> bool {
        let _ = most;
        false
    }
}
