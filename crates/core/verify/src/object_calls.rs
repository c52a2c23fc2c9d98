//! Rules about physical memory objects, their ADLs and their views, decided from calls: OBJ-001 to OBJ-003, ADL-001, ADL-002,
//! ADL-005, PROC-001, UNINIT-001. What is left at the removal (ADL-003, OBJ-002) is decided with LEAK-001.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::{ListRef, Mapping, Object, ObjectKind};

use crate::calls::Call;
use crate::finding::{Culprit, Finding, HistoryEntry, SameAct, Severity};
use crate::lists::Lists;
use crate::objects::Known;
use crate::rules::{ADL_001, ADL_002, ADL_005, OBJ_001, OBJ_002, OBJ_003, PROC_001, Rule, UNINIT_001};
use crate::words::{describe, summary, the};
use crate::{Moment, Verifier};

const CREATE: usize = offset_of!(DxgkrnlInterface, create_physical_memory_object);
const DESTROY: usize = offset_of!(DxgkrnlInterface, destroy_physical_memory_object);
const OPEN: usize = offset_of!(DxgkrnlInterface, open_physical_memory_object);
const CLOSE: usize = offset_of!(DxgkrnlInterface, close_physical_memory_object);
const ALLOCATE_ADL: usize = offset_of!(DxgkrnlInterface, allocate_adl);

/// DXGK_PHYSICAL_MEMORY_TYPE_IO_SPACE, the last of the four.
const LAST_TYPE: u64 = 3;
/// DXGK_PHYSICAL_MEMORY_TYPE_CONTIGUOUS_MEMORY and _IO_SPACE, of which one run may be required.
const ONE_RUN: [u8; 2] = [1, 3];
/// RequireContiguous, and the flags that there are.
const REQUIRE_CONTIGUOUS: u64 = 1;
const ADL_FLAGS: u64 = 3;
/// Pages that are looked at of those that were taken at once.
const TAKEN_PAGES: u64 = 512;

impl Verifier {
    /// Whether the call broke one of the rules about objects. At its return.
    pub(crate) fn judge_object_call(&mut self, call: &Call<'_>) -> bool {
        let [first, second, third, fourth, ..] = call.words;
        let status = call.status();
        if call.callback.unimplemented != 0 || status.is_success() {
            return false;
        }
        let invalid = status == NtStatus::INVALID_PARAMETER;
        match call.slot() {
            CREATE if invalid && third > LAST_TYPE => {
                let what = format!("{} was asked for an object of type {third}", call.name());
                self.object_finding(&OBJ_001, call, None, |_| (what, Vec::new()));
                true
            }
            OPEN if status == NtStatus::ALREADY_REGISTERED => {
                let number = self.objects.held_by(first, &[ObjectKind::PhysicalMemory]);
                self.object_finding(&OBJ_003, call, number, |this| {
                    let object = number.and_then(|number| this.objects.get(number));
                    let what = object.map_or_else(|| format!("the object {first:#x}"), the);
                    let opened = number
                        .and_then(|number| this.objects.owned(number, ObjectKind::AdapterMemory).next())
                        .map(|known| {
                            this.modules.history(format!("{} made", describe(known)), &known.created)
                        });
                    (
                        format!("{} was given {what}, which is open already", call.name()),
                        Vec::from_iter(opened),
                    )
                });
                true
            }
            ALLOCATE_ADL if invalid => self.judge_adl_flags(call, first, fourth),
            CLOSE if invalid => {
                let number = self.spoken_of(first, ObjectKind::AdapterMemory);
                self.judge_living_adl(call, number.and_then(|number| self.adl_of(number)))
            }
            DESTROY if invalid => {
                let Some(object) = self.spoken_of(first, ObjectKind::PhysicalMemory) else { return false };
                let opened = self.objects.owned(object, ObjectKind::AdapterMemory).map(|it| it.object.object);
                let opened: Vec<u64> = opened.collect();
                let adl = opened.iter().find_map(|number| self.adl_of(*number));
                if self.judge_living_adl(call, adl) {
                    return true;
                }
                let Some(open) = opened.first().copied().filter(|_| second == 0) else { return false };
                self.object_finding(&OBJ_002, call, Some(open), |this| {
                    let name = this.objects.get(open).map_or_else(String::new, the);
                    let what = format!("{} was not given {name}, which is open on its object", call.name());
                    (what, Vec::new())
                });
                true
            }
            _ => false,
        }
    }

    /// The object that a handle names, or named until just now.
    fn spoken_of(&self, handle: u64, kind: ObjectKind) -> Option<u64> {
        let live = self.objects.held_by(handle, &[kind]);
        live.or_else(|| self.objects.last_gone(handle, &[kind]).map(|known| known.object.object))
    }

    fn adl_of(&self, adapter_memory: u64) -> Option<u64> {
        self.objects.owned(adapter_memory, ObjectKind::Adl).next().map(|known| known.object.object)
    }

    fn judge_living_adl(&mut self, call: &Call<'_>, adl: Option<u64>) -> bool {
        let Some(adl) = adl else { return false };
        self.object_finding(&ADL_002, call, Some(adl), |this| {
            let name = this.objects.get(adl).map_or_else(String::new, the);
            (format!("{} was called while {name} is alive", call.name()), Vec::new())
        });
        true
    }

