//! The reference: what the memory manager is expected to hold, as plain structures. Pages are numbers, mappings are
//! maps of page to count, objects are looked up by the number that the driver holds.

use std::collections::{BTreeMap, BTreeSet};

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::{BugCheck, NtStatus};
use dxgk_hw::{RamRange, RequesterId};
use dxgk_sysmm::{CallError, LogicalAdapterId, Statistics};

use crate::rig::ABSENT;

/// What a call is expected to answer.
pub(crate) type Verdict<T> = Result<T, CallError>;

pub(crate) const INVALID: CallError = CallError::Status(NtStatus::INVALID_PARAMETER);
pub(crate) const BAD_HANDLE: CallError = CallError::Status(NtStatus::INVALID_HANDLE);
pub(crate) const NOT_READY: CallError = CallError::Status(NtStatus::DEVICE_NOT_READY);
pub(crate) const NOT_SUPPORTED: CallError = CallError::Status(NtStatus::NOT_SUPPORTED);
pub(crate) const SHORT: CallError = CallError::Status(NtStatus::INSUFFICIENT_RESOURCES);
pub(crate) const NO_MEMORY: CallError = CallError::Status(NtStatus::NO_MEMORY);

pub(crate) fn fatal(reason: SysMmFatalError) -> CallError {
    CallError::BugCheck { code: BugCheck::VIDEO_DXGKRNL_SYSMM_FATAL_ERROR, parameters: [reason.0, 0, 0, 0] }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Off,
    Isolation,
    Remapping,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Frame {
    Free,
    Reserved,
    Driver,
    /// Likewise, and devices may only read it.
    ReadOnly,
    Kernel,
    /// Given back by its owner while an MDL map holds it.
    Held,
}

/// A page list, mapped for a logical adapter: the frames, and the numbers that the device uses.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) logical: usize,
    pub(crate) frames: Vec<u64>,
    pub(crate) device: Vec<u64>,
    /// Whether the device may write.
    pub(crate) writable: bool,
}

pub(crate) struct Adapter {
    pub(crate) logical: usize,
    pub(crate) lead: bool,
    pub(crate) stopped: bool,
}

pub(crate) struct Logical {
    pub(crate) id: LogicalAdapterId,
    pub(crate) mode: Mode,
    pub(crate) requesters: Vec<RequesterId>,
    /// Its adapters were removed: the unit refuses everything.
    pub(crate) blocked: bool,
    /// Logical page to frame, how many mappings say so, and whether it can be written.
    pub(crate) reach: BTreeMap<u64, (u64, u32, bool)>,
    /// Logical pages that were mapped once, the latest last.
    pub(crate) former: Vec<u64>,
}

pub(crate) struct Pages {
    /// Pages of AllocatePagesForMdl, or a mapped MDL.
    pub(crate) owned: bool,
    pub(crate) adapter: u64,
    pub(crate) mdl: u64,
    pub(crate) map: Mapping,
}

/// What an object is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Made {
    /// Pages that stay; whether of one run by its type.
    Ram { one_run: bool },
    /// The device's.
    Device,
    /// Pages that come and go.
    Section { writable: bool },
}

pub(crate) struct Physical {
    pub(crate) creator: Option<u64>,
    /// Frames; [`ABSENT`] where a section's page has none.
    pub(crate) pages: Vec<u64>,
    /// What pages without a frame held at the places that the test looks at.
    pub(crate) kept: BTreeMap<usize, [u64; 3]>,
    pub(crate) made: Made,
    pub(crate) opened: Option<u64>,
    pub(crate) adls: u32,
    pub(crate) views: u32,
    pub(crate) destroyed: bool,
}

pub(crate) struct AdapterMemory {
    pub(crate) physical: u64,
    pub(crate) owner: u64,
    pub(crate) adls: u32,
    pub(crate) closed: bool,
}

pub(crate) struct Adl {
    pub(crate) adapter_memory: u64,
    pub(crate) physical: u64,
    pub(crate) adapter: u64,
    pub(crate) map: Mapping,
}

pub(crate) struct View {
    pub(crate) physical: u64,
    pub(crate) bytes: u64,
    /// First page of the object that it shows.
    pub(crate) first: u64,
    pub(crate) process: Option<u32>,
}

pub(crate) struct Registers {
    pub(crate) address: u64,
    pub(crate) adapter: u64,
    pub(crate) process: Option<u32>,
}

