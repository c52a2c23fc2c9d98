//! Fault records.

use dxgk_event::FaultReason;
use dxgk_model::VtdConfig;

use crate::rig::{DEVICE, RW, Rig};

const F: u64 = 1 << 63;

#[test]
fn a_record_says_who_wanted_what_where_and_why() {
    let rig = Rig::new();
    let _ = rig.attach(1);
    assert!(rig.load(0x12_3456_7010).is_err());
    assert!(rig.store(0x77_0000_0000, 1).is_err());
    let read = [rig.read64(0x220), rig.read64(0x228)];
    assert_eq!(read, [0x12_3456_7000, F | 1 << 62 | 6 << 32 | u64::from(DEVICE.0)]);
    let write = [rig.read64(0x230), rig.read64(0x238)];
    assert_eq!(write, [0x77_0000_0000, F | 5 << 32 | u64::from(DEVICE.0)]);
    let events = rig.events.faults();
    assert_eq!((events[0].record, events[1].record), (read, write));
    assert_eq!((events[0].write, events[1].write), (0, 1));
    assert_eq!(rig.read32(0x34), 0b10, "pending, the first record is 0");
    assert_eq!(rig.read32(0x22c), (read[1] >> 32) as u32, "records can be read in halves");
}

#[test]
fn device_table_faults_have_the_manuals_reasons() {
    // (what is wrong, reason code)
    type Break = fn(&Rig);
    let cases: &[(&str, Break, u64, FaultReason)] = &[
        ("root absent", |rig| rig.set(rig.root_table(), 0, 0), 0x1, FaultReason::NoDevice),
        ("root reserved", |rig| rig.set(rig.root_table(), 0, 0x5001 | 1 << 5), 0xa, FaultReason::Malformed),
        ("root upper word", |rig| rig.set(rig.root_table(), 1, 1), 0xa, FaultReason::Malformed),
        (
            "contexts outside RAM",
            |rig| rig.set(rig.root_table(), 0, 0xa000_0001),
            0x9,
            FaultReason::Malformed,
        ),
        ("context absent", |rig| rig.context(0, 0), 0x2, FaultReason::NoDevice),
        ("context reserved", |rig| rig.context(0x5001 | 1 << 6, 2), 0xb, FaultReason::Malformed),
        ("context reserved high", |rig| rig.context(0x5001, 2 | 1 << 40), 0xb, FaultReason::Malformed),
        ("table beyond the host", |rig| rig.context(1 << 47 | 1, 2), 0xb, FaultReason::Malformed),
        ("no such width", |rig| rig.context(0x5001, 0), 0x3, FaultReason::Malformed),
        ("five levels", |rig| rig.context(0x5001, 3), 0x3, FaultReason::Malformed),
        ("reserved type", |rig| rig.context(0x5001 | 0b11 << 2, 2), 0x3, FaultReason::Malformed),
        ("device TLBs", |rig| rig.context(0x5001 | 0b01 << 2, 2), 0x3, FaultReason::Malformed),
        ("table outside RAM", |rig| rig.context(0xa000_0001, 2), 0x7, FaultReason::Malformed),
        ("beyond 48 bits", |rig| rig.context(0x5001, 2), 0x4, FaultReason::BeyondWidth),
    ];
    for (what, break_it, code, reason) in cases {
        let rig = Rig::new();
        let _ = rig.attach(1);
        break_it(&rig);
        let at = if *code == 4 { 1 << 48 } else { 0x5000 };
        assert!(rig.load(at).is_err(), "{what}");
        assert_eq!(rig.read64(0x228) >> 32 & 0xff, *code, "{what}");
        assert_eq!(rig.events.faults()[0].reason, *reason, "{what}");
    }
}

#[test]
fn a_root_table_outside_ram_and_an_unknown_table_mode_are_faults() {
    for (register, code) in [(0xa000_0000u64, 0x8), (0b10 << 10, 0x30), (0b11 << 10, 0x30)] {
        let rig = Rig::off(VtdConfig::default());
        rig.write64(0x20, register);
        rig.write32(0x18, 1 << 30);
        rig.write32(0x18, 1 << 31);
        assert!(rig.load(0).is_err());
        assert_eq!(rig.read64(0x228) >> 32 & 0xff, code);
    }
}

