//! A platform that keeps books.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dxgk_abi::callback::{
    ArgCbAllocateAdl, ArgCbAllocatePagesForMdl, ArgCbCreatePhysicalMemoryObject, ContiguousParameters,
    IoSpaceParameters, MdlParameters, MemoryCachingType, PhysicalMemoryParameters, SectionParameters,
};
use dxgk_abi::kernel::PageProtection;
use dxgk_abi::mdl::{Mdl, MdlFlags};
use dxgk_abi::{Handle, Irql, NtStatus};
use dxgk_event::{Event, EventId, EventSink, ListRef, MappingStep, ObjectKind, ObjectStep};
use dxgk_hw::{
    AdlShape, BadAddress, CacheType, CpuVa, DomainOps, DriverMemory, LogicalAddr, MachineMemory, NoRoom,
    NotRam, PAGE_SIZE, PageRun, PageStore, Pfn, PhysAddr, RamRange, RegisterWindow, ViewOwner, total_pages,
};
use dxgk_sysmm::{
    Addressing, CallError, Caller, HeapPageStore, LogicalAdapterId, PageDatabase, Platform, Policy, Resource,
    ResourceKind, SysMm,
};

use crate::domain::BookDomain;

pub(crate) struct Ram {
    ranges: Vec<RamRange>,
    /// The last pattern that each page was filled with.
    pub(crate) filled: Mutex<BTreeMap<u64, u64>>,
    /// What was written to pages since.
    written: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl MachineMemory for Ram {
    fn ranges(&self) -> &[RamRange] {
        &self.ranges
    }

    fn live(&self, _frame: Pfn) -> Option<&[AtomicU64; 512]> {
        None
    }

    fn fill(&self, run: PageRun, pattern: u64) -> Result<(), NotRam> {
        let mut filled = self.filled.lock().expect("unpoisoned");
        filled.extend(pages(&[run]).map(|page| (page, pattern)));
        let mut written = self.written.lock().expect("unpoisoned");
        pages(&[run]).for_each(|page| _ = written.remove(&page));
        Ok(())
    }

    /// Within a page.
    fn read(&self, at: PhysAddr, out: &mut [u8]) -> Result<(), NotRam> {
        let page = self.contents(at).ok_or(NotRam(at))?;
        let start = at.offset() as usize;
        out.copy_from_slice(page.get(start..start + out.len()).ok_or(NotRam(at))?);
        Ok(())
    }

    /// Within a page.
    fn write(&self, at: PhysAddr, bytes: &[u8]) -> Result<(), NotRam> {
        let mut page = self.contents(at).ok_or(NotRam(at))?;
        let start = at.offset() as usize;
        page.get_mut(start..start + bytes.len()).ok_or(NotRam(at))?.copy_from_slice(bytes);
        self.written.lock().expect("unpoisoned").insert(at.page().get(), page);
        Ok(())
    }
}

impl Ram {
    /// The page that the address lies in.
    fn contents(&self, at: PhysAddr) -> Option<Vec<u8>> {
        let inside =
            |range: &&RamRange| at.get().checked_sub(range.start.get()).is_some_and(|it| it < range.bytes);
        self.ranges.iter().find(inside)?;
        let number = at.page().get();
        if let Some(page) = self.written.lock().expect("unpoisoned").get(&number) {
            return Some(page.clone());
        }
        let pattern = self.filled.lock().expect("unpoisoned").get(&number).copied().unwrap_or(0);
        Some(pattern.to_le_bytes().repeat(512))
    }
}

/// An ADL as it was laid out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Laid {
    Contiguous(u64, u32),
    Pages(Vec<u64>),
}

#[derive(Default)]
pub(crate) struct DriverSide {
    next: AtomicU64,
    pub(crate) full: AtomicBool,
    pub(crate) mdls: Mutex<BTreeMap<u64, (Mdl, Vec<u64>)>>,
    pub(crate) adls: Mutex<BTreeMap<u64, Laid>>,
    pub(crate) views: Mutex<BTreeMap<u64, (u64, u64)>>,
    /// How each view and register window was to be made.
    pub(crate) made: Mutex<Vec<(CacheType, ViewOwner)>>,
    /// Blocks of the driver's own memory that can be read.
    pub(crate) blocks: Mutex<BTreeMap<u64, Vec<u8>>>,
    /// The frame under each page of a view of RAM.
    pub(crate) seen: Mutex<BTreeMap<u64, Vec<Option<u64>>>>,
    pub(crate) read_only: Mutex<Vec<u64>>,
    /// No view can be changed.
    pub(crate) rigid: AtomicBool,
}

