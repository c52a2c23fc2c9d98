//! A machine with hand-written tables.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dxgk_event::{DmaTransfer, Event, EventId, EventSink, Fault, ListRef};
use dxgk_hw::{DmaError, DmaPort, LogicalAddr, MachineMemory, PhysAddr, RequesterId};
use dxgk_model::{Edu, Machine, VtdConfig};
use dxgk_shm::Ram;

pub(crate) const DEVICE: RequesterId = RequesterId::new(0, 3, 0);
pub(crate) const R: u64 = 1;
pub(crate) const W: u64 = 2;
pub(crate) const RW: u64 = 3;
pub(crate) const PS: u64 = 1 << 7;

/// Keeps all events.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Vec<Event>>);

impl EventSink for Recorder {
    fn emit(&self, event: &Event) -> EventId {
        let mut events = self.0.lock().expect("events");
        events.push(*event);
        EventId(events.len() as u64)
    }

    fn list(&self, _words: &mut dyn Iterator<Item = u64>) -> ListRef {
        ListRef::default()
    }
}

impl Recorder {
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().expect("events"))
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().expect("events").clone()
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        let fault = |event: &Event| if let Event::Fault(fault) = event { Some(*fault) } else { None };
        self.all().iter().filter_map(fault).collect()
    }

    pub(crate) fn transfers(&self) -> Vec<DmaTransfer> {
        let dma = |event: &Event| if let Event::Dma(dma) = event { Some(*dma) } else { None };
        self.all().iter().filter_map(dma).collect()
    }
}

pub(crate) struct Rig {
    pub(crate) ram: Arc<Ram>,
    pub(crate) events: Arc<Recorder>,
    pub(crate) machine: Machine,
    next: AtomicU64,
    waits: AtomicU32,
    root: u64,
    contexts: u64,
    queue: u64,
    status: u64,
}

impl Rig {
    /// RAM at 0..2G and 4G..6G, an edu at 00:03.0, the root table set, queue and translation on, nothing mapped.
    pub(crate) fn new() -> Self {
        Self::with(VtdConfig::default())
    }

    pub(crate) fn with(config: VtdConfig) -> Self {
        let rig = Self::off(config);
        rig.bring_up();
        rig
    }

    /// The same as after power-on.
    pub(crate) fn off(config: VtdConfig) -> Self {
        let ram = Arc::new(Ram::create(&"4G".parse().expect("layout")).expect("RAM"));
        let events = Arc::new(Recorder::default());
        let machine = Machine::builder(ram.clone(), events.clone())
            .unit(config)
            .device(DEVICE, "edu", Box::new(Edu::default()))
            .build()
            .expect("machine");
        let next = AtomicU64::new(0x100);
        let [root, contexts, queue, status] = [(); 4].map(|()| next.fetch_add(1, Ordering::Relaxed));
        Self { ram, events, machine, next, waits: AtomicU32::new(0), root, contexts, queue, status }
    }

    pub(crate) fn bring_up(&self) {
        self.set(self.root, 0, self.contexts << 12 | 1);
        self.write64(0x20, self.root << 12);
        self.write32(0x18, 1 << 30);
        self.write64(0x90, self.queue << 12);
        self.write32(0x18, 1 << 26);
        self.write32(0x18, 1 << 31 | 1 << 26);
        assert_eq!(self.read32(0x1c), 1 << 31 | 1 << 30 | 1 << 26);
    }

    pub(crate) fn read32(&self, offset: u64) -> u32 {
        self.machine.unit().read32(offset)
    }

    pub(crate) fn read64(&self, offset: u64) -> u64 {
        self.machine.unit().read64(offset)
    }

    pub(crate) fn write32(&self, offset: u64, value: u32) {
        self.machine.unit().write32(offset, value);
    }

    pub(crate) fn write64(&self, offset: u64, value: u64) {
        self.machine.unit().write64(offset, value);
    }

