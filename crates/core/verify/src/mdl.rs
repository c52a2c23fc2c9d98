//! Rules about MDLs that are mapped for a device: MDL-001 to MDL-004.
//!
//! Of a map that was refused: MDL-004 before MDL-003.
//!
//! MDL-002 is found when the MDL, or pool under it, is freed while it is mapped; or at the unmap, when it cannot be read
//! any more or its pages are not locked any more. A mapping that is found so is no MDL-001: of a freed MDL nothing
//! can be compared.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use dxgk_abi::MdlFlags;
use dxgk_abi::mdl::{Mdl, PAGE_SIZE, PFN_SIZE};
use dxgk_event::{MdlMoment, MdlState, Object, ObjectKind, Stamp};

use crate::finding::{Finding, SameAct, Severity};
use crate::intervals::Intervals;
use crate::limits;
use crate::lists::Lists;
use crate::rules::{MDL_001, MDL_002, MDL_003, MDL_004, Rule};
use crate::words::{describe, summary};
use crate::{Moment, Verifier};

/// An MDL that is mapped for a device.
#[derive(Clone, Debug)]
struct MappedMdl {
    state: MdlState,
    /// MDL-001 or MDL-002 was found of it.
    judged: bool,
}

impl MappedMdl {
    /// The described buffer: first address, and bytes.
    fn buffer(&self) -> (u64, u64) {
        (self.state.start_va.wrapping_add(self.state.byte_offset.into()), self.state.byte_count.into())
    }
}

/// The book of mapped MDLs, by the number of their mapping.
#[derive(Default)]
pub(crate) struct MappedMdls {
    all: BTreeMap<u64, MappedMdl>,
    /// MDL and mapping.
    by_mdl: BTreeSet<(u64, u64)>,
    /// First address of the buffer, and mapping.
    starts: BTreeSet<(u64, u64)>,
    buffers: Intervals,
}

impl MappedMdls {
    fn insert(&mut self, mapping: u64, state: &MdlState) {
        self.remove(mapping);
        if self.all.len() >= limits::MDLS {
            return;
        }
        let mapped = MappedMdl { state: *state, judged: false };
        let (start, bytes) = mapped.buffer();
        self.by_mdl.insert((state.mdl, mapping));
        self.starts.insert((start, mapping));
        self.buffers.insert(start, bytes, mapping, mapping);
        self.all.insert(mapping, mapped);
    }

    pub(crate) fn remove(&mut self, mapping: u64) {
        let Some(mapped) = self.all.remove(&mapping) else { return };
        let (start, bytes) = mapped.buffer();
        self.by_mdl.remove(&(mapped.state.mdl, mapping));
        self.starts.remove(&(start, mapping));
        self.buffers.remove(start, bytes, mapping, mapping);
    }

    fn of_mdl(&self, mdl: u64) -> Option<u64> {
        self.by_mdl.range((mdl, 0)..=(mdl, u64::MAX)).next_back().map(|(_, mapping)| *mapping)
    }

    /// A mapping whose buffer shares a byte with a range.
    fn over(&self, start: u64, bytes: u64) -> Option<u64> {
        let inside = self.starts.range((start, 0)..(start.saturating_add(bytes), 0)).next();
        inside.map(|(_, mapping)| *mapping).or_else(|| self.buffers.last(start).filter(|_| bytes != 0))
    }
}

/// Bits of the flags that stay as they are while an MDL is mapped; the others say how the kernel has it mapped.
const KEPT: MdlFlags = MdlFlags::PAGES_LOCKED
    .union(MdlFlags::SOURCE_IS_NONPAGED_POOL)
    .union(MdlFlags::PARTIAL)
    .union(MdlFlags::IO_SPACE);

/// An MDL with one of these has page numbers.
const POPULATED: MdlFlags =
    MdlFlags::PAGES_LOCKED.union(MdlFlags::SOURCE_IS_NONPAGED_POOL).union(MdlFlags::PARTIAL);

