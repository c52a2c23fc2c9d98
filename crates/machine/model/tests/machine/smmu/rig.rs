//! A machine with an SMMU. Words are written as numbers here, from the manual's figures, and not by the types that the
//! unit reads them with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dxgk_event::Fault;
use dxgk_hw::{DmaError, LogicalAddr, MachineMemory, PhysAddr};
use dxgk_model::{Edu, Machine, SmmuConfig};
use dxgk_shm::Ram;

use crate::rig::{DEVICE, Recorder};

/// Stream table entry: V, and values of Config.
pub(crate) const V: u64 = 1;
pub(crate) const BYPASS: u64 = 0b100 << 1;
pub(crate) const STAGE_1: u64 = 0b101 << 1;
pub(crate) const STAGE_2: u64 = 0b110 << 1;
/// Descriptors: a table, and a page that everybody may read and write (stage 1: AP\[1\]; stage 2: S2AP; access flag).
pub(crate) const TABLE: u64 = 0b11;
pub(crate) const PAGE: u64 = 0b11 | 1 << 10;
pub(crate) const BLOCK: u64 = 0b01 | 1 << 10;
pub(crate) const USER: u64 = 1 << 6;
pub(crate) const READ_ONLY: u64 = 1 << 7;
pub(crate) const S2_READ: u64 = 1 << 6;
pub(crate) const S2_WRITE: u64 = 1 << 7;
/// Context descriptor, first word: 48 bits of input and output, AA64, R, A, valid, no TTB1, ASID 5.
pub(crate) const CD: u64 = 16 | 1 << 30 | 1 << 31 | 5 << 32 | 1 << 41 | 1 << 45 | 1 << 46 | 5 << 48;
/// Events: bits of the second word.
pub(crate) const RNW: u64 = 1 << 35;
pub(crate) const S2: u64 = 1 << 39;
pub(crate) const IN: u64 = 2 << 40;

