//! Rules about leaving: ADL-003, OBJ-002, LEAK-001, in this order: one for a leaked object with all that it owns.
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
use crate::rules::{ADL_003, LEAK_001, OBJ_002, Rule};
use crate::words::{counted, describe, giving_back, summary};
use crate::{Moment, Verifier};

/// Something that was left, with what owns it (`owner`) or what it owns.
struct Left<'a> {
    rule: &'static Rule,
    known: &'a Known,
    owner: bool,
    others: Vec<u64>,
}

impl Verifier {
    pub(crate) fn judge_leaks(&mut self, ddi: &DdiCall, moment: &Moment) {
        if ddi.phase != Phase::Returned {
            return;
        }
        let slot = usize::from(ddi.ddi);
        let removed = slot == offset_of!(DriverInitializationData, remove_device);
        let (adapter, when) = if slot == offset_of!(DriverInitializationData, remove_device) {
            (Some(ddi.adapter), "still there when RemoveDevice had returned")
        } else if slot == offset_of!(DriverInitializationData, unload) {
            (None, "still there when Unload had returned")
        } else {
            return;
        };
        for (root, owned) in self.objects.left(adapter) {
            let (rule, decisive) = self.leak_rule(root, &owned, removed);
            let Some(known) = self.objects.get(decisive) else { continue };
            let others = core::iter::once(root).chain(owned).filter(|number| *number != decisive);
            let left = Left { rule, known, owner: decisive != root, others: others.collect() };
            let created = &known.created;
            let act = SameAct::FromSite(rule.id, created.rip, created.stack.clone(), known.object.kind);
            let finding = (!self.findings.knows(&act)).then(|| self.leak(&left, when, moment));
            self.findings.found(act, finding);
        }
    }

    /// The rule that was broken by leaving all of this, and the object that broke it: ADL-003, OBJ-002 or LEAK-001.
    fn leak_rule(&self, root: u64, owned: &[u64], removed: bool) -> (&'static Rule, u64) {
        let all = || core::iter::once(root).chain(owned.iter().copied());
        let first = |kind: ObjectKind| {
            all().find(|number| self.objects.get(*number).is_some_and(|it| it.object.kind == kind))
        };
        match (first(ObjectKind::Adl), first(ObjectKind::AdapterMemory)) {
            (Some(adl), _) => (&ADL_003, adl),
            (None, Some(open)) if removed => (&OBJ_002, open),
            _ => (&LEAK_001, root),
        }
    }

    fn leak(&self, left: &Left<'_>, when: &'static str, moment: &Moment) -> Finding {
        let (rule, known) = (left.rule, left.known);
        let owned: Vec<&Known> = left.others.iter().filter_map(|number| self.objects.get(*number)).collect();
        let name = describe(known);
        let message = format!("the {name} was never given back{}", with(&owned, left.owner));
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
        let fix = if left.owner {
            format!("call {verb} for it in StopDevice, and then give back what owns it")
        } else if owned.is_empty() {
            format!("call {verb} for it in StopDevice, or where its last user is gone")
        } else {
            format!(
                "give back what it owns, then call {verb} for it, in StopDevice or where its last user is gone"
            )
        };
        Finding {
            rule,
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
fn with(owned: &[&Known], owner: bool) -> String {
    let mut kinds: BTreeMap<ObjectKind, usize> = BTreeMap::new();
    owned.iter().for_each(|known| *kinds.entry(known.object.kind).or_default() += 1);
    let parts: Vec<String> = kinds.into_iter().map(|(kind, count)| counted(kind, count)).collect();
    let which = if owner { "what owns it" } else { "what it owns" };
    if parts.is_empty() { String::new() } else { format!(", nor was {which}: {}", parts.join(", ")) }
}
