//! A requester's way to memory, through the unit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dxgk_event::{DmaTransfer, Event, EventSink, Fault, FaultReason};
use dxgk_hw::{DmaError, DmaPort, LogicalAddr, MachineMemory, NotRam, PAGE_SIZE, PhysAddr, RequesterId};

use crate::pci::Presence;
use crate::unit::{Refusal, Unit};

/// The requests of one requester. Each call is one transfer and leaves one DMA event; a refused one leaves a fault
/// event before it.
///
/// The unit's lock is held over the translation and the copy of each page, never over an event: recording one may
/// block.
pub struct RequesterPort {
    unit: Arc<dyn Unit>,
    memory: Arc<dyn MachineMemory>,
    events: Arc<dyn EventSink>,
    requester: RequesterId,
    bus_master: Arc<AtomicBool>,
    presence: Arc<Presence>,
}

/// How far a transfer came.
struct Progress {
    done: u64,
    translated: bool,
    refused: Option<Refusal>,
}

impl RequesterPort {
    /// A port whose requests leave the device only while `bus_master` is set and the device is there.
    pub(crate) fn new(
        unit: Arc<dyn Unit>,
        memory: Arc<dyn MachineMemory>,
        events: Arc<dyn EventSink>,
        requester: RequesterId,
        bus_master: Arc<AtomicBool>,
        presence: Arc<Presence>,
    ) -> Self {
        Self { unit, memory, events, requester, bus_master, presence }
    }

    /// Copies page by page until one is refused. `copy` gets a physical address, a position and a length.
    fn pages(
        &self,
        at: LogicalAddr,
        bytes: u64,
        write: bool,
        mut copy: impl FnMut(PhysAddr, u64, u64) -> Result<(), NotRam>,
    ) -> Progress {
        let mut progress = Progress { done: 0, translated: false, refused: None };
        while progress.done < bytes {
            let done = progress.done;
            let Some(here) = at.checked_add(done) else {
                progress.refused = Some(Refusal::unrecorded(FaultReason::NoMemory));
                break;
            };
            let length = (PAGE_SIZE - here.offset()).min(bytes - done);
            match self.unit.access(self.requester, here, write, &mut |to| copy(to, done, length)) {
                Ok(translated) => {
                    progress.translated |= translated;
                    progress.done += length;
                }
                Err(refusal) => {
                    progress.translated |= refusal.by_tables;
                    progress.refused = Some(refusal);
                    break;
                }
            }
        }
        progress
    }

    fn transfer(
        &self,
        at: LogicalAddr,
        bytes: u64,
        write: bool,
        cause: u64,
        copy: impl FnMut(PhysAddr, u64, u64) -> Result<(), NotRam>,
    ) -> Result<(), DmaError> {
        // What does not leave the device is neither done nor refused.
        let allowed = self.bus_master.load(Ordering::Acquire);
        let leaves = if allowed { self.presence.transferred(bytes) } else { 0 };
        let progress = self.pages(at, leaves, write, copy);
        let stopped_at = LogicalAddr::new(at.get().wrapping_add(progress.done));
        let fault = progress.refused.map_or(0, |refusal| self.emit_fault(stopped_at, write, &refusal));
        self.events.emit(&Event::Dma(DmaTransfer {
            cause,
            address: at.get(),
            bytes,
            done: progress.done,
            fault,
            requester: self.requester.0,
            write: write.into(),
            translated: progress.translated.into(),
            reserved: [0; 4],
        }));
        if progress.done == bytes { Ok(()) } else { Err(DmaError { at: stopped_at, done: progress.done }) }
    }

    fn emit_fault(&self, at: LogicalAddr, write: bool, refusal: &Refusal) -> u64 {
        let fault = Event::Fault(Fault {
            record: refusal.record,
            address: at.get(),
            entry: refusal.entry,
            entry_at: refusal.entry_at,
            requester: self.requester.0,
            write: write.into(),
            reason: refusal.reason,
            level: refusal.level,
            cached: refusal.cached.into(),
            domain: refusal.domain,
        });
        self.events.emit_with_stack(&fault).0
    }
}

impl DmaPort for RequesterPort {
    fn read(&self, at: LogicalAddr, out: &mut [u8], cause: u64) -> Result<(), DmaError> {
        let bytes = out.len() as u64;
        let answer = self.transfer(at, bytes, false, cause, |from, position, length| {
            let part = out.get_mut(position as usize..(position + length) as usize).unwrap_or_default();
            self.memory.read(from, part)
        });
        if let Err(error) = &answer {
            out.iter_mut().skip(error.done as usize).for_each(|byte| *byte = 0xff);
        }
        answer
    }

    fn write(&self, at: LogicalAddr, bytes: &[u8], cause: u64) -> Result<(), DmaError> {
        self.transfer(at, bytes.len() as u64, true, cause, |to, position, length| {
            let part = bytes.get(position as usize..(position + length) as usize).unwrap_or_default();
            self.memory.write(to, part)
        })
    }
}
