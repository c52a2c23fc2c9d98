//! The drivers on the model's units, which walk the bytes in memory by their own lights and cache what they saw.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dxgk_event::NoEvents;
use dxgk_hw::{
    Access, Attachment, DmaPort, DomainOps, FrameSource, IommuUnit, LogicalAddr, LogicalPage, MachineMemory,
    PageRun, Pfn, PhysAddr, RequesterId,
};
use dxgk_iommu::amdvi::AmdviUnit;
use dxgk_iommu::smmu::{Event, SmmuStage2Unit, SmmuUnit};
use dxgk_iommu::vtd::{Fault, Mode, VtdFirstStageUnit, VtdUnit};
use dxgk_iopt::{AmdV1, Granule, SmmuStage1, SmmuStage2};
use dxgk_model::{AmdviConfig, Edu, Machine, SmmuConfig, UnitConfig, VtdConfig};
use dxgk_shm::Ram;

const EDU: RequesterId = RequesterId::new(0, 3, 0);
/// Tables come from the first frames, data from [`DATA`] on.
const DATA: u64 = 0x4000;

struct Frames {
    ram: Arc<Ram>,
    next: AtomicU64,
    free: Mutex<Vec<Pfn>>,
}

impl Frames {
    fn taken(&self) -> usize {
        self.next.load(Ordering::Relaxed) as usize - 1 - self.free.lock().unwrap().len()
    }
}

impl FrameSource for Frames {
    fn take_frame(&self) -> Option<Pfn> {
        let reused = self.free.lock().unwrap().pop();
        let frame = reused.unwrap_or_else(|| Pfn::new(self.next.fetch_add(1, Ordering::Relaxed)));
        assert!(frame.get() < DATA);
        self.ram.fill(PageRun::new(frame, 1), 0).ok()?;
        Some(frame)
    }

    fn take_run(&self, frames: u64) -> Option<Pfn> {
        if frames == 1 {
            return self.take_frame();
        }
        let mut first = self.next.load(Ordering::Relaxed);
        self.free.lock().unwrap().extend((first..first.next_multiple_of(frames)).map(Pfn::new));
        first = first.next_multiple_of(frames);
        self.next.store(first + frames, Ordering::Relaxed);
        self.ram.fill(PageRun::new(Pfn::new(first), frames), 0).ok()?;
        Some(Pfn::new(first))
    }

    fn give_frame(&self, frame: Pfn) {
        // Whoever still walks it finds nonsense.
        self.ram.fill(PageRun::new(frame, 1), !0).unwrap();
        self.free.lock().unwrap().push(frame);
    }
}

/// What a unit says of a refused request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    /// The device has nothing.
    Device,
    /// The page is not there, or not for this.
    Read,
    Write,
}

enum Unit {
    Vtd(VtdUnit<parking_lot::RawMutex>),
    VtdFirstStage(VtdFirstStageUnit<parking_lot::RawMutex>),
    Amdvi(AmdviUnit<parking_lot::RawMutex>),
    SmmuStage1(SmmuUnit<parking_lot::RawMutex>),
    SmmuStage2(SmmuStage2Unit<parking_lot::RawMutex>),
}

/// What an SMMU's event amounts to.
fn said_by_smmu(event: Event) -> Said {
    use dxgk_iopt::smmu::spec::EventCode;
    assert_eq!(event.requester, EDU);
    match event.code {
        EventCode::C_BAD_STE | EventCode::C_BAD_STREAMID => Said::Device,
        EventCode::F_TRANSLATION | EventCode::F_PERMISSION if event.details.rnw() => Said::Read,
        EventCode::F_TRANSLATION | EventCode::F_PERMISSION => Said::Write,
        _ => panic!("{event:?}"),
    }
}

impl Unit {
    fn start(kind: Kind, machine: &Machine, ram: &Arc<Ram>, frames: &Arc<Frames>) -> Self {
        let (registers, ram, frames) = (machine.unit().clone(), ram.clone(), frames.clone());
        let (stage_1, stage_2) = (SmmuStage1::new(Granule::K4), SmmuStage2::new(Granule::K4));
        match kind {
            Kind::Vtd(_, mode) => Self::Vtd(VtdUnit::start(registers, ram, frames, mode).unwrap()),
            Kind::VtdFirstStage(_) => {
                Self::VtdFirstStage(VtdFirstStageUnit::start(registers, ram, frames).unwrap())
            }
            Kind::Amdvi(config) => Self::Amdvi(
                AmdviUnit::start(registers, ram, frames, AmdV1::MODE_4, config.caches_absent).unwrap(),
            ),
            Kind::SmmuStage1(_) => {
                Self::SmmuStage1(SmmuUnit::start(registers, ram, frames, stage_1).unwrap())
            }
            Kind::SmmuStage2(_) => {
                Self::SmmuStage2(SmmuStage2Unit::start(registers, ram, frames, stage_2).unwrap())
            }
        }
    }