impl DriverSide {
    fn address(&self, bytes: u64) -> Result<u64, NoRoom> {
        if self.full.load(Ordering::Relaxed) {
            return Err(NoRoom);
        }
        Ok(0x5000_0000_0000
            + self.next.fetch_add(bytes.next_multiple_of(PAGE_SIZE) + PAGE_SIZE, Ordering::Relaxed))
    }

    /// A block of memory that the driver has.
    pub(crate) fn own_block(&self, bytes: &[u8]) -> u64 {
        let at = self.address(bytes.len() as u64).expect("room");
        self.blocks.lock().expect("unpoisoned").insert(at, bytes.to_vec());
        at
    }

    fn change_view(&self, base: CpuVa, offset: u64, frames: Vec<Option<u64>>) {
        let mut seen = self.seen.lock().expect("unpoisoned");
        let view = seen.get_mut(&base.get()).expect("a live view of RAM");
        let first = (offset / PAGE_SIZE) as usize;
        view.splice(first..first + frames.len(), frames).for_each(drop);
    }

    /// The frame under the page of a view that holds an address.
    pub(crate) fn frame_under(&self, base: CpuVa, offset: u64) -> Option<u64> {
        let seen = self.seen.lock().expect("unpoisoned");
        *seen.get(&base.get()).expect("a live view").get((offset / PAGE_SIZE) as usize).expect("inside it")
    }

    /// An MDL that the driver made.
    pub(crate) fn own_mdl(&self, header: Mdl, pages: &[u64]) -> u64 {
        let at = self.address(PAGE_SIZE).expect("room");
        self.mdls.lock().expect("unpoisoned").insert(at, (header, pages.to_vec()));
        at
    }
}

pub(crate) fn mdl_header(pages: u64, flags: MdlFlags) -> Mdl {
    Mdl {
        size: u16::try_from(48 + 8 * pages).unwrap_or(u16::MAX),
        mdl_flags: flags,
        byte_count: (pages * PAGE_SIZE) as u32,
        ..Mdl::default()
    }
}

impl DriverMemory for DriverSide {
    fn mdl_header(&self, mdl: CpuVa) -> Result<Mdl, BadAddress> {
        self.mdls
            .lock()
            .expect("unpoisoned")
            .get(&mdl.get())
            .map(|(header, _)| *header)
            .ok_or(BadAddress(mdl))
    }

    fn mdl_pages(&self, mdl: CpuVa, count: u64, visit: &mut dyn FnMut(Pfn)) -> Result<(), BadAddress> {
        let mdls = self.mdls.lock().expect("unpoisoned");
        let (_, pages) = mdls.get(&mdl.get()).ok_or(BadAddress(mdl))?;
        let part = pages.get(..count as usize).ok_or(BadAddress(mdl))?;
        part.iter().for_each(|page| visit(Pfn::new(*page)));
        Ok(())
    }

    fn read(&self, at: CpuVa, out: &mut [u8]) -> Result<(), BadAddress> {
        let blocks = self.blocks.lock().expect("unpoisoned");
        let (base, block) = blocks.range(..=at.get()).next_back().ok_or(BadAddress(at))?;
        let start = (at.get() - base) as usize;
        let end = start.checked_add(out.len()).ok_or(BadAddress(at))?;
        out.copy_from_slice(block.get(start..end).ok_or(BadAddress(at))?);
        Ok(())
    }

    fn build_mdl(&self, runs: &[PageRun]) -> Result<CpuVa, NoRoom> {
        let at = self.address(PAGE_SIZE)?;
        let header = mdl_header(total_pages(runs), MdlFlags::PAGES_LOCKED);
        self.mdls.lock().expect("unpoisoned").insert(at, (header, pages(runs).collect()));
        Ok(CpuVa::new(at))
    }

    fn release_mdl(&self, mdl: CpuVa) {
        self.mdls.lock().expect("unpoisoned").remove(&mdl.get());
    }

