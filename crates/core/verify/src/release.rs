//! Rules about giving back: FREE-001, HND-003.
//!
//! A verb that releases was refused. When what it was given was given back before through the same verb, it is a second
//! release; when it lies in a live view but is not what was mapped, it is a release with another size or address. An
//! adapter memory object that Close and Destroy both closed is HND-003, whichever came first. What the port took back
//! is neither.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::ObjectKind;

use crate::calls::Call;
use crate::finding::{Culprit, Finding, HistoryEntry, SameAct, Severity};
use crate::objects::Known;
use crate::rules::{FREE_001, HND_003};
use crate::words::{describe, summary};
use crate::{Moment, Verifier};

/// A callback that releases.
struct Verb {
    slot: usize,
    name: &'static str,
    /// The kinds it releases.
    kinds: &'static [ObjectKind],
    /// Which of its words names what it releases, and, for what is unmapped by address, how.
    named: Named,
    /// The words that name adapter memory objects which it closes along.
    along: Option<usize>,
}

enum Named {
    /// A handle, or a pointer that stands for an object.
    Handle(usize),
    /// The address of a map.
    Base(usize),
    /// The address of a map, and its size.
    BaseAndSize(usize, usize),
    /// The index of an adapter in its chain: the port calls what it pinned by the lead's handle plus it.
    Index(usize),
}

const VERBS: &[Verb] = &[
    Verb {
        slot: offset_of!(DxgkrnlInterface, unmap_memory),
        name: "DxgkCbUnmapMemory",
        kinds: &[ObjectKind::RegisterMap, ObjectKind::UserRegisterMap, ObjectKind::PortMap],
        named: Named::Base(0),
        along: None,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, free_contiguous_memory),
        name: "DxgkCbFreeContiguousMemory",
        kinds: &[ObjectKind::ContiguousMemory],
        named: Named::Handle(0),
        along: None,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, free_pages_from_mdl),
        name: "DxgkCbFreePagesFromMdl",
        kinds: &[ObjectKind::MdlPages],
        named: Named::Handle(0),
        along: None,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, unmap_mdl_from_iommu),
        name: "DxgkCbUnmapMdlFromIoMmu",
        kinds: &[ObjectKind::MdlMapping],
        named: Named::Handle(0),
        along: None,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, destroy_physical_memory_object),
        name: "DxgkCbDestroyPhysicalMemoryObject",
        kinds: &[ObjectKind::PhysicalMemory],
        named: Named::Handle(0),
        along: Some(1),
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, close_physical_memory_object),
        name: "DxgkCbClosePhysicalMemoryObject",
        kinds: &[ObjectKind::AdapterMemory],
        named: Named::Handle(0),
        along: None,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, unmap_physical_memory),
        name: "DxgkCbUnmapPhysicalMemory",
        kinds: &[ObjectKind::KernelView, ObjectKind::UserView],
        named: Named::BaseAndSize(1, 2),
        along: None,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, free_adl),
        name: "DxgkCbFreeAdl",
        kinds: &[ObjectKind::Adl],
        named: Named::Handle(1),
        along: None,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, unpin_frame_buffer_for_save),
        name: "DxgkCbUnpinFrameBufferForSave",
        kinds: &[ObjectKind::Pin],
        named: Named::Index(0),
        along: None,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, unmap_frame_buffer_pointer),
        name: "DxgkCbUnmapFrameBufferPointer",
        kinds: &[ObjectKind::SaveView],
        named: Named::Base(1),
        along: None,
    },
];

impl Verb {
    /// What the call names, and the size it says. `adapter` is the handle of the adapter that the call is about.
    fn named(&self, words: &[u64; 6], adapter: u64) -> (u64, Option<u64>) {
        let word = |index: usize| words.get(index).copied().unwrap_or_default();
        match self.named {
            Named::Handle(handle) => (word(handle), None),
            Named::Base(base) => (word(base), None),
            Named::Index(index) => (adapter.wrapping_add(word(index)), None),
            Named::BaseAndSize(base, size) => (word(base), Some(word(size))),
        }
    }

    /// Whether a call with this result gave back what it named. Destroy and Close do so too where Windows would stop
    /// the machine and the run goes on instead; only then their status is STATUS_INVALID_PARAMETER.
    fn gave_back(&self, status: NtStatus) -> bool {
        let goes_on = matches!(self.kinds, [ObjectKind::PhysicalMemory | ObjectKind::AdapterMemory]);
        status.is_success() || (goes_on && status == NtStatus::INVALID_PARAMETER)
    }
}

