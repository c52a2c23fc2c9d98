//! QEMU's edu device, a PCI function whose DMA engine copies between RAM and a 4 KiB buffer of its own.
//!
//! Source: QEMU `docs/specs/edu.txt` (7.2) / `docs/specs/edu.rst` (later).
//!
//! Deliberately unused: the factorial unit and all interrupts; completion is polled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dxgk_hw::{LogicalAddr, PhysAddr, RequesterId};

use crate::error::QemuError;
use crate::machine::Qemu;

/// Vendor 0x1234, device 0x11e8.
const IDENTITY: u32 = 0x11e8_1234;
const DMA_SOURCE: u64 = 0x80;
const DMA_DESTINATION: u64 = 0x88;
const DMA_COUNT: u64 = 0x90;
const DMA_COMMAND: u64 = 0x98;
/// Command bit 0: start; reads as one until the transfer is over.
const START: u64 = 1;
/// Command bit 1: from the device's buffer to RAM.
const TO_RAM: u64 = 1 << 1;
/// Where the buffer is in the device's own address space.
const BUFFER: u64 = 0x4_0000;
const BUFFER_BYTES: u64 = 4096;
/// The transfer runs from a timer of 100 ms of virtual time.
const DMA_DELAY_NS: u64 = 100_000_000;
/// Host time that one transfer may take. It takes about a millisecond.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which way a transfer goes, seen from RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The device reads RAM into its buffer.
    FromRam,
    /// The device writes its buffer to RAM.
    ToRam,
}

/// The edu device of a running machine, with BAR 0 assigned and bus mastering on.
#[derive(Debug)]
pub struct Edu {
    qemu: Arc<Qemu>,
    requester: RequesterId,
    registers: PhysAddr,
}

impl Edu {
    /// Bytes of the buffer that transfers may use: all but the last, because QEMU 7.2 aborts on a transfer that ends
    /// where the buffer ends.
    pub const USABLE_BYTES: u64 = BUFFER_BYTES - 1;

    /// The `-device` argument for an edu at device number `device` (1 to 30) of the root bus, able to address 64 bits.
    #[must_use]
    pub fn argument(device: u8) -> String {
        format!("edu,addr={device:#x},dma_mask=0xffffffffffffffff")
    }

    /// Takes hold of the edu at `requester`: checks its identity, puts its BAR 0 (1 MiB) at `registers`, and lets it do
    /// DMA.
    ///
    /// # Errors
    /// [`QemuError::WrongDevice`] if another device, or none, is there.
    pub fn attach(qemu: Arc<Qemu>, requester: RequesterId, registers: u32) -> Result<Self, QemuError> {
        let identity = qemu.pci_identity(requester)?;
        if identity != IDENTITY {
            return Err(QemuError::WrongDevice {
                qemu: qemu.installed().to_string(),
                address: requester.to_string(),
                found: format!("{identity:#010x}"),
                wanted: "an edu (device 0x11e8, vendor 0x1234)",
            });
        }
        qemu.assign_memory_bar(requester, 0, registers)?;
        qemu.enable_pci(requester)?;
        Ok(Self { qemu, requester, registers: PhysAddr::new(u64::from(registers)) })
    }

    /// Its place on the bus, as the IOMMU knows it.
    #[must_use]
    pub fn requester(&self) -> RequesterId {
        self.requester
    }

    /// Copies `bytes` between its buffer, from `offset` on, and `at`, and returns when the transfer is over. The
    /// device reports no errors: whether the IOMMU blocked it is to be seen in memory and in the fault records.
    ///
    /// # Errors
    /// [`QemuError::Unsupported`] if the range is not within [`Edu::USABLE_BYTES`] of the buffer,
    /// [`QemuError::Stuck`] if the transfer does not end.
    pub fn dma(
        &self,
        direction: Direction,
        offset: u64,
        at: LogicalAddr,
        bytes: u64,
    ) -> Result<(), QemuError> {
        if offset.checked_add(bytes).is_none_or(|end| end > Self::USABLE_BYTES) {
            return Err(QemuError::Unsupported {
                what: "edu transfer from buffer offset",
                value: offset,
                limit: format!("{bytes:#x} bytes must end within the first {:#x}", Self::USABLE_BYTES),
            });
        }
        let inside = BUFFER + offset;
        let (source, destination, command) = match direction {
            Direction::FromRam => (at.get(), inside, START),
            Direction::ToRam => (inside, at.get(), START | TO_RAM),
        };
        let register = |offset| PhysAddr::new(self.registers.get() + offset);
        let write = |offset, value: u64| format!("writeq {} {value:#x}", register(offset));
        let mut commands = vec![
            write(DMA_SOURCE, source),
            write(DMA_DESTINATION, destination),
            write(DMA_COUNT, bytes),
            write(DMA_COMMAND, command),
        ];
        let poll = format!("readq {}", register(DMA_COMMAND));
        let start = Instant::now();
        loop {
            commands.extend(self.qemu.step_command(DMA_DELAY_NS));
            commands.push(poll.clone());
            let answer = self.qemu.ask_all(&commands)?.pop().unwrap_or_default();
            let value = self.qemu.number(&poll, answer)?;
            if value & START == 0 {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(QemuError::Stuck {
                    qemu: self.qemu.installed().to_string(),
                    what: "the end of the edu's transfer",
                    waited_ms: PATIENCE.as_millis() as u64,
                    value,
                });
            }
            commands.clear();
        }
    }
}