    fn judge_adl_flags(&mut self, call: &Call<'_>, adapter_memory: u64, flags: u64) -> bool {
        let number = self.objects.held_by(adapter_memory, &[ObjectKind::AdapterMemory]);
        let parent = number.and_then(|number| self.objects.get(number)).map(|known| known.object.parent);
        let object = parent.and_then(|parent| self.objects.get(parent));
        let kind = object.map(|known| known.object.flags);
        let reserved = flags & !ADL_FLAGS;
        let required = flags & REQUIRE_CONTIGUOUS != 0 && kind.is_some_and(|kind| !ONE_RUN.contains(&kind));
        let number = object.map(|known| known.object.object);
        let what = if reserved != 0 {
            format!("{} was given the reserved flags {reserved:#x}", call.name())
        } else if required {
            let name = object.map_or_else(String::new, the);
            let type_name = type_name(kind.unwrap_or_default());
            format!("{} was asked for RequireContiguous of {name}, which is of type {type_name}", call.name())
        } else {
            return false;
        };
        self.object_finding(&ADL_005, call, number, |_| (what, Vec::new()));
        true
    }

    /// A user view or map that the call names rightly, and that another process made.
    pub(crate) fn judge_process(&mut self, call: &Call<'_>, kinds: &[ObjectKind], base: u64) -> bool {
        let foreign = |known: &&Known| {
            matches!(known.object.kind, ObjectKind::UserView | ObjectKind::UserRegisterMap)
                && known.object.va == base
                && known.created.process != call.moment.process
        };
        let Some(known) = self.objects.at_address(base, kinds).filter(foreign) else { return false };
        let (number, made_in) = (known.object.object, known.created.process);
        self.object_finding(&PROC_001, call, Some(number), |this| {
            let name = this.objects.get(number).map_or_else(String::new, the);
            let now = call.moment.process;
            let what = format!(
                "{} was called in process {now} for {name}, which process {made_in} made",
                call.name()
            );
            (what, Vec::new())
        });
        true
    }

    /// Memory of the port's choosing was let a process see before it was written.
    pub(crate) fn judge_uninitialised(&mut self, object: &Object, moment: &Moment) {
        if object.kind != ObjectKind::UserView || object.flags & 1 == 0 {
            return;
        }
        let owner = self.objects.get(object.parent);
        let number = owner.map(|known| known.object.object);
        let act = SameAct::AtObject(UNINIT_001.id, moment.rip, number, 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let name = owner.map_or_else(|| "memory".into(), the);
            let message = format!(
                "a user-mode view was made of {name}, which still holds the pattern of memory that nobody has written \
                 since its allocation"
            );
            let mut history: Vec<HistoryEntry> = owner
                .map(|known| self.modules.history(format!("{} made", describe(known)), &known.created))
                .into_iter()
                .collect();
            history.push(self.modules.history("mapped to user mode", moment));
            let object = owner.map(summary);
            Finding {
                history,
                object,
                ..self.told(&UNINIT_001, Severity::Error, moment, message, UNINIT_001.mend)
            }
        });
        self.findings.found(act, finding);
    }

    /// A section's pages lost their frames: none of them may be one that a device is told of.
    pub(crate) fn judge_pages_taken(&mut self, mapping: &Mapping, moment: &Moment, lists: &dyn Lists) {
        if mapping.frames == ListRef::default() {
            return;
        }
        let runs = self.pages.runs(mapping.frames, lists).unwrap_or_default();
        let pages = runs.iter().flat_map(|(first, count)| (0..*count).map(|page| first.saturating_add(page)));
        let reached = pages.take(TAKEN_PAGES as usize).find_map(|page| {
            let known = self.mappings.reaching(page)?;
            let adl = self.objects.get(known.object).filter(|it| it.object.kind == ObjectKind::Adl)?;
            Some((page, adl))
        });
        let Some((page, adl)) = reached else { return };
        let act = SameAct::AtObject(ADL_001.id, 0, Some(adl.object.object), 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let name = the(adl);
            Finding {
                rule: &ADL_001,
                severity: Severity::Error,
                culprit: Culprit::Port,
                message: format!("page {page:#x} was taken from its section while {name} lists it"),
                place: self.modules.at(&moment.clone().elsewhere()),
                object: Some(summary(adl)),
                history: Vec::from([
                    self.modules.history(format!("{} made", describe(adl)), &adl.created),
                    self.modules.history("the page was taken", &moment.clone().elsewhere()),
                ]),
                fix: ADL_001.mend.into(),
                count: 1,
            }
        });
        self.findings.found(act, finding);
    }

    /// A finding about a call and an object. `tell` says what happened, and what comes between the object's making and the call.
    fn object_finding(
        &mut self,
        rule: &'static Rule,
        call: &Call<'_>,
        object: Option<u64>,
        tell: impl FnOnce(&Self) -> (String, Vec<HistoryEntry>),
    ) {
        let act = SameAct::AtObject(rule.id, call.moment.rip, object, call.callback.slot);
        let finding = (!self.findings.knows(&act)).then(|| {
            let moment = call.moment_with_stack();
            let known = object.and_then(|number| self.objects.get(number));
            let (message, between) = tell(self);
            let mut history: Vec<HistoryEntry> = known
                .map(|known| self.modules.history(format!("{} made", describe(known)), &known.created))
                .into_iter()
                .chain(between)
                .collect();
            history.push(self.modules.history(format!("{} called", call.name()), &moment));
            let object = known.map(summary);
            Finding { history, object, ..self.told(rule, Severity::Error, &moment, message, rule.mend) }
        });
        self.findings.found(act, finding);
    }
}

fn type_name(kind: u8) -> &'static str {
    match kind {
        0 => "MDL",
        1 => "CONTIGUOUS_MEMORY",
        2 => "SECTION",
        _ => "IO_SPACE",
    }
}
