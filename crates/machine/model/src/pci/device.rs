//! What a device model is.

use core::time::Duration;

use dxgk_event::EventSink;
use dxgk_hw::{Bar, BarKind, DmaPort, PhysAddr, RequesterId, Width};

/// What a device's configuration space says it is (PCI Local Bus 3.0, 6.1 and 6.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Revision.
    pub revision: u8,
    /// Base class, sub-class and programming interface: 0x030000 is a VGA display controller.
    pub class: u32,
    /// Subsystem vendor.
    pub subsystem_vendor: u16,
    /// Subsystem.
    pub subsystem: u16,
}

/// A base address register that a device has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BarShape {
    /// Its number, 0..=5.
    pub index: u8,
    /// What it decodes. Memory BARs are of the 32-bit kind.
    pub kind: BarKind,
    /// Bytes or ports: a power of two, at least 16 (memory) or 4 (ports).
    pub size: u64,
}

/// An entry of the capability list in configuration space (PCI Local Bus 3.0, 6.7).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Capability {
    /// Where it begins: a multiple of 4, from 0x40 on.
    pub at: u8,
    /// Its number: 0x09 is a vendor's own.
    pub id: u8,
    /// What follows the number and the pointer to the next entry.
    pub body: Vec<u8>,
    /// Of each bit of the body, whether software can change it; what is missing it cannot.
    pub writable: Vec<u8>,
}

/// What a device can reach.
pub struct Bus<'a> {
    /// Memory, as this device's requests see it.
    pub port: &'a dyn DmaPort,
    /// Where doorbells are recorded.
    pub events: &'a dyn EventSink,
    /// Who the device is.
    pub requester: RequesterId,
    pub(crate) bars: &'a [Bar],
}

impl Bus<'_> {
    /// The bus address of a register; `None` when the device has no such BAR.
    #[must_use]
    pub fn register_address(&self, bar: u8, offset: u64) -> Option<PhysAddr> {
        self.bars.iter().find(|one| one.index == bar)?.base.checked_add(offset)
    }
}

/// The inside of a device: registers, a clock, one interrupt line. Everything around it (configuration space,
/// address decoding, the bus-master switch, locking) is [`PciDevice`](super::PciDevice)'s.
///
/// A device must accept anything a driver may do to it without panicking, and in bounded time and memory. Addresses and
/// lengths that it is given may be anything. Its DMA goes through [`Bus::port`] and nowhere else.
///
/// [`Described`](crate::Described) is a device that needs no code.
///
#[doc = include_str!("example.md")]
pub trait Device: Send {
    /// What it is. Asked once.
    fn identity(&self) -> Identity;

    /// Its BARs. Asked once.
    fn bars(&self) -> Vec<BarShape>;

    /// Its capabilities, in the order of the list, apart from each other and inside the first 256 bytes. Asked once.
    fn capabilities(&self) -> Vec<Capability> {
        Vec::new()
    }

    /// Reads `width` bytes at `offset`, which lies inside the BAR. What the device does not decode reads as all
    /// ones; bits above the width are dropped.
    fn read(&mut self, bar: u8, offset: u64, width: Width, bus: &Bus<'_>) -> u64;

    /// Writes likewise.
    fn write(&mut self, bar: u8, offset: u64, width: Width, value: u64, bus: &Bus<'_>);

    /// Time has come to `now` (boundaries); never goes back. Work that is due is done here and nowhere else.
    fn advance(&mut self, now: u64, bus: &Bus<'_>);

    /// The interrupt line's level.
    fn interrupt(&self) -> bool;

    /// The part of a device whose inside is in another process; other devices have none.
    fn outside(&mut self) -> Option<&mut dyn Outside> {
        None
    }
}

/// What only a device has to do with whose inside is in another process: it keeps its own configuration space, lives
/// in real time, and signals interrupts instead of holding a line.
pub trait Outside {
    /// Reads configuration space behind the header (from 0x40 on), naturally aligned.
    fn config_read(&mut self, offset: u16, width: Width, bus: &Bus<'_>) -> u64;

    /// Told of what was written to configuration space, naturally aligned. In the header only the command register
    /// is passed on: identity and addresses are the bus's.
    fn config_written(&mut self, offset: u16, width: Width, value: u64, bus: &Bus<'_>);

    /// The processor takes the interrupt; see [`PciFunction::interrupt_taken`](dxgk_hw::PciFunction::interrupt_taken).
    fn interrupt_taken(&mut self) -> u64;

    /// The driver's routine has returned.
    fn interrupt_served(&mut self, taken: u64, bus: &Bus<'_>);

    /// Waits up to `most`, in real time, until the device does something; whether it did.
    fn wait(&mut self, most: Duration, bus: &Bus<'_>) -> bool;
}