/// `Size` is a signed 16-bit field: above this many pages it says nothing.
const SIZED_PAGES: u64 = (i16::MAX as u64 - size_of::<Mdl>() as u64) / PFN_SIZE;

/// What in the header does not fit together.
fn misfit(state: &MdlState) -> Option<String> {
    let (offset, bytes, size) = (state.byte_offset, state.byte_count, state.size);
    let pages = (u64::from(offset) + u64::from(bytes)).div_ceil(PAGE_SIZE);
    let room = u64::from(size).saturating_sub(size_of::<Mdl>() as u64) / PFN_SIZE;
    let both = MdlFlags::PAGES_LOCKED.union(MdlFlags::SOURCE_IS_NONPAGED_POOL);
    if u64::from(offset) >= PAGE_SIZE {
        Some(format!("its ByteOffset {offset:#x} leads beyond the first page"))
    } else if bytes == 0 {
        Some("its ByteCount is 0".to_string())
    } else if pages <= SIZED_PAGES && pages > room {
        Some(format!(
            "ByteOffset {offset:#x} and ByteCount {bytes:#x} take {pages} pages, and its Size {size:#x} has room for {room}"
        ))
    } else if MdlFlags(state.flags).contains(both) {
        Some(format!(
            "its MdlFlags {:#x} say that its pages were locked and that they are of nonpaged pool, which is never locked",
            state.flags
        ))
    } else {
        None
    }
}

/// What is not as it was.
fn differences(before: &MdlState, now: &MdlState) -> Vec<String> {
    let flags = |state: &MdlState| u64::from(state.flags & KEPT.0);
    let numbers: [(&str, u64, u64); 6] = [
        ("Next", before.next, now.next),
        ("Size", before.size.into(), now.size.into()),
        ("MdlFlags", flags(before), flags(now)),
        ("StartVa", before.start_va, now.start_va),
        ("ByteCount", before.byte_count.into(), now.byte_count.into()),
        ("ByteOffset", before.byte_offset.into(), now.byte_offset.into()),
    ];
    let mut all: Vec<String> = numbers
        .iter()
        .filter(|(_, before, now)| before != now)
        .map(|(name, before, now)| format!("{name} was {before:#x} and is {now:#x}"))
        .collect();
    // With another length it is the digest of other pages: no difference of its own.
    let as_long = (before.byte_count, before.byte_offset) == (now.byte_count, now.byte_offset);
    if as_long && before.pages_digest != now.pages_digest {
        all.push("the page numbers behind the header are others".to_string());
    }
    all
}

impl Verifier {
    /// An MDL at a map or unmap.
    pub(crate) fn mdl_state(&mut self, state: &MdlState, moment: Moment, stamp: &Stamp, lists: &dyn Lists) {
        match state.moment {
            MdlMoment::Map if state.handle == 0 => self.judge_refused(state, moment, stamp, lists),
            MdlMoment::Map => {
                if let Some(mapping) = self.objects.held_by(state.handle, &[ObjectKind::MdlMapping]) {
                    self.mapped_mdls.insert(mapping, state);
                }
            }
            MdlMoment::Unmap => self.judge_unmapped(state, moment, stamp, lists),
        }
    }

