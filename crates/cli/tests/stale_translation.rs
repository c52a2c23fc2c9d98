//! Clear, invalidate, wait, give back: what happens when the invalidation is left out.
//!
//! The same driver life runs over the genuine IOMMU driver and over one whose domains forget to invalidate. A device
//! that uses an ADL's address after FreeAdl then reads the page's next owner, through a translation that the model's
//! IOTLB kept, and the rules find it from the events alone; with the invalidation it is refused, and found too. A
//! driver that uses no address after FreeAdl is found guilty of nothing in either.

#[path = "property/rig.rs"]
mod rig;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use dxgk_abi::callback::{
    ArgCbAllocateAdl, ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl,
    ContiguousParameters, PhysicalMemoryParameters,
};
use dxgk_abi::{Handle, Irql, Pointer};
use dxgk_event::{
    Adapter, Event, EventId, EventSink, ListRef, Mode, ModeChoice, ModeReason, Record, Stamp, digest,
};
use dxgk_hw::{
    Access, Attachment, DmaError, DomainId, DomainOps, IommuUnit, LogicalAddr, LogicalPage, MachineMemory,
    MapError, PageRun, PhysAddr, RequesterId, UnitError,
};
use dxgk_model::{AmdviConfig, SmmuConfig, UnitConfig, VtdConfig};
use dxgk_sysmm::{Addressing, CallError, Caller, LogicalAdapterId, Policy};
use dxgk_verify::{Culprit, Finding, Lists, Verifier};

use rig::{Bench, lock};

const DEVICE: RequesterId = RequesterId::new(0, 3, 0);
const CALLER: Caller = Caller { irql: Irql::PASSIVE_LEVEL, process: 0, node: 0 };
const FIRST_OWNER: u64 = 0x1111_1111_1111_1111;
const NEXT_OWNER: u64 = 0x2222_2222_2222_2222;

/// Keeps what happened.
#[derive(Default)]
struct Recorder {
    records: Mutex<Vec<(Record, Event)>>,
    arena: Mutex<Vec<u64>>,
}

impl EventSink for Recorder {
    fn emit(&self, event: &Event) -> EventId {
        let mut records = lock(&self.records);
        records.push((Record::new(Stamp::default(), 0, event), *event));
        EventId(records.len() as u64)
    }

    fn list(&self, words: &mut dyn Iterator<Item = u64>) -> ListRef {
        let mut arena = lock(&self.arena);
        let first = arena.len();
        arena.extend(words);
        let count = (arena.len() - first) as u32;
        ListRef { first: first as u32, count, digest: digest(&arena[first..]) }
    }
}

impl Lists for Recorder {
    fn get(&self, list: ListRef) -> Option<Vec<u64>> {
        let first = list.first as usize;
        lock(&self.arena).get(first..first + list.count as usize).map(<[u64]>::to_vec)
    }
}

impl Recorder {
    fn findings(&self) -> Vec<Finding> {
        let mut verifier = Verifier::new();
        for (nth, (record, event)) in (1..).zip(lock(&self.records).iter()) {
            verifier.feed(EventId(nth), record, event, self);
        }
        verifier.findings().to_vec()
    }
}

/// A domain that does everything but invalidate.
struct Forgetful(Arc<dyn DomainOps>);

impl DomainOps for Forgetful {
    fn id(&self) -> DomainId {
        self.0.id()
    }

    fn highest(&self) -> LogicalAddr {
        self.0.highest()
    }

    fn map(&self, at: LogicalPage, runs: &[PageRun], access: Access) -> Result<(), MapError> {
        self.0.map(at, runs, access)
    }

    fn map_singly(&self, at: LogicalPage, runs: &[PageRun], access: Access) -> Result<(), MapError> {
        self.0.map_singly(at, runs, access)
    }

    fn unmap(&self, at: LogicalPage, pages: u64) -> Result<(), MapError> {
        self.0.unmap(at, pages)
    }

    fn sync(&self, _at: LogicalPage, _pages: u64) -> Result<(), UnitError> {
        Ok(())
    }
}

/// A unit with such domains.
struct ForgetfulUnit<'a> {
    unit: &'a dyn IommuUnit,
    genuine: Mutex<BTreeMap<DomainId, Arc<dyn DomainOps>>>,
}

