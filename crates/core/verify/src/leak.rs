//! Rules about leaving: LEAK-001.
//!
//! Decided when RemoveDevice has returned (for what an adapter owns) and when Unload has (for what no adapter owns).
//! What a leaked object owns is listed inside its finding and is no finding of its own.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::init::DriverInitializationData;
use dxgk_event::{DdiCall, ObjectKind, Phase};

use crate::finding::{Culprit, Finding, Severity};
use crate::ledger::{Known, describe, summary};
use crate::rules::LEAK_001;
use crate::{Moment, Verifier};

impl Verifier {
    pub(crate) fn judge_leaks(&mut self, ddi: &DdiCall, moment: Moment) {
        if ddi.phase != Phase::Returned {
            return;
        }
        let slot = usize::from(ddi.ddi);
        let leaked: Vec<u64> = if slot == offset_of!(DriverInitializationData, remove_device) {
            self.left_behind(|known| known.object.adapter == ddi.adapter)
        } else if slot == offset_of!(DriverInitializationData, unload) {
            self.left_behind(|_| true)
        } else {
            return;
        };
        for object in leaked {
            if let Some(finding) = self.leak(object, &moment) {
                self.found(finding);
            }
        }
    }

    /// Live objects of the memory callbacks whose owner is not itself left behind.
    fn left_behind(&self, mine: impl Fn(&Known) -> bool) -> Vec<u64> {
        let counts = |known: &&Known| {
            !matches!(
                known.object.kind,
                ObjectKind::Pool | ObjectKind::Mdl | ObjectKind::MmMemory | ObjectKind::MmMapping
            )
        };
        self.ledger
            .alive()
            .filter(counts)
            .filter(|known| mine(known) && !self.parent_alive(known))
            .map(|known| known.object.object)
            .collect()
    }

    fn parent_alive(&self, known: &Known) -> bool {
        self.ledger.get(known.object.parent).is_some_and(|parent| parent.released.is_none())
    }

    fn leak(&self, object: u64, moment: &Moment) -> Option<Finding> {
        let known = self.ledger.get(object)?;
        let owned: Vec<&Known> = self.owned_by(object);
        let with = if owned.is_empty() { "" } else { ", with all it owns" };
        let message = format!("{} was never given back{with}", describe(known));
        let mut history = Vec::from([self.history(format!("{} made", describe(known)), &known.created)]);
        history.extend(
            owned.iter().map(|known| self.history(format!("{} made", describe(known)), &known.created)),
        );
        history.push(self.history("the device was removed".to_string(), moment));
        Some(Finding {
            rule: &LEAK_001,
            severity: Severity::Error,
            culprit: Culprit::Driver,
            message,
            place: self.place(&known.created),
            object: Some(summary(known)),
            history,
            fix: "give it back in StopDevice, or where its last user is gone".to_string(),
            count: 1,
        })
    }

    fn owned_by(&self, object: u64) -> Vec<&Known> {
        let mut owned: Vec<&Known> =
            self.ledger.alive().filter(|known| known.object.parent == object).collect();
        let deeper: Vec<&Known> =
            owned.iter().flat_map(|known| self.owned_by_once(known.object.object)).collect();
        owned.extend(deeper);
        owned
    }

    /// One level only: ADLs under adapter objects under physical objects are the deepest chain there is.
    fn owned_by_once(&self, object: u64) -> Vec<&Known> {
        self.ledger.alive().filter(|known| known.object.parent == object).collect()
    }
}
