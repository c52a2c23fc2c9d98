//! Rules about giving back: FREE-001.
//!
//! A verb that releases was refused. When the handle or address it was given named, earlier in the run, an object
//! of the very kind that the verb releases, it is a second release; when it lies in a live view but is not what was
//! mapped, it is a release with another size or address.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::DxgkrnlInterface;
use dxgk_event::{Callback, EventId, ObjectKind, Phase};

use crate::finding::{Culprit, Finding, Severity};
use crate::ledger::{Known, describe, summary};
use crate::rules::FREE_001;
use crate::{Moment, Verifier};

/// A callback that releases: its slot, the kinds it releases, and which of its words names what it releases.
struct Verb {
    slot: usize,
    name: &'static str,
    kinds: &'static [ObjectKind],
    word: usize,
}

const VERBS: &[Verb] = &[
    Verb {
        slot: offset_of!(DxgkrnlInterface, unmap_memory),
        name: "DxgkCbUnmapMemory",
        kinds: &[ObjectKind::RegisterMap, ObjectKind::UserRegisterMap, ObjectKind::PortMap],
        word: 0,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, free_contiguous_memory),
        name: "DxgkCbFreeContiguousMemory",
        kinds: &[ObjectKind::ContiguousMemory],
        word: 0,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, free_pages_from_mdl),
        name: "DxgkCbFreePagesFromMdl",
        kinds: &[ObjectKind::MdlPages],
        word: 0,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, unmap_mdl_from_iommu),
        name: "DxgkCbUnmapMdlFromIoMmu",
        kinds: &[ObjectKind::MdlMapping],
        word: 0,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, destroy_physical_memory_object),
        name: "DxgkCbDestroyPhysicalMemoryObject",
        kinds: &[ObjectKind::PhysicalMemory],
        word: 0,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, close_physical_memory_object),
        name: "DxgkCbClosePhysicalMemoryObject",
        kinds: &[ObjectKind::AdapterMemory],
        word: 0,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, unmap_physical_memory),
        name: "DxgkCbUnmapPhysicalMemory",
        kinds: &[ObjectKind::KernelView, ObjectKind::UserView],
        word: 1,
    },
    Verb {
        slot: offset_of!(DxgkrnlInterface, free_adl),
        name: "DxgkCbFreeAdl",
        kinds: &[ObjectKind::Adl],
        word: 1,
    },
];

impl Verifier {
    pub(crate) fn judge_call(&mut self, id: EventId, callback: &Callback, moment: Moment) {
        let Some(verb) = VERBS.iter().find(|verb| verb.slot == usize::from(callback.slot)) else { return };
        if callback.phase == Phase::Entered {
            self.calls.insert(id.0, (callback.words, moment));
            return;
        }
        let Some((words, moment)) = self.calls.remove(&callback.entry) else { return };
        let failed = callback.status >> 30 == 3;
        if let (true, Some(named)) = (failed, words.get(verb.word)) {
            let finding =
                self.second_release(verb, *named, &moment).or_else(|| self.misfit(verb, *named, &moment));
            if let Some(finding) = finding {
                self.found(finding);
            }
        }
    }

    fn second_release(&self, verb: &Verb, named: u64, moment: &Moment) -> Option<Finding> {
        let mine = |known: &&Known| known.object.handle == named && verb.kinds.contains(&known.object.kind);
        if self.ledger.alive().any(|known| mine(&known)) {
            return None;
        }
        let known = self.ledger.objects().filter(mine).max_by_key(|known| known.object.object)?;
        let released = known.released.as_ref()?;
        let message = format!("{} was given {} a second time", verb.name, describe(known));
        let history = Vec::from([
            self.history(format!("{} made", describe(known)), &known.created),
            self.history("given back the first time".to_string(), released),
            self.history("given back again".to_string(), moment),
        ]);
        let fix = "give it back once: clear the handle after the call, and let one place own it".to_string();
        Some(self.free_finding(message, known, history, fix, moment))
    }

    /// An address inside a live view that is not what was mapped, or the right one with another size.
    fn misfit(&self, verb: &Verb, named: u64, moment: &Moment) -> Option<Finding> {
        let known = self.ledger.alive().find(|known| {
            let object = &known.object;
            verb.kinds.contains(&object.kind)
                && object.va != 0
                && named.wrapping_sub(object.va) < object.bytes
        })?;
        let message = format!(
            "{} was given {named:#x}, but what was mapped there is {} at {:#x}",
            verb.name,
            describe(known),
            known.object.va
        );
        let history = Vec::from([
            self.history(format!("{} made", describe(known)), &known.created),
            self.history("unmapped with another address or size".to_string(), moment),
        ]);
        let fix = "unmap with exactly the base address and size that the mapping call returned".to_string();
        Some(self.free_finding(message, known, history, fix, moment))
    }

    fn free_finding(
        &self,
        message: alloc::string::String,
        known: &Known,
        history: Vec<crate::finding::HistoryEntry>,
        fix: alloc::string::String,
        moment: &Moment,
    ) -> Finding {
        Finding {
            rule: &FREE_001,
            severity: Severity::Error,
            culprit: Culprit::Driver,
            message,
            place: self.place(moment),
            object: Some(summary(known)),
            history,
            fix,
            count: 1,
        }
    }
}
