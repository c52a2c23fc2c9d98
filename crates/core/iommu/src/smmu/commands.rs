//! The command queue (manual 3.5 and 4): commands in, and a CMD_SYNC behind them.
//!
//! Each submission waits until the consumer index has passed its end, so the queue is empty between submissions and
//! never overflows.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use dxgk_hw::{MachineMemory, Pfn, RequesterId, UnitError};
use dxgk_iopt::smmu::spec::{
    Control0, Opcode, RANGE_ALL, StreamCommand, SyncCommand, TlbCommand, TlbOperand,
};

use super::registers::{POLLS, Unit};

/// A command's two words.
pub(super) type Command = [u64; 2];

/// log2 of the commands in the queue: one page.
pub(super) const LOG2_ENTRIES: u8 = 8;
const ENTRIES: u32 = 1 << LOG2_ENTRIES;
/// The most commands of one submission.
pub(super) const MOST: usize = 64;
/// Everything that the driver has the unit do at once.
pub(super) const RUNNING: Control0 = Control0::new().with_smmuen(true).with_cmdqen(true).with_eventqen(true);

/// A stream's entry, and its context descriptor.
pub(super) fn stream(requester: RequesterId) -> Command {
    let command = StreamCommand::new().with_opcode(Opcode::CFGI_STE).with_sid(requester.0.into());
    [command.into_bits(), 1]
}

/// A stream's context descriptor.
pub(super) fn context(requester: RequesterId) -> Command {
    let command = StreamCommand::new().with_opcode(Opcode::CFGI_CD).with_sid(requester.0.into());
    [command.into_bits(), 1]
}

/// All streams.
pub(super) fn every_stream() -> Command {
    [StreamCommand::new().with_opcode(Opcode::CFGI_STE_RANGE).into_bits(), RANGE_ALL]
}

/// All translations.
pub(super) fn every_translation() -> Command {
    [TlbCommand::new().with_opcode(Opcode::TLBI_NSNH_ALL).into_bits(), 0]
}

/// All of an ASID.
pub(super) fn asid(asid: u16) -> Command {
    [TlbCommand::new().with_opcode(Opcode::TLBI_NH_ASID).with_asid(asid).into_bits(), 0]
}

/// All of a VMID.
pub(super) fn vmid(vmid: u16) -> Command {
    [TlbCommand::new().with_opcode(Opcode::TLBI_S12_VMALL).with_vmid(vmid).into_bits(), 0]
}

/// A page, or whatever leaf is there, of an ASID.
pub(super) fn page_of_asid(asid: u16, page: u64, leaf: bool) -> Command {
    [TlbCommand::new().with_opcode(Opcode::TLBI_NH_VA).with_asid(asid).into_bits(), operand(page, leaf)]
}

/// A page, or whatever leaf is there, of a VMID.
pub(super) fn page_of_vmid(vmid: u16, page: u64, leaf: bool) -> Command {
    [TlbCommand::new().with_opcode(Opcode::TLBI_S2_IPA).with_vmid(vmid).into_bits(), operand(page, leaf)]
}

fn operand(page: u64, leaf: bool) -> u64 {
    TlbOperand::new().with_leaf(leaf).with_address(page & ((1 << 52) - 1)).into_bits()
}

/// The queue.
#[derive(Debug)]
pub(super) struct CommandQueue {
    ring: Pfn,
    producer: u32,
}

impl CommandQueue {
    /// Over a frame. The unit is told by [`restart`](Self::restart).
    pub(super) const fn new(ring: Pfn) -> Self {
        Self { ring, producer: 0 }
    }

    /// Empties the queue: off, a new base, on.
    pub(super) fn restart(&mut self, unit: &Unit, then: Control0) -> Result<(), UnitError> {
        unit.switch(then.with_cmdqen(false))?;
        self.producer = 0;
        unit.set_command_queue(self.ring, LOG2_ENTRIES);
        unit.take_errors();
        unit.switch(then)
    }

    /// Has the unit do `commands`, at most [`MOST`], in order, and waits until it has.
    pub(super) fn submit(
        &mut self,
        unit: &Unit,
        memory: &Arc<dyn MachineMemory>,
        commands: &[Command],
    ) -> Result<(), UnitError> {
        let ring = memory.live(self.ring).ok_or(UnitError::Unsupported("its command queue in RAM"))?;
        let sync = [SyncCommand::new().with_opcode(Opcode::SYNC).into_bits(), 0];
        for words in commands.iter().take(MOST).chain([&sync]) {
            self.push(ring, *words);
        }
        // Entries cleared in tables, and the commands, before the index.
        fence(Ordering::SeqCst);
        unit.set_command_producer(self.producer);
        let result = self.wait(unit);
        if result.is_err() {
            // The caller must treat its range as reachable; the next submission starts with an empty queue.
            let _ = self.restart(unit, RUNNING);
        }
        result
    }

    fn push(&mut self, ring: &[AtomicU64; 512], words: Command) {
        let places = ring.iter().skip((self.producer % ENTRIES) as usize * 2);
        for (place, word) in places.zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        // One bit more than an index has: it tells full from empty.
        self.producer = (self.producer + 1) % (2 * ENTRIES);
    }

    fn wait(&self, unit: &Unit) -> Result<(), UnitError> {
        for _ in 0..POLLS {
            let consumer = unit.command_consumer();
            if consumer % (2 * ENTRIES) == self.producer {
                return Ok(());
            }
            if unit.command_error() {
                return Err(UnitError::Queue(consumer));
            }
            core::hint::spin_loop();
        }
        Err(UnitError::Hung)
    }
}
