//! The driver's calls: which of them are about memory, and what is judged of each.
//!
//! At the entry: IRQL-001 and IRQL-002, EXCL-002, IFC-001. At the return, where the status is known, one of FREE-001,
//! HND-003, HND-002, HND-001, SAVE-001, MDL-005, those about objects (`object_calls.rs`) and MODE-001, in this order: the
//! most specific that fits.

use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::table::{Slot, Table};
use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::{Callback, Phase, Stamp};

use crate::finding::{Culprit, Finding, SameAct, Severity};
use crate::lists::{self, Lists};
use crate::rules::Rule;
use crate::{Moment, Verifier};

/// Slots from here on are kernel exports.
const EXPORTS: u16 = 0x8000;

/// What a memory callback asks of its caller ("The callbacks, one by one").
pub(crate) struct MemoryCall {
    slot: usize,
    /// The topics allow APC_LEVEL; the others are PASSIVE_LEVEL only.
    pub(crate) up_to_apc: bool,
    /// The handle has to be the lead adapter's.
    pub(crate) lead: bool,
    /// What DMA remapping has against it.
    pub(crate) remapping: UnderRemapping,
}

/// Whether a callback can be used under DMA remapping.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnderRemapping {
    Works,
    /// Refused; in other modes it makes something with a physical address.
    Acquires,
    /// Refused; in other modes it gives such a thing back.
    Releases,
}

use UnderRemapping::{Acquires, Releases, Works};

const fn call(slot: usize, up_to_apc: bool, lead: bool, remapping: UnderRemapping) -> MemoryCall {
    MemoryCall { slot, up_to_apc, lead, remapping }
}

macro_rules! slot {
    ($field:ident) => {
        offset_of!(DxgkrnlInterface, $field)
    };
}

const MEMORY_CALLS: &[MemoryCall] = &[
    call(slot!(get_device_information), false, false, Works),
    call(slot!(map_memory), false, false, Works),
    call(slot!(unmap_memory), false, false, Works),
    call(slot!(allocate_contiguous_memory), true, false, Acquires),
    call(slot!(free_contiguous_memory), true, false, Releases),
    call(slot!(allocate_pages_for_mdl), true, false, Acquires),
    call(slot!(free_pages_from_mdl), true, false, Releases),
    call(slot!(pin_frame_buffer_for_save), true, true, Acquires),
    call(slot!(unpin_frame_buffer_for_save), true, true, Works),
    call(slot!(map_frame_buffer_pointer), true, true, Works),
    call(slot!(unmap_frame_buffer_pointer), true, true, Works),
    call(slot!(map_mdl_to_iommu), true, true, Acquires),
    call(slot!(unmap_mdl_from_iommu), true, true, Releases),
    call(slot!(save_memory_for_hot_update), false, false, Works),
    call(slot!(create_physical_memory_object), true, false, Works),
    call(slot!(destroy_physical_memory_object), true, false, Works),
    call(slot!(map_physical_memory), true, false, Works),
    call(slot!(unmap_physical_memory), true, false, Works),
    call(slot!(allocate_adl), true, false, Works),
    call(slot!(free_adl), true, false, Works),
    call(slot!(open_physical_memory_object), true, false, Works),
    call(slot!(close_physical_memory_object), true, false, Works),
    call(slot!(pin_frame_buffer_for_save2), false, true, Works),
];

/// A callback at its entry or return, with where the driver made it. The stack is read when a finding wants it.
pub(crate) struct Call<'a> {
    pub(crate) callback: &'a Callback,
    /// Of the entry.
    pub(crate) words: [u64; 6],
    pub(crate) irql: u8,
    pub(crate) moment: Moment,
    stamp: &'a Stamp,
    lists: &'a dyn Lists,
}

impl Call<'_> {
    pub(crate) fn slot(&self) -> usize {
        self.callback.slot.into()
    }

    pub(crate) fn status(&self) -> NtStatus {
        NtStatus(self.callback.status)
    }

    pub(crate) fn moment_with_stack(&self) -> Moment {
        Moment { stack: lists::stack(self.stamp.stack, self.lists), ..self.moment.clone() }
    }

    /// What the table says of the slot.
    pub(crate) fn known_slot(&self) -> Option<&'static Slot> {
        DxgkrnlInterface::SLOTS.iter().find(|slot| slot.offset == self.slot())
    }

    pub(crate) fn name(&self) -> &'static str {
        self.known_slot().map_or("a callback that no table has", |slot| slot.name)
    }

    /// The same callback from the same place.
    pub(crate) fn act(&self, rule: &'static Rule) -> SameAct {
        SameAct::AtSlot(rule.id, self.moment.rip, self.callback.slot)
    }
}

impl Verifier {
    pub(crate) fn judge_call(
        &mut self,
        callback: &Callback,
        irql: u8,
        moment: Moment,
        stamp: &Stamp,
        lists: &dyn Lists,
    ) {
        if callback.slot >= EXPORTS {
            return;
        }
        let mut call = Call { callback, words: callback.words, irql, moment, stamp, lists };
        let memory = MEMORY_CALLS.iter().find(|memory| memory.slot == call.slot());
        if callback.phase == Phase::Entered {
            self.judge_newer_slot(&call);
            if let Some(memory) = memory {
                self.judge_level(&call, memory);
                self.judge_exclusive_call(&call);
                self.calls.insert(call.moment.event, callback.words);
            }
            return;
        }
        let (Some(memory), Some(words)) = (memory, self.calls.take(callback.entry)) else { return };
        call.words = words;
        let _judged = self.judge_release(&call)
            || self.judge_handle(&call, memory)
            || self.judge_pin(&call)
            || self.judge_length(&call)
            || self.judge_object_call(&call)
            || self.judge_old_set(&call, memory);
    }

    /// Adds what a call broke; `make` is asked for it when it was not found before.
    pub(crate) fn found_in_call(
        &mut self,
        rule: &'static Rule,
        call: &Call<'_>,
        make: impl FnOnce(&Self, Moment) -> Finding,
    ) {
        let act = call.act(rule);
        let finding = (!self.findings.knows(&act)).then(|| make(self, call.moment_with_stack()));
        self.findings.found(act, finding);
    }

    /// A finding about the driver at a place, without an object or a history.
    pub(crate) fn told(
        &self,
        rule: &'static Rule,
        severity: Severity,
        at: &Moment,
        message: impl Into<alloc::string::String>,
        fix: impl Into<alloc::string::String>,
    ) -> Finding {
        Finding {
            rule,
            severity,
            culprit: Culprit::Driver,
            message: message.into(),
            place: self.modules.at(at),
            object: None,
            history: Vec::new(),
            fix: fix.into(),
            count: 1,
        }
    }
}
