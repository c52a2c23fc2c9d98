//! Physical memory objects, adapter memory objects, views and ADLs.

use std::collections::{BTreeMap, BTreeSet};

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::callback::{
    AccessMode, AllocateAdlFlags, ArgCbAllocateAdl, ArgCbClosePhysicalMemoryObject,
    ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbMapPhysicalMemory,
    ArgCbOpenPhysicalMemoryObject, ArgCbUnmapPhysicalMemory, ContiguousParameters, IoSpaceParameters,
    MdlParameters, PhysicalMemoryParameters, PhysicalMemoryType, SectionParameters,
};
use dxgk_abi::kernel::PageProtection;
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_sysmm::callbacks::CreatedPhysicalMemory;
use dxgk_sysmm::policy::Strictness;
use dxgk_sysmm::{CallError, Caller};

use crate::reference::{
    AdapterMemory, Adl, BAD_HANDLE, Frame, INVALID, Made, Mapping, Mode, NO_MEMORY, Physical, SHORT, Verdict,
    View, fatal,
};
use crate::request::{Layout, Request};
use crate::rig::{ABSENT, lock};
use crate::world::{BAR, BAR_BYTES, DENIED, KERNEL, Start, Step, World};

const REQUIRE: AllocateAdlFlags = AllocateAdlFlags::REQUIRE_CONTIGUOUS;
const PREFER: AllocateAdlFlags = AllocateAdlFlags::PREFER_CONTIGUOUS;

impl World {
    fn draw_parameters(&mut self) -> (u64, PhysicalMemoryParameters) {
        match self.rng.below(8) {
            0 => return self.draw_device_range(),
            1 | 2 => return self.draw_section(),
            _ => {}
        }
        if self.rng.one_in(2) {
            let ask = self.draw_ask();
            let mdl = MdlParameters {
                low_address: ask.low,
                high_address: ask.high,
                skip_bytes: ask.skip,
                flags: ask.flags,
                ..MdlParameters::default()
            };
            return (ask.bytes, PhysicalMemoryParameters::Mdl(mdl));
        }
        let (low, high) = self.draw_limits();
        let boundary = match self.rng.below(8) {
            0 => self.rng.of(&[0x10_0000, 0x20_0000, 0x4000]),
            1 => self.rng.of(&[1, 0x800, 0x3000, 0x20_0000]),
            2 => 0x20_0000,
            _ => 0,
        };
        let contiguous = ContiguousParameters {
            lowest_acceptable_address: low,
            highest_acceptable_address: high,
            boundary_address_multiple: boundary,
        };
        (self.draw_bytes(), PhysicalMemoryParameters::Contiguous(contiguous))
    }

    /// Mostly inside the registers.
    fn draw_device_range(&mut self) -> (u64, PhysicalMemoryParameters) {
        let first = self.rng.below(BAR_BYTES >> 12);
        let mut base_address = BAR + (first << 12);
        let mut bytes = (1 + self.rng.below((BAR_BYTES >> 12) - first)) << 12;
        match self.rng.below(12) {
            0 => base_address += 0x800,
            1 => bytes = BAR_BYTES + 1,
            2 => base_address = self.rng.of(&[0, BAR - 4096, BAR + BAR_BYTES, !0xfff, 0x1000]),
            3 => bytes = self.rng.of(&[0, u64::MAX, 1]),
            4 => bytes -= 1,
            _ => {}
        }
        (bytes, PhysicalMemoryParameters::IoSpace(IoSpaceParameters { base_address }))
    }

    fn draw_section(&mut self) -> (u64, PhysicalMemoryParameters) {
        let protection = match self.rng.below(10) {
            0..=5 => PageProtection::READWRITE,
            6 => PageProtection::READONLY,
            7 => self.rng.of(&[PageProtection::EXECUTE, PageProtection::WRITECOPY]),
            8 => PageProtection::READONLY,
            _ => PageProtection(self.rng.of(&[0, 1, 6, 0x20, 0x204, u32::MAX])),
        };
        let section = SectionParameters {
            desired_access: self.rng.word() as u32,
            object_attributes: Pointer(self.rng.word()),
            page_protection: protection.0,
            allocation_attributes: self.rng.word() as u32,
            ..SectionParameters::default()
        };
        (self.draw_bytes(), PhysicalMemoryParameters::Section(section))
    }

