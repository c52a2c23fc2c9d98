//! Rules about what the processor touches: CPU-001, REG-001.
//!
//! Decided for an exception that nothing handled, and for touches that a guard saw: the address lies in a view or
//! register map that is gone, or shortly outside one. Of registers it is REG-001, never CPU-001.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use dxgk_abi::{BugCheck as Code, NtStatus};
use dxgk_event::{BugCheck, Misuse, MisuseKind, ObjectKind, Stamp, StopCause};

use crate::finding::{Finding, SameAct, Severity};
use crate::lists::Lists;
use crate::objects::{Known, Outside};
use crate::rules::{ADL_004, CPU_001, REG_001};
use crate::words::{describe, summary, the};
use crate::{Moment, Verifier};

/// A touch by driver code.
struct Touch {
    address: u64,
    write: bool,
}

impl Verifier {
    /// The machine stopped; for an exception at an address it may be a touch.
    pub(crate) fn judge_stop(&mut self, stop: &BugCheck, moment: Moment, stamp: &Stamp, lists: &dyn Lists) {
        let page_fault = stop.code == Code::PAGE_FAULT_IN_NONPAGED_AREA.0;
        // An address below the kernel's.
        let violation = stop.code == Code::KMODE_EXCEPTION_NOT_HANDLED.0
            && stop.parameters.first() == Some(&u64::from(NtStatus::ACCESS_VIOLATION.0));
        if stop.cause != StopCause::Exception || !(page_fault || violation) {
            return;
        }
        let touch =
            Touch { address: stop.address, write: stop.parameters.get(1).is_some_and(|write| *write != 0) };
        self.judge_touch(&touch, moment, stamp, lists);
    }

    /// A guard was touched, and the run goes on.
    pub(crate) fn judge_guard(&mut self, misuse: &Misuse, moment: Moment, stamp: &Stamp, lists: &dyn Lists) {
        if matches!(misuse.kind, MisuseKind::ViewAfterUnmap | MisuseKind::OutsideView) {
            let touch = Touch { address: misuse.va, write: misuse.write != 0 };
            self.judge_touch(&touch, moment, stamp, lists);
        }
    }

    fn judge_touch(&mut self, touch: &Touch, moment: Moment, stamp: &Stamp, lists: &dyn Lists) {
        let foreign = self.objects.at_cpu_address(touch.address).filter(|known| {
            matches!(known.object.kind, ObjectKind::UserView | ObjectKind::UserRegisterMap)
                && known.created.process != moment.process
        });
        let found =
            foreign.map(|known| (known, Outside::Process)).or_else(|| self.objects.beside(touch.address));
        let Some((known, outside)) = found else {
            self.judge_followed_base(touch, moment, stamp, lists);
            return;
        };
        let rule = if of_registers(known) { &REG_001 } else { &CPU_001 };
        let act = SameAct::AtObject(rule.id, moment.rip, Some(known.object.object), 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let moment = moment.with_stack(stamp, lists);
            let verb = if touch.write { "wrote to" } else { "read from" };
            let message = format!("the driver {verb} {:#x}, {}", touch.address, place(known, outside));
            let mut history =
                Vec::from([self.modules.history(format!("{} made", describe(known)), &known.created)]);
            if let Some(released) = &known.released {
                history.push(self.modules.history("unmapped", released));
            }
            let touched = if touch.write { "written to" } else { "read" };
            history.push(self.modules.history(touched, &moment));
            let object = Some(summary(known));
            Finding { history, object, ..self.told(rule, Severity::Error, &moment, message, rule.mend) }
        });
        self.findings.found(act, finding);
    }
}

impl Verifier {
    /// A contiguous ADL's base page number that was followed as if it were the address of an array.
    fn judge_followed_base(&mut self, touch: &Touch, moment: Moment, stamp: &Stamp, lists: &dyn Lists) {
        let Some(adl) = self.objects.base_followed_to(touch.address) else { return };
        let act = SameAct::AtObject(ADL_004.id, moment.rip, Some(adl.object.object), 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let moment = moment.with_stack(stamp, lists);
            let message = format!(
                "the driver followed {:#x}, which is the base page number of {}, as if it were the address of a page array",
                touch.address,
                the(adl)
            );
            let history = Vec::from([
                self.modules.history(format!("{} made", describe(adl)), &adl.created),
                self.modules.history("followed", &moment),
            ]);
            let object = Some(summary(adl));
            Finding {
                history,
                object,
                ..self.told(&ADL_004, Severity::Error, &moment, message, ADL_004.mend)
            }
        });
        self.findings.found(act, finding);
    }
}

/// Whether what is reached through a map or view are registers.
fn of_registers(known: &Known) -> bool {
    match known.object.kind {
        ObjectKind::RegisterMap | ObjectKind::UserRegisterMap => true,
        // Of an IO_SPACE object.
        ObjectKind::KernelView => known.object.flags & 2 != 0,
        _ => false,
    }
}

/// Where the address is, seen from what it missed.
fn place(known: &Known, outside: Outside) -> String {
    let gone = if known.released.is_some() { ", which was unmapped before" } else { "" };
    let name = the(known);
    match outside {
        Outside::Process => format!(
            "which is in {name} of process {}, and that is not the current one",
            known.created.process
        ),
        Outside::Gone(0) => format!("the first byte of {name}{gone}"),
        Outside::Gone(offset) => format!("{offset:#x} bytes into {name}{gone}"),
        Outside::Behind(0) => format!("the first byte behind the end of {name}{gone}"),
        Outside::Behind(bytes) => format!("{bytes:#x} bytes behind the end of {name}{gone}"),
        Outside::Before(bytes) => format!("{bytes:#x} bytes before the start of {name}{gone}"),
    }
}
