//! The objects of a run, live and dead.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use dxgk_event::{Object, ObjectKind};

use crate::Moment;
use crate::intervals::Intervals;
use crate::limits;

/// An object and its life.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) object: Object,
    /// Physical pages, of live objects that own memory.
    frames: Box<[(u64, u64)]>,
    pub(crate) created: Moment,
    pub(crate) released: Option<Moment>,
    /// When the driver gave it back through the verb of its kind. Before `released`, when something hung on it.
    pub(crate) given_back: Option<Moment>,
    /// When the driver gave it back together with something else.
    pub(crate) given_along: Option<Moment>,
    /// The driver has not given it back in any way.
    owed: bool,
    /// LEAK-001 has judged it.
    judged: bool,
}

/// What the memory callbacks make, and the driver must give back.
pub(crate) fn of_callbacks(kind: ObjectKind) -> bool {
    !matches!(
        kind,
        ObjectKind::Pool
            | ObjectKind::Mdl
            | ObjectKind::MmMemory
            | ObjectKind::MmMapping
            | ObjectKind::ReservedRange
    )
}

/// Whether the driver reaches it at `va`, `bytes` long.
fn mapped_at_address(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::RegisterMap
            | ObjectKind::UserRegisterMap
            | ObjectKind::PortMap
            | ObjectKind::KernelView
            | ObjectKind::UserView
            | ObjectKind::ContiguousMemory
            | ObjectKind::SaveView
    )
}

/// Whether its addresses are memory addresses, which ports' are not.
fn in_address_space(kind: ObjectKind) -> bool {
    mapped_at_address(kind) && kind != ObjectKind::PortMap
}

/// The driver's addresses of an object that is not unmapped by address, with their number.
fn span(object: &Object) -> Option<(u64, u64)> {
    let held = matches!(
        object.kind,
        ObjectKind::ContiguousMemory | ObjectKind::Pool | ObjectKind::MmMemory | ObjectKind::MmMapping
    );
    (held && object.va != 0).then_some((object.va, object.bytes))
}

/// Where an ADL's page numbers are, in bytes, or would be if its base page number were taken for their address (true).
fn page_array(object: &Object) -> Option<(u64, u64, bool)> {
    let bytes = object.bytes / dxgk_hw::PAGE_SIZE * 8;
    match (object.kind, object.va) {
        (ObjectKind::Adl, 0) if object.flags & 1 != 0 && object.logical_page != u64::MAX => {
            Some((object.logical_page, bytes, true))
        }
        (ObjectKind::Adl, array) if array != 0 => Some((array, bytes, false)),
        _ => None,
    }
}

/// Where an address is, seen from a map or view that it is not in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outside {
    /// That many bytes into one that is gone.
    Gone(u64),
    /// That many bytes behind the end of one.
    Behind(u64),
    /// That many bytes before the start of one.
    Before(u64),
    /// In one of another process.
    Process,
}

/// An address this far from a map or view, in bytes, still was meant for it: 64 KiB.
const NEAR: u64 = 1 << 16;

/// Whose memory a page is, when several objects name it: the owner before those that only refer to it. `None` for ways to
/// an owner that is there as well, and for registers, which are no memory.
fn memory_rank(kind: ObjectKind) -> Option<u64> {
    match kind {
        ObjectKind::MdlPages
        | ObjectKind::ContiguousMemory
        | ObjectKind::PhysicalMemory
        | ObjectKind::MmMemory
        | ObjectKind::Pool
        | ObjectKind::Pin => Some(0),
        ObjectKind::MdlMapping | ObjectKind::Mdl => Some(1),
        _ => None,
    }
}

fn owner_key(object: &Object) -> u64 {
    memory_rank(object.kind).unwrap_or_default() << 63 | object.bytes >> 1
}