    /// What a section of this protection and cache type is, if there is one.
    fn section_made(protection: u32, cache: u32) -> Verdict<Made> {
        let writable = match PageProtection(protection) {
            PageProtection::READWRITE => true,
            PageProtection::READONLY | PageProtection::EXECUTE | PageProtection::WRITECOPY => false,
            _ => return Err(INVALID),
        };
        if matches!(cache, 1 | 2) { Ok(Made::Section { writable }) } else { Err(INVALID) }
    }

    /// The pages of a range of registers that may be wrapped for an adapter, or for none.
    fn device_range(&self, adapter: Handle, base: u64, bytes: u64) -> Verdict<Vec<u64>> {
        let pages = bytes.div_ceil(4096);
        let end = pages.checked_mul(4096).and_then(|length| base.checked_add(length)).ok_or(INVALID)?;
        if bytes == 0 || !base.is_multiple_of(4096) {
            return Err(INVALID);
        }
        let logical = self.reference.adapters.get(&adapter.0).map(|it| it.logical);
        let has = |it: &crate::reference::Adapter| {
            !it.stopped && logical.is_none_or(|logical| it.logical == logical)
        };
        let inside = base >= BAR && end <= BAR + BAR_BYTES;
        if inside && self.reference.adapters.values().any(has) {
            Ok((base >> 12..end >> 12).collect())
        } else {
            Err(DENIED)
        }
    }

    fn object_request(bytes: u64, parameters: &PhysicalMemoryParameters, node: u32) -> Verdict<Request> {
        match *parameters {
            PhysicalMemoryParameters::Mdl(mdl) => {
                let (low, high, skip) = (mdl.low_address, mdl.high_address, mdl.skip_bytes);
                crate::request::Ask { low, high, skip, bytes, flags: mdl.flags }.check(node)
            }
            PhysicalMemoryParameters::Contiguous(it) => {
                let (low, high) = (it.lowest_acceptable_address, it.highest_acceptable_address);
                let boundary = it.boundary_address_multiple;
                let sane = boundary == 0 || (boundary.is_power_of_two() && boundary >= 4096);
                if low > high || !sane || bytes == 0 {
                    return Err(INVALID);
                }
                let pages = bytes.div_ceil(4096);
                let layout = Layout::OneRun(boundary / 4096);
                Ok(Request { pages, low, high, skip: 0, layout, zeroed: false, node: None, large: false })
            }
            PhysicalMemoryParameters::Section(_) if bytes == 0 => Err(INVALID),
            PhysicalMemoryParameters::Section(_) => Ok(Request {
                pages: bytes.div_ceil(4096),
                low: 0,
                high: u64::MAX,
                skip: 0,
                layout: Layout::Any,
                zeroed: true,
                node: None,
                large: false,
            }),
            PhysicalMemoryParameters::IoSpace(_) => Err(DENIED),
        }
    }

