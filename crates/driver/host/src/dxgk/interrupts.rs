//! Interrupts and deferred procedure calls of the adapter, delivered at boundaries.
//!
//! A device's line is looked at where time passes: at callbacks, after register accesses, during stalls, when a DDI has
//! returned. When it is high and the level allows, DxgkDdiInterruptRoutine runs nested on the driver's stack at the device's
//! level; DxgkCbQueueDpc makes DxgkDdiDpcRoutine run once the level is below DISPATCH_LEVEL. There is one processor, so
//! nothing else runs meanwhile: the order of a run is the same every time.

use std::sync::atomic::{AtomicBool, Ordering};

use dxgk_abi::{Handle, Irql, NtStatus};
use dxgk_event::{DdiCall, Event, EventSink, Phase};

use super::ddi::both;
use super::state::{AdapterState, PortState};
use crate::call::{CallOutcome, call_driver};
use crate::kernel::{self, LevelLowered};
use crate::processor;
use crate::trap::set_delivery_hook;

/// The level of every adapter's interrupt (our choice; any device level does).
pub(super) const DEVICE_LEVEL: u8 = 8;
/// Times that one line is served at one boundary. A line that is still high then waits for the next.
const MOST_AT_ONCE: usize = 4;

/// Which DPC is queued, and whether somebody is delivering: delivery is not entered twice at one level.
#[derive(Debug, Default)]
pub(crate) struct Interrupts {
    delivering: AtomicBool,
}

impl PortState {
    /// Delivers what the current level lets through.
    pub(crate) fn deliver(&self) {
        if self.interrupts.delivering.swap(true, Ordering::Relaxed) {
            return;
        }
        for _ in 0..MOST_AT_ONCE {
            let raised = processor::irql() < DEVICE_LEVEL && self.serve_lines();
            let deferred = processor::irql() < Irql::DISPATCH_LEVEL.0 && self.serve_dpcs();
            if !raised && !deferred {
                break;
            }
        }
        self.interrupts.delivering.store(false, Ordering::Relaxed);
    }

    /// Calls the interrupt routine of each adapter whose line is high; whether one took it.
    fn serve_lines(&self) -> bool {
        let pending: Vec<AdapterState> = self
            .adapters()
            .values()
            .filter(|adapter| adapter.interrupts_on && adapter.function.interrupt_pending())
            .cloned()
            .collect();
        // DxgkDdiInterruptRoutine(context, message number); a line has message 0. TRUE: it was this adapter's.
        pending
            .iter()
            .map(|adapter| {
                let taken = adapter.function.interrupt_taken();
                let answer =
                    self.call_at(DEVICE_LEVEL, both!(interrupt_routine), adapter, &[adapter.context, 0]);
                adapter.function.interrupt_served(taken);
                answer & 0xff != 0
            })
            .fold(false, |any, taken| any | taken)
    }

    fn serve_dpcs(&self) -> bool {
        let queued: Vec<AdapterState> = self
            .adapters()
            .values_mut()
            .filter_map(|adapter| std::mem::take(&mut adapter.dpc_queued).then(|| adapter.clone()))
            .collect();
        for adapter in &queued {
            self.call_at(Irql::DISPATCH_LEVEL.0, both!(dpc_routine), adapter, &[adapter.context]);
        }
        !queued.is_empty()
    }

    /// Calls a routine of the driver at a level, and goes back to the level before; rax.
    fn call_at(
        &self,
        level: u8,
        slot: super::ddi::DdiSlot,
        adapter: &AdapterState,
        arguments: &[u64],
    ) -> u64 {
        let Some(address) = self.ddi_address(slot) else { return 0 };
        let record = |phase| {
            let status = NtStatus::SUCCESS.0;
            let ddi = slot.full as u16;
            self.sink.emit(&Event::Ddi(DdiCall {
                ddi,
                phase,
                reserved: 0,
                status,
                adapter: adapter.number,
                reserved2: 0,
                argument: 0,
            }));
        };
        let before = processor::set_irql(level);
        record(Phase::Entered);
        let outcome = call_driver(address, arguments);
        record(Phase::Returned);
        processor::set_irql(before);
        match outcome {
            CallOutcome::Returned(rax) => rax,
            // Whoever called the driver from outside is told why.
            CallOutcome::Stopped(_) => 0,
        }
    }

    /// DxgkCbQueueDpc: whether it was queued, which it is not when it waits already.
    pub(super) fn queue_dpc(&self, device: Handle) -> bool {
        match self.adapters().get_mut(&device.0) {
            Some(adapter) => !std::mem::replace(&mut adapter.dpc_queued, true),
            None => false,
        }
    }
}

impl LevelLowered for PortState {
    fn lowered(&self, _from: u8, _to: u8) {
        self.deliver();
    }
}

/// Has interrupts that a register access raises delivered right after it, and what they queued with the kernel.
pub(super) fn deliver_after_traps() {
    set_delivery_hook(|| {
        let Some(kernel) = kernel::current() else { return };
        if let Some(port) = kernel.port::<PortState>() {
            port.deliver();
        }
        kernel.deliver();
    });
}
