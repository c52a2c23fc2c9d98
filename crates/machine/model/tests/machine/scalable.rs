//! VT-d's scalable mode: PASID directories and tables, both stages, and the caches that are scalable mode's own.

use dxgk_event::FaultReason;
use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_model::VtdConfig;

use crate::rig::{DEVICE, RW, Rig};

const AT: u64 = 0x12_3450_0000;
/// PASID entry, first word: P, and AW of 48 bits; values of PGTT.
const P: u64 = 1;
const AW: u64 = 2 << 2;
const FIRST: u64 = 1 << 6;
const SECOND: u64 = 2 << 6;
const PASS: u64 = 4 << 6;
/// First-stage entry: P, R/W, U/S.
const USER: u64 = 0b101;
const WRITE: u64 = 0b010;

/// A unit in scalable mode, the device's PASID directory in place.
struct Scalable {
    rig: Rig,
    contexts: u64,
    directory: u64,
    table: u64,
    queue: u64,
}

impl Scalable {
    fn with(config: VtdConfig) -> Self {
        let rig = Rig::off(config);
        let [root, contexts, directory, table, queue] = [(); 5].map(|()| rig.frame());
        rig.set(root, 0, contexts << 12 | P);
        rig.set(contexts, usize::from(DEVICE.devfn()) * 4, directory << 12 | P);
        rig.set(directory, 0, table << 12 | P);
        rig.write64(0x20, root << 12 | 1 << 10);
        rig.write32(0x18, 1 << 30);
        rig.write64(0x90, queue << 12 | 1 << 11);
        rig.write32(0x18, 1 << 26);
        rig.write32(0x18, 1 << 31 | 1 << 26);
        Self { rig, contexts, directory, table, queue }
    }

    fn new() -> Self {
        Self::with(VtdConfig::default())
    }

    /// Writes the first three words of the entry of PASID 0.
    fn pasid(&self, words: [u64; 3]) {
        for (nth, word) in words.into_iter().enumerate().rev() {
            self.rig.set(self.table, nth, word);
        }
    }

    fn second_stage(&self, domain: u64) -> u64 {
        let root = self.rig.frame();
        self.pasid([root << 12 | P | AW | SECOND, domain, 0]);
        root
    }

    fn first_stage(&self, domain: u64) -> u64 {
        let root = self.rig.frame();
        self.pasid([P | AW | FIRST, domain, root << 12]);
        root
    }

    /// Puts descriptors of 256 bits into the queue; whether the unit took them all.
    fn submit(&self, descriptors: &[[u64; 2]]) -> bool {
        let mut tail = self.rig.read64(0x88) >> 5;
        for [first, second] in descriptors {
            for (nth, word) in [*first, *second, 0, 0].into_iter().enumerate() {
                self.rig.set(self.queue, tail as usize * 4 + nth, word);
            }
            tail = (tail + 1) % 128;
        }
        self.rig.write64(0x88, tail << 5);
        self.rig.read64(0x80) >> 5 == tail
    }

    #[track_caller]
    fn invalidate(&self, descriptor: [u64; 2]) {
        assert!(self.submit(&[descriptor]), "the queue stopped");
    }

    #[track_caller]
    fn refused(&self, at: u64, code: u8) -> FaultReason {
        self.rig.load(at).unwrap_err();
        let fault = *self.rig.events.faults().last().expect("a fault");
        assert_eq!((fault.record[1] >> 32) as u8, code);
        let record = 0x220 + (self.rig.events.faults().len() as u64 - 1) % 8 * 16;
        self.rig.write32(record + 12, 1 << 31);
        fault.reason
    }
}

#[test]
fn the_capabilities_say_scalable_mode_and_its_stages() {
    for (scalable, first_stage) in [(true, true), (true, false), (false, true)] {
        let rig = Rig::off(VtdConfig { scalable, first_stage, ..VtdConfig::default() });
        let ecap = rig.read64(0x10);
        assert_eq!(ecap >> 43 & 1 == 1, scalable, "SMTS");
        assert_eq!(ecap >> 46 & 1 == 1, scalable, "SSTS");
        assert_eq!(ecap >> 47 & 1 == 1, scalable && first_stage, "FSTS");
    }
}

