//! A machine with an AMD-Vi unit. Words are written as numbers here, from the manual's figures, and not by the types
//! that the unit reads them with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dxgk_event::Fault;
use dxgk_hw::{DmaError, LogicalAddr, MachineMemory, PhysAddr};
use dxgk_model::{AmdviConfig, Edu, Machine};
use dxgk_shm::Ram;

use crate::rig::{DEVICE, Recorder};

/// Device table entry, first word: V, TV, IR, IW.
pub(crate) const V: u64 = 1;
pub(crate) const TV: u64 = 1 << 1;
pub(crate) const IR: u64 = 1 << 61;
pub(crate) const IW: u64 = 1 << 62;
/// Page-table entry: PR, and everything permitted.
pub(crate) const PR: u64 = 1;
pub(crate) const ALL: u64 = PR | IR | IW;
/// IO_PAGE_FAULT, and flags of events.
pub(crate) const PAGE_FAULT: u64 = 2 << 60;
pub(crate) const FLAG_PR: u64 = 1 << 52;
pub(crate) const FLAG_RW: u64 = 1 << 53;
pub(crate) const FLAG_PE: u64 = 1 << 54;
pub(crate) const FLAG_RZ: u64 = 1 << 55;

pub(crate) struct Rig {
    pub(crate) ram: Arc<Ram>,
    pub(crate) events: Arc<Recorder>,
    pub(crate) machine: Machine,
    next: AtomicU64,
    pub(crate) device_table: u64,
    pub(crate) commands: u64,
    pub(crate) log: u64,
}

pub(crate) fn next_level(level: u64) -> u64 {
    level << 9
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(AmdviConfig::default())
    }

    /// RAM at 0..2G and 4G..6G, an edu at 00:03.0, a device table of one page with nothing in it, rings and
    /// translation on.
    pub(crate) fn with(config: AmdviConfig) -> Self {
        let ram = Arc::new(Ram::create(&"4G".parse().expect("layout")).expect("RAM"));
        let events = Arc::new(Recorder::default());
        let machine = Machine::builder(ram.clone(), events.clone())
            .unit(config)
            .device(DEVICE, "edu", Box::new(Edu::default()))
            .build()
            .expect("machine");
        let next = AtomicU64::new(0x100);
        let [device_table, commands, log] = [(); 3].map(|()| next.fetch_add(1, Ordering::Relaxed));
        let rig = Self { ram, events, machine, next, device_table, commands, log };
        rig.write(0x00, device_table << 12);
        rig.write(0x08, commands << 12 | 8 << 56);
        rig.write(0x10, log << 12 | 8 << 56);
        rig.write(0x18, 1 | 1 << 2 | 1 << 12);
        assert_eq!(rig.read(0x2020), 1 << 3 | 1 << 4, "both rings run");
        rig
    }

    pub(crate) fn read(&self, offset: u64) -> u64 {
        self.machine.unit().read64(offset)
    }

    pub(crate) fn write(&self, offset: u64, value: u64) {
        self.machine.unit().write64(offset, value);
    }

    /// A zeroed frame of its own.
    pub(crate) fn frame(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn set(&self, frame: u64, index: u64, word: u64) {
        self.ram.write(PhysAddr::new(frame << 12 | index << 3), &word.to_le_bytes()).expect("RAM");
    }

    pub(crate) fn get(&self, frame: u64, index: u64) -> u64 {
        let mut word = [0; 8];
        self.ram.read(PhysAddr::new(frame << 12 | index << 3), &mut word).expect("RAM");
        u64::from_le_bytes(word)
    }

    /// Writes the device's entry: the first two words.
    pub(crate) fn device(&self, first: u64, second: u64) {
        let index = u64::from(DEVICE.0) * 4;
        self.set(self.device_table, index + 1, second);
        self.set(self.device_table, index, first);
    }

    /// Gives the device tables of `mode` levels in a domain; the root of them.
    pub(crate) fn attach(&self, mode: u64, domain: u16) -> u64 {
        let root = self.frame();
        self.device(V | TV | IR | IW | root << 12 | mode << 9, domain.into());
        root
    }

    /// Writes entries for `at` from level `top` down to `level`, where `leaf` is put; the frame that holds it.
    /// Tables on the way that are there already are followed.
    pub(crate) fn put(&self, root: u64, top: u64, level: u64, at: u64, leaf: u64) -> u64 {
        let mut table = root;
        for above in (level + 1..=top).rev() {
            let index = at >> (12 + 9 * (above - 1)) & 0x1ff;
            let entry = self.get(table, index);
            let next = if entry == 0 { self.frame() } else { entry >> 12 & ((1 << 40) - 1) };
            self.set(table, index, next << 12 | next_level(above - 1) | ALL);
            table = next;
        }
        self.set(table, at >> (12 + 9 * (level - 1)) & 0x1ff, leaf);
        table
    }

    /// Maps the page at `at` to a fresh frame, which then holds its own number. The frame.
    pub(crate) fn map(&self, root: u64, top: u64, at: u64) -> u64 {
        let frame = self.frame();
        self.set(frame, 0, frame);
        self.put(root, top, 1, at, frame << 12 | ALL);
        frame
    }

    /// What the device reads at `at`, or that it may not.
    pub(crate) fn load(&self, at: u64) -> Result<u64, DmaError> {
        let mut out = [0; 8];
        self.machine.port(DEVICE).read(LogicalAddr::new(at), &mut out, 0).map(|()| u64::from_le_bytes(out))
    }

    pub(crate) fn store(&self, at: u64, value: u64) -> Result<(), DmaError> {
        self.machine.port(DEVICE).write(LogicalAddr::new(at), &value.to_le_bytes(), 0)
    }

    /// The oldest entry of the event log, taken out.
    pub(crate) fn event(&self) -> Option<[u64; 2]> {
        let (head, tail) = (self.read(0x2010), self.read(0x2018));
        (head != tail).then(|| {
            self.write(0x2010, (head + 16) % 0x1000);
            [self.get(self.log, head / 8), self.get(self.log, head / 8 + 1)]
        })
    }

    /// Asserts that the last access left exactly this event, and a fault event that carries it.
    #[track_caller]
    pub(crate) fn assert_event(&self, head: u64, address: u64) -> Fault {
        let wanted = [head | u64::from(DEVICE.0), address];
        assert_eq!(self.event(), Some(wanted), "the log");
        assert_eq!(self.event(), None, "one event");
        let fault = *self.events.faults().last().expect("a fault");
        assert_eq!(fault.record, wanted);
        fault
    }

    /// Puts commands into the ring; whether the unit took them all.
    pub(crate) fn submit(&self, commands: &[[u64; 2]]) -> bool {
        let mut tail = self.read(0x2008) / 16;
        for [first, second] in commands {
            self.set(self.commands, tail * 2, *first);
            self.set(self.commands, tail * 2 + 1, *second);
            tail = (tail + 1) % 256;
        }
        self.write(0x2008, tail * 16);
        self.read(0x2000) / 16 == tail
    }

    #[track_caller]
    pub(crate) fn command(&self, command: [u64; 2]) {
        assert!(self.submit(&[command]), "the command buffer stopped");
    }
}

/// INVALIDATE_DEVTAB_ENTRY.
pub(crate) fn forget_device(device: u16) -> [u64; 2] {
    [2 << 60 | u64::from(device), 0]
}

/// INVALIDATE_IOMMU_PAGES; `second` as the manual draws it.
pub(crate) fn forget_pages(domain: u16, second: u64) -> [u64; 2] {
    [3 << 60 | u64::from(domain) << 32, second]
}