pub(crate) struct Rig {
    pub(crate) ram: Arc<Ram>,
    pub(crate) events: Arc<Recorder>,
    pub(crate) machine: Machine,
    next: AtomicU64,
    pub(crate) streams: u64,
    pub(crate) commands: u64,
    pub(crate) log: u64,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(SmmuConfig { output_bits: 48, ..SmmuConfig::default() })
    }

    /// RAM at 0..2G and 4G..6G, an edu at 00:03.0, a linear stream table of 64 streams, queues of 256 commands and 128
    /// events, everything on.
    pub(crate) fn with(config: SmmuConfig) -> Self {
        let ram = Arc::new(Ram::create(&"4G".parse().expect("layout")).expect("RAM"));
        let events = Arc::new(Recorder::default());
        let machine = Machine::builder(ram.clone(), events.clone())
            .unit(config)
            .device(DEVICE, "edu", Box::new(Edu::default()))
            .build()
            .expect("machine");
        let next = AtomicU64::new(0x100);
        let [streams, commands, log] = [(); 3].map(|()| next.fetch_add(1, Ordering::Relaxed));
        let rig = Self { ram, events, machine, next, streams, commands, log };
        rig.write64(0x80, streams << 12);
        rig.write(0x88, 6);
        rig.write64(0x90, commands << 12 | 8);
        rig.write64(0xa0, log << 12 | 7);
        rig.write(0x2c, 1 << 1);
        rig.write(0x20, 0b1101);
        assert_eq!(rig.read(0x24), 0b1101, "acknowledged");
        rig
    }

    pub(crate) fn read(&self, offset: u64) -> u32 {
        self.machine.unit().read32(offset)
    }

    pub(crate) fn write(&self, offset: u64, value: u32) {
        self.machine.unit().write32(offset, value);
    }

    pub(crate) fn write64(&self, offset: u64, value: u64) {
        self.machine.unit().write64(offset, value);
    }

    /// A zeroed frame of its own.
    pub(crate) fn frame(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn set(&self, frame: u64, index: u64, word: u64) {
        self.ram.write(PhysAddr::new((frame << 12) + (index << 3)), &word.to_le_bytes()).expect("RAM");
    }

    pub(crate) fn get(&self, frame: u64, index: u64) -> u64 {
        let mut word = [0; 8];
        self.ram.read(PhysAddr::new((frame << 12) + (index << 3)), &mut word).expect("RAM");
        u64::from_le_bytes(word)
    }

    /// Writes the device's entry: the first four words.
    pub(crate) fn stream(&self, words: [u64; 4]) {
        for (nth, word) in words.into_iter().enumerate().rev() {
            self.set(self.streams, u64::from(DEVICE.0) * 8 + nth as u64, word);
        }
    }

    /// Gives the device a context descriptor with these words, and its frame.
    pub(crate) fn context(&self, first: u64, root: u64) -> u64 {
        let frame = self.frame();
        self.set(frame, 1, root << 12);
        self.set(frame, 0, first);
        self.stream([V | STAGE_1 | frame << 12, 0, 0, 0]);
        frame
    }

    /// Gives the device stage 1 tables of four levels with a granule of 4 KiB; the root of them.
    pub(crate) fn stage_1(&self) -> u64 {
        let root = self.frame();
        self.context(CD, root);
        root
    }

    /// Gives the device stage 2 tables of three levels and 39 bits with a granule of 4 KiB, VMID 9; the root of them.
    pub(crate) fn stage_2(&self) -> u64 {
        let root = self.frame();
        let third = 9 | 25 << 32 | 1 << 38 | 5 << 48 | 1 << 51 | 1 << 58;
        self.stream([V | STAGE_2, 0, third, root << 12]);
        root
    }

    /// Writes descriptors for `at` from level `top` (counted from the lowest, 1) down to `level`, where `leaf` is put; the
    /// frame that holds it. Tables on the way that are there already are followed.
    pub(crate) fn put(&self, root: u64, top: u64, level: u64, at: u64, leaf: u64) -> u64 {
        let mut table = root;
        for above in (level + 1..=top).rev() {
            let index = at >> (12 + 9 * (above - 1)) & 0x1ff;
            let entry = self.get(table, index);
            let next = if entry == 0 { self.frame() } else { entry >> 12 & ((1 << 36) - 1) };
            self.set(table, index, next << 12 | TABLE);
            table = next;
        }
        self.set(table, at >> (12 + 9 * (level - 1)) & 0x1ff, leaf);
        table
    }

    /// Maps the page at `at` to a fresh frame, which then holds its own number. The frame.
    pub(crate) fn map(&self, root: u64, top: u64, at: u64) -> u64 {
        let frame = self.frame();
        self.set(frame, 0, frame);
        // The permission bits of both stages at once: AP[1] is S2AP read; S2AP write is AP[2], so stage 2 adds it.
        let write = if top == 3 { S2_WRITE } else { 0 };
        self.put(root, top, 1, at, frame << 12 | PAGE | USER | write);
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

    /// The oldest event, taken out: its first three words.
    pub(crate) fn event(&self) -> Option<[u64; 3]> {
        let (prod, cons) = (self.read(0x1_00a8), self.read(0x1_00ac));
        ((prod ^ cons) & 0xff != 0).then(|| {
            self.write(0x1_00ac, (cons + 1) & 0xff | cons & 1 << 31);
            let at = u64::from(cons & 0x7f) * 4;
            [0, 1, 2].map(|nth| self.get(self.log, at + nth))
        })
    }

    /// Asserts that the last access left exactly this event, and a fault event that carries it.
    #[track_caller]
    pub(crate) fn assert_event(&self, code: u64, second: u64, address: u64) -> Fault {
        let first = code | u64::from(DEVICE.0) << 32;
        assert_eq!(self.event(), Some([first, second, address]), "the queue");
        assert_eq!(self.event(), None, "one event");
        let fault = *self.events.faults().last().expect("a fault");
        assert_eq!(fault.record, [first, second]);
        fault
    }

    /// Puts commands into the queue; whether the unit took them all.
    pub(crate) fn submit(&self, commands: &[[u64; 2]]) -> bool {
        let mut prod = self.read(0x98);
        for [first, second] in commands {
            self.set(self.commands, u64::from(prod & 0xff) * 2, *first);
            self.set(self.commands, u64::from(prod & 0xff) * 2 + 1, *second);
            prod = (prod + 1) & 0x1ff;
        }
        self.write(0x98, prod);
        self.read(0x9c) == prod
    }

    #[track_caller]
    pub(crate) fn command(&self, command: [u64; 2]) {
        assert!(self.submit(&[command]), "the command queue stopped");
    }
}

/// CMD_CFGI_STE of the device.
pub(crate) fn forget_stream() -> [u64; 2] {
    [3 | u64::from(DEVICE.0) << 32, 1]
}

/// CMD_TLBI_NH_VA for ASID `asid`.
pub(crate) fn forget_va(asid: u64, at: u64, leaf: bool) -> [u64; 2] {
    [0x12 | asid << 48, at & !0xfff | u64::from(leaf)]
}