#[test]
fn each_structure_that_is_absent_or_wrong_has_its_own_reason() {
    let unit = Scalable::new();
    let (rig, index) = (&unit.rig, usize::from(DEVICE.devfn()) * 4);
    assert_eq!(unit.refused(AT, 0x59), FaultReason::NoDevice, "no PASID entry");
    unit.pasid([P | 3 << 6 | AW, 5, 0]);
    assert_eq!(unit.refused(AT, 0x5b), FaultReason::Malformed, "nested");
    unit.pasid([P | SECOND, 5, 0]);
    unit.refused(AT, 0x5b);
    unit.pasid([P | SECOND | AW | 1 << 9, 5, 0]);
    unit.refused(AT, 0x5a);
    rig.set(unit.table, 3, 1);
    unit.pasid([P | SECOND | AW, 5, 0]);
    unit.refused(AT, 0x5a);
    rig.set(unit.directory, 0, 1 << 45 | P);
    unit.refused(AT, 0x58);
    rig.set(unit.directory, 0, unit.table << 12 | P | 1 << 2);
    unit.refused(AT, 0x52);
    rig.set(unit.directory, 0, 0);
    assert_eq!(unit.refused(AT, 0x51), FaultReason::NoDevice);
    for (low, high, code) in [
        (1 << 45 | P, 0, 0x50),
        (unit.directory << 12 | P, 1 << 13, 0x48),
        (unit.directory << 12 | P | 1 << 5, 0, 0x42),
        (unit.directory << 12 | P | 1 << 3, 0, 0x42),
        (0, 0, 0x41),
    ] {
        rig.set(unit.contexts, index, low);
        rig.set(unit.contexts, index + 1, high);
        unit.invalidate([1 | 1 << 4, 0]);
        unit.refused(AT, code);
    }
    let other = rig.machine.port(dxgk_hw::RequesterId::new(0, 16, 0));
    other.read(dxgk_hw::LogicalAddr::new(AT), &mut [0], 0).unwrap_err();
    let fault = *rig.events.faults().last().expect("a fault");
    assert_eq!((fault.record[1] >> 32) as u8, 0x39, "the upper half of the root entry");
}

#[test]
fn pass_through_and_both_stages_lead_where_they_should() {
    let unit = Scalable::new();
    let rig = &unit.rig;
    unit.pasid([P | PASS | AW, 3, 0]);
    rig.load(0x1000).expect("passes");
    let frame = rig.frame();
    rig.set(frame, 0, 42);
    unit.invalidate([7 | 3 << 4, 0]);
    let root = unit.second_stage(5);
    rig.map(root, AT, frame, RW);
    assert_eq!(rig.load(AT), Ok(42));
    assert_eq!(unit.refused(AT + 0x1000, 0x79), FaultReason::NotPresent);
    assert_eq!(unit.refused(1 << 48, 0x84), FaultReason::BeyondWidth);
    unit.invalidate([7 | 3 << 4, 0]);
    let root = unit.first_stage(6);
    rig.put(root, 4, 1, AT, frame << 12 | USER);
    // The rig's tables say 0b011; the first stage wants user pages.
    assert_eq!(unit.refused(AT, 0x81), FaultReason::NoRead);
}

/// First-stage tables of its own down to the page at [`AT`].
fn first_stage_page(unit: &Scalable, leaf: u64) -> [u64; 4] {
    let rig = &unit.rig;
    let mut tables = [unit.first_stage(6), rig.frame(), rig.frame(), rig.frame()];
    for (nth, level) in (2..=4u64).rev().enumerate() {
        let index = AT >> (12 + 9 * (level - 1)) & 0x1ff;
        rig.set(tables[nth], index as usize, tables[nth + 1] << 12 | USER | WRITE);
    }
    rig.set(tables[3], (AT >> 12 & 0x1ff) as usize, leaf);
    tables.reverse();
    tables
}

