//! The command buffer (manual 2.4): commands in, and behind them a completion wait whose data the unit writes to
//! memory when all before it is done.
//!
//! Each submission waits for its own end, so the ring is empty between submissions and never overflows.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use dxgk_hw::{LogicalPage, MachineMemory, Pfn, RequesterId, UnitError};
use dxgk_iopt::amdvi::spec::{
    CompletionWait, InvalidateDevtabEntry, InvalidateIommuPages, Opcode, all_pages, page_block,
};

use super::registers::{POLLS, Unit};

/// A command's two words.
pub(super) type Command = [u64; 2];

/// Commands in the ring: one page.
const ENTRIES: u16 = 256;
/// The most commands of one submission.
const MOST: usize = 64;
/// More ranges than this are not worth it; the whole domain goes instead. Our choice.
pub(super) const MOST_SELECTIVE: usize = 16;

/// One requester's cached device table entry.
pub(super) fn device(requester: RequesterId) -> Command {
    let command =
        InvalidateDevtabEntry::new().with_device_id(requester.0).with_opcode(Opcode::INVALIDATE_DEVTAB_ENTRY);
    [command.into_bits(), 0]
}

/// Everything, where the unit has the command (EFR\[IASup\]).
pub(super) fn everything() -> Command {
    [InvalidateDevtabEntry::new().with_opcode(Opcode::INVALIDATE_IOMMU_ALL).into_bits(), 0]
}

fn pages(domain: u16, block: u64) -> Command {
    let command =
        InvalidateIommuPages::new().with_domain_id(domain).with_opcode(Opcode::INVALIDATE_IOMMU_PAGES);
    [command.into_bits(), block]
}

/// All that is cached of a domain.
pub(super) fn domain(domain: u16) -> Command {
    pages(domain, all_pages())
}

/// A range of a domain, cut into aligned blocks, or the whole domain when there are too many of them. `tables` asks
/// for directory entries too. Fills `out` and returns how many commands.
pub(super) fn range(
    domain_id: u16,
    first: LogicalPage,
    count: u64,
    tables: bool,
    out: &mut [Command; MOST_SELECTIVE],
) -> usize {
    let (mut at, mut left) = (first.get(), count);
    for (used, slot) in out.iter_mut().enumerate() {
        if left == 0 {
            return used;
        }
        let order = left.ilog2().min(at.trailing_zeros());
        *slot = pages(domain_id, page_block(at, order, tables));
        at = at.saturating_add(1 << order);
        left -= 1 << order;
    }
    if left == 0 {
        return MOST_SELECTIVE;
    }
    out[0] = domain(domain_id);
    1
}

/// The ring.
#[derive(Debug)]
pub(super) struct CommandBuffer {
    ring: Pfn,
    status: Pfn,
    tail: u16,
    /// What the next completion wait writes; changes with every submission.
    ticket: u64,
}

impl CommandBuffer {
    /// Over two zeroed frames. The unit is told by [`restart`](Self::restart).
    pub(super) const fn new(ring: Pfn, status: Pfn) -> Self {
        Self { ring, status, tail: 0, ticket: 1 }
    }

    /// Empties the buffer: off, a new base, on.
    pub(super) fn restart(&mut self, unit: &Unit) -> Result<(), UnitError> {
        unit.set_control(unit.control().with_cmd_buf_en(false));
        unit.wait(|status| !status.cmd_buf_run())?;
        self.tail = 0;
        unit.set_command_buffer(self.ring);
        unit.set_control(unit.control().with_cmd_buf_en(true));
        Ok(())
    }

    /// Has the unit do `commands`, at most [`MOST`], in order, and waits until it has.
    pub(super) fn submit(
        &mut self,
        unit: &Unit,
        memory: &Arc<dyn MachineMemory>,
        commands: &[Command],
    ) -> Result<(), UnitError> {
        let lost = UnitError::Unsupported("its command buffer in RAM");
        let ring = memory.live(self.ring).ok_or(lost)?;
        let status = &memory.live(self.status).ok_or(lost)?[0];
        self.ticket = self.ticket.wrapping_add(1);
        status.store(!self.ticket, Ordering::Relaxed);
        let wait = CompletionWait::new()
            .with_s(true)
            .with_f(true)
            .with_address(self.status.address().get() >> 3 & ((1 << 49) - 1))
            .with_opcode(Opcode::COMPLETION_WAIT);
        let wait = [wait.into_bits(), self.ticket];
        for words in commands.iter().take(MOST).chain([&wait]) {
            self.push(ring, *words);
        }
        // Entries cleared in tables, and the commands, before the tail.
        fence(Ordering::SeqCst);
        unit.set_command_tail(self.tail);
        let result = self.wait(unit, status);
        if result.is_err() {
            // The caller must treat its range as reachable; the next submission starts with an empty buffer.
            let _ = self.restart(unit);
        }
        result
    }

    fn push(&mut self, ring: &[AtomicU64; 512], words: Command) {
        let at = usize::from(self.tail % ENTRIES) * 2;
        ring[at].store(words[0], Ordering::Relaxed);
        ring[at + 1].store(words[1], Ordering::Relaxed);
        self.tail = (self.tail + 1) % ENTRIES;
    }

    fn wait(&self, unit: &Unit, status: &AtomicU64) -> Result<(), UnitError> {
        for _ in 0..POLLS {
            if status.load(Ordering::Acquire) == self.ticket {
                return Ok(());
            }
            // A command that is illegal, or cannot be fetched, stops the buffer; the event log says which.
            let stopped = unit.status();
            if !stopped.cmd_buf_run() && status.load(Ordering::Acquire) != self.ticket {
                return Err(UnitError::Queue(stopped.into_bits() as u32));
            }
            core::hint::spin_loop();
        }
        Err(UnitError::Hung)
    }
}