    fn driven(&self) -> &dyn IommuUnit {
        match self {
            Self::Vtd(unit) => unit,
            Self::VtdFirstStage(unit) => unit,
            Self::Amdvi(unit) => unit,
            Self::SmmuStage1(unit) => unit,
            Self::SmmuStage2(unit) => unit,
        }
    }

    /// What was recorded since the last look.
    fn said(&self) -> Vec<Said> {
        let mut said = Vec::new();
        let of_vtd = |fault: Fault| {
            use dxgk_iopt::vtd::spec::FaultReason as Reason;
            match fault.reason {
                Reason::ROOT_NOT_PRESENT
                | Reason::CONTEXT_NOT_PRESENT
                | Reason::SM_ROOT_NOT_PRESENT
                | Reason::PASID_ENTRY_NOT_PRESENT => Said::Device,
                Reason::NO_READ | Reason::SM_NO_READ => Said::Read,
                Reason::NO_WRITE | Reason::SM_NO_WRITE => Said::Write,
                Reason::SS_ENTRY_NOT_PRESENT | Reason::FS_ENTRY_NOT_PRESENT if fault.write => Said::Write,
                Reason::SS_ENTRY_NOT_PRESENT | Reason::FS_ENTRY_NOT_PRESENT => Said::Read,
                other => panic!("{other:?}"),
            }
        };
        match self {
            Self::Vtd(unit) => {
                unit.take_faults(&mut |fault| said.push(of_vtd(fault)));
            }
            Self::VtdFirstStage(unit) => {
                unit.take_faults(&mut |fault| said.push(of_vtd(fault)));
            }
            Self::SmmuStage1(unit) => {
                unit.take_events(&mut |event| said.push(said_by_smmu(event)));
            }
            Self::SmmuStage2(unit) => {
                unit.take_events(&mut |event| said.push(said_by_smmu(event)));
            }
            Self::Amdvi(unit) => {
                use dxgk_iopt::amdvi::spec::EventCode;
                unit.take_events(&mut |event| {
                    assert_eq!(event.code, EventCode::IO_PAGE_FAULT);
                    assert_eq!(event.requester, EDU);
                    let flags = event.flags;
                    said.push(match (event.domain, flags.rw()) {
                        (0, _) => Said::Device,
                        (_, write) => {
                            assert_eq!(flags.pr(), flags.pe(), "{event:?}");
                            if write { Said::Write } else { Said::Read }
                        }
                    });
                });
            }
        }
        said
    }
}

/// A unit, and how it is driven.
#[derive(Clone, Copy)]
enum Kind {
    Vtd(VtdConfig, Mode),
    VtdFirstStage(VtdConfig),
    Amdvi(AmdviConfig),
    SmmuStage1(SmmuConfig),
    SmmuStage2(SmmuConfig),
}

impl Kind {
    fn unit(self) -> UnitConfig {
        match self {
            Self::Vtd(config, _) | Self::VtdFirstStage(config) => config.into(),
            Self::Amdvi(config) => config.into(),
            Self::SmmuStage1(config) | Self::SmmuStage2(config) => config.into(),
        }
    }
}

fn usual() -> [Kind; 6] {
    let (vtd, smmu) = (VtdConfig::default(), SmmuConfig::default());
    [
        Kind::Vtd(vtd, Mode::Legacy),
        Kind::Vtd(vtd, Mode::Scalable),
        Kind::VtdFirstStage(vtd),
        Kind::Amdvi(AmdviConfig::default()),
        Kind::SmmuStage1(smmu),
        Kind::SmmuStage2(smmu),
    ]
}

struct Bench {
    ram: Arc<Ram>,
    frames: Arc<Frames>,
    port: Arc<dyn DmaPort>,
    unit: Unit,
    domain: Arc<dyn DomainOps>,
    _machine: Machine,
}

impl Bench {
    fn with(kind: Kind) -> Self {
        let ram = Arc::new(Ram::create(&"4G".parse().unwrap()).unwrap());
        let machine = Machine::builder(ram.clone(), Arc::new(NoEvents))
            .unit(kind.unit())
            .device(EDU, "edu", Box::new(Edu::default()))
            .build()
            .unwrap();
        let frames = Arc::new(Frames { ram: ram.clone(), next: AtomicU64::new(1), free: Mutex::default() });
        let unit = Unit::start(kind, &machine, &ram, &frames);
        let domain = unit.driven().create_domain().unwrap();
        Self { ram, frames, port: machine.port(EDU), unit, domain, _machine: machine }
    }

