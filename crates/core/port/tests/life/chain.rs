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

/// Lines of a life up to the first question.
fn adding(rig: &Rig) -> Vec<String> {
    let lines = rig.journal.lines();
    let asked = lines.iter().position(|line| line.starts_with("ask ")).unwrap_or(lines.len());
    lines[..asked].to_vec()
}

#[test]
fn a_driver_that_links_is_asked_for_each_device_when_all_are_added() {
    let mut rig = Rig::new(FULL, Asked::Auto);
    rig.driver.links = Some(3);
    assert_eq!(rig.live(3), Ok(()));
    assert_eq!(adding(&rig), ["add 0", "add 1", "add 2", "link 0", "link 1", "link 2"]);
    // A device alone is no chain.
    let mut rig = Rig::new(FULL, Asked::Auto);
    rig.driver.links = Some(1);
    assert_eq!(rig.live(1), Ok(()));
    assert_eq!(adding(&rig), ["add 0"]);
}

#[test]
fn a_driver_that_links_otherwise_is_not_started_and_its_devices_are_removed() {
    let wrong: [fn(&mut Rig); 2] = [|rig| rig.driver.links = Some(2), |rig| rig.driver.lead = 1];
    for change in wrong {
        let mut rig = Rig::new(FULL, Asked::Auto);
        rig.driver.links = Some(3);
        change(&mut rig);
        assert!(matches!(rig.port().add(&crate::rig::chain(3)), Err(Halt::NotLinked)));
        let lines = rig.journal.lines();
        assert!(
            lines.ends_with(&REMOVED[..6].iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()),
            "{lines:?}"
        );
        rig.assert_balanced();
    }
    let mut rig = Rig::new(FULL, Asked::Auto).driver_call("link 1", FAILED);
    rig.driver.links = Some(3);
    assert!(matches!(rig.port().add(&crate::rig::chain(3)), Err(Halt::NotLinked)));
    rig.assert_balanced();
}

#[test]
fn a_chain_is_removed_in_any_order_and_nothing_stays() {
    for (order, removed) in
        [([0, 0, 0], ["0", "1", "2"]), ([1, 1, 0], ["1", "2", "0"]), ([2, 0, 0], ["2", "0", "1"])]
    {
        for asked in [Asked::Off, Asked::Remapping, Asked::Isolation] {
            let rig = Rig::new(FULL, asked).allocating(0);
            let mut logical = rig.added(3);
            let port = rig.port();
            assert_eq!(port.start(&mut logical), Ok(()));
            assert_eq!(port.stop(&mut logical), Ok(()));
            rig.journal.take();
            for position in order {
                assert_eq!(port.remove_one(&mut logical, position), Ok(()));
            }
            let lines = rig.journal.take();
            let told: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("remove ")).collect();
            assert_eq!(told, removed);
            assert_eq!(logical.links(), 0);
            // A place that is none changes nothing.
            assert_eq!(port.remove_one(&mut logical, 0), Ok(()));
            rig.assert_balanced();
        }
    }
}

/// Shows S-ISO-35, S-ISO-36, S-RMP-09.
#[test]
fn logical_adapters_beside_each_other_have_domains_of_their_own_and_linked_ones_share() {
    for asked in [Asked::Remapping, Asked::Isolation] {
        let rig = Rig::new(FULL, asked);
        let port = rig.port();
        let mut first = rig.added(2);
        let specs = crate::rig::chain(4);
        let mut second = port.add(&specs[2..]).expect("added");
        assert_eq!(port.start(&mut first), Ok(()));
        assert_eq!(port.start(&mut second), Ok(()));
        let made = rig.journal.take().iter().filter(|line| *line == "create domain").count();
        assert_eq!(made, 2, "one for each logical adapter, not one for each device");
        let modes = rig
            .machine
            .events
            .0
            .lock()
            .expect("unpoisoned")
            .iter()
            .filter_map(|event| match event {
                Event::Mode(mode) => Some(mode.logical_adapter),
                _ => None,
            })
            .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(modes.len(), 2);
        assert_eq!(port.stop(&mut first), Ok(()));
        assert_eq!(port.remove(&mut first), Ok(()));
        // The other one works on; under remapping this callback is none.
        let allocated = rig.driver.allocate(2, 1);
        assert_eq!(allocated.is_ok(), asked == Asked::Isolation, "{allocated:?}");
        assert_eq!(port.stop(&mut second), Ok(()));
        assert_eq!(port.remove(&mut second), Ok(()));
        rig.assert_balanced();
    }
}
