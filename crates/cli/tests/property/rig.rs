//! The memory manager, the IOMMU driver and the model's machine put together, with a driver's side that keeps books.
//!
//! Whatever is found wrong outside the test's own thread of thought (a view unmapped in another way than it was mapped,
//! a table page handed out twice) goes into a list of complaints, which the tests look at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use dxgk_abi::mdl::{Mdl, MdlFlags};
use dxgk_event::EventSink;
use dxgk_hw::{
    AdlShape, BadAddress, CacheType, CpuVa, DriverMemory, FrameSource, IommuUnit, MachineMemory, NoRoom,
    PAGE_SIZE, PageRun, PageStore, Pfn, RegisterWindow, ViewOwner, total_pages,
};
use dxgk_iommu::amdvi::AmdviUnit;
use dxgk_iommu::smmu::SmmuUnit;
use dxgk_iommu::vtd::{Mode, VtdUnit};
use dxgk_iopt::{AmdV1, Granule, SmmuStage1};
use dxgk_model::{Machine, UnitConfig};
use dxgk_shm::Ram;
use dxgk_sysmm::{HeapPageStore, PageDatabase, Platform, Policy, SysMm};

/// A lock that a failed test elsewhere cannot poison for us.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn pages_of(runs: &[PageRun]) -> Vec<u64> {
    runs.iter().flat_map(|run| run.start.get()..run.start.get() + run.pages).collect()
}

/// An ADL as it was laid out: its page numbers, and whether it has the contiguous form.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct LaidOut {
    pub(crate) pages: Vec<u64>,
    pub(crate) contiguous: bool,
}

/// What stands for the frame of a view's page that has none.
pub(crate) const ABSENT: u64 = u64::MAX;

/// The driver's address space, as books.
#[derive(Default)]
pub(crate) struct Desk {
    next: AtomicU64,
    /// There is no room for anything new.
    pub(crate) full: AtomicBool,
    pub(crate) mdls: Mutex<BTreeMap<u64, (Mdl, Vec<u64>)>>,
    pub(crate) adls: Mutex<BTreeMap<u64, LaidOut>>,
    /// Bytes and frames (none for registers), by base.
    pub(crate) views: Mutex<BTreeMap<u64, (u64, Vec<u64>)>>,
    pub(crate) read_only: Mutex<BTreeSet<u64>>,
    pub(crate) complaints: Mutex<Vec<String>>,
}

impl Desk {
    /// Addresses are not used again, so that what is stale stays so.
    fn address(&self, bytes: u64) -> Result<u64, NoRoom> {
        if self.full.load(Ordering::Relaxed) {
            return Err(NoRoom);
        }
        let step = bytes.next_multiple_of(PAGE_SIZE) + PAGE_SIZE;
        Ok(0x5000_0000_0000 + self.next.fetch_add(step, Ordering::Relaxed))
    }

    fn change_view(&self, base: CpuVa, offset: u64, frames: &[u64]) {
        let first = (offset / PAGE_SIZE) as usize;
        let mut views = lock(&self.views);
        let part =
            views.get_mut(&base.get()).and_then(|(_, pages)| pages.get_mut(first..first + frames.len()));
        match part {
            Some(part) => part.copy_from_slice(frames),
            None => lock(&self.complaints).push(format!("view {base} has no page at {offset:#x}")),
        }
    }

    fn end_view(&self, base: CpuVa, bytes: u64) {
        lock(&self.read_only).remove(&base.get());
        let gone = lock(&self.views).remove(&base.get());
        if gone.as_ref().map(|(bytes, _)| *bytes) != Some(bytes) {
            lock(&self.complaints)
                .push(format!("view {base} of {bytes:#x} bytes is unmapped; mapped was {gone:?}"));
        }
    }
}

impl DriverMemory for Desk {
    fn mdl_header(&self, mdl: CpuVa) -> Result<Mdl, BadAddress> {
        lock(&self.mdls).get(&mdl.get()).map(|(header, _)| *header).ok_or(BadAddress(mdl))
    }

    fn mdl_pages(&self, mdl: CpuVa, count: u64, visit: &mut dyn FnMut(Pfn)) -> Result<(), BadAddress> {
        let mdls = lock(&self.mdls);
        let (_, pages) = mdls.get(&mdl.get()).ok_or(BadAddress(mdl))?;
        let part = pages.get(..count as usize).ok_or(BadAddress(mdl))?;
        part.iter().for_each(|page| visit(Pfn::new(*page)));
        Ok(())
    }