pub(crate) struct Reference {
    pub(crate) ranges: Vec<RamRange>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) pins: Vec<u32>,
    pub(crate) adapters: BTreeMap<u64, Adapter>,
    pub(crate) logical: Vec<Logical>,
    pub(crate) pages: BTreeMap<u64, Pages>,
    pub(crate) physical: BTreeMap<u64, Physical>,
    pub(crate) adapter_memory: BTreeMap<u64, AdapterMemory>,
    pub(crate) adls: BTreeMap<u64, Adl>,
    pub(crate) views: BTreeMap<u64, View>,
    /// The latest last.
    pub(crate) registers: Vec<Registers>,
    /// Unmapped pages behind each remapped mapping.
    pub(crate) guard: u64,
}

impl Reference {
    pub(crate) fn new(ranges: &[RamRange], guard: u64) -> Self {
        let total = ranges.iter().map(|range| range.bytes >> 12).sum::<u64>() as usize;
        let mut reference = Self {
            ranges: ranges.to_vec(),
            frames: vec![Frame::Free; total],
            pins: vec![0; total],
            adapters: BTreeMap::new(),
            logical: Vec::new(),
            pages: BTreeMap::new(),
            physical: BTreeMap::new(),
            adapter_memory: BTreeMap::new(),
            adls: BTreeMap::new(),
            views: BTreeMap::new(),
            registers: Vec::new(),
            guard,
        };
        reference.set_frame(0, Frame::Reserved);
        reference
    }

    /// Every frame of RAM, in the order of `frames`.
    pub(crate) fn ram(&self) -> impl Iterator<Item = u64> + use<> {
        let ranges = self.ranges.clone();
        ranges.into_iter().flat_map(|range| {
            let first = range.start.get() >> 12;
            first..first + (range.bytes >> 12)
        })
    }

    pub(crate) fn index(&self, page: u64) -> Option<usize> {
        let mut before = 0;
        for range in &self.ranges {
            let (first, count) = (range.start.get() >> 12, range.bytes >> 12);
            if (first..first + count).contains(&page) {
                return Some((before + page - first) as usize);
            }
            before += count;
        }
        None
    }

    pub(crate) fn frame(&self, page: u64) -> Option<Frame> {
        self.index(page).and_then(|index| self.frames.get(index)).copied()
    }

    pub(crate) fn set_frame(&mut self, page: u64, state: Frame) {
        let index = self.index(page).expect("RAM");
        self.frames[index] = state;
    }

    /// Which frames are free, `tables` being the IOMMU's.
    pub(crate) fn free(&self, tables: &BTreeSet<u64>) -> Vec<bool> {
        let mut free: Vec<bool> = self.frames.iter().map(|frame| *frame == Frame::Free).collect();
        for table in tables {
            if let Some(index) = self.index(*table) {
                free[index] = false;
            }
        }
        free
    }

    pub(crate) fn give(&mut self, pages: &[u64]) -> u64 {
        let mut freed = 0;
        for page in pages {
            let pinned = self.pins[self.index(*page).expect("RAM")] != 0;
            freed += u64::from(!pinned);
            self.set_frame(*page, if pinned { Frame::Held } else { Frame::Free });
        }
        freed
    }

    pub(crate) fn pin(&mut self, pages: &[u64]) {
        for page in pages {
            let index = self.index(*page).expect("RAM");
            self.pins[index] += 1;
        }
    }

    fn unpin(&mut self, pages: &[u64]) {
        for page in pages {
            let index = self.index(*page).expect("RAM");
            self.pins[index] -= 1;
            if self.pins[index] == 0 && self.frames[index] == Frame::Held {
                self.frames[index] = Frame::Free;
            }
        }
    }

    pub(crate) fn map(&mut self, map: &Mapping) {
        let logical = &mut self.logical[map.logical];
        if logical.mode == Mode::Off {
            return;
        }
        for (page, frame) in map.device.iter().zip(&map.frames) {
            logical.reach.entry(*page).or_insert((*frame, 0, map.writable)).1 += 1;
        }
    }

    pub(crate) fn unmap(&mut self, map: &Mapping) {
        let logical = &mut self.logical[map.logical];
        if logical.mode == Mode::Off {
            return;
        }
        for page in &map.device {
            let entry = logical.reach.get_mut(page).expect("it was mapped");
            entry.1 -= 1;
            if entry.1 == 0 {
                logical.reach.remove(page);
                logical.former.push(*page);
            }
        }
        let excess = logical.former.len().saturating_sub(2000);
        logical.former.drain(..excess);
    }