    pub(crate) fn create_object(&mut self) -> Step {
        let adapter = if self.rng.one_in(6) { Handle::NULL } else { self.draw_adapter() };
        let (size, parameters) = self.draw_parameters();
        let caller = Caller { node: self.rng.below(2) as u32, ..KERNEL };
        let mut args = ArgCbCreatePhysicalMemoryObject {
            adapter,
            size,
            cache_type: self.draw_cache(),
            ..ArgCbCreatePhysicalMemoryObject::default()
        };
        args.set_parameters(parameters);
        let unknown = self.rng.one_in(60);
        if unknown {
            args.kind = PhysicalMemoryType(9);
        }
        if let PhysicalMemoryParameters::IoSpace(range) = parameters
            && !unknown
        {
            return self.create_device_range(&args, range.base_address);
        }
        let tables = self.tables();
        let strict = self.setup.policy.strictness == Strictness::Windows;
        let decide = || {
            if !adapter.is_null() {
                self.reference.place(adapter.0)?;
            }
            let request = match unknown {
                false if matches!(parameters, PhysicalMemoryParameters::Section(_)) => {
                    let section = args.section();
                    Self::section_made(section.page_protection, args.cache_type.0)?;
                    Self::object_request(size, &parameters, caller.node)?
                }
                false => Self::object_request(size, &parameters, caller.node)?,
                true if strict => return Err(fatal(SysMmFatalError::INVALID_PHYSICAL_OBJECT_TYPE)),
                true => return Err(INVALID),
            };
            if args.cache_type.0 > 2 {
                return Err(INVALID);
            }
            if request.fits(&self.reference, &tables) { Ok(request) } else { Err(NO_MEMORY) }
        };
        let wanted: Verdict<Request> = decide();
        let before: BTreeSet<u64> = self.tables();
        let got = self.bench.sysmm.create_physical_memory_object(&caller, &args);
        let wanted = match wanted {
            Ok(request) if request.large && got.as_ref().err() == Some(&NO_MEMORY) => Err(NO_MEMORY),
            wanted => wanted,
        };
        let what = format!("CreatePhysicalMemoryObject({adapter:?}, {size:#x}, {parameters:x?})");
        self.agree(what, &wanted, &got)?;
        let (Ok(request), Ok(made)) = (wanted, got) else { return Ok(()) };
        let handle = made.physical_memory_object.0;
        self.fresh_handle(handle)?;
        let pages = self.look_into(handle, 0, request.pages)?;
        if let Some(objection) = request.objection(&pages, &self.reference, &before) {
            return Err(objection);
        }
        let made_of = match parameters {
            PhysicalMemoryParameters::Section(section) => {
                Self::section_made(section.page_protection, args.cache_type.0).expect("agreed")
            }
            _ => Made::Ram { one_run: matches!(parameters, PhysicalMemoryParameters::Contiguous(_)) },
        };
        let state =
            if made_of == (Made::Section { writable: false }) { Frame::ReadOnly } else { Frame::Driver };
        self.take_over(&pages, request.zeroed, state)?;
        self.enter_object(adapter, made, pages, made_of)
    }

    fn create_device_range(&mut self, args: &ArgCbCreatePhysicalMemoryObject, base: u64) -> Step {
        let decide = || {
            if !args.adapter.is_null() {
                self.reference.place(args.adapter.0)?;
            }
            let pages = self.device_range(args.adapter, base, args.size)?;
            if args.cache_type.0 > 2 { Err(INVALID) } else { Ok(pages) }
        };
        let wanted: Verdict<Vec<u64>> = decide();
        let got = self.bench.sysmm.create_physical_memory_object(&KERNEL, args);
        let what = format!(
            "CreatePhysicalMemoryObject({:?}, registers at {base:#x}, {:#x})",
            args.adapter, args.size
        );
        self.agree(what, &wanted, &got)?;
        let (Ok(pages), Ok(made)) = (wanted, got) else { return Ok(()) };
        self.fresh_handle(made.physical_memory_object.0)?;
        self.enter_object(args.adapter, made, pages, Made::Device)
    }

    fn enter_object(
        &mut self,
        adapter: Handle,
        made: CreatedPhysicalMemory,
        pages: Vec<u64>,
        made_of: Made,
    ) -> Step {
        let handle = made.physical_memory_object.0;
        let creator = (!adapter.is_null()).then_some(adapter.0);
        let mut object = Physical {
            creator,
            pages,
            kept: BTreeMap::new(),
            made: made_of,
            opened: None,
            adls: 0,
            views: 0,
            destroyed: false,
        };
        if made.adapter_memory_object.is_null() != adapter.is_null() {
            return Err("opened without an adapter, or not opened with one".into());
        }
        if !adapter.is_null() {
            let opened = made.adapter_memory_object.0;
            self.fresh_handle(opened)?;
            object.opened = Some(opened);
            let opener = AdapterMemory { physical: handle, owner: adapter.0, adls: 0, closed: false };
            self.reference.adapter_memory.insert(opened, opener);
        }
        self.reference.physical.insert(handle, object);
        Ok(())
    }

