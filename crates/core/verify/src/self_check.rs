//! Rule about the port itself: MODE-003.
//!
//! Decided from the modes that are told (a translating mode that came about for no valid reason, or one that went away again
//! before the removal) and from what the port says that it found at its own checks.

use alloc::format;
use alloc::string::String;

use dxgk_event::{Mode, ModeChoice, ModeReason, SelfCheck};

use crate::finding::{Culprit, Finding, SameAct, Severity};
use crate::rules::MODE_003;
use crate::{Moment, Verifier};

/// Reasons that a translating mode may have.
fn is_valid(reason: ModeReason) -> bool {
    matches!(
        reason,
        ModeReason::Asked
            | ModeReason::StrongestClaimed
            | ModeReason::NeededByAddressLimit
            | ModeReason::Forced
            | ModeReason::SecureVm
    )
}

impl Verifier {
    /// A mode that was chosen, before it is remembered.
    pub(crate) fn judge_switch(&mut self, mode: &Mode, moment: &Moment) {
        let translates = mode.mode != ModeChoice::Passthrough;
        let before = self.adapters.mode(mode.logical_adapter);
        let was_on = before.is_some_and(|before| before != ModeChoice::Passthrough);
        if translates && !is_valid(mode.reason) {
            self.port_erred(mode.logical_adapter, 2, "the IOMMU was enabled for no valid reason", moment);
        } else if !translates && was_on && mode.reason != ModeReason::AttachFailed {
            self.port_erred(
                mode.logical_adapter,
                3,
                "the IOMMU was disabled before the adapter was removed",
                moment,
            );
        }
    }

    /// What the port found.
    pub(crate) fn judge_self_check(&mut self, check: &SelfCheck, moment: &Moment) {
        let count = check.count;
        let told: String = match check.parameter {
            8 => format!("{count:#x} pages were still mapped in the domain at its teardown"),
            9 => format!(
                "{count:#x} pages of logical addresses were still handed out at the domain's teardown"
            ),
            0xA => format!(
                "the devices of an adapter ({count}) could not be attached again to what they were attached to"
            ),
            _ => format!("the port found its own state violated ({count:#x})"),
        };
        self.port_erred(check.logical_adapter, check.parameter, &told, moment);
    }

    fn port_erred(&mut self, logical_adapter: u32, parameter: u64, told: &str, moment: &Moment) {
        let moment = moment.clone().elsewhere();
        let number = u64::from(logical_adapter) << 8 | parameter & 0xff;
        let act = SameAct::AtObject(MODE_003.id, 0, Some(number), 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let message = format!("{told} (0x1E4/{parameter:#X})");
            let told = self.told(&MODE_003, Severity::Error, &moment, message, MODE_003.mend);
            Finding { culprit: Culprit::Port, ..told }
        });
        self.findings.found(act, finding);
    }
}
