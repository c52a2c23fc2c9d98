//! Registers, buffer and DMA of an edu-like device (QEMU, `docs/specs/edu.rst`), as a model behind a socket.

use std::io;

use dxgk_vfio_user::server::{Client, Model};
use dxgk_vfio_user::wire::{CONFIG_BYTES, CONFIG_REGION};

const BAR_BYTES: u64 = 1 << 20;
const BUFFER_AT: u64 = 0x4_0000;
const BUFFER_BYTES: usize = 4096;

const RUN: u64 = 1;
const TO_MEMORY: u64 = 2;
const INTERRUPT: u64 = 4;
const DMA_DONE: u32 = 0x100;

/// When the device works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Before it answers the write that starts it.
    AtOnce,
    /// After the answer, while the driver goes on.
    Afterwards,
}

/// The device.
pub(crate) struct Edu {
    work: Work,
    config: [u8; CONFIG_BYTES as usize],
    liveness: u32,
    interrupts: u32,
    /// Source, destination, count, command.
    dma: [u64; 4],
    buffer: Vec<u8>,
}

impl Edu {
    /// The device after power-on.
    pub(crate) fn new(work: Work) -> Self {
        let mut config = [0; CONFIG_BYTES as usize];
        let mut set = |at: usize, bytes: &[u8]| config[at..at + bytes.len()].copy_from_slice(bytes);
        set(0x00, &[0x34, 0x12, 0xe8, 0x11]);
        // A list of capabilities: one of a vendor's own, with four bytes of which the device keeps the last.
        set(0x06, &[0x10]);
        set(0x08, &[0x10, 0x00, 0xff, 0x00]);
        set(0x2c, &[0xf4, 0x1a, 0x00, 0x11]);
        set(0x34, &[0x40]);
        set(0x3d, &[1]);
        set(0x40, &[0x09, 0, 8, 0xed, 1, 2, 3, 4]);
        let buffer = vec![0; BUFFER_BYTES];
        Self { work, config, liveness: 0, interrupts: 0, dma: [0; 4], buffer }
    }

    fn transfer(&mut self, client: &mut Client) {
        let [source, destination, count, command] = self.dma;
        if command & RUN == 0 {
            return;
        }
        let to_memory = command & TO_MEMORY != 0;
        let (memory, device) = if to_memory { (destination, source) } else { (source, destination) };
        let first = device.checked_sub(BUFFER_AT).and_then(|first| usize::try_from(first).ok());
        let end = first.map(|first| first.saturating_add(count as usize).min(BUFFER_BYTES));
        let part = first.zip(end).and_then(|(first, end)| self.buffer.get_mut(first..end));
        // A refused transfer was noted where it was refused; the device itself has no way to say so.
        let _ = match part {
            None => Ok(()),
            Some(part) if to_memory => client.write(memory, part),
            Some(part) => client.read(memory, part),
        };
        self.dma[3] &= !RUN;
        if command & INTERRUPT != 0 {
            self.interrupts |= DMA_DONE;
        }
    }
}

impl Model for Edu {
    fn region_bytes(&self, region: u32) -> u64 {
        match region {
            0 => BAR_BYTES,
            CONFIG_REGION => CONFIG_BYTES,
            _ => 0,
        }
    }

    fn read(&mut self, region: u32, offset: u64, out: &mut [u8], _client: &mut Client) -> io::Result<()> {
        if region == CONFIG_REGION {
            out.copy_from_slice(&self.config[offset as usize..][..out.len()]);
            return Ok(());
        }
        let value = match offset {
            0x00 => 0x0100_00ed,
            0x04 => self.liveness.into(),
            0x24 => self.interrupts.into(),
            0x80..0xa0 if offset.is_multiple_of(8) => self.dma[(offset as usize - 0x80) / 8],
            // Not decoded.
            _ => return Err(io::Error::from_raw_os_error(22)),
        };
        let bytes = value.to_le_bytes();
        out.copy_from_slice(bytes.get(..out.len()).ok_or(io::ErrorKind::InvalidInput)?);
        Ok(())
    }

    fn write(&mut self, region: u32, offset: u64, bytes: &[u8], client: &mut Client) -> io::Result<()> {
        if region == CONFIG_REGION {
            // The command register, and the last bytes of the capability.
            for (at, byte) in (offset as usize..).zip(bytes).filter(|(at, _)| [4, 5, 0x47].contains(at)) {
                self.config[at] = *byte;
            }
            return Ok(());
        }
        let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        match offset {
            0x04 => self.liveness = !(value as u32),
            0x60 => self.interrupts |= value as u32,
            0x64 => self.interrupts &= !(value as u32),
            0x80..0xa0 if offset.is_multiple_of(8) && self.dma[3] & RUN == 0 => {
                self.dma[(offset as usize - 0x80) / 8] = value;
            }
            _ => return Err(io::Error::from_raw_os_error(22)),
        }
        if self.work == Work::AtOnce {
            self.transfer(client);
        }
        Ok(())
    }

    fn work(&mut self, client: &mut Client) {
        self.transfer(client);
    }

    fn interrupt(&self) -> bool {
        self.interrupts != 0
    }
}