    /// Frames of an object, seen through a view of them.
    pub(crate) fn look_into(&self, handle: u64, first: u64, pages: u64) -> Result<Vec<u64>, String> {
        use std::sync::atomic::Ordering;
        let full = self.bench.stage.desk.full.swap(false, Ordering::Relaxed);
        let args = ArgCbMapPhysicalMemory {
            physical_memory_object: Handle(handle),
            offset: first << 12,
            size: pages << 12,
            ..ArgCbMapPhysicalMemory::default()
        };
        let view =
            self.bench.sysmm.map_physical_memory(&KERNEL, &args).map_err(|it| format!("view: {it}"))?;
        let base = view.mapped_address.get();
        let list = lock(&self.bench.stage.desk.views).get(&base).map(|(_, frames)| frames.clone());
        let args = ArgCbUnmapPhysicalMemory {
            physical_memory_object: Handle(handle),
            base_address: Pointer(base),
            size: pages << 12,
        };
        self.bench.sysmm.unmap_physical_memory(&KERNEL, &args).map_err(|it| format!("unview: {it}"))?;
        self.bench.stage.desk.full.store(full, Ordering::Relaxed);
        list.ok_or_else(|| "the view does not exist".into())
    }

    pub(crate) fn open_object(&mut self) -> Step {
        let adapter = self.draw_adapter();
        let all: Vec<u64> = self.reference.physical.keys().copied().collect();
        let closed: Vec<u64> =
            self.reference.physical.iter().filter(|(_, it)| it.opened.is_none()).map(|(at, _)| *at).collect();
        let physical = if self.rng.one_in(3) { self.draw_handle(&all) } else { self.draw_handle(&closed) };
        let decide = || {
            self.reference.place(adapter.0)?;
            match self.reference.live_physical(physical)?.opened {
                Some(_) => Err(CallError::Status(NtStatus::ALREADY_REGISTERED)),
                None => Ok(()),
            }
        };
        let wanted: Verdict<()> = decide();
        let args = ArgCbOpenPhysicalMemoryObject {
            physical_memory_object: Handle(physical),
            adapter,
            adapter_memory_object: Handle::NULL,
        };
        let got = self.bench.sysmm.open_physical_memory_object(&KERNEL, &args);
        self.agree(format!("OpenPhysicalMemoryObject({physical:#x}, {adapter:?})"), &wanted, &got)?;
        if let (Ok(()), Ok(opened)) = (wanted, got) {
            self.fresh_handle(opened.0)?;
            let opener = AdapterMemory { physical, owner: adapter.0, adls: 0, closed: false };
            self.reference.adapter_memory.insert(opened.0, opener);
            self.reference.physical.get_mut(&physical).expect("live").opened = Some(opened.0);
        }
        Ok(())
    }

    pub(crate) fn close_object(&mut self, handle: u64) -> Step {
        let decide = || {
            let opened = self.reference.live_adapter_memory(handle)?;
            self.reference.ready(opened.owner)?;
            Ok((opened.physical, opened.adls != 0))
        };
        let wanted: Verdict<(u64, bool)> = decide();
        let outcome =
            wanted.and_then(
                |(_, busy)| {
                    if busy { Err(fatal(SysMmFatalError::UNLOCKED_WITH_LIVE_ADLS)) } else { Ok(()) }
                },
            );
        let args = ArgCbClosePhysicalMemoryObject { adapter_memory_object: Handle(handle) };
        let got = self.bench.sysmm.close_physical_memory_object(&KERNEL, &args);
        self.agree(format!("ClosePhysicalMemoryObject({handle:#x})"), &outcome, &got)?;
        if let Ok((physical, busy)) = wanted
            && !(busy && self.setup.policy.strictness == Strictness::Windows)
        {
            self.reference.adapter_memory.get_mut(&handle).expect("live").closed = true;
            self.reference.settle(physical);
        }
        Ok(())
    }