    /// A zeroed frame of its own.
    pub(crate) fn frame(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn set(&self, frame: u64, index: usize, word: u64) {
        let at = PhysAddr::new(frame << 12 | (index as u64) << 3);
        self.ram.write(at, &word.to_le_bytes()).expect("a table in RAM");
    }

    pub(crate) fn root_table(&self) -> u64 {
        self.root
    }

    pub(crate) fn context_table(&self) -> u64 {
        self.contexts
    }

    /// Writes the device's context entry: raw low and high word.
    pub(crate) fn context(&self, low: u64, high: u64) {
        let index = usize::from(DEVICE.devfn()) * 2;
        self.set(self.contexts, index + 1, high);
        self.set(self.contexts, index, low);
    }

    /// Gives the device four-level tables in domain `did`; the root of them.
    pub(crate) fn attach(&self, did: u16) -> u64 {
        let root = self.frame();
        self.context(root << 12 | 1, u64::from(did) << 8 | 2);
        root
    }

    /// Writes table entries for `at` from level `top` down to `level`, where `leaf` is put; the frame of the table
    /// that holds it. Entries on the way that are there already are followed.
    pub(crate) fn put(&self, root: u64, top: u32, level: u32, at: u64, leaf: u64) -> u64 {
        let mut table = root;
        for above in (level + 1..=top).rev() {
            let index = (at >> (12 + 9 * (above - 1))) as usize & 0x1ff;
            let mut word = [0; 8];
            self.ram.read(PhysAddr::new(table << 12 | (index as u64) << 3), &mut word).expect("RAM");
            let entry = u64::from_le_bytes(word);
            let next = if entry == 0 { self.frame() } else { (entry & ((1 << 52) - 1)) >> 12 };
            self.set(table, index, next << 12 | RW);
            table = next;
        }
        self.set(table, (at >> (12 + 9 * (level - 1))) as usize & 0x1ff, leaf);
        table
    }

    /// Maps the page at `at` to the frame `to`.
    pub(crate) fn map(&self, root: u64, at: u64, to: u64, access: u64) -> u64 {
        self.put(root, 4, 1, at, to << 12 | access)
    }

    pub(crate) fn port(&self) -> Arc<dyn DmaPort> {
        self.machine.port(DEVICE)
    }

    /// What the device reads at `at`, or that it may not.
    pub(crate) fn load(&self, at: u64) -> Result<u64, DmaError> {
        let mut out = [0; 8];
        self.port().read(LogicalAddr::new(at), &mut out, 0).map(|()| u64::from_le_bytes(out))
    }

    pub(crate) fn store(&self, at: u64, value: u64) -> Result<(), DmaError> {
        self.port().write(LogicalAddr::new(at), &value.to_le_bytes(), 0)
    }

    /// Puts descriptors into the queue; whether the unit took them all.
    pub(crate) fn submit(&self, descriptors: &[[u64; 2]]) -> bool {
        let mut tail = self.read64(0x88) >> 4;
        for [low, high] in descriptors {
            self.set(self.queue, tail as usize * 2, *low);
            self.set(self.queue, tail as usize * 2 + 1, *high);
            tail = (tail + 1) % 256;
        }
        self.write64(0x88, tail << 4);
        self.read64(0x80) >> 4 == tail
    }

    /// Submits descriptors and a wait; panics unless its status arrives.
    pub(crate) fn invalidate(&self, descriptors: &[[u64; 2]]) {
        let value = self.waits.fetch_add(1, Ordering::Relaxed) + 1;
        let wait = [5 | 1 << 5 | u64::from(value) << 32, self.status << 12];
        assert!(self.submit(&[descriptors, &[wait]].concat()), "the queue stopped");
        let mut status = [0; 4];
        self.ram.read(PhysAddr::new(self.status << 12), &mut status).expect("RAM");
        assert_eq!(u32::from_le_bytes(status), value);
    }
}

/// An IOTLB invalidation: granularity 1 global, 2 domain, 3 pages.
pub(crate) fn iotlb(granularity: u64, did: u16, at: u64, mask: u64) -> [u64; 2] {
    [2 | granularity << 4 | u64::from(did) << 16, at & !0xfff | mask]
}

/// A context-cache invalidation: granularity 1 global, 2 domain, 3 device.
pub(crate) fn contexts(granularity: u64, did: u16, source: u16, function_mask: u64) -> [u64; 2] {
    [1 | granularity << 4 | u64::from(did) << 16 | u64::from(source) << 32 | function_mask << 48, 0]
}
