//! The `edu` device: register-compatible with the one that QEMU documents in `docs/specs/edu` (1234:11e8).
//!
//! One memory BAR of 1 MiB:
//!
//! | offset | | |
//! | --- | --- | --- |
//! | 0x00 | read | identification, 0x010000ed |
//! | 0x04 | read, write | liveness: reads as the complement of what was written |
//! | 0x08 | read, write | factorial: writing n computes n! modulo 2^32 |
//! | 0x20 | read, write | status: bit 0 computing (read only), bit 7 interrupt when the factorial is done |
//! | 0x24 | read | interrupt status |
//! | 0x60 | write | raises these interrupt status bits |
//! | 0x64 | write | acknowledges them |
//! | 0x80 | read, write | DMA source |
//! | 0x88 | read, write | DMA destination |
//! | 0x90 | read, write | DMA count in bytes |
//! | 0x98 | read, write | DMA command: bit 0 start and running, bit 1 direction (set: device to memory), bit 2 interrupt (status bit 8) when done |
//!
//! Below 0x80 only 4-byte accesses are decoded, from there on 4 and 8 bytes. The device's own buffer is 4 KiB at
//! device address 0x40000. While a transfer runs the DMA registers cannot be written.
//!
//! Where QEMU stops the machine (a transfer outside the buffer), this one does what a register-starved chip would
//! do: it transfers what lies in the buffer and forgets the rest.

use dxgk_event::{Doorbell, Event};
use dxgk_hw::{BarKind, LogicalAddr, Width};

use crate::pci::{BarShape, Bus, Device, Identity};

/// Boundaries between the command and the transfer (or between the number and its factorial).
pub const DMA_LATENCY: u64 = 4;

const BAR: u8 = 0;
const BAR_BYTES: u64 = 1 << 20;
const BUFFER_AT: u64 = 0x4_0000;
const BUFFER_BYTES: u64 = 4096;

const RUN: u64 = 1;
const TO_MEMORY: u64 = 2;
const INTERRUPT: u64 = 4;

const STATUS_COMPUTING: u32 = 1;
const STATUS_INTERRUPT: u32 = 0x80;
const FACTORIAL_DONE: u32 = 1;
const DMA_DONE: u32 = 0x100;

/// A transfer that was commanded and is not due yet.
#[derive(Clone, Copy)]
struct Pending {
    due: u64,
    cause: u64,
}

/// The device.
pub struct Edu {
    /// Bits of an address that the device can put on the bus.
    dma_mask: u64,
    now: u64,
    liveness: u32,
    factorial: u32,
    factorial_due: Option<u64>,
    status: u32,
    interrupts: u32,
    source: u64,
    destination: u64,
    count: u64,
    command: u64,
    pending: Option<Pending>,
    buffer: Vec<u8>,
}

impl Default for Edu {
    fn default() -> Self {
        Self::new(u64::MAX)
    }
}

impl Edu {
    /// A device that drops the address bits outside `dma_mask` (QEMU's property of that name, there 28 bits unless
    /// said otherwise; [`Edu::default`] drops none).
    #[must_use]
    pub fn new(dma_mask: u64) -> Self {
        Self {
            dma_mask,
            now: 0,
            liveness: 0,
            factorial: 0,
            factorial_due: None,
            status: 0,
            interrupts: 0,
            source: 0,
            destination: 0,
            count: 0,
            command: 0,
            pending: None,
            buffer: vec![0; BUFFER_BYTES as usize],
        }
    }

    /// Address in memory and in the device of the transfer that the registers describe.
    fn ends(&self) -> (u64, u64) {
        if self.command & TO_MEMORY != 0 {
            (self.destination & self.dma_mask, self.source)
        } else {
            (self.source & self.dma_mask, self.destination)
        }
    }

    fn start(&mut self, command: u64, bus: &Bus<'_>) {
        if command & RUN == 0 {
            return;
        }
        self.command = command & (RUN | TO_MEMORY | INTERRUPT);
        let doorbell = Event::Doorbell(Doorbell {
            register: bus.register_address(BAR, 0x98).map_or(0, |address| address.get()),
            address: self.ends().0,
            bytes: self.count,
            requester: bus.requester.0,
            write: u8::from(command & TO_MEMORY != 0),
            reserved: [0; 5],
        });
        let cause = bus.events.emit_with_stack(&doorbell).0;
        self.pending = Some(Pending { due: self.now.saturating_add(DMA_LATENCY), cause });
    }

