//! What stream table entries and context descriptors let through, and what is recorded otherwise.

use dxgk_event::FaultReason;
use dxgk_hw::{LogicalAddr, RequesterId};
use dxgk_model::SmmuConfig;

use super::rig::{BYPASS, CD, IN, RNW, Rig, STAGE_1, STAGE_2, V, forget_stream};
use crate::rig::DEVICE;

const AT: u64 = 0x10_2000;
const BAD_STREAM: u64 = 0x02;
const BAD_STE: u64 = 0x04;
const BAD_CD: u64 = 0x0a;

#[test]
fn an_entry_that_is_not_valid_blocks_and_is_recorded() {
    let rig = Rig::new();
    rig.load(AT).unwrap_err();
    assert_eq!(rig.assert_event(BAD_STE, 0, 0).reason, FaultReason::NoDevice);
}

#[test]
fn bypass_passes_and_abort_blocks_without_a_record() {
    let rig = Rig::new();
    rig.stream([V | BYPASS, 0, 0, 0]);
    rig.set(AT >> 12, 0, 7);
    assert_eq!(rig.load(AT), Ok(7));
    rig.stream([V, 0, 0, 0]);
    rig.command(forget_stream());
    rig.load(AT).unwrap_err();
    assert_eq!(rig.event(), None);
}

#[test]
fn with_the_unit_off_requests_pass_or_abort_as_gbpa_says() {
    let rig = Rig::new();
    rig.write(0x20, 0b1100);
    rig.load(AT).expect("passes");
    rig.write(0x44, 1 << 31 | 1 << 20);
    assert_eq!(rig.read(0x44), 1 << 20);
    rig.load(AT).unwrap_err();
    assert_eq!(rig.event(), None);
}

#[test]
fn entries_that_mean_nothing_are_recorded_as_bad() {
    let third = 9 | 25 << 32 | 1 << 38 | 5 << 48 | 1 << 51 | 1 << 58;
    let bad: [[u64; 4]; 7] = [
        // Both stages; several context descriptors.
        [V | 0b111 << 1, 0, third, 0],
        [V | STAGE_1 | 1 << 59, 0, 0, 0],
        // Stage 2: AArch32, big-endian, a reserved granule, too many bits for the start level, too few.
        [V | STAGE_2, 0, third & !(1 << 51), 0],
        [V | STAGE_2, 0, third | 1 << 52, 0],
        [V | STAGE_2, 0, third | 3 << 46, 0],
        [V | STAGE_2, 0, third & !(0x3f << 32) | 16 << 32, 0],
        [V | STAGE_2, 0, third & !(0x3f << 32) | 39 << 32 | 2 << 38, 0],
    ];
    for words in bad {
        let rig = Rig::new();
        rig.stream(words);
        rig.load(AT).unwrap_err();
        assert_eq!(rig.assert_event(BAD_STE, 0, 0).reason, FaultReason::Malformed, "{words:x?}");
    }
}

#[test]
fn a_stage_that_the_unit_lacks_is_a_bad_entry() {
    let rig = Rig::with(SmmuConfig { stage_2: false, ..SmmuConfig::default() });
    assert_eq!(rig.read(0) & 0b11, 0b10, "IDR0.S1P, not S2P");
    rig.stage_2();
    rig.load(AT).unwrap_err();
    rig.assert_event(BAD_STE, 0, 0);
}

#[test]
fn context_descriptors_that_mean_nothing_are_recorded_as_bad() {
    let bad = [
        CD & !(1 << 31),
        CD & !(1 << 41),
        CD | 1 << 15,
        CD | 1 << 14,
        CD & !0x3f | 15,
        CD & !0x3f | 40,
        CD | 3 << 6,
        CD | 1 << 43,
        CD | 1 << 44,
    ];
    for first in bad {
        let rig = Rig::new();
        let root = rig.frame();
        rig.context(first, root);
        rig.load(AT).unwrap_err();
        rig.assert_event(BAD_CD, 0, 0);
    }
}

#[test]
fn structures_outside_memory_are_recorded_with_their_place() {
    let nowhere = 1u64 << 40;
    let rig = Rig::new();
    rig.stream([V | STAGE_1 | nowhere, 0, 0, 0]);
    rig.load(AT).unwrap_err();
    rig.assert_event(0x09, 0, nowhere);
    rig.write64(0x80, nowhere);
    rig.command(forget_stream());
    rig.load(AT).unwrap_err();
    rig.assert_event(0x03, 0, nowhere + u64::from(DEVICE.0) * 64);
}

#[test]
fn a_stream_beyond_the_table_is_recorded_where_that_is_asked_for() {
    let rig = Rig::new();
    let beyond = RequesterId(64);
    let port = rig.machine.port(beyond);
    port.read(LogicalAddr::new(AT), &mut [0], 0).unwrap_err();
    assert_eq!(rig.event(), Some([BAD_STREAM | 64 << 32, 0, 0]));
    rig.write(0x2c, 0);
    port.read(LogicalAddr::new(AT), &mut [0], 0).unwrap_err();
    assert_eq!(rig.event(), None);
}

#[test]
fn a_table_of_two_levels_leads_to_the_same_entries() {
    let rig = Rig::new();
    let first_level = rig.frame();
    rig.write64(0x80, first_level << 12);
    // 2^16 streams, eight bits in the second level.
    rig.write(0x88, 16 | 8 << 6 | 1 << 16);
    rig.load(AT).unwrap_err();
    rig.assert_event(BAD_STREAM, 0, 0);
    // A span of 2^5 entries covers streams 0 to 31: the device is one of them.
    rig.set(first_level, 0, rig.streams << 12 | 6);
    rig.stream([V | BYPASS, 0, 0, 0]);
    rig.load(AT).expect("passes");
    let port = rig.machine.port(RequesterId(32));
    port.read(LogicalAddr::new(AT), &mut [0], 0).unwrap_err();
    assert_eq!(rig.event(), Some([BAD_STREAM | 32 << 32, 0, 0]), "beyond the span");
    let port = rig.machine.port(RequesterId::new(1, 0, 0));
    port.read(LogicalAddr::new(AT), &mut [0], 0).unwrap_err();
    assert_eq!(rig.event(), Some([BAD_STREAM | 0x100 << 32, 0, 0]), "no second level");
}

#[test]
fn faults_are_recorded_only_where_the_descriptor_says_so() {
    let rig = Rig::new();
    let root = rig.frame();
    rig.context(CD & !(1 << 45), root);
    rig.load(AT).unwrap_err();
    assert_eq!(rig.event(), None);
    let rig = Rig::new();
    rig.stage_1();
    rig.load(AT).unwrap_err();
    rig.assert_event(0x10, RNW | IN, AT);
}
