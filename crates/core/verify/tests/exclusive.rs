//! EXCL-001.

mod stream;

use std::mem::offset_of;

use dxgk_abi::NtStatus;
use dxgk_abi::init::DriverInitializationData;
use dxgk_event::{DmaTransfer, Doorbell, Event, FaultReason, ModeChoice, Phase};
use stream::{ADAPTER, REQUESTER, Run, places};

const BEGIN: usize = offset_of!(DriverInitializationData, begin_exclusive_access);
const END: usize = offset_of!(DriverInitializationData, end_exclusive_access);

fn step(run: &mut Run, ddi: usize, phase: Phase) {
    run.ddi_phase(ddi, ADAPTER, phase, NtStatus::SUCCESS);
}

/// A transfer of nothing that was mapped, in passthrough.
fn passes(run: &mut Run, cause: u64) {
    run.emit(Event::Dma(DmaTransfer {
        cause,
        address: 0x5000,
        bytes: 0x100,
        done: 0x100,
        fault: 0,
        requester: REQUESTER,
        write: 0,
        translated: 0,
        reserved: [0; 4],
    }));
}

/// Shows S-BEX-04, S-ISO-43, S-RMP-20.
#[test]
fn what_begin_waits_for_is_allowed_and_what_is_left_after_it_is_not() {
    let mut run = Run::new(ModeChoice::Isolation);
    passes(&mut run, 1);
    step(&mut run, BEGIN, Phase::Entered);
    // Started before, by the second event of the stream.
    passes(&mut run, 2);
    passes(&mut run, 0);
    step(&mut run, BEGIN, Phase::Returned);
    assert_eq!(run.found(), []);
    passes(&mut run, 2);
    assert_eq!(run.found(), [("EXCL-001", 0)]);
    assert!(run.only().message.contains("still in flight"), "{}", run.only().message);
    step(&mut run, END, Phase::Entered);
    passes(&mut run, 2);
    assert_eq!(run.only().count, 2);
    step(&mut run, END, Phase::Returned);
    passes(&mut run, 2);
    assert_eq!(run.only().count, 2);
}

/// Shows S-BEX-04, S-ISO-43, S-RMP-20.
#[test]
fn a_transfer_that_is_started_in_the_window_is_named_at_its_doorbell_and_breaks_no_other_rule() {
    let mut run = Run::new(ModeChoice::Isolation);
    step(&mut run, BEGIN, Phase::Entered);
    run.transfer(0x40, 0x7777_7000, 0x100, 0, Some(FaultReason::NotPresent));
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset), ("EXCL-001", 0x40));
    assert_eq!(places(finding), [0, 0x40]);
    step(&mut run, BEGIN, Phase::Returned);
    step(&mut run, END, Phase::Entered);
    step(&mut run, END, Phase::Returned);
    run.refused(0x50, 0x7777_7000);
    assert_eq!(run.found(), [("EXCL-001", 0x40), ("DMA-001", 0x50)]);
}

/// Shows S-ISO-46.
#[test]
fn registers_may_be_written_in_the_window_as_long_as_no_transfer_follows() {
    let mut run = Run::new(ModeChoice::Isolation);
    step(&mut run, BEGIN, Phase::Entered);
    // The interrupt mask, say.
    run.at(0x40).emit(Event::Doorbell(Doorbell {
        register: 0xfe00_0064,
        address: 0,
        bytes: 0,
        requester: REQUESTER,
        write: 1,
        reserved: [0; 5],
    }));
    step(&mut run, BEGIN, Phase::Returned);
    step(&mut run, END, Phase::Entered);
    step(&mut run, END, Phase::Returned);
    assert_eq!(run.found(), []);
}
