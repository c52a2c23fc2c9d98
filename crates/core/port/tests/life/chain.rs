//! Three linked adapters: the lead is first up and last down.

use dxgk_abi::NtStatus;
use dxgk_event::Event;
use dxgk_port::Halt;
use dxgk_port::mode::Asked;

use crate::rig::{FAILED, FULL, Rig};

const ADDED: [&str; 5] = ["add 0", "add 1", "add 2", "ask 0 IOMMU_CAPS", "ask 0 PHYSICAL_MEMORY_CAPS"];
const STARTED: [&str; 6] = ["start 0", "children 0", "start 1", "children 1", "start 2", "children 2"];
const ASKED: [&str; 8] = [
    "ask 0 DRIVERCAPS",
    "ask 0 PHYSICALADAPTERCAPS of 0",
    "ask 0 PHYSICALADAPTERCAPS of 1",
    "ask 0 PHYSICALADAPTERCAPS of 2",
    "ask 0 FRAMEBUFFERSAVESIZE of 0",
    "ask 0 FRAMEBUFFERSAVESIZE of 1",
    "ask 0 FRAMEBUFFERSAVESIZE of 2",
    "reserved ranges 0",
];
const WORKED: [&str; 9] = ["work 0", "work 1", "work 2", "D3 2", "D3 1", "D3 0", "D0 0", "D0 1", "D0 2"];
const STOPPED: [&str; 3] = ["stop 2", "stop 1", "stop 0"];
const REMOVED: [&str; 7] = [
    "remove 2",
    "device 2 blocked",
    "remove 1",
    "device 1 blocked",
    "remove 0",
    "device 0 blocked",
    "unload",
];
const PASS: [&str; 3] = ["device 0 pass-through", "device 1 pass-through", "device 2 pass-through"];
const DOMAIN: [&str; 3] = ["device 0 domain", "device 1 domain", "device 2 domain"];

#[track_caller]
fn lives(asked: Asked, before: &[&str], after: &[&str]) {
    let rig = Rig::new(FULL, asked);
    assert_eq!(rig.live(3), Ok(()));
    let expected = [&ADDED, before, &STARTED, &ASKED, after, &WORKED, &STOPPED, &REMOVED].concat();
    assert_eq!(rig.journal.lines(), expected);
    rig.assert_balanced();
}

/// Shows S-ISO-35, S-ISO-36, S-ISO-58, S-RMP-09, S-QAT-05, S-IOC-07, S-IOC-08, S-RMP-10, S-ISO-64.
#[test]
fn a_chain_lives_in_order_in_every_mode_and_shares_one_domain() {
    lives(Asked::Off, &PASS, &[]);
    lives(Asked::Remapping, &[&["create domain"], &DOMAIN[..]].concat(), &[]);
    let late = [&["create domain", "begin 0"], &DOMAIN[..], &["end 0"]].concat();
    lives(Asked::Isolation, &PASS, &late);
}

#[test]
fn the_first_of_a_chain_is_announced_as_its_lead() {
    let rig = Rig::new(FULL, Asked::Auto);
    assert_eq!(rig.live(3), Ok(()));
    let events = rig.machine.events.0.lock().expect("unpoisoned");
    let adapters = events.iter().filter_map(|event| match event {
        Event::Adapter(adapter) => {
            Some((adapter.adapter, adapter.requester, adapter.lead, adapter.logical_adapter))
        }
        _ => None,
    });
    assert_eq!(adapters.collect::<Vec<_>>(), [(0, 0, 1, 0), (1, 1, 0, 0), (2, 2, 0, 0)]);
}

#[test]
fn a_device_that_does_not_start_stops_those_that_did_and_all_are_removed_and_blocked() {
    for asked in [Asked::Off, Asked::Remapping, Asked::Isolation] {
        let rig = Rig::new(FULL, asked).driver_call("start 2", FAILED);
        assert_eq!(rig.live(3), Err(Halt::NotStarted(NtStatus::UNSUCCESSFUL)));
        let lines = rig.journal.lines();
        let from = lines.iter().position(|line| line == "start 0").expect("started");
        let up = ["start 0", "children 0", "start 1", "children 1", "start 2"];
        let expected = [&up[..], &["stop 1", "stop 0"], &REMOVED].concat();
        assert_eq!(lines[from..], expected);
        rig.assert_balanced();
    }
}

#[test]
fn a_device_that_is_not_added_takes_those_before_it_along() {
    let rig = Rig::new(FULL, Asked::Auto).driver_call("add 2", FAILED);
    assert_eq!(rig.live(3), Err(Halt::NotStarted(NtStatus::UNSUCCESSFUL)));
    let expected = [
        "add 0",
        "add 1",
        "add 2",
        "device 2 blocked",
        "remove 1",
        "device 1 blocked",
        "remove 0",
        "device 0 blocked",
    ];
    assert_eq!(rig.journal.lines(), expected);
}

#[test]
fn a_child_or_a_power_state_that_fails_holds_nothing_up() {
    let rig = Rig::new(FULL, Asked::Auto).driver_call("children 1", FAILED).driver_call("D3 2", FAILED);
    assert_eq!(rig.live(3), Ok(()));
    let lines = rig.journal.lines();
    assert!(WORKED.iter().all(|line| lines.iter().any(|it| it == line)), "{lines:?}");
}