/// The book of objects.
#[derive(Default)]
pub(crate) struct Objects {
    all: BTreeMap<u64, Known>,
    dead: VecDeque<u64>,
    /// Handle, kind, number of those that the driver may still give back.
    held: BTreeSet<(u64, ObjectKind, u64)>,
    /// The last that went, by handle and kind.
    gone: BTreeMap<(u64, ObjectKind), u64>,
    /// Parent and child, both of them live.
    children: BTreeSet<(u64, u64)>,
    /// Adapter and number of live objects that LEAK-001 has not judged.
    unjudged: BTreeSet<(u32, u64)>,
    frames: Intervals,
    /// The driver's addresses of what it does not unmap by address: pool, say.
    spans: Intervals,
    /// The page arrays of ADLs, by address, and base page numbers of those without, as if they were the addresses of arrays.
    arrays: Intervals,
    bases_as_arrays: Intervals,
    addresses: Intervals,
    /// Maps and views that are gone, by the event of the release.
    gone_addresses: Intervals,
    /// First address and number of the maps and views that are there, or still known.
    bases: BTreeSet<(u64, u64)>,
    blocks: usize,
}

impl Objects {
    /// Whether the page list of a new object is worth reading.
    pub(crate) fn wants_pages(kind: ObjectKind) -> bool {
        memory_rank(kind).is_some()
    }

    /// Enters an object. Numbers are never used again: a second object of a number is not believed.
    pub(crate) fn created(&mut self, object: &Object, frames: Vec<(u64, u64)>, created: Moment) {
        let number = object.object;
        if self.all.contains_key(&number) || self.all.len() - self.dead.len() >= limits::LIVE {
            return;
        }
        let key = owner_key(object);
        let mut entered = Vec::new();
        for (first, count) in frames {
            if self.blocks >= limits::BLOCKS {
                break;
            }
            self.blocks += self.frames.insert(first, count, key, number);
            entered.push((first, count));
        }
        if mapped_at_address(object.kind) {
            self.addresses.insert(object.va, object.bytes, number, number);
        }
        if in_address_space(object.kind) {
            self.bases.insert((object.va, number));
        }
        if let Some((start, bytes)) = span(object)
            && self.blocks < limits::BLOCKS
        {
            self.blocks += self.spans.insert(start, bytes, number, number);
        }
        if let Some((array, bytes, followed)) = page_array(object)
            && self.blocks < limits::BLOCKS
        {
            self.blocks += self.arrays_of(followed).insert(array, bytes, number, number);
        }
        if of_callbacks(object.kind) {
            self.held.insert((object.handle, object.kind, number));
            self.unjudged.insert((object.adapter, number));
        }
        if object.parent != 0 {
            self.children.insert((object.parent, number));
        }
        let frames = entered.into_boxed_slice();
        let known = Known {
            object: *object,
            frames,
            created,
            released: None,
            given_back: None,
            given_along: None,
            owed: true,
            judged: false,
        };
        self.all.insert(number, known);
    }

    pub(crate) fn released(&mut self, number: u64, moment: Moment) {
        let Some(known) = self.all.get_mut(&number).filter(|known| known.released.is_none()) else { return };
        let event = moment.event;
        known.released = Some(moment);
        let object = known.object;
        let key = owner_key(&object);
        for (first, count) in core::mem::take(&mut known.frames) {
            self.blocks -= self.frames.remove(first, count, key, number);
        }
        if mapped_at_address(object.kind) {
            self.addresses.remove(object.va, object.bytes, number, number);
        }
        if in_address_space(object.kind) && self.blocks < limits::BLOCKS {
            self.blocks += self.gone_addresses.insert(object.va, object.bytes, event, number);
        }
        if let Some((start, bytes)) = span(&object) {
            self.blocks -= self.spans.remove(start, bytes, number, number);
        }
        if let Some((array, bytes, followed)) = page_array(&object) {
            let gone = self.arrays_of(followed).remove(array, bytes, number, number);
            self.blocks -= gone;
        }
        self.children.remove(&(object.parent, number));
        if !of_callbacks(object.kind) {
            self.all.remove(&number);
            return;
        }
        self.unjudged.remove(&(object.adapter, number));
        self.forget_handle(&object);
        self.dead.push_back(number);
        if self.dead.len() > limits::DEAD {
            self.forget_oldest();
        }
    }

    fn arrays_of(&mut self, followed: bool) -> &mut Intervals {
        if followed { &mut self.bases_as_arrays } else { &mut self.arrays }
    }