    fn build_adl(&self, shape: AdlShape<'_>) -> Result<CpuVa, NoRoom> {
        let at = self.address(16)?;
        let laid = match shape {
            AdlShape::Contiguous { base, pages } => Laid::Contiguous(base, pages),
            AdlShape::Pages(runs) => Laid::Pages(runs.iter().flat_map(|(at, n)| *at..*at + *n).collect()),
        };
        self.adls.lock().expect("unpoisoned").insert(at, laid);
        Ok(CpuVa::new(at))
    }

    fn release_adl(&self, adl: CpuVa) {
        self.adls.lock().expect("unpoisoned").remove(&adl.get());
    }

    fn map_view(&self, runs: &[PageRun], cache: CacheType, owner: ViewOwner) -> Result<CpuVa, NoRoom> {
        let bytes = total_pages(runs) * PAGE_SIZE;
        let at = self.address(bytes)?;
        self.made.lock().expect("unpoisoned").push((cache, owner));
        let first = runs.first().map_or(0, |run| run.start.get());
        self.views.lock().expect("unpoisoned").insert(at, (bytes, first));
        self.seen.lock().expect("unpoisoned").insert(at, pages(runs).map(Some).collect());
        Ok(CpuVa::new(at))
    }

    fn make_view_read_only(&self, base: CpuVa, _bytes: u64) -> Result<(), NoRoom> {
        self.read_only.lock().expect("unpoisoned").push(base.get());
        Ok(())
    }

    fn take_from_view(&self, base: CpuVa, offset: u64, count: u64) -> Result<(), NoRoom> {
        if self.rigid.load(Ordering::Relaxed) {
            return Err(NoRoom);
        }
        self.change_view(base, offset, vec![None; count as usize]);
        Ok(())
    }

    fn put_into_view(&self, base: CpuVa, offset: u64, runs: &[PageRun]) -> Result<(), NoRoom> {
        self.change_view(base, offset, pages(runs).map(Some).collect());
        Ok(())
    }

    fn unmap_view(&self, base: CpuVa, bytes: u64) {
        self.seen.lock().expect("unpoisoned").remove(&base.get());
        let gone = self.views.lock().expect("unpoisoned").remove(&base.get());
        assert_eq!(gone.map(|(bytes, _)| bytes), Some(bytes), "a view is unmapped as it was mapped");
    }

    fn map_registers(&self, window: RegisterWindow) -> Result<CpuVa, NoRoom> {
        let at = self.address(window.bytes)? + window.base.offset();
        self.made.lock().expect("unpoisoned").push((window.cache, window.owner));
        self.views.lock().expect("unpoisoned").insert(at, (window.bytes, window.base.get()));
        Ok(CpuVa::new(at))
    }

    fn unmap_registers(&self, base: CpuVa, bytes: u64) {
        self.unmap_view(base, bytes);
    }
}

#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) events: Mutex<Vec<Event>>,
    pub(crate) arena: Mutex<Vec<u64>>,
}

impl EventSink for Sink {
    fn emit(&self, event: &Event) -> EventId {
        let mut events = self.events.lock().expect("unpoisoned");
        events.push(*event);
        EventId(events.len() as u64)
    }

    fn list(&self, words: &mut dyn Iterator<Item = u64>) -> ListRef {
        let mut arena = self.arena.lock().expect("unpoisoned");
        let first = arena.len();
        arena.extend(words);
        let digest = dxgk_event::digest(arena.get(first..).unwrap_or_default());
        ListRef { first: first as u32, count: (arena.len() - first) as u32, digest }
    }
}

impl Sink {
    pub(crate) fn steps(&self, object: u64) -> Vec<MappingStep> {
        let events = self.events.lock().expect("unpoisoned");
        let of_object = events.iter().filter_map(|event| match event {
            Event::Mapping(mapping) if mapping.object == object => Some(mapping.step),
            _ => None,
        });
        of_object.collect()
    }

    /// The number of the latest object of the kind.
    pub(crate) fn latest(&self, kind: ObjectKind) -> u64 {
        let events = self.events.lock().expect("unpoisoned");
        let created = events.iter().rev().find_map(|event| match event {
            Event::Object(object) if object.kind == kind && object.step == ObjectStep::Created => {
                Some(object.object)
            }
            _ => None,
        });
        created.expect("an object of the kind")
    }