impl Verifier {
    /// Notes what a call gave back; whether it broke a rule in doing so.
    pub(crate) fn judge_release(&mut self, call: &Call<'_>) -> bool {
        let Some(verb) = VERBS.iter().find(|verb| verb.slot == call.slot()) else { return false };
        let (callback, words, moment) = (call.callback, &call.words, &call.moment);
        let adapter = self.adapters.get(callback.adapter).map_or(0, |adapter| adapter.handle);
        let (named, size) = verb.named(words, adapter);
        // Null is no handle that was ever given out; a slot without an implementation decides nothing.
        if named == 0 || callback.unimplemented != 0 {
            return false;
        }
        let status = NtStatus(callback.status);
        if verb.gave_back(status) {
            self.objects.given_back(named, verb.kinds, callback.entry, moment);
            if let Some(along) = verb.along.and_then(|word| words.get(word)) {
                self.objects.given_back_along(*along, &[ObjectKind::AdapterMemory], moment);
            }
            return false;
        }
        if !matches!(verb.named, Named::Handle(_)) && self.judge_process(call, verb.kinds, named) {
            return true;
        }
        let act =
            |known: &Known| SameAct::AtObject(FREE_001.id, call.moment.rip, Some(known.object.object), 0);
        let again = self.released_before(verb, named);
        let Some(known) = again.or_else(|| self.misfit(verb, named, size)) else {
            return self.judge_closed_twice(call, verb, named);
        };
        let act = act(known);
        let finding = (!self.findings.knows(&act)).then(|| {
            let moment = call.moment_with_stack();
            match again {
                Some(known) => self.second_release(verb, known, &moment),
                None => self.wrong_release(verb, known, named, size, &moment),
            }
        });
        self.findings.found(act, finding);
        true
    }

    /// An adapter memory object that Destroy closed and Close is given, or the reverse.
    fn judge_closed_twice(&mut self, call: &Call<'_>, verb: &Verb, named: u64) -> bool {
        let kinds = &[ObjectKind::AdapterMemory];
        let (object, by_destroy) = match verb.along {
            Some(word) => (call.words.get(word).copied().unwrap_or_default(), true),
            None if verb.kinds == kinds => (named, false),
            None => return false,
        };
        if self.objects.held_by(object, kinds).is_some() {
            return false;
        }
        let closed = |known: &&Known| {
            if by_destroy { known.given_back.is_some() } else { known.given_along.is_some() }
        };
        let Some(known) = self.objects.last_gone(object, kinds).filter(closed) else { return false };
        let act = SameAct::AtObject(HND_003.id, call.moment.rip, Some(known.object.object), 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let moment = call.moment_with_stack();
            let name = describe(known);
            let (first, before) = if by_destroy {
                ("DxgkCbClosePhysicalMemoryObject", &known.given_back)
            } else {
                ("DxgkCbDestroyPhysicalMemoryObject", &known.given_along)
            };
            let message = format!("{} was given the {name}, which {first} had closed before", verb.name);
            let mut history = Vec::from([self.modules.history(format!("{name} made"), &known.created)]);
            history.extend(
                before.as_ref().map(|before| self.modules.history(format!("closed by {first}"), before)),
            );
            history.push(self.modules.history(format!("given to {}", verb.name), &moment));
            let object = Some(summary(known));
            Finding {
                history,
                object,
                ..self.told(&HND_003, Severity::Error, &moment, message, HND_003.mend)
            }
        });
        self.findings.found(act, finding);
        true
    }

    /// What the driver gave back before through this verb, if nothing else has its handle now.
    fn released_before(&self, verb: &Verb, named: u64) -> Option<&Known> {
        if self.objects.held_by(named, verb.kinds).is_some() {
            return None;
        }
        self.objects.last_gone(named, verb.kinds).filter(|known| known.given_back.is_some())
    }

    /// The live map that an address lies in without being its base, or whose size is another.
    fn misfit(&self, verb: &Verb, named: u64, size: Option<u64>) -> Option<&Known> {
        if matches!(verb.named, Named::Handle(_) | Named::Index(_)) {
            return None;
        }
        let known = self.objects.at_address(named, verb.kinds)?;
        // The right address and size, refused for another reason: an adapter that is not its own, or is stopped.
        let fits = known.object.va == named && size.is_none_or(|size| size == known.object.bytes);
        (!fits).then_some(known)
    }

    fn second_release(&self, verb: &Verb, known: &Known, moment: &Moment) -> Finding {
        let name = describe(known);
        let message =
            format!("{} was called a second time for the {name}, which was given back before", verb.name);
        let mut history = Vec::from([self.modules.history(format!("{name} made"), &known.created)]);
        if let Some(first) = &known.given_back {
            history.push(self.modules.history("given back the first time", first));
        }
        history.push(self.modules.history("given back again", moment));
        let fix = "give it back once: clear the handle after the call, and let one place own it";
        self.free_finding(message, known, history, fix, moment)
    }

    fn wrong_release(
        &self,
        verb: &Verb,
        known: &Known,
        named: u64,
        size: Option<u64>,
        moment: &Moment,
    ) -> Finding {
        let what = match size {
            Some(size) => format!("{size:#x} bytes at {named:#x}"),
            None => format!("{named:#x}"),
        };
        let name = describe(known);
        let message = format!("{} was given {what}, but what was mapped there is the {name}", verb.name);
        let history = Vec::from([
            self.modules.history(format!("{name} made"), &known.created),
            self.modules.history("unmapped with another address or size", moment),
        ]);
        let fix = "unmap with exactly the base address and size that the mapping call returned";
        self.free_finding(message, known, history, fix, moment)
    }

    fn free_finding(
        &self,
        message: String,
        known: &Known,
        history: Vec<HistoryEntry>,
        fix: &str,
        moment: &Moment,
    ) -> Finding {
        Finding {
            rule: &FREE_001,
            severity: Severity::Error,
            culprit: Culprit::Driver,
            message,
            place: self.modules.at(moment),
            object: Some(summary(known)),
            history,
            fix: fix.to_string(),
            count: 1,
        }
    }
}
