//! A hot update: saved by the old driver, given to the new one before its start, in order and once.

use dxgk_abi::NtStatus;
use dxgk_port::mode::Asked;
use dxgk_port::{DdiError, Halt};
use dxgk_sysmm::pages::PageOwner;

use crate::rig::{FAILED, FULL, Rig, chain};

/// Shows S-SHD-01, S-SHD-03, S-SHD-04, S-SHU-04, S-RHD-01, S-RHDA-02, S-RHDA-07, S-RHDF-01, S-SHD-02,
/// S-RHDA-04.
#[test]
fn every_block_comes_back_with_its_metadata_before_the_start_and_then_the_last_call() {
    let rig = Rig::new(FULL, Asked::Isolation);
    let port = rig.port();
    let mut old = rig.added(1);
    port.start(&mut old).expect("started");
    rig.journal.take();
    let saved = port.save_for_hot_update(&old).expect("saved");
    assert_eq!(
        (saved.blocks(), rig.journal.take()),
        (2, vec!["hot update interface 0".into(), "save with 0xc0".into()])
    );
    port.stop(&mut old).expect("stopped");
    port.remove(&mut old).expect("removed");
    port.unload().expect("unloaded");
    assert_eq!(rig.sysmm.statistics().pages.kernel, 3, "held while no driver is there");
    let mut new = port.add(&chain(1)).expect("added");
    rig.journal.take();
    port.restore_after_hot_update(&new, saved).expect("restored");
    let lines = rig.journal.take();
    let expected = [
        "hot update interface 1",
        "restore 2 pages and 625 bytes",
        "restore 1 pages and 1 bytes",
        "restored with 0xc0",
    ];
    assert_eq!(lines, expected);
    port.start(&mut new).expect("started");
    port.stop(&mut new).expect("stopped");
    port.remove(&mut new).expect("removed");
    let taken = rig.driver.restored.lock().expect("unpoisoned").clone();
    assert_eq!(rig.sysmm.statistics().pages.kernel, 3, "the driver's, who frees them");
    rig.sysmm.pages().release(&taken, PageOwner::Kernel).expect("the kernel's");
    rig.assert_balanced();
}

#[test]
fn a_driver_that_refuses_leaves_nothing_behind() {
    let refused = Err(Halt::NotStarted(NtStatus::UNSUCCESSFUL));
    let rig = Rig::new(FULL, Asked::Isolation).driver_call("save with 0xc0", FAILED);
    let port = rig.port();
    let mut logical = rig.added(1);
    port.start(&mut logical).expect("started");
    assert_eq!(port.save_for_hot_update(&logical).map(|_| ()), refused, "it goes on as it is");
    assert_eq!(rig.sysmm.statistics().pages.kernel, 0);
    let rig = Rig::new(FULL, Asked::Isolation).driver_call("restore 2 pages and 625 bytes", FAILED);
    let port = rig.port();
    let mut logical = rig.added(1);
    port.start(&mut logical).expect("started");
    let saved = port.save_for_hot_update(&logical).expect("saved");
    port.restore_after_hot_update(&logical, saved).expect("the other block and the end follow");
    assert_eq!(rig.sysmm.statistics().pages.kernel, 1);
    assert_eq!(rig.journal.lines().last().map(String::as_str), Some("restored with 0xc0"));
    let rig = Rig::new(FULL, Asked::Isolation).driver_call("hot update interface 0", DdiError::Absent);
    let logical = rig.added(1);
    assert!(rig.port().save_for_hot_update(&logical).is_err(), "it has no such interface");
}