    /// Objects created and not released.
    pub(crate) fn living(&self) -> Vec<u64> {
        let mut living = Vec::new();
        for event in self.events.lock().expect("unpoisoned").iter() {
            match event {
                Event::Object(object) if object.step == ObjectStep::Created => living.push(object.object),
                Event::Object(object) => {
                    let known = living.iter().position(|it| *it == object.object);
                    living.remove(known.expect("only what was created is released, and once"));
                }
                _ => {}
            }
        }
        living
    }
}

pub(crate) struct Machine {
    pub(crate) ram: Ram,
    pub(crate) driver: DriverSide,
    pub(crate) sink: Sink,
    pub(crate) store: HeapPageStore<parking_lot::RawMutex>,
}

impl Platform for Machine {
    type RawMutex = parking_lot::RawMutex;
    type Memory = Ram;
    type Driver = DriverSide;
    type Sink = Sink;

    fn memory(&self) -> &Ram {
        &self.ram
    }

    fn driver(&self) -> &DriverSide {
        &self.driver
    }

    fn events(&self) -> &Sink {
        &self.sink
    }

    fn page_store(&self) -> Option<&dyn PageStore> {
        Some(&self.store)
    }
}

pub(crate) fn pages(runs: &[PageRun]) -> impl Iterator<Item = u64> {
    runs.iter().flat_map(|run| run.start.get()..run.start.get() + run.pages)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Passthrough,
    Isolation,
    Remapping,
}

pub(crate) const ALL_MODES: [Kind; 3] = [Kind::Passthrough, Kind::Isolation, Kind::Remapping];
pub(crate) const MODES_2_4: [Kind; 2] = [Kind::Passthrough, Kind::Isolation];

/// A machine with one logical adapter of two linked physical ones.
pub(crate) struct Run {
    pub(crate) machine: Arc<Machine>,
    pub(crate) pages: Arc<PageDatabase<Machine>>,
    pub(crate) sysmm: SysMm<Machine>,
    pub(crate) domain: Arc<BookDomain>,
    pub(crate) logical: LogicalAdapterId,
    pub(crate) lead: Handle,
    pub(crate) linked: Handle,
}

pub(crate) const CALLER: Caller = Caller { irql: Irql::PASSIVE_LEVEL, process: 3, node: 0 };
/// What the page store holds of pages that are not all one word.
pub(crate) const STORED_PAGES: u64 = 40;
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const BAR: u64 = 0xfea0_0000;

pub(crate) fn ranges(list: &[(u64, u64, u32)]) -> Vec<RamRange> {
    let range = |(start, bytes, node): &(u64, u64, u32)| RamRange {
        start: PhysAddr::new(*start),
        bytes: *bytes,
        node: *node,
    };
    list.iter().map(range).collect()
}

impl Run {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, Policy::default(), &[(0, 64 * MIB, 0), (1 << 32, 64 * MIB, 1)])
    }

    pub(crate) fn with(kind: Kind, policy: Policy, ram: &[(u64, u64, u32)]) -> Self {
        let machine = Arc::new(Machine {
            ram: Ram { ranges: ranges(ram), filled: Mutex::default(), written: Mutex::default() },
            store: HeapPageStore::new(STORED_PAGES),
            driver: DriverSide::default(),
            sink: Sink::default(),
        });
        let pages = PageDatabase::new(Arc::clone(&machine), &policy);
        let sysmm = SysMm::new(Arc::clone(&machine), Arc::clone(&pages), policy);
        let domain = Arc::new(BookDomain::default());
        domain.pages.set(Arc::downgrade(&pages)).expect("first");
        let logical = sysmm.add_logical_adapter();
        let resources = [
            Resource { kind: ResourceKind::Memory, base: BAR, bytes: MIB },
            Resource { kind: ResourceKind::Port, base: 0xc000, bytes: 0x20 },
        ];
        let lead = sysmm.add_adapter(logical, true, &resources).expect("room").handle;
        let linked = sysmm.add_adapter(logical, false, &[]).expect("room").handle;
        let run = Self { machine, pages, sysmm, domain, logical, lead, linked };
        let addressing = match kind {
            Kind::Passthrough => Addressing::Passthrough,
            Kind::Isolation => run.isolation(),
            Kind::Remapping => Addressing::Remapping {
                domain: Arc::clone(&run.domain) as Arc<dyn DomainOps>,
                highest_visible: LogicalAddr::new((1 << 40) - 1),
            },
        };
        run.sysmm.set_mode(logical, addressing).expect("the mode is possible");
        run
    }

    pub(crate) fn isolation(&self) -> Addressing {
        Addressing::Isolation { domain: Arc::clone(&self.domain) as Arc<dyn DomainOps> }
    }

    /// Everything is free but page 0, and no device reaches anything.
    pub(crate) fn assert_balanced(&self) {
        let totals = self.sysmm.statistics();
        assert_eq!(totals.pages.free + totals.pages.reserved, totals.pages.total, "{totals:?}");
        assert_eq!((totals.mapped_pages, totals.paged_out), (0, 0), "{totals:?}");
        assert_eq!(self.machine.store.kept(), 0, "kept pages of no object");
        assert_eq!(self.domain.reachable(), Vec::<u64>::new());
        assert_eq!(self.machine.sink.living(), Vec::<u64>::new());
        assert!(self.machine.driver.views.lock().expect("unpoisoned").is_empty());
        assert!(self.machine.driver.adls.lock().expect("unpoisoned").is_empty());
    }

    /// The pages of an MDL that was made by the memory manager.
    pub(crate) fn mdl_pages(&self, mdl: CpuVa) -> Vec<u64> {
        let mdls = self.machine.driver.mdls.lock().expect("unpoisoned");
        mdls.get(&mdl.get()).map(|(_, pages)| pages.clone()).expect("the MDL exists")
    }

    pub(crate) fn adl(&self, adl: CpuVa) -> Laid {
        self.machine.driver.adls.lock().expect("unpoisoned").get(&adl.get()).cloned().expect("the ADL exists")
    }
}

