//! The VT-d driver on the model's unit, which walks the bytes in memory by its own lights and caches what it saw.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dxgk_event::NoEvents;
use dxgk_hw::{
    Access, Attachment, DmaPort, DomainOps, FrameSource, IommuUnit, LogicalAddr, LogicalPage, MachineMemory,
    PageRun, Pfn, PhysAddr, RequesterId,
};
use dxgk_iommu::vtd::VtdUnit;
use dxgk_iopt::vtd::spec::FaultReason;
use dxgk_model::{Edu, Machine, VtdConfig};
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

    fn give_frame(&self, frame: Pfn) {
        // Whoever still walks it finds nonsense.
        self.ram.fill(PageRun::new(frame, 1), !0).unwrap();
        self.free.lock().unwrap().push(frame);
    }
}

struct Bench {
    ram: Arc<Ram>,
    frames: Arc<Frames>,
    port: Arc<dyn DmaPort>,
    unit: VtdUnit<parking_lot::RawMutex>,
    domain: Arc<dyn DomainOps>,
    _machine: Machine,
}

impl Bench {
    fn with(config: VtdConfig) -> Self {
        let ram = Arc::new(Ram::create(&"4G".parse().unwrap()).unwrap());
        let machine = Machine::builder(ram.clone(), Arc::new(NoEvents))
            .unit(config)
            .device(EDU, "edu", Box::new(Edu::default()))
            .build()
            .unwrap();
        let frames = Arc::new(Frames { ram: ram.clone(), next: AtomicU64::new(1), free: Mutex::default() });
        let unit = VtdUnit::start(machine.unit().clone(), ram.clone(), frames.clone()).unwrap();
        let domain = unit.create_domain().unwrap();
        Self { ram, frames, port: machine.port(EDU), unit, domain, _machine: machine }
    }

    fn attached() -> Self {
        let bench = Self::with(VtdConfig::default());
        bench.unit.attach(EDU, Attachment::Domain(Arc::clone(&bench.domain))).unwrap();
        bench
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
    let bench = Bench::with(VtdConfig::default());
    let reason = || {
        let mut reasons = Vec::new();
        bench.unit.take_faults(&mut |fault| reasons.push(fault.reason));
        reasons
    };
    bench.mark(DATA + 5);
    assert_eq!(bench.read(DATA + 5), None);
    assert_eq!(reason(), [FaultReason::ROOT_NOT_PRESENT]);
    bench.unit.attach(EDU, Attachment::PassThrough).unwrap();
    assert_eq!(bench.read(DATA + 5), Some(DATA + 5));
    bench.unit.attach(EDU, Attachment::Domain(Arc::clone(&bench.domain))).unwrap();
    assert_eq!(bench.read(DATA + 5), None);
    assert_eq!(reason(), [FaultReason::NO_READ]);
    bench.map(7, DATA + 5, 1, Access::READ);
    assert_eq!(bench.read(7), Some(DATA + 5));
    assert!(bench.port.write(LogicalAddr::new(7 << 12), &[1], 0).is_err());
    assert_eq!(reason(), [FaultReason::NO_WRITE]);
    bench.unit.attach(EDU, Attachment::Blocked).unwrap();
    assert_eq!(bench.read(7), None);
    assert_eq!(reason(), [FaultReason::CONTEXT_NOT_PRESENT]);
}

#[test]
fn pages_mapped_singly_are_unmapped_one_by_one_and_others_are_not() {
    let bench = Bench::attached();
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
    let bench = Bench::attached();
    bench.mark(DATA);
    bench.map(9, DATA, 1, Access::all());
    assert_eq!(bench.read(9), Some(DATA));
    bench.unmap(9, 1);
    assert_eq!(bench.read(9), Some(DATA), "the cache is what the test is about");
    bench.sync(9, 1);
    assert_eq!(bench.read(9), None);
}

/// Shows S-ISO-02, S-ISO-03.
#[test]
fn random_maps_reach_exactly_what_they_should_with_every_kind_of_invalidation() {
    for (large_pages, max_address_mask, caching_mode) in
        [(true, 18, false), (false, 18, false), (true, 0, false), (true, 18, true)]
    {
        let config = VtdConfig { large_pages, max_address_mask, caching_mode, ..VtdConfig::default() };
        let bench = Bench::with(config);
        bench.unit.attach(EDU, Attachment::Domain(Arc::clone(&bench.domain))).unwrap();
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
