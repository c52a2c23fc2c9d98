//! The device's memories, and transfers between them and RAM.

use dxgk_hw::{LogicalAddr, Width};

use super::plan::MemoryPlan;
use crate::pci::Bus;

/// A transfer that was started and is not due yet.
#[derive(Clone, Copy)]
pub(super) struct Transfer {
    pub(super) due: u64,
    /// The doorbell's event, or 0.
    pub(super) cause: u64,
    pub(super) to_memory: bool,
    /// The address in RAM, as the device sees it.
    pub(super) outside: u64,
    /// The address in device memory.
    pub(super) inside: u64,
    pub(super) bytes: u64,
}

/// All bytes inside the device.
pub(super) struct Memories(Vec<Memory>);

struct Memory {
    /// Where the engines see it.
    address: Option<u64>,
    bytes: Vec<u8>,
}

impl Memories {
    pub(super) fn new(plan: &[MemoryPlan]) -> Self {
        let memory = |memory: &MemoryPlan| Memory {
            address: memory.address,
            bytes: vec![0; usize::try_from(memory.bytes).unwrap_or(0)],
        };
        let mut memories = Self(plan.iter().map(memory).collect());
        for (index, memory) in plan.iter().enumerate() {
            for data in &memory.data {
                for (offset, word) in (data.offset..).step_by(4).zip(&data.words) {
                    memories.write(index, offset, Width::Dword, (*word).into());
                }
            }
        }
        memories
    }

    /// The processor reads a RAM-backed BAR.
    pub(super) fn read(&self, memory: usize, offset: u64, width: Width) -> u64 {
        let bytes = self.0.get(memory).and_then(|memory| memory.bytes.get(range(offset, width.bytes())?));
        bytes
            .map_or(u64::MAX, |bytes| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// The processor writes one.
    pub(super) fn write(&mut self, memory: usize, offset: u64, width: Width, value: u64) {
        let bytes = self
            .0
            .get_mut(memory)
            .and_then(|memory| memory.bytes.get_mut(range(offset, width.bytes())?))
            .unwrap_or_default();
        bytes.iter_mut().zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
    }

    /// Moves the data in one request: what lies in the memory that the inner address is in. A transfer that begins
    /// outside all of them does not happen.
    pub(super) fn transfer(&mut self, transfer: &Transfer, bus: &Bus<'_>) {
        let Some(part) = self.0.iter_mut().find_map(|memory| memory.part(transfer)) else { return };
        let outside = LogicalAddr::new(transfer.outside);
        // A refused transfer has left its events; the device itself has no way to say so.
        let _ = if transfer.to_memory {
            bus.port.write(outside, part, transfer.cause)
        } else {
            bus.port.read(outside, part, transfer.cause)
        };
    }
}

impl Memory {
    fn part(&mut self, transfer: &Transfer) -> Option<&mut [u8]> {
        let size = self.bytes.len() as u64;
        let first = transfer.inside.checked_sub(self.address?).filter(|first| *first < size)?;
        let end = first.saturating_add(transfer.bytes).min(size);
        self.bytes.get_mut(range(first, end.checked_sub(first)?)?)
    }
}

fn range(offset: u64, bytes: u64) -> Option<std::ops::Range<usize>> {
    let end = offset.checked_add(bytes)?;
    Some(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
}