    /// Where the logical adapter's device gets to at this logical page.
    pub(crate) fn reached(&self, logical: usize, page: u64) -> Option<u64> {
        let logical = &self.logical[logical];
        match logical.mode {
            _ if logical.blocked => None,
            Mode::Off => self.index(page).map(|_| page),
            // A device's memory is reached, and answers nobody here.
            Mode::Isolation | Mode::Remapping => logical
                .reach
                .get(&page)
                .map(|(frame, ..)| *frame)
                .filter(|frame| self.index(*frame).is_some()),
        }
    }

    /// Whether what is reached there can be written.
    pub(crate) fn writable(&self, logical: usize, page: u64) -> bool {
        let logical = &self.logical[logical];
        logical.mode == Mode::Off || logical.reach.get(&page).is_some_and(|(.., writable)| *writable)
    }

    pub(crate) fn adapter(&self, handle: u64) -> Verdict<&Adapter> {
        self.adapters.get(&handle).ok_or(BAD_HANDLE)
    }

    /// The logical adapter of an adapter that may be worked for.
    pub(crate) fn place(&self, handle: u64) -> Verdict<usize> {
        let adapter = self.adapter(handle)?;
        if adapter.stopped { Err(NOT_READY) } else { Ok(adapter.logical) }
    }

    /// As [`place`](Self::place), for the callbacks that remapping refuses.
    pub(crate) fn place_2_4(&self, handle: u64) -> Verdict<usize> {
        let logical = self.place(handle)?;
        if self.logical[logical].mode == Mode::Remapping { Err(NOT_SUPPORTED) } else { Ok(logical) }
    }

    pub(crate) fn lead_place_2_4(&self, handle: u64) -> Verdict<usize> {
        if self.adapter(handle)?.lead { self.place_2_4(handle) } else { Err(BAD_HANDLE) }
    }

    pub(crate) fn ready(&self, adapter: u64) -> Verdict<()> {
        match self.adapters.get(&adapter) {
            Some(adapter) if !adapter.stopped => Ok(()),
            _ => Err(NOT_READY),
        }
    }

    pub(crate) fn live_physical(&self, handle: u64) -> Verdict<&Physical> {
        self.physical.get(&handle).filter(|object| !object.destroyed).ok_or(BAD_HANDLE)
    }

    pub(crate) fn live_adapter_memory(&self, handle: u64) -> Verdict<&AdapterMemory> {
        self.adapter_memory.get(&handle).filter(|object| !object.closed).ok_or(BAD_HANDLE)
    }

    /// Refuses when the adapter on which the object is used, or was created, is not to be worked for.
    pub(crate) fn object_ready(&self, physical: u64) -> Verdict<()> {
        let object = self.physical.get(&physical).ok_or(BAD_HANDLE)?;
        let user = match object.opened {
            Some(handle) => Some(self.adapter_memory[&handle].owner),
            None => object.creator,
        };
        user.map_or(Ok(()), |adapter| self.ready(adapter))
    }

    /// Ends what was closed or destroyed and has nothing left hanging on it.
    pub(crate) fn settle(&mut self, physical: u64) {
        let Some(object) = self.physical.get_mut(&physical) else { return };
        if let Some(handle) = object.opened
            && self.adapter_memory.get(&handle).is_some_and(|it| it.closed && it.adls == 0)
        {
            self.adapter_memory.remove(&handle);
            object.opened = None;
        }
        if object.destroyed && object.opened.is_none() && object.adls == 0 && object.views == 0 {
            let mut pages = std::mem::take(&mut object.pages);
            let device = object.made == Made::Device;
            self.physical.remove(&physical);
            pages.retain(|page| !device && *page != ABSENT);
            self.give(&pages);
        }
    }

    /// Returns what was unmapped.
    pub(crate) fn end_pages(&mut self, handle: u64) -> Mapping {
        let pages = self.pages.remove(&handle).expect("live");
        self.unmap(&pages.map);
        if pages.owned {
            self.give(&pages.map.frames);
        } else {
            self.unpin(&pages.map.frames);
        }
        pages.map
    }

    pub(crate) fn end_adl(&mut self, at: u64) -> Mapping {
        let adl = self.adls.remove(&at).expect("live");
        self.unmap(&adl.map);
        if let Some(object) = self.adapter_memory.get_mut(&adl.adapter_memory) {
            object.adls -= 1;
        }
        if let Some(object) = self.physical.get_mut(&adl.physical) {
            object.adls -= 1;
        }
        self.settle(adl.physical);
        adl.map
    }

