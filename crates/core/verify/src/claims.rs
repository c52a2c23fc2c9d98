//! Rules about what a driver claims of the machine's memory: RSV-001, SAVE-001.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::mdl::PAGE_SIZE;
use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::{ClaimKind, ClaimOutcome, MemoryClaim};

use crate::calls::Call;
use crate::finding::{Finding, SameAct, Severity};
use crate::limits;
use crate::rules::{RSV_001, Rule, SAVE_001};
use crate::{Moment, Verifier};

/// The save areas that there are: bytes, by logical adapter and index in the chain.
#[derive(Default)]
pub(crate) struct SaveAreas(BTreeMap<(u32, u32), u64>);

impl Verifier {
    /// The driver's answer about a save area or a range, and what the port made of it.
    pub(crate) fn judge_claim(&mut self, claim: &MemoryClaim, moment: &Moment) {
        let MemoryClaim { base, bytes, logical_adapter, index, .. } = *claim;
        match (claim.kind, claim.outcome) {
            (ClaimKind::SaveArea, ClaimOutcome::Granted) => {
                let areas = &mut self.save_areas.0;
                if areas.len() < limits::ADAPTERS || areas.contains_key(&(logical_adapter, index)) {
                    areas.insert((logical_adapter, index), bytes);
                }
            }
            (ClaimKind::SaveArea, ClaimOutcome::Malformed) => {
                let message = format!(
                    "the driver reports a save area of {bytes:#x} bytes for adapter {index} of its chain, which is no \
                     multiple of a page"
                );
                self.found_in_claim(&SAVE_001, claim, message, moment);
            }
            (ClaimKind::ReservedRange | ClaimKind::Segment, ClaimOutcome::InUse) => {
                let what = if claim.kind == ClaimKind::Segment {
                    format!("segment {index}, populated from system memory,")
                } else {
                    String::from("a hardware reserved range")
                };
                let message = format!(
                    "the driver reports {what} from {base:#x} ({bytes:#x} bytes), which meets memory that the memory \
                     manager hands out"
                );
                self.found_in_claim(&RSV_001, claim, message, moment);
            }
            _ => {}
        }
    }

    fn found_in_claim(&mut self, rule: &'static Rule, claim: &MemoryClaim, message: String, moment: &Moment) {
        let key = u64::from(claim.logical_adapter) << 32 | u64::from(claim.index);
        let act = SameAct::AtObject(rule.id, 0, Some(key), claim.kind as u16);
        let finding = (!self.findings.knows(&act)).then(|| {
            // An answer: no driver code runs any more.
            self.told(rule, Severity::Error, &moment.clone().elsewhere(), message, rule.mend)
        });
        self.findings.found(act, finding);
    }

    /// Whether the call pins more than the driver reported, or not whole pages.
    pub(crate) fn judge_pin(&mut self, call: &Call<'_>) -> bool {
        let pins = [
            offset_of!(DxgkrnlInterface, pin_frame_buffer_for_save),
            offset_of!(DxgkrnlInterface, pin_frame_buffer_for_save2),
        ];
        if !pins.contains(&call.slot())
            || call.callback.unimplemented != 0
            || call.status() != NtStatus::INVALID_PARAMETER
        {
            return false;
        }
        let [index, size, ..] = call.words;
        let logical = self.adapters.logical(call.callback.adapter);
        let area =
            logical.zip(u32::try_from(index).ok()).and_then(|key| self.save_areas.0.get(&key)).copied();
        let maximum = area.unwrap_or(0);
        let message = if !size.is_multiple_of(PAGE_SIZE) {
            format!("was asked to pin {size:#x} bytes of the save area, which is no multiple of a page")
        } else if size > maximum {
            format!(
                "was asked to pin {size:#x} bytes of the save area of adapter {index} of the chain, for which the driver \
                 reported {maximum:#x}"
            )
        } else {
            return false;
        };
        self.found_in_call(&SAVE_001, call, |this, moment| {
            let name = call.name();
            let history = Vec::from([this.modules.history(format!("{name} called"), &moment)]);
            let message = format!("{name} {message}");
            Finding { history, ..this.told(&SAVE_001, Severity::Error, &moment, message, SAVE_001.mend) }
        });
        true
    }
}
