//! Command buffer, event log and registers.

use super::rig::{PAGE_FAULT, Rig, forget_device, forget_pages};
use crate::rig::DEVICE;

const RUNNING: u64 = 1 << 3 | 1 << 4;

#[test]
fn a_completion_wait_stores_its_data_after_what_came_before() {
    let rig = Rig::new();
    let done = rig.frame();
    let wait = [1 << 60 | done << 12 | 8 | 1, 0x1122_3344_5566_7788];
    assert!(rig.submit(&[forget_device(1), forget_pages(2, 0x1000), wait]));
    assert_eq!((rig.get(done, 0), rig.get(done, 1)), (0, wait[1]));
    assert_eq!(rig.read(0x2020), RUNNING, "no interrupt was asked for");
    rig.command([1 << 60 | 2, 0]);
    assert_eq!(rig.read(0x2020), RUNNING | 1 << 2);
    rig.write(0x2020, 1 << 2);
    assert_eq!(rig.read(0x2020), RUNNING);
}

#[test]
fn an_illegal_command_stops_the_buffer_there_and_is_logged_with_its_place() {
    let illegal = [
        [0, 0],
        [9 << 60, 0],
        [4 << 60, 0],
        [2 << 60 | 1 << 16, 0],
        [2 << 60, 1],
        [3 << 60 | 1 << 20, 0x1000],
        [3 << 60, 0x1004],
        [8 << 60 | 1, 0],
        [1 << 60 | 1 << 52, 0],
    ];
    for command in illegal {
        let rig = Rig::new();
        assert!(!rig.submit(&[forget_device(1), command, forget_device(2)]), "{command:x?}");
        assert_eq!(rig.read(0x2000), 16, "the head stays at it");
        assert_eq!(rig.read(0x2020), 1 << 3 | 1 << 1, "commands stand, an event is there");
        assert_eq!(rig.event(), Some([5 << 60, (rig.commands << 12) + 16]));
        // Off and on, with an empty ring.
        rig.write(0x18, 1 | 1 << 2);
        rig.write(0x08, rig.commands << 12 | 8 << 56);
        rig.write(0x18, 1 | 1 << 2 | 1 << 12);
        rig.command(forget_device(1));
    }
}

#[test]
fn a_command_that_cannot_be_fetched_stops_the_buffer() {
    let rig = Rig::new();
    rig.write(0x18, 1 | 1 << 2);
    rig.write(0x08, 1 << 40 | 8 << 56);
    rig.write(0x18, 1 | 1 << 2 | 1 << 12);
    rig.write(0x2008, 16);
    assert_eq!(rig.read(0x2020) & 1 << 4, 0);
    assert_eq!(rig.event(), Some([6 << 60 | 1 << 57, 1 << 40]));
}

#[test]
fn the_ring_wraps_around() {
    let rig = Rig::new();
    for round in 0..600u16 {
        rig.command(forget_device(round));
    }
    assert_eq!(rig.read(0x2000), 600 % 256 * 16);
}

#[test]
fn a_full_log_loses_events_and_stands_until_it_is_switched_off_and_on() {
    let rig = Rig::new();
    rig.attach(4, 5);
    for page in 0..300u64 {
        rig.load(page << 12).unwrap_err();
    }
    assert_eq!(rig.read(0x2020), 1 << 4 | 1 << 1 | 1, "overflow, and no longer running");
    for page in 0..255u64 {
        assert_eq!(rig.event(), Some([PAGE_FAULT | 5 << 32 | u64::from(DEVICE.0), page << 12]));
    }
    assert_eq!(rig.event(), None);
    rig.load(0).unwrap_err();
    assert_eq!(rig.event(), None, "it stands");
    rig.write(0x18, 1 | 1 << 12);
    rig.write(0x2020, 3);
    rig.write(0x18, 1 | 1 << 2 | 1 << 12);
    rig.load(0x1000).unwrap_err();
    assert_eq!(rig.event().map(|event| event[1]), Some(0x1000));
}

#[test]
fn registers_can_be_reached_by_halves_and_reserved_ones_are_0() {
    let rig = Rig::new();
    let unit = rig.machine.unit();
    assert_eq!(unit.read32(0x0c), 8 << 24);
    unit.write32(0x04, 0x12);
    assert_eq!(unit.read64(0x00), 0x12 << 32 | rig.device_table << 12);
    assert_eq!(unit.read64(0x30), 1 << 6 | 2 << 10, "IASup, six levels");
    unit.write64(0x30, 0);
    assert_eq!(unit.read64(0x30), 1 << 6 | 2 << 10);
    for (offset, value) in [(0x28, 0), (0x3000, 0), (0x4000, u64::MAX), (0x11, u64::MAX)] {
        assert_eq!(unit.read64(offset), value, "{offset:#x}");
    }
    assert_eq!(rig.machine.unit_base().get(), 0xfed8_0000);
}
