//! Physical memory objects and adapter memory objects.

use std::collections::{BTreeMap, BTreeSet};

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::callback::{
    ArgCbClosePhysicalMemoryObject, ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject,
    ArgCbMapPhysicalMemory, ArgCbOpenPhysicalMemoryObject, ArgCbUnmapPhysicalMemory, ContiguousParameters,
    IoSpaceParameters, MdlParameters, PhysicalMemoryParameters, PhysicalMemoryType, SectionParameters,
};
use dxgk_abi::kernel::PageProtection;
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_sysmm::callbacks::CreatedPhysicalMemory;
use dxgk_sysmm::policy::Strictness;
use dxgk_sysmm::{CallError, Caller};

use crate::reference::{
    AdapterMemory, BAD_HANDLE, Frame, INVALID, Made, NO_MEMORY, Physical, Verdict, fatal,
};
use crate::request::{Layout, Request};
use crate::rig::lock;
use crate::world::{BAR, BAR_BYTES, DENIED, KERNEL, Step, World};

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
}
