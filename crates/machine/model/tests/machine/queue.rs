//! The invalidation queue and register-based invalidation.

use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_model::VtdConfig;

use crate::rig::{RW, Rig, contexts, iotlb};

const IQE: u32 = 1 << 4;

#[test]
fn descriptors_that_break_the_rules_stop_the_queue_at_them() {
    let wait_pd: [u64; 2] = [5 | 1 << 7, 0];
    let bad: &[[u64; 2]] = &[
        [0, 0],
        [6, 0],
        [0xf, 0],
        [3, 0],
        [4 | 1 << 4, 0],
        [2, 0],
        [1, 0],
        [2 | 1 << 4 | 1 << 9, 0],
        [1 | 1 << 4 | 1 << 6, 0],
        [1 | 1 << 4, 1],
        [1 | 1 << 4 | 1 << 50, 0],
        [2 | 1 << 4 | 1 << 8, 0],
        [2 | 1 << 4 | 1 << 32, 0],
        [2 | 1 << 4, 1 << 7],
        iotlb(3, 1, 0, 19),
        iotlb(3, 1, 0, 63),
        wait_pd,
        [5 | 1 << 5 | 1 << 8, 0x5000],
        [5 | 1 << 5, 0x5002],
    ];
    for descriptor in bad {
        let rig = Rig::new();
        rig.invalidate(&[iotlb(1, 0, 0, 0)]);
        let before = rig.read64(0x80);
        assert!(!rig.submit(&[*descriptor, iotlb(1, 0, 0, 0)]), "{descriptor:x?}");
        assert_eq!(rig.read32(0x34) & IQE, IQE, "{descriptor:x?}");
        assert_eq!(rig.read64(0x80), before, "the head is at it");
    }
}

#[test]
fn the_queue_goes_on_when_the_descriptor_is_mended_and_the_error_cleared() {
    let rig = Rig::new();
    let root = rig.attach(1);
    rig.map(root, 0x5000, 0x900, RW);
    assert!(rig.load(0x5000).is_ok());
    rig.map(root, 0x5000, 0, 0);
    assert!(!rig.submit(&[[0, 0]]));
    assert!(!rig.submit(&[iotlb(1, 0, 0, 0)]), "stopped until the error is cleared");
    assert!(rig.load(0x5000).is_ok());
    let queue = rig.read64(0x90) >> 12;
    rig.set(queue, 0, contexts(1, 0, 0, 0)[0]);
    rig.write32(0x34, IQE);
    assert_eq!(rig.read32(0x34) & IQE, 0);
    assert_eq!(rig.read64(0x80), rig.read64(0x88));
    assert!(rig.load(0x5000).is_err());
}

#[test]
fn the_queue_wraps_around() {
    let rig = Rig::new();
    for _ in 0..1000 {
        rig.invalidate(&[iotlb(1, 0, 0, 0), contexts(1, 0, 0, 0)]);
    }
}

#[test]
fn a_tail_outside_the_queue_and_a_queue_outside_ram_are_errors() {
    let rig = Rig::new();
    rig.write64(0x88, 256 << 4);
    assert_eq!(rig.read32(0x34) & IQE, IQE);

    let rig = Rig::off(VtdConfig::default());
    rig.write64(0x90, 0xa000_0000);
    rig.write32(0x18, 1 << 26);
    rig.write64(0x88, 1 << 4);
    assert_eq!(rig.read32(0x34) & IQE, IQE);
    assert_eq!(rig.read64(0x80), 0);
}

#[test]
fn a_wait_writes_its_status_and_may_raise_completion() {
    let rig = Rig::new();
    let at = 0x7_0004;
    assert!(rig.submit(&[[5 | 1 << 4 | 1 << 5 | 0xabcd << 32, at]]));
    let mut status = [0; 8];
    rig.ram.read(PhysAddr::new(at - 4), &mut status).expect("RAM");
    assert_eq!(u64::from_le_bytes(status), 0xabcd << 32, "four bytes and no more");
    assert_eq!(rig.read32(0x9c), 1);
    rig.write32(0x9c, 1);
    assert_eq!(rig.read32(0x9c), 0);
    assert!(rig.submit(&[[5 | 1 << 5, 0xa000_0000]]), "a status outside RAM is lost, no more");
}

#[test]
fn nothing_runs_while_the_queue_is_off_and_the_head_starts_over() {
    let rig = Rig::new();
    rig.invalidate(&[iotlb(1, 0, 0, 0)]);
    rig.write32(0x18, 1 << 31);
    assert_eq!(rig.read64(0x80), 0);
    rig.write64(0x88, 5 << 4);
    assert_eq!(rig.read64(0x80), 0);
}

#[test]
fn register_based_invalidation_works_while_the_queue_is_off() {
    let rig = Rig::off(VtdConfig::default());
    rig.bring_up();
    rig.write32(0x18, 1 << 31);
    let root = rig.attach(1);
    rig.map(root, 0x5000, 0x900, RW);
    assert!(rig.load(0x5000).is_ok());
    rig.map(root, 0x5000, 0, 0);
    // Pages of another address, then of this one.
    rig.write64(0xf0, 0x6000);
    rig.write64(0xf8, 1 << 63 | 0b11 << 60 | 1 << 32);
    assert_eq!(rig.read64(0xf8) >> 57, 0b11 << 3 | 0b11, "done, with the granularity asked for");
    assert!(rig.load(0x5000).is_ok());
    rig.write64(0xf0, 0x5000);
    rig.write64(0xf8, 1 << 63 | 0b11 << 60 | 1 << 32);
    assert!(rig.load(0x5000).is_err());
    // Context command.
    rig.map(root, 0x5000, 0x900, RW);
    assert!(rig.load(0x5000).is_ok());
    rig.context(0, 0);
    assert!(rig.load(0x5000).is_ok());
    rig.write64(0x28, 1 << 63 | 1 << 61);
    assert_eq!(rig.read64(0x28) >> 59, 0b0101, "done, globally");
    assert!(rig.load(0x5000).is_err());
}