    fn attached(config: Kind) -> Self {
        let bench = Self::with(config);
        bench.attach(Attachment::Domain(Arc::clone(&bench.domain)));
        bench
    }

    fn attach(&self, what: Attachment) {
        self.unit.driven().attach(EDU, what).unwrap();
    }

    /// Writes to a frame its own number.
    fn mark(&self, frame: u64) {
        self.ram.write(PhysAddr::new(frame << 12), &frame.to_le_bytes()).unwrap();
    }

    /// What the device reads at a page.
    fn read(&self, page: u64) -> Option<u64> {
        let mut word = [0; 8];
        self.port.read(LogicalAddr::new(page << 12), &mut word, 0).ok()?;
        Some(u64::from_le_bytes(word))
    }

    fn map(&self, at: u64, frame: u64, pages: u64, access: Access) {
        let run = [PageRun::new(Pfn::new(frame), pages)];
        self.domain.map(LogicalPage::new(at), &run, access).unwrap();
    }

    fn unmap(&self, at: u64, pages: u64) {
        self.domain.unmap(LogicalPage::new(at), pages).unwrap();
    }

    fn sync(&self, at: u64, pages: u64) {
        self.domain.sync(LogicalPage::new(at), pages).unwrap();
    }
}

/// Shows S-ISO-02.
#[test]
fn blocked_passing_and_translated_requests_meet_what_they_should() {
    for config in usual() {
        let bench = Bench::with(config);
        bench.mark(DATA + 5);
        assert_eq!(bench.read(DATA + 5), None);
        assert_eq!(bench.unit.said(), [Said::Device]);
        bench.attach(Attachment::PassThrough);
        assert_eq!(bench.read(DATA + 5), Some(DATA + 5));
        bench.attach(Attachment::Domain(Arc::clone(&bench.domain)));
        assert_eq!(bench.read(DATA + 5), None);
        assert_eq!(bench.unit.said(), [Said::Read]);
        bench.map(7, DATA + 5, 1, Access::READ);
        assert_eq!(bench.read(7), Some(DATA + 5));
        assert!(bench.port.write(LogicalAddr::new(7 << 12), &[1], 0).is_err());
        assert_eq!(bench.unit.said(), [Said::Write]);
        bench.attach(Attachment::Blocked);
        assert_eq!(bench.read(7), None);
        assert_eq!(bench.unit.said(), [Said::Device]);
    }
}

#[test]
fn every_other_requester_stays_blocked() {
    for config in usual() {
        let bench = Bench::attached(config);
        bench.map(7, DATA, 1, Access::all());
        assert_eq!(bench.read(7), Some(0));
        for other in [0, 1, EDU.0 - 1, EDU.0 + 1, 0x100, 0xff18, 0xffff] {
            let port = bench._machine.port(RequesterId(other));
            assert!(port.read(LogicalAddr::new(7 << 12), &mut [0], 0).is_err(), "{other:#x}");
        }
    }
}

#[test]
fn pages_mapped_singly_are_unmapped_one_by_one_and_others_are_not() {
    let bench = Bench::attached(Kind::Vtd(VtdConfig::default(), Mode::Legacy));
    let (runs, hole) = ([PageRun::new(Pfn::new(DATA & !511), 512)], LogicalPage::new(512 + 77));
    bench.domain.map(LogicalPage::new(512), &runs, Access::all()).unwrap();
    assert!(bench.domain.unmap(hole, 1).is_err(), "one leaf of 2 MiB");
    bench.unmap(512, 512);
    bench.sync(512, 512);
    bench.domain.map_singly(LogicalPage::new(512), &runs, Access::all()).unwrap();
    bench.mark((DATA & !511) + 76);
    bench.domain.unmap(hole, 1).unwrap();
    bench.sync(512 + 77, 1);
    assert_eq!(bench.read(512 + 77), None);
    assert_eq!(bench.read(512 + 76), Some((DATA & !511) + 76));
}

#[test]
fn an_unmapped_page_stays_reachable_until_the_sync() {
    for config in usual() {
        let bench = Bench::attached(config);
        bench.mark(DATA);
        bench.map(9, DATA, 1, Access::all());
        assert_eq!(bench.read(9), Some(DATA));
        bench.unmap(9, 1);
        assert_eq!(bench.read(9), Some(DATA), "the cache is what the test is about");
        bench.sync(9, 1);
        assert_eq!(bench.read(9), None);
    }
}