    fn forget_handle(&mut self, object: &Object) {
        if self.held.remove(&(object.handle, object.kind, object.object)) {
            self.gone.insert((object.handle, object.kind), object.object);
        }
    }

    fn forget_oldest(&mut self) {
        let Some(known) = self.dead.pop_front().and_then(|oldest| self.all.remove(&oldest)) else { return };
        let object = known.object;
        if in_address_space(object.kind) {
            let event = known.released.as_ref().map_or(0, |moment| moment.event);
            self.blocks -= self.gone_addresses.remove(object.va, object.bytes, event, object.object);
            self.bases.remove(&(object.va, object.object));
        }
        let place = (known.object.handle, known.object.kind);
        if self.gone.get(&place) == Some(&known.object.object) {
            self.gone.remove(&place);
        }
    }

    /// The driver gave back what `handle` names, through the verb of these kinds, in a call that began with event
    /// `since`: what went during the call, or else what waits for something that hangs on it.
    pub(crate) fn given_back(&mut self, handle: u64, kinds: &[ObjectKind], since: u64, moment: &Moment) {
        let went = self.last_gone(handle, kinds).filter(|known| {
            known.given_back.is_none() && known.released.as_ref().is_some_and(|at| at.event > since)
        });
        let number = went.map(|known| known.object.object).or_else(|| self.held_by(handle, kinds));
        let Some(known) = number.and_then(|number| self.all.get_mut(&number)) else { return };
        known.given_back = Some(moment.clone());
        known.owed = false;
        let object = known.object;
        self.forget_handle(&object);
    }

    /// The driver gave it back together with something else, not through the verb of its kind.
    pub(crate) fn given_back_along(&mut self, handle: u64, kinds: &[ObjectKind], moment: &Moment) {
        // It went during the call, or waits for something that hangs on it.
        let went = self.last_gone(handle, kinds).map(|known| known.object.object);
        let held = self.held_by(handle, kinds);
        let Some(known) = held.or(went).and_then(|number| self.all.get_mut(&number)) else { return };
        known.owed = false;
        if known.given_back.is_none() && known.given_along.is_none() {
            known.given_along = Some(moment.clone());
        }
        if held.is_some() {
            let object = known.object;
            self.forget_handle(&object);
        }
    }

    /// The latest object that the driver may still give back under this handle.
    pub(crate) fn held_by(&self, handle: u64, kinds: &[ObjectKind]) -> Option<u64> {
        let latest = |kind: &ObjectKind| {
            let numbers = self.held.range((handle, *kind, 0)..=(handle, *kind, u64::MAX));
            numbers.last().map(|(_, _, number)| *number)
        };
        kinds.iter().filter_map(latest).max()
    }

    /// The last object of these kinds that had this handle and has it no more.
    pub(crate) fn last_gone(&self, handle: u64, kinds: &[ObjectKind]) -> Option<&Known> {
        let number = kinds.iter().filter_map(|kind| self.gone.get(&(handle, *kind))).max()?;
        self.all.get(number)
    }

    /// The live map or view of these kinds that an address lies in.
    pub(crate) fn at_address(&self, address: u64, kinds: &[ObjectKind]) -> Option<&Known> {
        self.get(self.addresses.last(address)?).filter(|known| kinds.contains(&known.object.kind))
    }

    /// The map or view that an address was meant for which lies in none: the last that was there, or else the nearest.
    pub(crate) fn beside(&self, address: u64) -> Option<(&Known, Outside)> {
        if self
            .addresses
            .last(address)
            .is_some_and(|number| self.get(number).is_some_and(|known| in_address_space(known.object.kind)))
        {
            return None;
        }
        if let Some(gone) = self.gone_addresses.last(address).and_then(|number| self.get(number)) {
            return Some((gone, Outside::Gone(address.saturating_sub(gone.object.va))));
        }
        let before = self.bases.range(..=(address, u64::MAX)).next_back().and_then(|(_, number)| {
            let known = self.get(*number)?;
            let behind = address.checked_sub(known.object.va.checked_add(known.object.bytes)?)?;
            Some((behind, known, Outside::Behind(behind)))
        });
        let after = self.bases.range((address, u64::MAX)..).next().and_then(|(base, number)| {
            let before = base.checked_sub(address)?;
            Some((before, self.get(*number)?, Outside::Before(before)))
        });
        // At the same distance the one that was overrun.
        let nearest = before.into_iter().chain(after).min_by_key(|(distance, ..)| *distance)?;
        (nearest.0 < NEAR).then_some((nearest.1, nearest.2))
    }