impl IommuUnit for ForgetfulUnit<'_> {
    fn name(&self) -> &'static str {
        self.unit.name()
    }

    fn create_domain(&self) -> Result<Arc<dyn DomainOps>, UnitError> {
        let domain = self.unit.create_domain()?;
        lock(&self.genuine).insert(domain.id(), Arc::clone(&domain));
        Ok(Arc::new(Forgetful(domain)))
    }

    fn attach(&self, requester: RequesterId, what: Attachment) -> Result<(), UnitError> {
        let what = match what {
            Attachment::Domain(wrapped) => {
                let genuine = lock(&self.genuine).get(&wrapped.id()).cloned();
                Attachment::Domain(genuine.unwrap_or(wrapped))
            }
            other => other,
        };
        self.unit.attach(requester, what)
    }
}

/// The machine and one adapter in remapping mode.
struct Rig {
    bench: Bench<Recorder>,
    recorder: Arc<Recorder>,
    adapter: Handle,
}

impl Rig {
    fn new(config: UnitConfig, invalidates: bool) -> Self {
        let recorder = Arc::new(Recorder::default());
        let devices = Arc::clone(&recorder) as _;
        let bench = Bench::new("8M", Policy::default(), config, &recorder, devices);
        let logical = bench.sysmm.add_logical_adapter();
        let added = bench.sysmm.add_adapter(logical, true, &[]).expect("room");
        let forgetful = ForgetfulUnit { unit: &*bench.unit, genuine: Mutex::default() };
        let unit: &dyn IommuUnit = if invalidates { &*bench.unit } else { &forgetful };
        let domain = unit.create_domain().expect("room");
        let highest_visible = LogicalAddr::new((1 << 40) - 1);
        let addressing = Addressing::Remapping { domain: Arc::clone(&domain), highest_visible };
        bench.sysmm.set_mode(logical, addressing).expect("nothing is mapped yet");
        unit.attach(DEVICE, Attachment::Domain(domain)).expect("the unit answers");
        drop(forgetful);
        announce(&recorder, added.handle, logical);
        Self { bench, recorder, adapter: added.handle }
    }

    /// A page, anywhere or at one address, and the adapter's handle of it.
    fn page(&self, at: Option<PhysAddr>) -> Result<(Handle, Handle), CallError> {
        let mut args = ArgCbCreatePhysicalMemoryObject {
            adapter: self.adapter,
            size: 4096,
            ..ArgCbCreatePhysicalMemoryObject::default()
        };
        let contiguous = ContiguousParameters {
            lowest_acceptable_address: at.map_or(0, PhysAddr::get),
            highest_acceptable_address: at.map_or(u64::MAX, |at| at.get() + 4095),
            boundary_address_multiple: 0,
        };
        args.set_parameters(PhysicalMemoryParameters::Contiguous(contiguous));
        let made = self.bench.sysmm.create_physical_memory_object(&CALLER, &args)?;
        Ok((made.physical_memory_object, made.adapter_memory_object))
    }

    /// An ADL of the page, and the address that the device uses for it.
    fn adl(&self, opened: Handle) -> (Pointer, LogicalAddr) {
        let args =
            ArgCbAllocateAdl { adapter_memory_object: opened, size: 4096, ..ArgCbAllocateAdl::default() };
        let adl = self.bench.sysmm.allocate_adl(&CALLER, &args).expect("room").adl.get();
        let laid = lock(&self.bench.stage.desk.adls).get(&adl).cloned().expect("it was laid out");
        assert!(!laid.contiguous, "the page-array form was asked for");
        (Pointer(adl), LogicalPage::new(laid.pages[0]).address())
    }

    fn free_adl(&self, opened: Handle, adl: Pointer) {
        let args = ArgCbFreeAdl { adapter_memory_object: opened, adl };
        self.bench.sysmm.free_adl(&CALLER, &args).expect("it is live");
    }

    fn destroy(&self, (physical, opened): (Handle, Handle)) {
        let args = ArgCbDestroyPhysicalMemoryObject {
            physical_memory_object: physical,
            adapter_memory_object: opened,
        };
        self.bench.sysmm.destroy_physical_memory_object(&CALLER, &args).expect("nothing hangs on it");
    }

