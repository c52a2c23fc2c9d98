//! A device whose inside is in another process, at the other end of a [link](dxgk_shm::link).
//!
//! Each access is asked over there and waited for; transfers that the device makes meanwhile, or in between, go through
//! this machine's IOMMU like any device's. It says not which register is a doorbell: a transfer is taken for a
//! consequence of the last write before it.

mod shape;

use core::time::Duration;

use dxgk_event::{Doorbell, Event};
use dxgk_hw::{LogicalAddr, Width};
use dxgk_shm::link::{Access, MachineEnd, Place, Transfer};

use crate::pci::{BarShape, Bus, Capability, Device, Identity, Outside};

pub use shape::{BadShape, RemoteShape};

/// Transfers that are carried out at one boundary at most; the rest waits for the next.
const MOST_AT_ONCE: usize = 64;

/// The device.
pub struct Remote {
    end: MachineEnd,
    shape: RemoteShape,
    /// The event of the last register write.
    doorbell: u64,
    /// Interrupts that the driver's routine has been called for, and that somebody who waited knows of.
    served: u64,
    noticed: u64,
}

impl Remote {
    /// The device at the other end.
    #[must_use]
    pub fn new(end: MachineEnd, shape: RemoteShape) -> Self {
        Self { end, shape, doorbell: 0, served: 0, noticed: 0 }
    }

    /// Makes an access; all ones when the device is gone, as from a slot that is empty.
    fn access(&mut self, access: Access, bus: &Bus<'_>) -> u64 {
        let cause = self.doorbell;
        self.end.access(access, &mut carrying(bus, cause)).unwrap_or(u64::MAX)
    }
}

/// Carries transfers out over the bus.
fn carrying(bus: &Bus<'_>, cause: u64) -> impl FnMut(u64, Transfer<'_>) -> u64 {
    move |address, transfer| {
        let at = LogicalAddr::new(address);
        let (outcome, bytes) = match transfer {
            Transfer::Read(out) => (bus.port.read(at, out, cause), out.len()),
            Transfer::Write(bytes) => (bus.port.write(at, bytes, cause), bytes.len()),
        };
        outcome.map_or_else(|refused| refused.done, |()| bytes as u64)
    }
}

impl Device for Remote {
    fn identity(&self) -> Identity {
        self.shape.identity()
    }

    fn bars(&self) -> Vec<BarShape> {
        self.shape.bar_shapes()
    }

    fn capabilities(&self) -> Vec<Capability> {
        self.shape.first_capability().into_iter().collect()
    }

    fn read(&mut self, bar: u8, offset: u64, width: Width, bus: &Bus<'_>) -> u64 {
        self.access(Access::Read { place: Place::Bar(bar), offset, width }, bus)
    }

    fn write(&mut self, bar: u8, offset: u64, width: Width, value: u64, bus: &Bus<'_>) {
        let doorbell = Event::Doorbell(Doorbell {
            register: bus.register_address(bar, offset).map_or(0, |address| address.get()),
            address: value,
            bytes: 0,
            requester: bus.requester.0,
            write: 0,
            reserved: [0; 5],
        });
        self.doorbell = bus.events.emit_with_stack(&doorbell).0;
        self.access(Access::Write { place: Place::Bar(bar), offset, width, value }, bus);
    }

    fn advance(&mut self, _now: u64, bus: &Bus<'_>) {
        for _ in 0..MOST_AT_ONCE {
            if !self.end.carry_out(&mut carrying(bus, self.doorbell)) {
                break;
            }
        }
    }

    fn interrupt(&self) -> bool {
        self.end.interrupts() != self.served
    }

    fn outside(&mut self) -> Option<&mut dyn Outside> {
        Some(self)
    }
}

impl Outside for Remote {
    fn config_read(&mut self, offset: u16, width: Width, bus: &Bus<'_>) -> u64 {
        self.access(Access::Read { place: Place::Config, offset: offset.into(), width }, bus)
    }

    fn config_written(&mut self, offset: u16, width: Width, value: u64, bus: &Bus<'_>) {
        self.access(Access::Write { place: Place::Config, offset: offset.into(), width, value }, bus);
    }

    fn interrupt_taken(&mut self) -> u64 {
        self.noticed = self.end.interrupts();
        self.noticed
    }

    fn interrupt_served(&mut self, taken: u64, bus: &Bus<'_>) {
        // What was signalled while the routine ran is still to be served.
        self.served = taken;
        self.access(Access::InterruptServed, bus);
    }

    fn wait(&mut self, most: Duration, bus: &Bus<'_>) -> bool {
        let acted = self.end.wait(most, self.noticed, &mut carrying(bus, self.doorbell));
        self.noticed = self.end.interrupts();
        acted
    }
}