    fn build_mdl(&self, runs: &[PageRun]) -> Result<CpuVa, NoRoom> {
        let at = self.address(PAGE_SIZE)?;
        let pages = pages_of(runs);
        let header = Mdl {
            size: u16::try_from(48 + 8 * pages.len()).unwrap_or(u16::MAX),
            mdl_flags: MdlFlags::PAGES_LOCKED,
            byte_count: (pages.len() as u64 * PAGE_SIZE) as u32,
            ..Mdl::default()
        };
        lock(&self.mdls).insert(at, (header, pages));
        Ok(CpuVa::new(at))
    }

    fn release_mdl(&self, mdl: CpuVa) {
        lock(&self.mdls).remove(&mdl.get());
    }

    fn build_adl(&self, shape: AdlShape<'_>) -> Result<CpuVa, NoRoom> {
        let at = self.address(16)?;
        let laid = match shape {
            AdlShape::Contiguous { base, pages } => {
                LaidOut { pages: (base..base + u64::from(pages)).collect(), contiguous: true }
            }
            AdlShape::Pages(runs) => {
                let pages = runs.iter().flat_map(|(at, count)| *at..*at + *count).collect();
                LaidOut { pages, contiguous: false }
            }
        };
        lock(&self.adls).insert(at, laid);
        Ok(CpuVa::new(at))
    }

    fn release_adl(&self, adl: CpuVa) {
        if lock(&self.adls).remove(&adl.get()).is_none() {
            lock(&self.complaints).push(format!("ADL {adl} is released, but there is none"));
        }
    }

    fn map_view(&self, runs: &[PageRun], _cache: CacheType, _owner: ViewOwner) -> Result<CpuVa, NoRoom> {
        let bytes = total_pages(runs) * PAGE_SIZE;
        let at = self.address(bytes)?;
        lock(&self.views).insert(at, (bytes, pages_of(runs)));
        Ok(CpuVa::new(at))
    }

    fn make_view_read_only(&self, base: CpuVa, _bytes: u64) -> Result<(), NoRoom> {
        lock(&self.read_only).insert(base.get());
        Ok(())
    }

    fn take_from_view(&self, base: CpuVa, offset: u64, pages: u64) -> Result<(), NoRoom> {
        self.change_view(base, offset, &vec![ABSENT; pages as usize]);
        Ok(())
    }

    fn put_into_view(&self, base: CpuVa, offset: u64, runs: &[PageRun]) -> Result<(), NoRoom> {
        self.change_view(base, offset, &pages_of(runs));
        Ok(())
    }

    fn unmap_view(&self, base: CpuVa, bytes: u64) {
        self.end_view(base, bytes);
    }

    fn map_registers(&self, window: RegisterWindow) -> Result<CpuVa, NoRoom> {
        let at = self.address(window.bytes + PAGE_SIZE)? + window.base.offset();
        lock(&self.views).insert(at, (window.bytes, Vec::new()));
        Ok(CpuVa::new(at))
    }

    fn unmap_registers(&self, base: CpuVa, bytes: u64) {
        self.end_view(base, bytes);
    }
}

/// The platform.
pub(crate) struct Stage<S> {
    pub(crate) ram: Arc<Ram>,
    pub(crate) desk: Desk,
    pub(crate) sink: Arc<S>,
    pub(crate) store: HeapPageStore<parking_lot::RawMutex>,
}

impl<S: EventSink + 'static> Platform for Stage<S> {
    type RawMutex = parking_lot::RawMutex;
    type Memory = Ram;
    type Driver = Desk;
    type Sink = S;

    fn memory(&self) -> &Ram {
        &self.ram
    }

    fn driver(&self) -> &Desk {
        &self.desk
    }

    fn events(&self) -> &S {
        &self.sink
    }

    fn page_store(&self) -> Option<&dyn PageStore> {
        Some(&self.store)
    }
}

/// Where the IOMMU driver takes its tables: the page database, watched, and made to refuse at will.
pub(crate) struct Frames<S: EventSink + 'static> {
    pages: Arc<PageDatabase<Stage<S>>>,
    stage: Arc<Stage<S>>,
    pub(crate) taken: Mutex<BTreeSet<u64>>,
    /// So many more frames are given, then none.
    pub(crate) left: Mutex<Option<u64>>,
    /// Frames held by tables, each time that the page database itself had none.
    pub(crate) dry: Mutex<Vec<usize>>,
    pub(crate) refusals: AtomicU64,
}