    fn transfer(&mut self, cause: u64, bus: &Bus<'_>) {
        let (memory, device) = self.ends();
        let first = device.checked_sub(BUFFER_AT).filter(|offset| *offset < BUFFER_BYTES);
        if let Some(first) = first {
            let end = first.saturating_add(self.count).min(BUFFER_BYTES);
            let part = self.buffer.get_mut(first as usize..end as usize).unwrap_or_default();
            let memory = LogicalAddr::new(memory);
            // A refused transfer has left its events; the device itself has no way to say so.
            let _ = if self.command & TO_MEMORY != 0 {
                bus.port.write(memory, part, cause)
            } else {
                bus.port.read(memory, part, cause)
            };
        }
        self.command &= !RUN;
        if self.command & INTERRUPT != 0 {
            self.interrupts |= DMA_DONE;
        }
    }

    fn finish_factorial(&mut self) {
        let mut product = 1u32;
        // From 34! on the product is 0 modulo 2^32 and stays so.
        for factor in (1..=self.factorial).take(34) {
            product = product.wrapping_mul(factor);
        }
        self.factorial = product;
        self.status &= !STATUS_COMPUTING;
        if self.status & STATUS_INTERRUPT != 0 {
            self.interrupts |= FACTORIAL_DONE;
        }
    }

    fn write_dma_register(&mut self, offset: u64, value: u64, bus: &Bus<'_>) {
        if self.command & RUN != 0 {
            return;
        }
        match offset {
            0x80 => self.source = value,
            0x88 => self.destination = value,
            0x90 => self.count = value,
            0x98 => self.start(value, bus),
            _ => {}
        }
    }
}

/// Whether the device decodes an access of this width here.
fn decoded(offset: u64, width: Width) -> bool {
    width == Width::Dword || (offset >= 0x80 && width == Width::Qword)
}

impl Device for Edu {
    fn identity(&self) -> Identity {
        Identity {
            vendor: 0x1234,
            device: 0x11e8,
            revision: 0x10,
            class: 0x0000_ff00,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        }
    }

    fn bars(&self) -> Vec<BarShape> {
        vec![BarShape { index: BAR, kind: BarKind::Memory { prefetchable: false }, size: BAR_BYTES }]
    }

    fn read(&mut self, _bar: u8, offset: u64, width: Width, _bus: &Bus<'_>) -> u64 {
        if !decoded(offset, width) {
            return u64::MAX;
        }
        match offset {
            0x00 => 0x0100_00ed,
            0x04 => u64::from(self.liveness),
            0x08 => u64::from(self.factorial),
            0x20 => u64::from(self.status),
            0x24 => u64::from(self.interrupts),
            0x80 => self.source,
            0x88 => self.destination,
            0x90 => self.count,
            0x98 => self.command,
            _ => u64::MAX,
        }
    }

    fn write(&mut self, _bar: u8, offset: u64, width: Width, value: u64, bus: &Bus<'_>) {
        if !decoded(offset, width) {
            return;
        }
        let low = value as u32;
        match offset {
            0x04 => self.liveness = !low,
            0x08 if self.status & STATUS_COMPUTING == 0 => {
                self.factorial = low;
                self.status |= STATUS_COMPUTING;
                self.factorial_due = Some(self.now.saturating_add(DMA_LATENCY));
            }
            0x20 => self.status = self.status & !STATUS_INTERRUPT | low & STATUS_INTERRUPT,
            0x60 => self.interrupts |= low,
            0x64 => self.interrupts &= !low,
            _ => self.write_dma_register(offset, value, bus),
        }
    }

    fn advance(&mut self, now: u64, bus: &Bus<'_>) {
        self.now = now;
        if self.factorial_due.take_if(|due| *due <= now).is_some() {
            self.finish_factorial();
        }
        if let Some(pending) = self.pending.take_if(|pending| pending.due <= now) {
            self.transfer(pending.cause, bus);
        }
    }

    fn interrupt(&self) -> bool {
        self.interrupts != 0
    }
}
