//! What a driver claims of memory after its start: save areas and reserved ranges.

use dxgk_abi::callback::{
    ArgCbMapFrameBufferPointer, ArgCbPinFrameBufferForSave, ArgCbUnpinFrameBufferForSave,
};
use dxgk_abi::life::DevicePowerState;
use dxgk_abi::{Handle, Irql, NtStatus};
use dxgk_event::{ClaimKind, ClaimOutcome, Event, MappingStep, ModeReason, ObjectKind, ObjectStep};
use dxgk_hw::PAGE_SIZE;
use dxgk_port::Halt;
use dxgk_port::mode::Asked;
use dxgk_sysmm::Caller;

use crate::miniport::Says;
use crate::platform::RAM_BYTES;
use crate::rig::{FULL, OLD, Rig};

const KERNEL: Caller = Caller { irql: Irql::PASSIVE_LEVEL, process: 0, node: 0 };

fn claims(rig: &Rig) -> Vec<(ClaimKind, u32, u64, ClaimOutcome)> {
    let told = rig.machine.events.all().into_iter().filter_map(|event| match event {
        Event::MemoryClaim(it) => Some((it.kind, it.index, it.bytes, it.outcome)),
        _ => None,
    });
    told.collect()
}

fn pin(rig: &Rig, lead: Handle, index: u32, commit_size: u64) -> NtStatus {
    let args = ArgCbPinFrameBufferForSave {
        physical_adapter_index: index,
        commit_size,
        ..ArgCbPinFrameBufferForSave::default()
    };
    rig.sysmm
        .pin_frame_buffer_for_save(&KERNEL, lead, &args)
        .map_or_else(|error| error.status(), |_| NtStatus::SUCCESS)
}

fn unpin(rig: &Rig, lead: Handle, physical_adapter_index: u32) -> NtStatus {
    let args = ArgCbUnpinFrameBufferForSave { physical_adapter_index };
    rig.sysmm
        .unpin_frame_buffer_for_save(&KERNEL, lead, &args)
        .map_or_else(|error| error.status(), |()| NtStatus::SUCCESS)
}

/// Shows S-ISO-29, S-ISO-30, S-ISO-57, S-ISO-58, S-ISO-60, S-ISO-64, S-QAT-01.
#[test]
fn every_physical_adapter_is_asked_and_has_an_area_as_large_as_it_said_until_the_stop() {
    let says = Says { save_areas: &[3 * PAGE_SIZE, 0, PAGE_SIZE], ..FULL };
    let rig = Rig::new(says, Asked::Isolation);
    let port = rig.port();
    let mut logical = rig.added(3);
    port.start(&mut logical).expect("started");
    let granted = ClaimOutcome::Granted;
    let save = ClaimKind::SaveArea;
    assert_eq!(
        claims(&rig),
        [(save, 0, 3 * PAGE_SIZE, granted), (save, 1, 0, granted), (save, 2, PAGE_SIZE, granted)]
    );
    let lead = rig.driver.handles.lock().expect("unpoisoned")[0];
    let ok = NtStatus::SUCCESS;
    assert_eq!([pin(&rig, lead, 0, 3 * PAGE_SIZE), pin(&rig, lead, 2, PAGE_SIZE)], [ok, ok]);
    assert_eq!(pin(&rig, lead, 1, PAGE_SIZE), NtStatus::INVALID_PARAMETER);
    assert_eq!([unpin(&rig, lead, 0), unpin(&rig, lead, 2)], [ok, ok]);
    port.set_power(&logical, DevicePowerState::D3).expect("lives");
    port.set_power(&logical, DevicePowerState::D0).expect("lives");
    assert_eq!(rig.sysmm.statistics().pages.driver, 4, "what was saved stays over the transition");
    port.stop(&mut logical).expect("stopped");
    port.remove(&mut logical).expect("removed");
    rig.assert_balanced();
}