impl<S: EventSink + 'static> FrameSource for Frames<S> {
    fn take_frame(&self) -> Option<Pfn> {
        if let Some(left) = &mut *lock(&self.left) {
            let Some(fewer) = left.checked_sub(1) else {
                self.refusals.fetch_add(1, Ordering::Relaxed);
                return None;
            };
            *left = fewer;
        }
        let mut taken = lock(&self.taken);
        let Some(frame) = self.pages.take_frame() else {
            self.refusals.fetch_add(1, Ordering::Relaxed);
            lock(&self.dry).push(taken.len());
            return None;
        };
        let words = self.stage.ram.live(frame);
        if words.is_none_or(|words| words.iter().any(|word| word.load(Ordering::Relaxed) != 0)) {
            lock(&self.stage.desk.complaints).push(format!("table frame {frame} is not zeroed"));
        }
        if !taken.insert(frame.get()) {
            lock(&self.stage.desk.complaints).push(format!("table frame {frame} is given out twice"));
        }
        Some(frame)
    }

    fn take_run(&self, frames: u64) -> Option<Pfn> {
        if frames == 1 {
            return self.take_frame();
        }
        let first = self.pages.take_run(frames)?;
        lock(&self.taken).extend(first.get()..first.get() + frames);
        Some(first)
    }

    fn give_frame(&self, frame: Pfn) {
        if !lock(&self.taken).remove(&frame.get()) {
            lock(&self.stage.desk.complaints).push(format!("table frame {frame} was not taken"));
        }
        self.pages.give_frame(frame);
    }
}

/// As the command has it.
const AMDVI_FORMAT: AmdV1 = AmdV1::MODE_4;
const SMMU_FORMAT: SmmuStage1 = SmmuStage1::new(Granule::K4);

type Smmu = SmmuUnit<parking_lot::RawMutex>;
type Vtd = VtdUnit<parking_lot::RawMutex>;
type Amdvi = AmdviUnit<parking_lot::RawMutex>;

/// Everything together. The unit goes before the machine.
pub(crate) struct Bench<S: EventSink + 'static> {
    pub(crate) stage: Arc<Stage<S>>,
    pub(crate) pages: Arc<PageDatabase<Stage<S>>>,
    pub(crate) frames: Arc<Frames<S>>,
    pub(crate) sysmm: SysMm<Stage<S>>,
    pub(crate) unit: Arc<dyn IommuUnit>,
    /// Frames that the unit's own tables and queues take once a device of one bus has been attached.
    pub(crate) unit_frames: usize,
    pub(crate) machine: Machine,
}

impl<S: EventSink + 'static> Bench<S> {
    /// A machine with this RAM, and its IOMMU started. What devices do goes to `devices`.
    pub(crate) fn new(
        ram: &str,
        policy: Policy,
        config: impl Into<UnitConfig>,
        sink: &Arc<S>,
        devices: Arc<dyn EventSink>,
    ) -> Self {
        let config = config.into();
        let ram = Arc::new(Ram::create(&ram.parse().expect("a layout")).expect("RAM"));
        let stage = Arc::new(Stage {
            ram: Arc::clone(&ram),
            desk: Desk::default(),
            sink: Arc::clone(sink),
            store: HeapPageStore::new(u64::MAX),
        });
        let pages = PageDatabase::new(Arc::clone(&stage), &policy);
        let machine =
            Machine::builder(Arc::clone(&ram) as _, devices).unit(config).build().expect("a machine");
        let frames = Arc::new(Frames {
            pages: Arc::clone(&pages),
            stage: Arc::clone(&stage),
            taken: Mutex::default(),
            left: Mutex::default(),
            dry: Mutex::default(),
            refusals: AtomicU64::new(0),
        });
        let (registers, source) = (Arc::clone(machine.unit()), Arc::clone(&frames) as _);
        let started: Result<Arc<dyn IommuUnit>, _> = match config {
            UnitConfig::Vtd(_) => {
                Vtd::start(registers, ram, source, Mode::Legacy).map(|unit| Arc::new(unit) as _)
            }
            UnitConfig::Smmu(_) => {
                Smmu::start(registers, ram, source, SMMU_FORMAT).map(|unit| Arc::new(unit) as _)
            }
            UnitConfig::Amdvi(config) => {
                Amdvi::start(registers, ram, source, AMDVI_FORMAT, config.caches_absent)
                    .map(|unit| Arc::new(unit) as _)
            }
        };
        let unit = started.expect("the unit starts");
        let unit_frames = match config {
            // Root table, queue, status word, one context table.
            UnitConfig::Vtd(_) => 4,
            // A device table of 2 MiB, command buffer, status word, event log.
            UnitConfig::Amdvi(_) => 512 + 3,
            // First level of the stream table, a bus' second level, both queues, one device's context descriptor.
            UnitConfig::Smmu(_) => 1 + 4 + 2 + 1,
        };
        let sysmm = SysMm::new(Arc::clone(&stage), Arc::clone(&pages), policy);
        let bench = Self { stage, pages, frames, sysmm, unit, unit_frames, machine };
        assert!(lock(&bench.frames.taken).len() <= bench.unit_frames, "the unit takes no more than it says");
        bench
    }
}