#[test]
fn a_detached_domain_is_not_reached_through_what_was_cached() {
    for config in usual() {
        let bench = Bench::attached(config);
        bench.mark(DATA);
        bench.map(9, DATA, 1, Access::all());
        assert_eq!(bench.read(9), Some(DATA));
        let other = bench.unit.driven().create_domain().unwrap();
        bench.attach(Attachment::Domain(Arc::clone(&other)));
        assert_eq!(bench.read(9), None);
        bench.attach(Attachment::Domain(Arc::clone(&bench.domain)));
        assert_eq!(bench.read(9), Some(DATA));
        let number = other.id();
        drop(other);
        assert_eq!(bench.unit.driven().create_domain().unwrap().id(), number, "the number is free again");
    }
}

#[test]
fn a_log_that_was_full_works_again() {
    let bench = Bench::attached(Kind::Amdvi(AmdviConfig::default()));
    for page in 0..300 {
        assert_eq!(bench.read(page), None);
    }
    let Unit::Amdvi(unit) = &bench.unit else { panic!() };
    let mut pages = Vec::new();
    let summary = unit.take_events(&mut |event| pages.push(event.address >> 12));
    assert_eq!((summary.read, summary.overflow), (255, true));
    assert_eq!(pages, (0..255).collect::<Vec<_>>());
    assert_eq!(bench.read(5), None);
    assert_eq!(bench.unit.said(), [Said::Read]);
}

/// Shows S-ISO-02, S-ISO-03.
#[test]
fn random_maps_reach_exactly_what_they_should_with_every_kind_of_invalidation() {
    let vtd = VtdConfig::default();
    let amdvi = AmdviConfig::default();
    let slow = VtdConfig { large_pages: false, max_address_mask: 0, ..vtd };
    let caching = VtdConfig { caching_mode: true, ..vtd };
    let mut configs: Vec<Kind> = Vec::new();
    for config in [vtd, slow, caching] {
        configs.push(Kind::Vtd(config, Mode::Legacy));
        configs.push(Kind::Vtd(config, Mode::Scalable));
        configs.push(Kind::VtdFirstStage(config));
    }
    let caching = AmdviConfig { caches_absent: true, ..amdvi };
    let narrow = AmdviConfig { levels: 4, iotlb_sets: 1, iotlb_ways: 2, ..amdvi };
    configs.extend([amdvi, caching, narrow].map(Kind::Amdvi));
    let smmu = SmmuConfig::default();
    let linear = SmmuConfig { two_level: false, tlb_sets: 1, structure_entries: 0, ..smmu };
    configs.extend([Kind::SmmuStage1(smmu), Kind::SmmuStage1(linear)]);
    configs.extend([Kind::SmmuStage2(smmu), Kind::SmmuStage2(linear)]);
    for config in configs {
        let bench = Bench::with(config);
        bench.attach(Attachment::Domain(Arc::clone(&bench.domain)));
        let before = bench.frames.taken();
        for frame in DATA..DATA + 4096 {
            bench.mark(frame);
        }
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut roll = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        // Ranges as they were mapped: start -> (pages, first frame).
        let mut maps: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for step in 0..1500 {
            let at = roll(4096);
            if let Some((&start, &(pages, _))) = maps.range(..=at).next_back()
                && (start + pages > at || roll(2) == 0)
            {
                maps.remove(&start);
                bench.unmap(start, pages);
                bench.sync(start, pages);
            } else {
                let room = maps.range(at..).next().map_or(4096, |(&next, _)| next) - at;
                let (at, pages) = if room >= 1024 && roll(2) == 0 {
                    (at.next_multiple_of(512), 512)
                } else {
                    (at, 1 + roll(room.min(40)))
                };
                let frame = DATA + if pages == 512 { roll(7) * 512 } else { roll(4096 - pages) };
                maps.insert(at, (pages, frame));
                bench.map(at, frame, pages, Access::all());
            }
            if step % 50 == 0 {
                for page in 0..5120 {
                    let expected = maps.range(..=page).next_back();
                    let expected = expected.filter(|&(start, (pages, _))| page < start + pages);
                    let expected = expected.map(|(start, (_, frame))| frame + page - start);
                    assert_eq!(bench.read(page), expected, "page {page:#x} at step {step}");
                }
            }
        }
        for (&start, &(pages, _)) in &maps {
            bench.unmap(start, pages);
            bench.sync(start, pages);
        }
        assert_eq!(bench.frames.taken(), before);
    }
}