    pub(crate) fn end_view(&mut self, base: u64) {
        let view = self.views.remove(&base).expect("live");
        if let Some(object) = self.physical.get_mut(&view.physical) {
            object.views -= 1;
        }
        self.settle(view.physical);
    }

    /// What an adapter's driver holds (`None`: objects without an adapter): the number, and whether it did ask for the
    /// release.
    pub(crate) fn held_by(&self, owner: Option<u64>) -> Vec<(u64, bool)> {
        let mut held = Vec::new();
        if let Some(owner) = owner {
            held.extend(self.registers.iter().filter(|it| it.adapter == owner).map(|it| (it.address, false)));
            held.extend(self.adls.iter().filter(|(_, it)| it.adapter == owner).map(|(at, _)| (*at, false)));
            held.extend(self.pages.iter().filter(|(_, it)| it.adapter == owner).map(|(at, _)| (*at, false)));
            let opened = self.adapter_memory.iter().filter(|(_, it)| it.owner == owner);
            held.extend(opened.map(|(at, it)| (*at, it.closed)));
        }
        let of_owner = |physical: u64| self.physical.get(&physical).is_some_and(|it| it.creator == owner);
        held.extend(self.views.iter().filter(|(_, it)| of_owner(it.physical)).map(|(at, _)| (*at, false)));
        let created = self.physical.iter().filter(|(_, it)| it.creator == owner);
        held.extend(created.map(|(at, it)| (*at, it.destroyed)));
        held.sort_unstable();
        held
    }

    /// Takes everything of an adapter (`None`: objects without an adapter) back.
    pub(crate) fn reclaim(&mut self, owner: Option<u64>) {
        let of = |wanted: bool, at: &u64| wanted.then_some(*at);
        let physical = &self.physical;
        let of_owner = |it: &View| physical.get(&it.physical).is_some_and(|it| it.creator == owner);
        let views: Vec<u64> = self.views.iter().filter_map(|(at, it)| of(of_owner(it), at)).collect();
        views.into_iter().for_each(|base| self.end_view(base));
        if let Some(owner) = owner {
            self.registers.retain(|it| it.adapter != owner);
            let adls: Vec<u64> =
                self.adls.iter().filter_map(|(at, it)| of(it.adapter == owner, at)).collect();
            adls.into_iter().for_each(|at| drop(self.end_adl(at)));
            let pages: Vec<u64> =
                self.pages.iter().filter_map(|(at, it)| of(it.adapter == owner, at)).collect();
            pages.into_iter().for_each(|handle| drop(self.end_pages(handle)));
        }
        let mut touched = Vec::new();
        for it in self.adapter_memory.values_mut().filter(|it| Some(it.owner) == owner) {
            it.closed = true;
            touched.push(it.physical);
        }
        for (handle, it) in self.physical.iter_mut().filter(|(_, it)| it.creator == owner) {
            it.destroyed = true;
            touched.push(*handle);
        }
        touched.into_iter().for_each(|physical| self.settle(physical));
    }

    /// The totals that the memory manager must come to.
    pub(crate) fn totals(&self, tables: &BTreeSet<u64>) -> Statistics {
        let mut totals = Statistics::default();
        let counts = &mut totals.pages;
        counts.total = self.frames.len() as u64;
        counts.table = tables.len() as u64;
        for frame in &self.frames {
            match frame {
                Frame::Free => counts.free += 1,
                Frame::Reserved => counts.reserved += 1,
                Frame::Driver | Frame::ReadOnly => counts.driver += 1,
                Frame::Kernel => counts.kernel += 1,
                Frame::Held => counts.held += 1,
            }
        }
        counts.free -= counts.table;
        totals.page_mappings = self.pages.len() as u64;
        totals.physical_objects = self.physical.len() as u64;
        totals.adapter_objects = self.adapter_memory.len() as u64;
        totals.adls = self.adls.len() as u64;
        totals.views = self.views.len() as u64;
        let absent = |it: &Physical| it.pages.iter().filter(|page| **page == ABSENT).count() as u64;
        totals.paged_out = self.physical.values().map(absent).sum();
        totals.register_maps = self.registers.len() as u64;
        let mapped = |logical: &Logical| logical.reach.len() as u64;
        totals.mapped_pages = self.logical.iter().map(mapped).sum();
        let remapped = |adl: &&Adl| self.logical[adl.map.logical].mode == Mode::Remapping;
        totals.mapped_pages += self.guard * self.adls.values().filter(remapped).count() as u64;
        totals
    }
}
