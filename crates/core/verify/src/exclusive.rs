//! Rules about exclusive access: EXCL-001, EXCL-002.
//!
//! The window opens when DxgkDdiBeginExclusiveAccess is called and closes when DxgkDdiEndExclusiveAccess has returned.
//! Begin may wait for transfers that were started before it; after its return there may be none.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::NtStatus;
use dxgk_abi::init::DriverInitializationData;
use dxgk_event::{DdiCall, DmaTransfer, Phase};

use crate::calls::Call;
use crate::finding::{Finding, SameAct, Severity};
use crate::limits;
use crate::rules::{EXCL_001, EXCL_002};
use crate::words::rang;
use crate::{Moment, Verifier};

/// A window, from its begin on.
#[derive(Clone, Debug)]
struct Window {
    begun: Moment,
    /// Begin has returned.
    begin_returned: bool,
}

/// The windows that are open, by logical and physical adapter.
#[derive(Default)]
pub(crate) struct Exclusive(BTreeMap<(u32, u32), Window>);

impl Exclusive {
    /// The window of a logical adapter.
    fn of(&self, logical_adapter: u32) -> Option<&Window> {
        self.0.range((logical_adapter, 0)..=(logical_adapter, u32::MAX)).next().map(|(_, window)| window)
    }
}

impl Verifier {
    pub(crate) fn follow_exclusive_access(&mut self, ddi: &DdiCall, moment: &Moment) {
        let slot = usize::from(ddi.ddi);
        let begin = slot == offset_of!(DriverInitializationData, begin_exclusive_access);
        let end = slot == offset_of!(DriverInitializationData, end_exclusive_access);
        if !begin && !end {
            return;
        }
        let Some(adapter) = self.adapters.get(ddi.adapter) else { return };
        let key = (adapter.logical_adapter, adapter.adapter);
        let windows = &mut self.exclusive.0;
        match ddi.phase {
            Phase::Entered if begin && windows.len() < limits::ADAPTERS => {
                let begun = moment.clone().elsewhere();
                windows.insert(key, Window { begun, begin_returned: false });
            }
            // A begin that failed has no end.
            Phase::Returned if begin && NtStatus(ddi.status).is_success() => {
                if let Some(window) = windows.get_mut(&key) {
                    window.begin_returned = true;
                }
            }
            Phase::Returned => _ = windows.remove(&key),
            Phase::Entered => {}
        }
    }

    /// Whether the transfer fell into a window; then it is no other rule's business.
    pub(crate) fn judge_exclusive_transfer(
        &mut self,
        transfer: &DmaTransfer,
        logical_adapter: u32,
        moment: &Moment,
    ) -> bool {
        let Some(window) = self.exclusive.of(logical_adapter) else { return false };
        let started_inside = transfer.cause > window.begun.event;
        if !started_inside && !window.begin_returned {
            return false;
        }
        let rung =
            self.doorbells.get(transfer.cause).filter(|rung| rung.doorbell.requester == transfer.requester);
        let place = rung.map_or_else(|| moment.clone().elsewhere(), |rung| rung.at.clone());
        let act = SameAct::AtObject(EXCL_001.id, place.rip, None, transfer.requester);
        let finding = (!self.findings.knows(&act)).then(|| {
            let way = if transfer.write != 0 { "wrote to" } else { "read from" };
            let how = if started_inside {
                "started between the begin and the end of exclusive access"
            } else {
                "still in flight when DxgkDdiBeginExclusiveAccess had returned"
            };
            let message = format!(
                "the device {way} {:#x} ({:#x} bytes), in a transfer {how}",
                transfer.address, transfer.bytes
            );
            let begun = self.modules.history("DxgkDdiBeginExclusiveAccess called", &window.begun);
            let mut history = Vec::from([begun]);
            if let Some(rung) = rung {
                history.push(self.modules.history(rang(&rung.doorbell), &rung.at));
                history.sort_by_key(|entry| entry.boundary);
            }
            Finding { history, ..self.told(&EXCL_001, Severity::Error, &place, message, EXCL_001.mend) }
        });
        self.findings.found(act, finding);
        true
    }

    /// A memory callback inside a window. One that names no adapter may be of any that is there.
    pub(crate) fn judge_exclusive_call(&mut self, call: &Call<'_>) {
        let window = match self.adapters.logical(call.callback.adapter) {
            Some(logical) => self.exclusive.of(logical),
            None => self.exclusive.0.values().next(),
        };
        let Some(begun) = window.map(|window| window.begun.clone()) else { return };
        self.found_in_call(&EXCL_002, call, |this, moment| {
            let name = call.name();
            let message = format!("{name} was called between the begin and the end of exclusive access");
            let history = Vec::from([
                this.modules.history("DxgkDdiBeginExclusiveAccess called", &begun),
                this.modules.history(format!("{name} called"), &moment),
            ]);
            Finding { history, ..this.told(&EXCL_002, Severity::Warning, &moment, message, EXCL_002.mend) }
        });
    }
}