/// What a driver sees.
pub(crate) fn status<T>(result: Result<T, CallError>) -> NtStatus {
    match result {
        Ok(_) => NtStatus::SUCCESS,
        Err(CallError::Status(status)) => status,
        Err(CallError::BugCheck { .. }) => panic!("a bug check"),
    }
}

pub(crate) fn pages_args(bytes: u64) -> ArgCbAllocatePagesForMdl {
    ArgCbAllocatePagesForMdl {
        high_address: u64::MAX,
        total_bytes: bytes,
        cache_type: MemoryCachingType::CACHED,
        ..ArgCbAllocatePagesForMdl::default()
    }
}

pub(crate) fn mdl_object(adapter: Handle, bytes: u64) -> ArgCbCreatePhysicalMemoryObject {
    let mut args = ArgCbCreatePhysicalMemoryObject {
        adapter,
        size: bytes,
        cache_type: MemoryCachingType::CACHED,
        ..ArgCbCreatePhysicalMemoryObject::default()
    };
    let mdl = MdlParameters { high_address: u64::MAX, ..MdlParameters::default() };
    args.set_parameters(PhysicalMemoryParameters::Mdl(mdl));
    args
}

pub(crate) fn contiguous_object(adapter: Handle, bytes: u64) -> ArgCbCreatePhysicalMemoryObject {
    let mut args = mdl_object(adapter, bytes);
    let contiguous =
        ContiguousParameters { highest_acceptable_address: u64::MAX, ..ContiguousParameters::default() };
    args.set_parameters(PhysicalMemoryParameters::Contiguous(contiguous));
    args
}

pub(crate) fn adl_args(adapter_memory_object: Handle, offset: u64, size: u64) -> ArgCbAllocateAdl {
    ArgCbAllocateAdl { adapter_memory_object, offset, size, ..ArgCbAllocateAdl::default() }
}

/// A section, cached.
pub(crate) fn section_object(
    adapter: Handle,
    bytes: u64,
    protection: PageProtection,
) -> ArgCbCreatePhysicalMemoryObject {
    let mut args = mdl_object(adapter, bytes);
    let section = SectionParameters { page_protection: protection.0, ..SectionParameters::default() };
    args.set_parameters(PhysicalMemoryParameters::Section(section));
    args
}

/// A range of device memory, uncached.
pub(crate) fn device_object(
    adapter: Handle,
    base_address: u64,
    bytes: u64,
) -> ArgCbCreatePhysicalMemoryObject {
    let mut args = mdl_object(adapter, bytes);
    args.set_parameters(PhysicalMemoryParameters::IoSpace(IoSpaceParameters { base_address }));
    args.cache_type = MemoryCachingType::NON_CACHED;
    args
}
