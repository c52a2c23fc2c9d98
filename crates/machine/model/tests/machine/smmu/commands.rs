//! Queues and registers.

use super::rig::{IN, RNW, Rig, forget_stream};
use crate::rig::DEVICE;

#[test]
fn the_consumer_passes_what_is_done_and_the_queue_wraps() {
    let rig = Rig::new();
    for round in 0..600u32 {
        rig.command([0x46, 0]);
        assert_eq!(rig.read(0x9c), (round + 1) & 0x1ff);
    }
}

#[test]
fn an_illegal_command_stops_the_queue_until_it_is_acknowledged() {
    for command in [[0, 0], [0x45, 0], [0xff, 0], [0x20, 0]] {
        let rig = Rig::new();
        assert!(!rig.submit(&[forget_stream(), command, forget_stream()]));
        assert_eq!(rig.read(0x9c), 1 | 1 << 24, "CERROR_ILL at the second");
        assert_eq!(rig.read(0x60), 1, "GERROR.CMDQ_ERR");
        // The command is mended, the error acknowledged.
        rig.set(rig.commands, 2, 0x46);
        assert_eq!(rig.read(0x9c) & 0xff, 1, "it stands");
        rig.write(0x64, 1);
        assert_eq!(rig.read(0x9c) & 0xff, 3);
    }
}

#[test]
fn a_command_that_cannot_be_fetched_stops_the_queue() {
    let rig = Rig::new();
    rig.write(0x20, 0b0101);
    rig.write64(0x90, 1 << 40 | 8);
    rig.write(0x20, 0b1101);
    rig.write(0x98, 1);
    assert_eq!(rig.read(0x9c), 2 << 24, "CERROR_ABT");
}

#[test]
fn a_full_event_queue_loses_events_and_says_so() {
    let rig = Rig::new();
    rig.stage_1();
    for page in 0..200u64 {
        rig.load(page << 12).unwrap_err();
    }
    assert_eq!(rig.read(0x1_00a8), 1 << 31 | 0x80, "OVFLG, and the wrap bit");
    for page in 0..128u64 {
        assert_eq!(rig.event(), Some([0x10 | u64::from(DEVICE.0) << 32, RNW | IN, page << 12]));
    }
    assert_eq!(rig.event(), None);
    rig.load(0x1000).unwrap_err();
    assert!(rig.event().is_some(), "there is room again");
}

#[test]
fn an_event_queue_that_is_no_memory_is_a_global_error() {
    let rig = Rig::new();
    rig.stage_1();
    rig.write64(0xa0, 1 << 40 | 7);
    rig.load(0).unwrap_err();
    assert_eq!(rig.read(0x60), 1 << 2, "GERROR.EVENTQ_ABT_ERR");
    assert_eq!(rig.events.faults().last().map(|fault| fault.record), Some([0; 2]));
}

#[test]
fn registers_say_what_there_is() {
    let rig = Rig::new();
    let idr0 = rig.read(0);
    assert_eq!(idr0 & 0b1111, 0b1011, "both stages, AArch64 tables");
    assert_eq!(idr0 >> 24 & 0b11, 1, "no stalls");
    assert_eq!(idr0 >> 27 & 0b11, 1, "two-level stream tables");
    assert_eq!(rig.read(4) & 0x3f, 16, "SIDSIZE");
    assert_eq!(rig.read(0x14) & 0x77, 0x75, "48 bits, every granule");
    for (offset, value) in [(0x70, 0), (0x1_0000, 0), (0x2_0000, u32::MAX), (0x21, u32::MAX)] {
        assert_eq!(rig.read(offset), value, "{offset:#x}");
    }
}