#[test]
fn records_overflow_and_nothing_is_recorded_until_that_is_cleared() {
    let rig = Rig::with(VtdConfig { fault_records: 2, ..VtdConfig::default() });
    let _ = rig.attach(1);
    for page in 1..=3u64 {
        assert!(rig.load(page << 12).is_err());
    }
    assert_eq!(rig.read32(0x34), 0b11, "pending and overflow");
    assert_eq!(rig.events.faults()[2].record, [0, 0], "the third left no record");
    assert_eq!(rig.events.faults()[2].address, 0x3000, "but an event");
    assert_eq!([rig.read64(0x220), rig.read64(0x230)], [0x1000, 0x2000]);
    // Records freed, overflow not cleared: still nothing.
    rig.write64(0x228, F);
    rig.write32(0x23c, 1 << 31);
    assert_eq!(rig.read32(0x34), 0b01);
    assert!(rig.load(0x4000).is_err());
    assert_eq!(rig.read64(0x228) & F, 0);
    rig.write32(0x34, 1);
    assert_eq!(rig.read32(0x34), 0);
    assert!(rig.load(0x5000).is_err());
    assert_eq!(rig.read64(0x220), 0x5000);
}

#[test]
fn the_status_names_the_oldest_record() {
    let rig = Rig::new();
    let _ = rig.attach(1);
    for page in 1..=3u64 {
        assert!(rig.load(page << 12).is_err());
    }
    assert_eq!(rig.read32(0x34) >> 8 & 0xff, 0);
    rig.write32(0x22c, 1 << 31);
    assert_eq!(rig.read32(0x34) >> 8 & 0xff, 1);
}

#[test]
fn writing_other_bits_of_a_record_changes_nothing() {
    let rig = Rig::new();
    let _ = rig.attach(1);
    assert!(rig.load(0x1000).is_err());
    let before = [rig.read64(0x220), rig.read64(0x228)];
    rig.write64(0x220, u64::MAX);
    rig.write64(0x228, u64::MAX >> 1);
    assert_eq!([rig.read64(0x220), rig.read64(0x228)], before);
}

#[test]
fn a_function_with_fault_processing_disabled_is_refused_without_a_record() {
    let rig = Rig::new();
    let root = rig.frame();
    rig.context(root << 12 | 0b11, 1 << 8 | 2);
    assert!(rig.load(0x1000).is_err());
    rig.context(0b10, 0);
    rig.invalidate(&[crate::rig::contexts(1, 0, 0, 0)]);
    assert!(rig.load(0x1000).is_err());
    assert_eq!(rig.read32(0x34), 0);
    let faults = rig.events.faults();
    assert_eq!(faults.len(), 2, "the events are there all the same");
    assert!(faults.iter().all(|fault| fault.record == [0, 0]));
}

#[test]
fn a_masked_fault_interrupt_is_pending_until_it_is_unmasked_or_served() {
    let rig = Rig::new();
    let _ = rig.attach(1);
    assert_eq!(rig.read32(0x38), 1 << 31, "masked after reset");
    assert!(rig.load(0x1000).is_err());
    assert_eq!(rig.read32(0x38), 1 << 31 | 1 << 30);
    rig.write64(0x228, F);
    assert_eq!(rig.read32(0x38), 1 << 31);
    assert!(rig.load(0x1000).is_err());
    rig.write32(0x38, 0);
    assert_eq!(rig.read32(0x38), 0);
}

#[test]
fn one_refused_transfer_makes_one_fault_and_one_dma_event() {
    let rig = Rig::new();
    let root = rig.attach(1);
    rig.map(root, 0x1000, 0x900, RW);
    assert!(rig.load(0x1ffc).is_err());
    assert_eq!(rig.events.all().len(), 2);
    assert_eq!(rig.events.transfers()[0].done, 4);
}
