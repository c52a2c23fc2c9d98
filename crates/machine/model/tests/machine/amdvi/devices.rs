//! What a device table entry lets through, and what is logged otherwise.

use dxgk_event::FaultReason;

use super::rig::{FLAG_PE, FLAG_PR, FLAG_RW, FLAG_RZ, IR, IW, PAGE_FAULT, Rig, TV, V};
use crate::rig::DEVICE;

const AT: u64 = 0x10_2000;

#[test]
fn an_entry_that_is_not_valid_lets_everything_through() {
    let rig = Rig::new();
    rig.set(AT >> 12, 0, 7);
    assert_eq!(rig.load(AT), Ok(7));
    rig.store(AT, 9).expect("passes");
    assert_eq!(rig.get(AT >> 12, 0), 9);
    assert_eq!(rig.event(), None);
}

#[test]
fn without_translation_information_nothing_passes() {
    let rig = Rig::new();
    rig.device(V | IR | IW, 5);
    rig.load(AT).unwrap_err();
    let fault = rig.assert_event(PAGE_FAULT | 5 << 32, AT);
    assert_eq!(fault.reason, FaultReason::NoDevice);
}

#[test]
fn in_mode_0_the_address_passes_as_the_permissions_allow() {
    for (permissions, reads, writes) in
        [(0, false, false), (IR, true, false), (IW, false, true), (IR | IW, true, true)]
    {
        let rig = Rig::new();
        rig.device(V | TV | permissions, 5);
        let denied = if permissions == 0 { FaultReason::NoDevice } else { FaultReason::NoRead };
        assert_eq!(rig.load(AT).is_ok(), reads);
        if !reads {
            let fault = rig.assert_event(PAGE_FAULT | FLAG_PR | FLAG_PE | 5 << 32, AT);
            assert_eq!((fault.reason, fault.write, fault.domain), (denied, 0, 5));
        }
        assert_eq!(rig.store(AT, 1).is_ok(), writes);
        if !writes {
            rig.assert_event(PAGE_FAULT | FLAG_PR | FLAG_PE | FLAG_RW | 5 << 32, AT);
        }
    }
}

#[test]
fn an_illegal_entry_is_logged_as_one_with_what_is_wrong() {
    let illegal = 1 << 60;
    let wrong = [
        (V | TV | 1 << 2, 0, FLAG_RZ),
        (V | TV | 1 << 7, 0, FLAG_RZ),
        (V | TV | 1 << 55, 0, FLAG_RZ),
        (V | TV | 1 << 63, 0, FLAG_RZ),
        (V | TV | IR | 7 << 9, 0, 0),
    ];
    for (first, second, flags) in wrong {
        let rig = Rig::new();
        rig.device(first, second);
        rig.load(AT).unwrap_err();
        let fault = rig.assert_event(illegal | flags, AT);
        assert_eq!((fault.reason, fault.level), (FaultReason::Malformed, 0));
        assert_eq!(fault.entry, first);
    }
}

#[test]
fn a_mode_with_more_levels_than_the_unit_has_is_illegal() {
    let rig = Rig::with(dxgk_model::AmdviConfig { levels: 4, ..Default::default() });
    assert_eq!(rig.read(0x30) >> 10 & 3, 0, "EFR[HATS]");
    let root = rig.attach(5, 5);
    rig.map(root, 5, AT);
    rig.load(AT).unwrap_err();
    rig.assert_event(1 << 60, AT);
}

#[test]
fn a_requester_beyond_the_table_meets_no_memory() {
    let rig = Rig::new();
    let beyond = dxgk_hw::RequesterId::new(0, 16, 0);
    let port = rig.machine.port(beyond);
    port.read(dxgk_hw::LogicalAddr::new(AT), &mut [0; 8], 0).unwrap_err();
    let at = (rig.device_table + 1) << 12;
    assert_eq!(rig.event(), Some([3 << 60 | 1 << 57 | u64::from(beyond.0), at]));
    rig.write(0x00, rig.device_table << 12 | 1);
    port.read(dxgk_hw::LogicalAddr::new(AT), &mut [0; 8], 0)
        .expect("two pages now; it is not valid, so it passes");
}

#[test]
fn page_faults_of_a_device_with_sa_are_not_logged() {
    let rig = Rig::new();
    let root = rig.frame();
    rig.device(V | TV | IR | IW | root << 12 | 4 << 9, 5 | 1 << 34);
    rig.load(AT).unwrap_err();
    assert_eq!(rig.event(), None);
    assert_eq!(rig.events.faults().last().map(|fault| fault.record), Some([0; 2]));
}

#[test]
fn with_translation_off_everything_passes() {
    let rig = Rig::new();
    rig.device(V | TV, 5);
    rig.write(0x18, 0);
    assert_eq!(rig.read(0x2020), 0, "the rings stand");
    rig.load(AT).expect("passes");
    assert_eq!(DEVICE.0, 0x18);
}
