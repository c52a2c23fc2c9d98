//! Rules about leaving: LEAK-001.
//!
//! Decided when RemoveDevice has returned (for what an adapter owns) and when Unload has (for what no adapter owns).
//! What a leaked object owns is listed inside its finding and is no finding of its own. Objects of one kind that one call
//! chain made are one finding, counted.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::init::DriverInitializationData;
use dxgk_event::{DdiCall, ObjectKind, Phase};

use crate::finding::{Culprit, Finding, SameAct, Severity};
use crate::limits;
use crate::objects::Known;
use crate::rules::LEAK_001;
use crate::words::{counted, describe, giving_back, summary};
use crate::{Moment, Verifier};

impl Verifier {
    pub(crate) fn judge_leaks(&mut self, ddi: &DdiCall, moment: &Moment) {
        if ddi.phase != Phase::Returned {
            return;
        }
        let slot = usize::from(ddi.ddi);
        let (adapter, when) = if slot == offset_of!(DriverInitializationData, remove_device) {
            (Some(ddi.adapter), "still there when RemoveDevice had returned")
        } else if slot == offset_of!(DriverInitializationData, unload) {
            (None, "still there when Unload had returned")
        } else {
            return;
        };
        for (root, owned) in self.objects.left(adapter) {
            let Some(known) = self.objects.get(root) else { continue };
            let created = &known.created;
            let act = SameAct::FromSite(LEAK_001.id, created.rip, created.stack.clone(), known.object.kind);
            let finding = (!self.findings.knows(&act)).then(|| self.leak(known, &owned, when, moment));
            self.findings.found(act, finding);
        }
    }

    fn leak(&self, known: &Known, owned: &[u64], when: &'static str, moment: &Moment) -> Finding {
        let owned: Vec<&Known> = owned.iter().filter_map(|number| self.objects.get(*number)).collect();
        let name = describe(known);
        let message = format!("the {name} was never given back{}", with(&owned));
        let mut history = Vec::from([self.modules.history(format!("{name} made"), &known.created)]);
        history.extend(
            owned
                .iter()
                .take(limits::LISTED)
                .map(|known| self.modules.history(format!("{} made", describe(known)), &known.created)),
        );
        // No driver code runs any more.
        history.push(self.modules.history(when, &moment.clone().elsewhere()));
        let verb = giving_back(known.object.kind);
        let fix = if owned.is_empty() {
            format!("call {verb} for it in StopDevice, or where its last user is gone")
        } else {
            format!(
                "give back what it owns, then call {verb} for it, in StopDevice or where its last user is gone"
            )
        };
        Finding {
            rule: &LEAK_001,
            severity: Severity::Error,
            culprit: Culprit::Driver,
            message,
            place: self.modules.at(&known.created),
            object: Some(summary(known)),
            history,
            fix,
            count: 1,
        }
    }
}

/// What is left along with an object.
fn with(owned: &[&Known]) -> String {
    let mut kinds: BTreeMap<ObjectKind, usize> = BTreeMap::new();
    owned.iter().for_each(|known| *kinds.entry(known.object.kind).or_default() += 1);
    let parts: Vec<String> = kinds.into_iter().map(|(kind, count)| counted(kind, count)).collect();
    if parts.is_empty() { String::new() } else { format!(", nor was what it owns: {}", parts.join(", ")) }
}