    pub(crate) fn destroy_object(&mut self, physical: u64, passed: u64) -> Step {
        let decide = || {
            let object = self.reference.live_physical(physical)?;
            if passed != 0 && self.reference.live_adapter_memory(passed)?.physical != physical {
                return Err(BAD_HANDLE);
            }
            self.reference.object_ready(physical)?;
            let open = object.opened.is_some_and(|it| self.reference.live_adapter_memory(it).is_ok());
            Ok(if object.adls != 0 {
                Some(fatal(SysMmFatalError::UNLOCKED_WITH_LIVE_ADLS))
            } else if open && passed == 0 {
                Some(fatal(SysMmFatalError::ADAPTER_OBJECTS_LEAKED))
            } else {
                None
            })
        };
        let wanted: Verdict<Option<CallError>> = decide();
        let outcome = wanted.and_then(|violation| violation.map_or(Ok(()), Err));
        let args = ArgCbDestroyPhysicalMemoryObject {
            physical_memory_object: Handle(physical),
            adapter_memory_object: Handle(passed),
        };
        let got = self.bench.sysmm.destroy_physical_memory_object(&KERNEL, &args);
        self.agree(format!("DestroyPhysicalMemoryObject({physical:#x}, {passed:#x})"), &outcome, &got)?;
        if let Ok(violation) = wanted
            && (violation.is_none() || self.setup.policy.strictness == Strictness::Report)
        {
            if let Some(opened) = self.reference.adapter_memory.get_mut(&passed) {
                opened.closed = true;
            }
            self.reference.physical.get_mut(&physical).expect("live").destroyed = true;
            self.reference.settle(physical);
        }
        Ok(())
    }

    pub(crate) fn destroy_some_object(&mut self) -> Step {
        let idle = self.rng.one_in(2);
        let all = self.reference.physical.iter().filter(|(_, it)| !idle || it.adls == 0);
        let all: Vec<u64> = all.map(|(at, _)| *at).collect();
        let physical = self.draw_handle(&all);
        let opened = self.reference.physical.get(&physical).and_then(|it| it.opened).unwrap_or(0);
        let passed = match self.rng.below(10) {
            0 => 0,
            1 => self.draw_handle(&[]),
            _ => opened,
        };
        self.destroy_object(physical, passed)
    }