#[test]
fn the_first_stage_reads_what_it_may_and_marks_what_it_used() {
    let unit = Scalable::new();
    let rig = &unit.rig;
    let frame = rig.frame();
    rig.set(frame, 0, 42);
    let tables = first_stage_page(&unit, frame << 12 | USER | WRITE);
    let word = |level: usize| {
        let index = AT >> (12 + 9 * level) & 0x1ff;
        let mut bytes = [0; 8];
        rig.ram.read(PhysAddr::new(tables[level] << 12 | index << 3), &mut bytes).expect("RAM");
        u64::from_le_bytes(bytes)
    };
    assert_eq!(rig.load(AT), Ok(42));
    assert!((0..4).all(|level| word(level) >> 5 & 1 == 1), "accessed at every level");
    assert_eq!(word(0) >> 6 & 1, 0, "not dirty");
    rig.store(AT, 43).expect("writable");
    assert_eq!(word(0) >> 6 & 1, 1, "dirty, though the translation was cached by the read");
    assert_eq!(unit.refused(AT + 0x1000, 0x71), FaultReason::NotPresent);
    assert_eq!(unit.refused(1 << 47, 0x80), FaultReason::BeyondWidth);
    let unit = Scalable::new();
    first_stage_page(&unit, frame << 12 | USER);
    unit.rig.load(AT).expect("readable");
    unit.rig.store(AT, 1).unwrap_err();
    assert_eq!((unit.rig.events.faults()[0].record[1] >> 32) as u8, 0x85);
    let unit = Scalable::new();
    first_stage_page(&unit, 1 << 51 | frame << 12 | USER);
    assert_eq!(unit.refused(AT, 0x72), FaultReason::Malformed);
}

#[test]
fn a_pasid_entry_is_used_as_it_was_until_its_own_cache_is_invalidated() {
    let unit = Scalable::new();
    let rig = &unit.rig;
    let root = unit.second_stage(5);
    rig.map(root, AT, rig.frame(), RW);
    rig.load(AT).expect("mapped");
    unit.pasid([0; 3]);
    let source = u64::from(DEVICE.0);
    // Context cache, IOTLB, another domain, another PASID.
    for other in [
        [1 | 3 << 4 | 5 << 16 | source << 32, 0],
        [2 | 2 << 4 | 5 << 16, 0],
        [7 | 6 << 16, 0],
        [7 | 1 << 4 | 5 << 16 | 1 << 32, 0],
    ] {
        unit.invalidate(other);
        rig.load(AT).expect("cached");
    }
    unit.invalidate([7 | 1 << 4 | 5 << 16, 0]);
    unit.refused(AT, 0x59);
}

#[test]
fn translations_of_the_first_stage_have_their_own_invalidation() {
    let unit = Scalable::new();
    let rig = &unit.rig;
    let tables = first_stage_page(&unit, rig.frame() << 12 | USER);
    rig.load(AT).expect("mapped");
    rig.set(tables[0], (AT >> 12 & 0x1ff) as usize, 0);
    for other in [
        // Pages of the second stage; another PASID; another page.
        [2 | 3 << 4 | 6 << 16, AT],
        [6 | 2 << 4 | 6 << 16 | 1 << 32, 0],
        [6 | 3 << 4 | 6 << 16, AT + 0x1000],
    ] {
        unit.invalidate(other);
        rig.load(AT).expect("cached");
    }
    unit.invalidate([6 | 3 << 4 | 6 << 16, AT]);
    unit.refused(AT, 0x71);
}

#[test]
fn descriptors_of_the_wrong_width_or_mode_stop_the_queue() {
    let unit = Scalable::new();
    assert!(!unit.submit(&[[6 | 1 << 4, 0]]), "a reserved granularity");
    assert_eq!(unit.rig.read32(0x34) >> 4 & 1, 1, "FSTS.IQE");
    // Legacy mode takes no descriptors of scalable mode, and none of 256 bits.
    let rig = Rig::new();
    assert!(!rig.submit(&[[7 | 3 << 4, 0]]));
    let rig = Rig::off(VtdConfig::default());
    let [root, queue] = [(); 2].map(|()| rig.frame());
    rig.write64(0x20, root << 12);
    rig.write32(0x18, 1 << 30);
    rig.write64(0x90, queue << 12 | 1 << 11);
    rig.write32(0x18, 1 << 26);
    rig.write64(0x88, 1 << 5);
    assert_eq!(rig.read32(0x34) >> 4 & 1, 1);
}