    fn device_reads(&self, at: LogicalAddr) -> Result<u64, DmaError> {
        let mut bytes = [0; 8];
        self.bench.machine.port(DEVICE).read(at, &mut bytes, 0)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Where the word is in RAM.
    fn find(&self, word: u64) -> PhysAddr {
        let ram = &self.bench.stage.ram;
        let holds = |at: &PhysAddr| {
            let mut bytes = [0; 8];
            ram.read(*at, &mut bytes).is_ok() && u64::from_le_bytes(bytes) == word
        };
        (0..2048).map(|page| PhysAddr::new(page << 12)).find(holds).expect("it was written")
    }
}

/// What the port tells of the adapter.
fn announce(recorder: &Recorder, handle: Handle, logical: LogicalAdapterId) {
    recorder.emit(&Event::Adapter(Adapter {
        handle: handle.0,
        adapter: 0,
        logical_adapter: logical.0,
        requester: DEVICE.0,
        lead: 1,
        reserved: 0,
        interface_version: 0,
        driver_version: 0,
        display_only: 0,
    }));
    recorder.emit(&Event::Mode(Mode {
        highest_visible: (1 << 40) - 1,
        highest_physical: (8 << 20) - 1,
        logical_adapter: logical.0,
        iommu_caps: 0,
        domain: 0,
        mode: ModeChoice::Remapping,
        reason: ModeReason::Asked,
        refused: 0,
        reserved: [0; 3],
    }));
}

/// A page is used by the device, given back, and handed out again. A careless driver then lets the device use the old
/// address once more. Returns what the device read, and what was found.
fn life(
    config: UnitConfig,
    invalidates: bool,
    careless: bool,
) -> (Option<Result<u64, DmaError>>, Vec<Finding>) {
    let rig = Rig::new(config, invalidates);
    let first = rig.page(None).expect("room");
    let (adl, address) = rig.adl(first.1);
    // The device fills its page, and by that the unit's caches.
    rig.bench.machine.port(DEVICE).write(address, &FIRST_OWNER.to_le_bytes(), 0).expect("mapped");
    assert_eq!(rig.device_reads(address), Ok(FIRST_OWNER));
    let frame = rig.find(FIRST_OWNER);
    rig.free_adl(first.1, adl);
    rig.destroy(first);

    let next = rig.page(Some(frame)).expect("the page is free, as far as the memory manager knows");
    rig.bench.stage.ram.write(frame, &NEXT_OWNER.to_le_bytes()).expect("RAM");
    let read = careless.then(|| rig.device_reads(address));
    if !careless {
        let (adl, address) = rig.adl(next.1);
        assert_eq!(rig.device_reads(address), Ok(NEXT_OWNER));
        rig.free_adl(next.1, adl);
    }
    rig.destroy(next);
    let tables = lock(&rig.bench.frames.taken).len() as u64;
    assert_eq!(rig.bench.pages.counts().table, tables, "table pages balance");
    if invalidates {
        assert_eq!(tables, rig.bench.unit_frames as u64 + 1, "only the root is left of the domain's tables");
    }
    let complaints = lock(&rig.bench.stage.desk.complaints).clone();
    assert_eq!(complaints, Vec::<String>::new());
    (read, rig.recorder.findings())
}

fn units() -> [UnitConfig; 3] {
    [VtdConfig::default().into(), AmdviConfig::default().into(), SmmuConfig::default().into()]
}

fn the_one(findings: &[Finding]) -> &Finding {
    let [finding] = findings else { panic!("one finding is expected: {findings:#?}") };
    finding
}

#[test]
fn without_the_invalidation_the_device_reads_the_next_owner_and_dma_002_is_found() {
    for unit in units() {
        let (read, findings) = life(unit, false, true);
        assert_eq!(read, Some(Ok(NEXT_OWNER)), "the stale translation is what this test is about");
        let finding = the_one(&findings);
        assert_eq!((finding.rule.id, finding.count), ("DMA-002", 1));
        assert_eq!(finding.culprit, Culprit::Port, "{finding:#?}");
        assert!(finding.message.contains("got through"), "{finding:#?}");
    }
}

/// Shows S-FAD-02.
#[test]
fn with_the_invalidation_the_device_is_refused_and_dma_002_is_found() {
    for unit in units() {
        let (read, findings) = life(unit, true, true);
        assert!(matches!(read, Some(Err(error)) if error.done == 0), "{read:?}");
        let finding = the_one(&findings);
        assert_eq!((finding.rule.id, finding.count), ("DMA-002", 1));
        assert_eq!(finding.culprit, Culprit::Driver, "{finding:#?}");
        assert!(!finding.message.contains("got through"), "{finding:#?}");
    }
}

#[test]
fn a_driver_that_uses_no_address_after_its_free_is_found_guilty_of_nothing() {
    for unit in units() {
        for invalidates in [true, false] {
            let (_, findings) = life(unit, invalidates, false);
            assert!(findings.is_empty(), "{unit:?}, invalidates: {invalidates}: {findings:#?}");
        }
    }
}