    pub(crate) fn map_view(&mut self) -> Step {
        let all: Vec<u64> = self.reference.physical.keys().copied().collect();
        let handle = self.draw_handle(&all);
        let pages = self.reference.physical.get(&handle).map_or(1, |it| it.pages.len() as u64);
        let offset = self.rng.below(pages << 12);
        let mut args = ArgCbMapPhysicalMemory {
            physical_memory_object: Handle(handle),
            offset,
            size: 1 + self.rng.below((pages << 12) - offset),
            ..ArgCbMapPhysicalMemory::default()
        };
        match self.rng.below(20) {
            0 => args.size = 0,
            1 => args.size = self.rng.of(&[(pages << 12) + 1 - offset, u64::MAX]),
            2..=5 => args.access_mode = AccessMode::USER_MODE,
            6 => args.access_mode = AccessMode(7),
            _ => {}
        }
        let caller = Caller { process: self.rng.below(3) as u32, ..KERNEL };
        let user = args.access_mode == AccessMode::USER_MODE;
        let decide = || {
            let object = self.reference.live_physical(handle)?;
            self.reference.object_ready(handle)?;
            match args.access_mode.0 {
                1 if object.made == Made::Device => return Err(INVALID),
                0 | 1 => {}
                _ => return Err(INVALID),
            }
            let end = args.offset.checked_add(args.size).filter(|_| args.size != 0).ok_or(INVALID)?;
            let (first, last) = (args.offset >> 12, end.div_ceil(4096));
            let part = object.pages.get(first as usize..last as usize).ok_or(INVALID)?;
            Ok((part.to_vec(), args.offset & 0xfff))
        };
        let wanted: Verdict<(Vec<u64>, u64)> = decide();
        let first = args.offset >> 12;
        let brought = wanted.as_ref().map_or(0, |(part, _)| self.absent(part));
        if brought > self.free_frames() {
            // Some would come back and some not.
            return Ok(());
        }
        let count = wanted.as_ref().map_or(0, |(part, _)| part.len() as u64);
        let got = self.bench.sysmm.map_physical_memory(&caller, &args);
        if brought != 0 {
            self.learn(handle, first, count)?;
        }
        let wanted = self.limited(wanted, 0, true)?;
        self.agree(format!("MapPhysicalMemory({args:x?})"), &wanted, &got)?;
        let (Ok((part, offset)), Ok(view)) = (wanted, got) else { return Ok(()) };
        let (base, bytes) = (view.mapped_address.get(), (part.len() as u64) << 12);
        let shown = lock(&self.bench.stage.desk.views).get(&base).cloned();
        let object = self.reference.live_physical(handle).expect("live");
        let made = object.made;
        let part = match made {
            Made::Device => Vec::new(),
            _ => object.pages[first as usize..first as usize + part.len()].to_vec(),
        };
        let read_only = lock(&self.bench.stage.desk.read_only).contains(&base);
        if read_only != (user && made == Made::Section { writable: false }) {
            return Err(format!("view {view:x?} is read-only: {read_only}"));
        }
        if shown != Some((bytes, part)) || view.offset != offset || view.size != bytes {
            return Err(format!("view {view:x?} shows {shown:x?}"));
        }
        self.fresh_handle(base)?;
        let process = user.then_some(caller.process);
        self.reference.views.insert(base, View { physical: handle, bytes, first, process });
        self.reference.physical.get_mut(&handle).expect("live").views += 1;
        Ok(())
    }

    pub(crate) fn unmap_view(&mut self, process: u32, physical: u64, base: u64, size: u64) -> Step {
        let decide = || {
            self.reference.object_ready(physical)?;
            let same = |it: &&View| {
                it.physical == physical && it.bytes == size && it.process.is_none_or(|owner| owner == process)
            };
            self.reference.views.get(&base).filter(same).map(|_| ()).ok_or(INVALID)
        };
        let wanted: Verdict<()> = decide();
        let args = ArgCbUnmapPhysicalMemory {
            physical_memory_object: Handle(physical),
            base_address: Pointer(base),
            size,
        };
        let caller = Caller { process, ..KERNEL };
        let got = self.bench.sysmm.unmap_physical_memory(&caller, &args);
        self.agree(format!("UnmapPhysicalMemory({physical:#x}, {base:#x}, {size:#x})"), &wanted, &got)?;
        if wanted.is_ok() {
            self.reference.end_view(base);
        }
        Ok(())
    }

    pub(crate) fn unmap_some_view(&mut self) -> Step {
        let live: Vec<u64> = self.reference.views.keys().copied().collect();
        let base = self.draw_handle(&live);
        let (mut physical, mut size) =
            self.reference.views.get(&base).map_or((0, 4096), |it| (it.physical, it.bytes));
        let mut process = self.reference.views.get(&base).and_then(|it| it.process).unwrap_or(0);
        if self.rng.one_in(8) {
            process = self.rng.below(4) as u32;
        }
        match self.rng.below(12) {
            0 => physical = self.draw_handle(&[]),
            1 => size += self.rng.of(&[1, 4096]),
            _ => {}
        }
        self.unmap_view(process, physical, base, size)
    }