    /// A map that was refused.
    fn judge_refused(&mut self, state: &MdlState, moment: Moment, stamp: &Stamp, lists: &dyn Lists) {
        if state.readable == 0 {
            return;
        }
        let (rule, what): (&'static Rule, String) = if let Some(misfit) = misfit(state) {
            (&MDL_004, misfit)
        } else if !MdlFlags(state.flags).intersects(POPULATED) {
            let what =
                format!("its pages are neither locked nor of nonpaged pool (MdlFlags {:#x})", state.flags);
            (&MDL_003, what)
        } else {
            return;
        };
        let act = SameAct::AtObject(rule.id, moment.rip, None, 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let moment = moment.with_stack(stamp, lists);
            let message = format!(
                "DxgkCbMapMdlToIoMmu was given the MDL at {:#x} ({:#x} bytes): {what}",
                state.mdl, state.byte_count
            );
            let history = Vec::from([self.modules.history("DxgkCbMapMdlToIoMmu called", &moment)]);
            Finding { history, ..self.told(rule, Severity::Error, &moment, message, rule.mend) }
        });
        self.findings.found(act, finding);
    }

    fn judge_unmapped(&mut self, state: &MdlState, moment: Moment, stamp: &Stamp, lists: &dyn Lists) {
        let Some(mapping) = self.objects.held_by(state.handle, &[ObjectKind::MdlMapping]) else { return };
        let Some(mapped) = self.mapped_mdls.all.get(&mapping).filter(|mapped| !mapped.judged) else { return };
        let before = mapped.state;
        let locked = |state: &MdlState| MdlFlags(state.flags).contains(MdlFlags::PAGES_LOCKED);
        let mdl = state.mdl;
        let (rule, message): (_, String) = if state.readable == 0 {
            (&MDL_002, format!("the MDL at {mdl:#x} was gone when DxgkCbUnmapMdlFromIoMmu was called for it"))
        } else if locked(&before) && !locked(state) {
            let message = format!(
                "the pages of the MDL at {mdl:#x} were unlocked before DxgkCbUnmapMdlFromIoMmu was called for it"
            );
            (&MDL_002, message)
        } else {
            let differences = differences(&before, state);
            if differences.is_empty() {
                return;
            }
            (&MDL_001, format!("the MDL at {mdl:#x} changed while it was mapped: {}", differences.join("; ")))
        };
        let moment = moment.with_stack(stamp, lists);
        self.found_of_mapping(rule, mapping, message, "DxgkCbUnmapMdlFromIoMmu called", &moment);
    }

    /// Something of the driver's own was freed.
    pub(crate) fn judge_freed_under_mapping(
        &mut self,
        object: &Object,
        moment: &Moment,
        stamp: &Stamp,
        lists: &dyn Lists,
    ) {
        let (mapping, what) = match object.kind {
            ObjectKind::Mdl => (self.mapped_mdls.of_mdl(object.handle), "MDL"),
            ObjectKind::Pool => (self.mapped_mdls.over(object.va, object.bytes), "memory of the MDL"),
            // Pages that the Mm routines gave out come with an MDL of their own.
            ObjectKind::MmMemory if object.va == 0 => {
                (self.mapped_mdls.of_mdl(object.handle), "memory of the MDL")
            }
            ObjectKind::MmMemory => (self.mapped_mdls.over(object.va, object.bytes), "memory of the MDL"),
            _ => return,
        };
        let Some(mapping) = mapping else { return };
        let Some(mapped) = self.mapped_mdls.all.get(&mapping).filter(|mapped| !mapped.judged) else { return };
        let mdl = mapped.state.mdl;
        let message = format!("the {what} at {mdl:#x} was freed while it was mapped for the device");
        let moment = moment.clone().with_stack(stamp, lists);
        self.found_of_mapping(&MDL_002, mapping, message, &format!("the {what} freed"), &moment);
    }

    fn found_of_mapping(
        &mut self,
        rule: &'static Rule,
        mapping: u64,
        message: String,
        last: &str,
        moment: &Moment,
    ) {
        if let Some(mapped) = self.mapped_mdls.all.get_mut(&mapping) {
            mapped.judged = true;
        }
        let act = SameAct::AtObject(rule.id, moment.rip, Some(mapping), 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let known = self.objects.get(mapping);
            let mut history: Vec<_> = known
                .map(|known| self.modules.history(format!("{} made", describe(known)), &known.created))
                .into_iter()
                .collect();
            history.push(self.modules.history(last, moment));
            let object = known.map(summary);
            Finding { history, object, ..self.told(rule, Severity::Error, moment, message, rule.mend) }
        });
        self.findings.found(act, finding);
    }
}
