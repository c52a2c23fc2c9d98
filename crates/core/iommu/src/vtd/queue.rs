//! The invalidation queue (VT-d 6.5.2): descriptors in, and a wait descriptor behind them whose status the unit
//! writes to memory when all before it is done.
//!
//! Each submission waits for its own end, so the ring is empty between submissions and never overflows.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use dxgk_hw::{MachineMemory, Pfn, UnitError};
use dxgk_iopt::vtd::spec::{
    DescriptorType, FaultStatus, GlobalCommand, InvalidationQueueAddress, WaitDescriptor,
};

use super::registers::{POLLS, Unit};

/// A descriptor's two words.
pub(super) type Descriptor = [u64; 2];

/// The most descriptors of one submission.
pub(super) const MOST: usize = 64;

/// The ring.
#[derive(Debug)]
pub(super) struct Queue {
    ring: Pfn,
    status: Pfn,
    /// Descriptors of 256 bits, as scalable mode wants them; what is sent here has zeros in the upper half.
    wide: bool,
    tail: u16,
    /// What the next wait descriptor writes; changes with every submission.
    ticket: u32,
}

impl Queue {
    /// Switches the queue on, over two zeroed frames.
    pub(super) fn start(unit: &Unit, ring: Pfn, status: Pfn, wide: bool) -> Result<Self, UnitError> {
        let mut queue = Self { ring, status, wide, tail: 0, ticket: 1 };
        queue.restart(unit)?;
        Ok(queue)
    }

    /// Empties the queue: off, tail to 0 (which sets the head to 0 when it goes on), on.
    fn restart(&mut self, unit: &Unit) -> Result<(), UnitError> {
        let enable = GlobalCommand::new().with_qie(true);
        unit.command(enable, false)?;
        unit.clear_fault_status(FaultStatus::new().with_iqe(true).with_ice(true).with_ite(true));
        self.tail = 0;
        unit.set_queue_tail(0);
        unit.set_queue(InvalidationQueueAddress::new().with_iqa(self.ring.get()).with_dw(self.wide));
        unit.command(enable, true)
    }

    /// Has the unit do `descriptors`, at most [`MOST`], in order, and waits until it has.
    pub(super) fn submit(
        &mut self,
        unit: &Unit,
        memory: &Arc<dyn MachineMemory>,
        descriptors: &[Descriptor],
    ) -> Result<(), UnitError> {
        let lost = UnitError::Unsupported("its queue in RAM");
        let ring = memory.live(self.ring).ok_or(lost)?;
        let status = &memory.live(self.status).ok_or(lost)?[0];
        self.ticket = self.ticket.wrapping_add(1);
        status.store(u64::from(!self.ticket), Ordering::Relaxed);
        let wait = WaitDescriptor::new()
            .with_kind(DescriptorType::Wait as u8)
            .with_sw(true)
            .with_fn(true)
            .with_data(self.ticket);
        let wait = [wait.into_bits(), self.status.address().get()];
        for words in descriptors.iter().take(MOST).chain([&wait]) {
            self.push(ring, *words);
        }
        // Entries cleared in tables, and the descriptors, before the tail.
        fence(Ordering::SeqCst);
        unit.set_queue_tail(self.tail * (self.words() / 2) as u16);
        let result = self.wait(unit, status);
        if result.is_err() {
            // The caller must treat its range as reachable; the next submission starts with an empty queue.
            let _ = self.restart(unit);
        }
        result
    }

    /// Words of a descriptor.
    const fn words(&self) -> usize {
        if self.wide { 4 } else { 2 }
    }

    fn push(&mut self, ring: &[AtomicU64; 512], words: Descriptor) {
        let places = ring.iter().skip(usize::from(self.tail) * self.words()).take(self.words());
        for (place, word) in places.zip(words.into_iter().chain([0; 2])) {
            place.store(word, Ordering::Relaxed);
        }
        // The ring is one page.
        self.tail = (self.tail + 1) % (ring.len() / self.words()) as u16;
    }

    fn wait(&self, unit: &Unit, status: &AtomicU64) -> Result<(), UnitError> {
        for _ in 0..POLLS {
            if status.load(Ordering::Acquire) as u32 == self.ticket {
                return Ok(());
            }
            let faults = unit.fault_status();
            if faults.iqe() || faults.ice() || faults.ite() {
                return Err(UnitError::Queue(faults.into_bits()));
            }
            core::hint::spin_loop();
        }
        Err(UnitError::Hung)
    }
}