    pub(crate) fn allocate_adl(&mut self) -> Step {
        let opened: Vec<u64> = self.reference.adapter_memory.keys().copied().collect();
        let handle = self.draw_handle(&opened);
        let physical = self.reference.adapter_memory.get(&handle).map_or(0, |it| it.physical);
        let pages = self.reference.physical.get(&physical).map_or(1, |it| it.pages.len() as u64);
        let whole = self.rng.one_in(2);
        let first = if whole { 0 } else { self.rng.below(pages) };
        let count = if whole { pages } else { 1 + self.rng.below(pages - first) };
        let mut args = ArgCbAllocateAdl {
            adapter_memory_object: Handle(handle),
            offset: first << 12,
            size: count << 12,
            flags: self.rng.of(&[
                AllocateAdlFlags::empty(),
                PREFER,
                REQUIRE,
                PREFER,
                AllocateAdlFlags::empty(),
            ]),
            ..ArgCbAllocateAdl::default()
        };
        match self.rng.below(24) {
            0 => args.size = 0,
            1 => args.size += 4096 * (pages + 1 - first - count),
            2 => args.offset += 1,
            3 => args.size -= 1,
            4 => args.offset = !0xfff,
            5 => args.flags |= AllocateAdlFlags(self.rng.of(&[4, 0x8000_0000])),
            _ => {}
        }
        if count > 64 && self.rng.one_in(3) {
            // The tables of a large list run out in its midst.
            *lock(&self.bench.frames.left) = Some(self.rng.below(3));
        }
        let asked = self.adl_expected(&args);
        let part = asked.as_ref().map_or(&[][..], |(.., frames)| frames.as_slice());
        let (brought, length) = (self.absent(part), part.len() as u64);
        if brought > self.free_frames() {
            // Some would come back and some not.
            return Ok(());
        }
        // Pages come back before it is known whether there is room for them in the device's addresses.
        let required = args.flags.contains(REQUIRE);
        let wanted =
            asked.and_then(
                |asked| {
                    if self.logical_room(asked.2, length, required) { Ok(asked) } else { Err(SHORT) }
                },
            );
        let got = self.bench.sysmm.allocate_adl(&KERNEL, &args);
        if brought != 0 {
            self.learn(physical, args.offset >> 12, length)?;
        }
        let wanted = self.limited(wanted, brought, true)?;
        self.agree(format!("AllocateAdl({args:x?})"), &wanted, &got)?;
        let (Ok((physical, owner, logical, frames)), Ok(made)) = (wanted, got) else { return Ok(()) };
        let object = self.reference.live_physical(physical).expect("live");
        let first = (args.offset >> 12) as usize;
        let frames = if frames.contains(&ABSENT) {
            object.pages[first..first + frames.len()].to_vec()
        } else {
            frames
        };
        let writable = object.made != Made::Section { writable: false };
        let at = made.adl.get();
        let laid = lock(&self.bench.stage.desk.adls).get(&at).cloned().ok_or("the ADL does not exist")?;
        self.fresh_handle(at)?;
        let one_run = laid.pages.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let contiguous = one_run && args.flags.intersects(REQUIRE | PREFER);
        if laid.contiguous != made.contiguous || made.contiguous != contiguous {
            return Err(format!("{made:x?} was laid out as {laid:x?}"));
        }
        self.check_device_pages(logical, &laid.pages, &frames)?;
        let map = Mapping { logical, frames, device: laid.pages, writable };
        self.reference.map(&map);
        let adl = Adl { adapter_memory: handle, physical, adapter: owner, map: map.clone() };
        self.reference.adls.insert(at, adl);
        self.reference.adapter_memory.get_mut(&handle).expect("live").adls += 1;
        self.reference.physical.get_mut(&physical).expect("live").adls += 1;
        self.probe(&map)
    }

