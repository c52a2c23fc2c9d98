//! After the machine stopped no driver code runs; after an adapter stopped no callback works.

use dxgk_abi::NtStatus;
use dxgk_event::ModeChoice;
use dxgk_port::mode::Asked;
use dxgk_port::{DdiError, Halt};
use dxgk_sysmm::CallError;

use crate::rig::{FAILED, FULL, OLD, Rig};

/// Lines that are a call of the driver, not an act of the hardware.
fn is_driver(line: &str) -> bool {
    !["device ", "create ", "map ", "unmap "].iter().any(|prefix| line.starts_with(prefix))
}

#[test]
fn after_a_stop_in_any_ddi_nothing_of_the_driver_is_called_any_more() {
    for (says, asked) in
        [(FULL, Asked::Off), (FULL, Asked::Remapping), (FULL, Asked::Isolation), (OLD, Asked::Auto)]
    {
        let whole = Rig::new(says, asked);
        assert_eq!(whole.live(3), Ok(()));
        let lines = whole.journal.lines();
        let calls: Vec<&String> = lines.iter().filter(|line| is_driver(line)).collect();
        assert!(calls.len() > 30, "{lines:?}");
        for (at, call) in calls.iter().enumerate() {
            let rig = Rig::new(says, asked).driver_call(call, DdiError::Stopped);
            assert_eq!(rig.live(3), Err(Halt::Stopped), "{call}");
            let lines = rig.journal.lines();
            let made: Vec<&String> = lines.iter().filter(|line| is_driver(line)).collect();
            assert_eq!(made, calls[..=at], "{call}");
        }
    }
}

#[test]
fn a_stop_on_the_way_out_of_a_failed_start_is_a_stop() {
    let rig =
        Rig::new(FULL, Asked::Auto).driver_call("start 2", FAILED).driver_call("stop 1", DdiError::Stopped);
    assert_eq!(rig.live(3), Err(Halt::Stopped));
    assert_eq!(rig.journal.lines().last().map(String::as_str), Some("stop 1"));
}

#[test]
fn a_stop_within_the_window_moves_no_device() {
    let rig = Rig::new(FULL, Asked::Isolation).driver_call("begin 0", DdiError::Stopped);
    assert_eq!(rig.live(1), Err(Halt::Stopped));
    assert_eq!(rig.journal.lines().last().map(String::as_str), Some("begin 0"));
}

const NOT_READY: Result<(), CallError> = Err(CallError::Status(NtStatus::DEVICE_NOT_READY));

/// Shows S-ISO-20.
#[test]
fn callbacks_work_until_stop_device_has_returned_and_again_after_the_next_start() {
    let rig = Rig::new(FULL, Asked::Isolation);
    let mut logical = rig.added(2);
    let port = rig.port();
    assert_eq!(port.start(&mut logical), Ok(()));
    assert_eq!(rig.driver.allocate(0, 1), Ok(()));
    assert_eq!(rig.driver.allocate(1, 1), Ok(()));
    assert_eq!(port.stop(&mut logical), Ok(()));
    assert_eq!(rig.driver.allocate(0, 1), NOT_READY);
    assert_eq!(rig.driver.allocate(1, 1), NOT_READY);
    // Nothing is stopped twice.
    rig.journal.take();
    assert_eq!(port.stop(&mut logical), Ok(()));
    assert_eq!(rig.journal.take(), Vec::<String>::new());
    // Once enabled, the IOMMU stays so: no second domain, no second window.
    assert_eq!(port.start(&mut logical), Ok(()));
    let lines = rig.journal.take();
    assert!(lines.iter().any(|line| line == "start 1"), "{lines:?}");
    assert!(lines.iter().all(|line| is_driver(line) && line != "begin 0"), "{lines:?}");
    assert_eq!(logical.choice().mode, ModeChoice::Isolation);
    assert_eq!(rig.driver.allocate(1, 1), Ok(()));
    assert_eq!(port.stop(&mut logical), Ok(()));
    assert_eq!(port.remove(&mut logical), Ok(()));
    rig.assert_balanced();
}

#[test]
fn a_driver_that_refused_to_start_has_no_callbacks() {
    let rig = Rig::new(FULL, Asked::Isolation).driver_call("start 1", FAILED);
    let mut logical = rig.added(2);
    assert_eq!(rig.port().start(&mut logical), Err(Halt::NotStarted(NtStatus::UNSUCCESSFUL)));
    assert_eq!(rig.driver.allocate(0, 1), NOT_READY);
    assert_eq!(rig.driver.allocate(1, 1), NOT_READY);
}

#[test]
fn a_stop_of_the_machine_in_stop_device_ends_the_callbacks_of_that_adapter_too() {
    let rig = Rig::new(FULL, Asked::Isolation).driver_call("stop 0", DdiError::Stopped);
    let mut logical = rig.added(1);
    assert_eq!(rig.port().start(&mut logical), Ok(()));
    assert_eq!(rig.port().stop(&mut logical), Err(Halt::Stopped));
    assert_eq!(rig.driver.allocate(0, 1), NOT_READY);
}