/// Shows S-ISO-61, S-FSA-02.
#[test]
fn an_area_of_half_a_page_or_more_than_there_is_refuses_the_start_and_is_told() {
    let cases = [
        (&[PAGE_SIZE + 1] as &'static [u64], ClaimOutcome::Malformed, NtStatus::INVALID_PARAMETER),
        (&[2 * RAM_BYTES], ClaimOutcome::NoRoom, NtStatus::NO_MEMORY),
    ];
    for (save_areas, outcome, status) in cases {
        for asked in [Asked::Isolation, Asked::Off, Asked::Auto] {
            let rig = Rig::new(Says { save_areas, ..FULL }, asked);
            assert_eq!(rig.live(1), Err(Halt::NotStarted(status)), "{outcome:?}");
            assert_eq!(claims(&rig).first().map(|claim| claim.3), Some(outcome));
            let last = rig.machine.events.modes().last().map(|mode| (mode.reason, mode.refused));
            assert_eq!(last, Some((ModeReason::SaveAreaRefused, 1)));
            assert!(rig.journal.lines().contains(&"stop 0".to_owned()));
            rig.assert_balanced();
        }
    }
}

/// Shows S-ISO-33, S-ISO-34, S-QAT-02.
#[test]
fn reserved_ranges_are_mapped_where_they_lie_before_the_attach() {
    let reserved: &'static [(u64, u64)] = &[(RAM_BYTES, 2 * PAGE_SIZE), (0xa000_0000, PAGE_SIZE)];
    let rig = Rig::new(Says { reserved, ..FULL }, Asked::Isolation);
    let port = rig.port();
    let mut logical = rig.added(1);
    port.start(&mut logical).expect("started");
    let mut mapped = Vec::new();
    for event in rig.machine.events.all() {
        match event {
            Event::Mapping(it) if it.step == MappingStep::Mapped && it.domain != u32::MAX => {
                mapped.push((it.logical_page, it.pages, it.identity));
            }
            _ => {}
        }
    }
    assert_eq!(mapped, [(RAM_BYTES >> 12, 2, 1), (0xa_0000, 1, 1)]);
    assert_eq!(rig.sysmm.statistics().mapped_pages, 3);
    port.stop(&mut logical).expect("stopped");
    port.start(&mut logical).expect("started again");
    assert_eq!(rig.sysmm.statistics().mapped_pages, 3, "reported again, mapped once");
    port.stop(&mut logical).expect("stopped");
    port.remove(&mut logical).expect("removed");
    let living = rig.machine.events.all().iter().fold(0i32, |sum, event| match event {
        Event::Object(it) if it.kind == ObjectKind::ReservedRange => {
            sum + if it.step == ObjectStep::Created { 1 } else { -1 }
        }
        _ => sum,
    });
    assert_eq!(living, 0);
    rig.assert_balanced();
}

/// Shows S-HRR-03, S-ISO-77.
#[test]
fn a_range_over_memory_of_the_memory_manager_or_one_that_is_none_refuses_the_start() {
    let in_use = (ClaimOutcome::InUse, NtStatus::CONFLICTING_ADDRESSES);
    let malformed = (ClaimOutcome::Malformed, NtStatus::INVALID_PARAMETER);
    type Case = (&'static str, &'static [(u64, u64)], (ClaimOutcome, NtStatus));
    let cases: [Case; 8] = [
        ("a page of RAM", &[(0x20_0000, PAGE_SIZE)], in_use),
        ("the last page of RAM and the first behind it", &[(RAM_BYTES - PAGE_SIZE, 2 * PAGE_SIZE)], in_use),
        ("all of RAM", &[(0, RAM_BYTES)], in_use),
        ("a good one and a bad one", &[(RAM_BYTES, PAGE_SIZE), (0x1000, PAGE_SIZE)], in_use),
        ("nothing", &[(RAM_BYTES, 0)], malformed),
        ("half a page", &[(RAM_BYTES, 2048)], malformed),
        ("from half a page on", &[(RAM_BYTES + 2048, PAGE_SIZE)], malformed),
        ("beyond all addresses", &[(u64::MAX - 4095, 2 * PAGE_SIZE)], malformed),
    ];
    for (name, reserved, (outcome, status)) in cases {
        for says in [FULL, OLD] {
            let rig = Rig::new(Says { reserved, ..says }, Asked::Isolation);
            assert_eq!(rig.live(1), Err(Halt::NotStarted(status)), "{name}");
            assert!(claims(&rig).iter().any(|claim| claim.3 == outcome), "{name}");
            let last = rig.machine.events.modes().last().map(|mode| (mode.reason, mode.refused));
            assert_eq!(last, Some((ModeReason::ReservedRangeRefused, 1)), "{name}");
            assert!(!rig.journal.lines().contains(&"begin 0".to_owned()), "{name}: no attach was begun");
            rig.assert_balanced();
        }
    }
    // Page 0 is set aside, as what firmware keeps is.
    let rig = Rig::new(Says { reserved: &[(0, PAGE_SIZE)], ..FULL }, Asked::Isolation);
    assert_eq!(rig.live(1), Ok(()));
}

#[test]
fn what_a_driver_left_pinned_over_its_stop_is_still_there_at_the_next_start_and_goes_with_the_adapter() {
    let rig = Rig::new(Says { save_areas: &[2 * PAGE_SIZE], ..FULL }, Asked::Isolation);
    let port = rig.port();
    let mut logical = rig.added(1);
    port.start(&mut logical).expect("started");
    let lead = rig.driver.handles.lock().expect("unpoisoned")[0];
    assert_eq!(pin(&rig, lead, 0, 2 * PAGE_SIZE), NtStatus::SUCCESS);
    port.stop(&mut logical).expect("stopped");
    port.start(&mut logical).expect("started again");
    assert_eq!(pin(&rig, lead, 0, PAGE_SIZE), NtStatus::ALREADY_REGISTERED);
    let args = ArgCbMapFrameBufferPointer { size: PAGE_SIZE, ..ArgCbMapFrameBufferPointer::default() };
    rig.sysmm.map_frame_buffer_pointer(&KERNEL, lead, &args).expect("room");
    port.stop(&mut logical).expect("stopped");
    port.remove(&mut logical).expect("removed");
    rig.assert_balanced();
}