    fn adl_expected(&self, args: &ArgCbAllocateAdl) -> Verdict<(u64, u64, usize, Vec<u64>)> {
        let opened = self.reference.live_adapter_memory(args.adapter_memory_object.0)?;
        self.reference.ready(opened.owner)?;
        let logical = self.reference.place(opened.owner)?;
        let object = self.reference.live_physical(opened.physical)?;
        let end = args.offset.checked_add(args.size).ok_or(INVALID)?;
        let required = args.flags.contains(REQUIRE);
        let whole = args.size != 0 && (args.offset | args.size).is_multiple_of(4096);
        if !whole
            || args.flags.bits() & !3 != 0
            || (required && !matches!(object.made, Made::Device | Made::Ram { one_run: true }))
        {
            return Err(INVALID);
        }
        let part = object.pages.get((args.offset >> 12) as usize..(end >> 12) as usize).ok_or(INVALID)?;
        Ok((opened.physical, opened.owner, logical, part.to_vec()))
    }

    /// Whether there are so many logical pages left, in one run if need be. Where there are guard pages there is always
    /// room in these tests.
    fn logical_room(&self, logical: usize, count: u64, one_run: bool) -> bool {
        let Start::Remapping(limit) = self.setup.starts[logical.min(1)] else { return true };
        let space = &self.reference.logical[logical];
        if space.mode != Mode::Remapping || self.reference.guard != 0 {
            return true;
        }
        let (mut free, mut longest, mut run) = (0, 0, 0);
        for page in 1..(limit + 1) >> 12 {
            run = if space.reach.contains_key(&page) { 0 } else { run + 1 };
            free += u64::from(run != 0);
            longest = longest.max(run);
        }
        if one_run { longest >= count } else { free >= count }
    }

    /// The numbers that the device was given: its own in remapping, and nobody else's; else those of the frames.
    fn check_device_pages(&self, logical: usize, device: &[u64], frames: &[u64]) -> Step {
        let space = &self.reference.logical[logical];
        if space.mode != Mode::Remapping {
            let same = device == frames;
            return if same { Ok(()) } else { Err(format!("ADL has {device:x?}, not {frames:x?}")) };
        }
        let Start::Remapping(limit) = self.setup.starts[logical.min(1)] else {
            return Err("not to be remapped".into());
        };
        let mut seen = BTreeSet::new();
        let sane = |page: &u64| *page != 0 && *page <= limit >> 12 && !space.reach.contains_key(page);
        let fits = device.len() == frames.len() && device.iter().all(|page| sane(page) && seen.insert(*page));
        if fits { Ok(()) } else { Err(format!("ADL of {frames:x?} has logical pages {device:x?}")) }
    }

    pub(crate) fn free_adl(&mut self, adapter_memory: u64, at: u64) -> Step {
        let decide = || {
            let opened = self.reference.adapter_memory.get(&adapter_memory).ok_or(BAD_HANDLE)?;
            self.reference.ready(opened.owner)?;
            let same = |it: &&Adl| it.adapter_memory == adapter_memory;
            self.reference.adls.get(&at).filter(same).map(|_| ()).ok_or(INVALID)
        };
        let wanted: Verdict<()> = decide();
        let args = ArgCbFreeAdl { adapter_memory_object: Handle(adapter_memory), adl: Pointer(at) };
        let got = self.bench.sysmm.free_adl(&KERNEL, &args);
        self.agree(format!("FreeAdl({adapter_memory:#x}, {at:#x})"), &wanted, &got)?;
        if wanted.is_err() {
            return Ok(());
        }
        let gone = self.reference.end_adl(at);
        self.probe(&gone)
    }

    pub(crate) fn free_some_adl(&mut self) -> Step {
        let live: Vec<u64> = self.reference.adls.keys().copied().collect();
        let at = self.draw_handle(&live);
        let owner = self.reference.adls.get(&at).map(|it| it.adapter_memory);
        let adapter_memory = match owner {
            Some(owner) if !self.rng.one_in(10) => owner,
            _ => {
                let opened: Vec<u64> = self.reference.adapter_memory.keys().copied().collect();
                self.draw_handle(&opened)
            }
        };
        self.free_adl(adapter_memory, at)
    }
}
