//! A rule about DXGKRNL_INTERFACE: IFC-001.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use dxgk_abi::InterfaceVersion;
use dxgk_event::{Misuse, MisuseKind, Stamp};

use crate::calls::Call;
use crate::finding::{Finding, SameAct, Severity};
use crate::lists::Lists;
use crate::rules::IFC_001;
use crate::{Moment, Verifier};

impl Verifier {
    /// A read of the table behind its end.
    pub(crate) fn judge_over_read(
        &mut self,
        misuse: &Misuse,
        moment: Moment,
        stamp: &Stamp,
        lists: &dyn Lists,
    ) {
        if misuse.kind != MisuseKind::InterfaceOverRead {
            return;
        }
        let act = SameAct::AtObject(IFC_001.id, moment.rip, None, 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let moment = moment.with_stack(stamp, lists);
            let verb = if misuse.write != 0 { "wrote to" } else { "read" };
            let version = InterfaceVersion(self.adapters.offered_version());
            let offered =
                if version.0 == 0 { "offered".to_string() } else { format!("offered for {version}") };
            let message = format!(
                "the driver {verb} offset {:#x} of DXGKRNL_INTERFACE, beyond the Size that was {offered}",
                misuse.offset
            );
            let history =
                Vec::from([self.modules.history(format!("{verb} the table beyond its end"), &moment)]);
            Finding { history, ..self.told(&IFC_001, Severity::Warning, &moment, message, IFC_001.mend) }
        });
        self.findings.found(act, finding);
    }

    /// A call through a slot that the offered table does not have.
    pub(crate) fn judge_newer_slot(&mut self, call: &Call<'_>) {
        let offered = InterfaceVersion(self.adapters.offered_version());
        let newer = |since: InterfaceVersion| offered.0 != 0 && since > offered;
        let Some(slot) = call.known_slot().filter(|slot| newer(slot.since)) else { return };
        self.found_in_call(&IFC_001, call, |this, moment| {
            let message = format!(
                "{} was called, which came with {}, through the table of {offered}",
                slot.name, slot.since
            );
            let fix = format!(
                "call {} only when DXGKRNL_INTERFACE.Version is that of {} or later, and copy no more than Size bytes \
                 of the table",
                slot.name, slot.since
            );
            let history = Vec::from([this.modules.history(format!("{} called", slot.name), &moment)]);
            Finding { history, ..this.told(&IFC_001, Severity::Error, &moment, message, fix) }
        });
    }
}