    /// What of the driver's lies at an address of the processor's.
    pub(crate) fn at_cpu_address(&self, address: u64) -> Option<&Known> {
        let view = self.addresses.last(address).and_then(|number| self.get(number));
        view.filter(|known| in_address_space(known.object.kind))
            .or_else(|| self.get(self.spans.last(address)?))
    }

    /// The ADL whose array of page numbers lies at an address.
    pub(crate) fn array_at(&self, address: u64) -> Option<&Known> {
        self.get(self.arrays.last(address)?)
    }

    /// The ADL whose base page number, followed as if it were an array's address, leads to this address.
    pub(crate) fn base_followed_to(&self, address: u64) -> Option<&Known> {
        self.get(self.bases_as_arrays.last(address)?)
    }

    /// Live objects that hang on an object itself, of a kind.
    pub(crate) fn owned(&self, parent: u64, kind: ObjectKind) -> impl Iterator<Item = &Known> {
        let children = self.children.range((parent, 0)..=(parent, u64::MAX));
        children.filter_map(|(_, child)| self.get(*child)).filter(move |known| known.object.kind == kind)
    }

    /// The object at the root of what owns an object.
    pub(crate) fn root(&self, number: u64) -> u64 {
        let mut root = number;
        // An ADL, its adapter memory object, and that one's physical memory object: no honest chain is longer.
        for _ in 0..4 {
            match self.get(root) {
                Some(known) if known.object.parent != 0 => root = known.object.parent,
                _ => break,
            }
        }
        root
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Known> {
        self.all.get(&number)
    }

    /// The live object whose memory a frame is.
    pub(crate) fn owner_of_frame(&self, frame: u64) -> Option<&Known> {
        self.get(self.frames.first(frame)?)
    }

    /// Everything that is left and belongs to `adapter` (`None`: everything), each with all that hangs on it and its
    /// own. What hangs on something that is left is no entry of its own. An object is in one answer only.
    pub(crate) fn left(&mut self, adapter: Option<u32>) -> Vec<(u64, Vec<u64>)> {
        let all = match adapter {
            Some(adapter) => (adapter, 0)..=(adapter, u64::MAX),
            None => (0, 0)..=(u32::MAX, u64::MAX),
        };
        // Owners are made before what they own, so they are judged first.
        let left: BTreeSet<u64> = self.unjudged.range(all).map(|(_, number)| *number).collect();
        let roots: Vec<u64> = left.iter().copied().filter(|number| self.is_root(*number, &left)).collect();
        let mut answer = Vec::new();
        for root in roots {
            if self.judge(root) {
                answer.push((root, self.judge_owned(root)));
            }
        }
        // What a forged circle of parents holds has no root.
        left.iter().for_each(|number| _ = self.judge(*number));
        answer
    }

    fn is_root(&self, number: u64, left: &BTreeSet<u64>) -> bool {
        let Some(known) = self.get(number).filter(|known| known.owed) else { return false };
        let parent = known.object.parent;
        !(left.contains(&parent) && self.get(parent).is_some_and(|parent| parent.owed))
    }

    fn judge_owned(&mut self, root: u64) -> Vec<u64> {
        let mut owned = Vec::new();
        let mut open = Vec::from([root]);
        while let Some(parent) = open.pop() {
            let children: Vec<u64> =
                self.children.range((parent, 0)..=(parent, u64::MAX)).map(|(_, child)| *child).collect();
            for child in children {
                if self.judge(child) {
                    owned.push(child);
                    open.push(child);
                }
            }
        }
        owned.sort_unstable();
        owned
    }

    /// Marks an object as judged; false when it was before.
    fn judge(&mut self, number: u64) -> bool {
        let Some(known) = self.all.get_mut(&number).filter(|known| !known.judged) else { return false };
        known.judged = true;
        self.unjudged.remove(&(known.object.adapter, number));
        true
    }
}
