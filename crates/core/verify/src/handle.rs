//! Rules about handles that a callback was given: HND-001, HND-002. HND-003 is decided with FREE-001, in `release.rs`.
//!
//! Decided for calls that were refused for their handle, when no rule about giving back twice fits.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::ObjectKind;

use crate::calls::{Call, MemoryCall};
use crate::finding::{Finding, Severity};
use crate::objects::Known;
use crate::rules::{HND_001, HND_002};
use crate::words::{describe, kind_name, summary, the};
use crate::{Moment, Verifier};

/// A word of a call that is a handle, and of which kinds the object must be. No kinds: an adapter's.
struct Wanted {
    slot: usize,
    word: usize,
    kinds: &'static [ObjectKind],
}

const fn wanted(slot: usize, word: usize, kinds: &'static [ObjectKind]) -> Wanted {
    Wanted { slot, word, kinds }
}

macro_rules! slot {
    ($field:ident) => {
        offset_of!(DxgkrnlInterface, $field)
    };
}

/// The handles that stand in argument structures. Where a call has several, in the order in which they are looked at.
const HANDLES: &[Wanted] = &[
    wanted(slot!(free_contiguous_memory), 0, &[ObjectKind::ContiguousMemory]),
    wanted(slot!(free_pages_from_mdl), 0, &[ObjectKind::MdlPages]),
    wanted(slot!(unmap_mdl_from_iommu), 0, &[ObjectKind::MdlMapping]),
    wanted(slot!(create_physical_memory_object), 0, &[]),
    wanted(slot!(destroy_physical_memory_object), 0, &[ObjectKind::PhysicalMemory]),
    wanted(slot!(destroy_physical_memory_object), 1, &[ObjectKind::AdapterMemory]),
    wanted(slot!(open_physical_memory_object), 0, &[ObjectKind::PhysicalMemory]),
    wanted(slot!(open_physical_memory_object), 1, &[]),
    wanted(slot!(close_physical_memory_object), 0, &[ObjectKind::AdapterMemory]),
    wanted(slot!(map_physical_memory), 0, &[ObjectKind::PhysicalMemory]),
    wanted(slot!(unmap_physical_memory), 0, &[ObjectKind::PhysicalMemory]),
    wanted(slot!(allocate_adl), 0, &[ObjectKind::AdapterMemory]),
    wanted(slot!(free_adl), 0, &[ObjectKind::AdapterMemory]),
];

/// Every kind that has a handle.
const WITH_HANDLE: &[ObjectKind] = &[
    ObjectKind::ContiguousMemory,
    ObjectKind::MdlPages,
    ObjectKind::MdlMapping,
    ObjectKind::PhysicalMemory,
    ObjectKind::AdapterMemory,
];

impl Verifier {
    /// Whether the call was refused for its handle.
    pub(crate) fn judge_handle(&mut self, call: &Call<'_>, memory: &MemoryCall) -> bool {
        if call.callback.unimplemented != 0 || !refused_for_a_handle(call) {
            return false;
        }
        let adapter = self.adapters.get(call.callback.adapter);
        if let Some(adapter) = adapter.filter(|adapter| memory.lead && adapter.lead == 0) {
            let (handle, number) = (adapter.handle, adapter.adapter);
            self.found_in_call(&HND_002, call, |this, moment| {
                let name = call.name();
                let message = format!(
                    "{name} wants the lead adapter's handle and was given {handle:#x}, which is that of adapter {number} \
                     of the chain"
                );
                let history = Vec::from([this.modules.history(format!("{name} called"), &moment)]);
                Finding { history, ..this.told(&HND_002, Severity::Error, &moment, message, HND_002.mend) }
            });
        } else {
            self.found_in_call(&HND_001, call, |this, moment| this.unknown_handle(call, &moment));
        }
        true
    }

    fn unknown_handle(&self, call: &Call<'_>, moment: &Moment) -> Finding {
        let name = call.name();
        let word = |wanted: &Wanted| call.words.get(wanted.word).copied().unwrap_or_default();
        let mut of_call = HANDLES.iter().filter(|wanted| wanted.slot == call.slot());
        // A null adapter memory object is one that Destroy is not to close; a null adapter one that Create has none.
        let odd = of_call.find(|wanted| match wanted.kinds {
            [] => word(wanted) != 0 && call.callback.adapter == u32::MAX,
            kinds => {
                self.objects.held_by(word(wanted), kinds).is_none() && (wanted.word == 0 || word(wanted) != 0)
            }
        });
        let Some(odd) = odd else {
            let message = format!("{name} was refused for a handle: the adapter's is not one that is there");
            let history = Vec::from([self.modules.history(format!("{name} called"), moment)]);
            return Finding {
                history,
                ..self.told(&HND_001, Severity::Error, moment, message, HND_001.mend)
            };
        };
        let handle = word(odd);
        let what = match odd.kinds {
            [kind, ..] => kind_name(*kind),
            [] => "adapter",
        };
        let other = self.objects.held_by(handle, WITH_HANDLE).and_then(|number| self.objects.get(number));
        let gone = self.objects.last_gone(handle, WITH_HANDLE);
        let message =
            format!("{name} was given {handle:#x}, which is no {what}{}", known_as(handle, other, gone));
        let known = other.or(gone);
        let mut history: Vec<_> = known
            .map(|known| self.modules.history(format!("{} made", describe(known)), &known.created))
            .into_iter()
            .collect();
        if let Some(back) = gone.filter(|_| other.is_none()).and_then(|known| known.given_back.as_ref()) {
            history.push(self.modules.history("given back", back));
        }
        history.push(self.modules.history(format!("{name} called"), moment));
        let object = known.map(summary);
        Finding { history, object, ..self.told(&HND_001, Severity::Error, moment, message, HND_001.mend) }
    }
}

/// GetDeviceInformation says so with the only failure that its page names, which bad pointers have too.
fn refused_for_a_handle(call: &Call<'_>) -> bool {
    let information = call.slot() == slot!(get_device_information);
    match call.status() {
        NtStatus::INVALID_HANDLE => true,
        NtStatus::INVALID_PARAMETER => information && call.callback.adapter == u32::MAX,
        _ => false,
    }
}

/// What a handle is, instead of what was wanted.
fn known_as(handle: u64, other: Option<&Known>, gone: Option<&Known>) -> String {
    match (handle, other, gone) {
        (0, ..) => ": it is null".to_string(),
        (_, Some(known), _) => format!(": it is {}", the(known)),
        (_, None, Some(known)) => format!(": it was {}, which is gone", the(known)),
        (_, None, None) => " that was ever given out".to_string(),
    }
}
