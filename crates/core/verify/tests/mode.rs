//! MODE-001 to MODE-003, IMP-001: the addressing mode, and what the driver says of it.

mod stream;

use std::mem::offset_of;

use dxgk_abi::init::DriverInitializationData;
use dxgk_abi::query::IommuCaps;
use dxgk_abi::{DxgkrnlInterface, NtStatus};
use dxgk_event::{DdiCall, Event, Mode, ModeChoice, ModeReason, Phase, SelfCheck};
use dxgk_verify::{Culprit, Severity};
use stream::{ADAPTER, LOGICAL, Run, Told};

macro_rules! slot {
    ($field:ident) => {
        offset_of!(DxgkrnlInterface, $field)
    };
}

const BOTH: u32 = IommuCaps::IOMMU_ISOLATION_SUPPORTED.0 | IommuCaps::DMA_REMAPPING_SUPPORTED.0;
const ISOLATION: u32 = IommuCaps::IOMMU_ISOLATION_SUPPORTED.0;

const ACQUIRING: [usize; 4] = [
    slot!(allocate_contiguous_memory),
    slot!(allocate_pages_for_mdl),
    slot!(map_mdl_to_iommu),
    slot!(pin_frame_buffer_for_save),
];
const RELEASING: [usize; 3] =
    [slot!(free_contiguous_memory), slot!(free_pages_from_mdl), slot!(unmap_mdl_from_iommu)];

/// The severity of what a call is found to be.
fn called(slot: usize, mode: ModeChoice, reason: ModeReason, iommu_caps: u32) -> Option<Severity> {
    let mut run = Run::told(Told { reason, iommu_caps, ..Told::new(mode) });
    let refused = mode == ModeChoice::Remapping;
    let status = if refused { NtStatus::NOT_SUPPORTED } else { NtStatus::SUCCESS };
    run.call(slot, 0x30, &[0x77], status, |_| {});
    assert!(run.found().iter().all(|found| *found == ("MODE-001", 0x30)), "{:?}", run.found());
    run.verifier.findings().first().map(|finding| finding.severity)
}

/// Shows S-RMP-15, S-RMP-46, S-RMP-47, S-PI2-03.
#[test]
fn the_older_callbacks_are_errors_under_remapping_warnings_elsewhere_and_notes_when_forced() {
    let (asked, forced) = (ModeReason::Asked, ModeReason::Forced);
    for slot in ACQUIRING {
        assert_eq!(called(slot, ModeChoice::Remapping, asked, BOTH), Some(Severity::Error));
        assert_eq!(called(slot, ModeChoice::Remapping, forced, 0), Some(Severity::Note));
        for mode in [ModeChoice::Isolation, ModeChoice::Passthrough] {
            assert_eq!(called(slot, mode, asked, BOTH), Some(Severity::Warning));
            assert_eq!(called(slot, mode, asked, ISOLATION), None);
        }
    }
    for slot in RELEASING {
        assert_eq!(called(slot, ModeChoice::Remapping, asked, BOTH), Some(Severity::Error));
        assert_eq!(called(slot, ModeChoice::Isolation, asked, BOTH), None);
    }
    for slot in [slot!(allocate_adl), slot!(unpin_frame_buffer_for_save), slot!(map_memory)] {
        assert_eq!(called(slot, ModeChoice::Isolation, asked, BOTH), None);
    }
}

#[test]
fn a_handle_that_is_refused_is_no_matter_of_the_mode() {
    let mut run = Run::told(Told { iommu_caps: BOTH, ..Told::new(ModeChoice::Isolation) });
    run.call(slot!(map_mdl_to_iommu), 0x30, &[0x77], NtStatus::INVALID_HANDLE, |_| {});
    assert_eq!(run.found(), [("HND-001", 0x30)]);
}

/// Shows S-RMP-31, S-IOC-02, S-IOC-04.
#[test]
fn capabilities_that_disagree_are_mode_002_and_another_refusal_is_none() {
    let refused = |reason| {
        let told = Told { reason, iommu_caps: BOTH, refused: true, ..Told::new(ModeChoice::Remapping) };
        Run::told(told)
    };
    let run = refused(ModeReason::CapsDisagree);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.rip), ("MODE-002", 0));
    for part in ["IommuIsolationSupported, DmaRemappingSupported", "MapAperture2Supported"] {
        assert!(finding.message.contains(part), "{}", finding.message);
    }
    assert_eq!(refused(ModeReason::LimitNotMet).found(), []);
}

/// Shows S-IOC-09, S-RMP-13.
#[test]
fn remapping_claimed_without_physical_memory_caps_is_a_warning_and_other_claims_need_none() {
    const QUERY: usize = offset_of!(DriverInitializationData, query_adapter_info);
    let asked = |question: u64, status: NtStatus, iommu_caps: u32| {
        let mut run = Run::told(Told { iommu_caps: 0, ..Told::new(ModeChoice::Passthrough) });
        run.emit(Event::Ddi(DdiCall {
            ddi: QUERY as u16,
            phase: Phase::Returned,
            reserved: 0,
            status: status.0,
            adapter: ADAPTER,
            reserved2: 0,
            argument: question,
        }));
        run.emit(Event::Mode(Mode {
            highest_visible: u64::MAX,
            highest_physical: 0xffff_ffff,
            logical_adapter: LOGICAL,
            iommu_caps,
            domain: 1,
            mode: ModeChoice::Remapping,
            reason: ModeReason::StrongestClaimed,
            refused: 0,
            reserved: [0; 3],
        }));
        run.found()
    };
    let (memory, iommu) = (34, 35);
    assert_eq!(asked(memory, NtStatus::NOT_SUPPORTED, BOTH), [("MODE-002", 0)]);
    assert_eq!(asked(memory, NtStatus::SUCCESS, BOTH), []);
    assert_eq!(asked(memory, NtStatus::NOT_SUPPORTED, ISOLATION), []);
    assert_eq!(asked(iommu, NtStatus::NOT_SUPPORTED, BOTH), []);
}

/// Shows S-APM-06, S-ACM-03, S-IOC-01, S-ISO-22, S-ISO-23, S-ISO-79, S-ISO-80, S-RHDA-05, S-SHUA-02.
#[test]
fn each_of_the_seven_routines_that_bypass_the_port_is_found_by_its_name() {
    let claiming = Told { iommu_caps: ISOLATION, ..Told::new(ModeChoice::Passthrough) };
    for (name, severity) in [
        ("MmAllocateContiguousMemory", Severity::Error),
        ("MmAllocateContiguousMemorySpecifyCache", Severity::Error),
        ("MmAllocatePagesForMdl", Severity::Error),
        // The hot-update pages tell drivers to use this one, and the next.
        ("MmAllocatePagesForMdlEx", Severity::Error),
        ("MmFreePagesFromMdl", Severity::Warning),
        ("MmFreeContiguousMemory", Severity::Error),
        ("MmProbeAndLockPages", Severity::Error),
    ] {
        let run = Run::importing(&[name], claiming);
        let finding = run.only();
        assert_eq!((finding.rule.id, finding.severity), ("IMP-001", severity), "{name}");
        assert!(finding.message.contains(name), "{}", finding.message);
    }
    for name in ["MmGetPhysicalAddress", "MmMapLockedPagesSpecifyCache", "ExAllocatePool2"] {
        assert_eq!(Run::importing(&[name], claiming).found(), [], "{name}");
    }
}

#[test]
fn imports_that_bypass_the_port_are_found_of_a_driver_that_claims_isolation() {
    let imports = ["DbgPrint", "MmProbeAndLockPages", "MmAllocatePagesForMdlEx"];
    let claiming = Told { iommu_caps: ISOLATION, ..Told::new(ModeChoice::Passthrough) };
    let run = Run::importing(&imports, claiming);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.severity), ("IMP-001", Severity::Error));
    for name in &imports[1..] {
        assert!(finding.message.contains(name), "{}", finding.message);
    }
    assert!(!finding.message.contains("DbgPrint"), "{}", finding.message);
    assert_eq!(Run::importing(&imports, Told::new(ModeChoice::Passthrough)).found(), []);
    assert_eq!(Run::importing(&imports[..1], claiming).found(), []);
    // Too old to be asked before the start: it is isolated because it said so after it.
    assert_eq!(Run::importing(&imports, Told::new(ModeChoice::Isolation)).found().len(), 1);
    let forced = Told { reason: ModeReason::Forced, ..Told::new(ModeChoice::Isolation) };
    assert_eq!(Run::importing(&imports, forced).found(), []);
    let told_to = Run::importing(&["MmFreePagesFromMdl"], claiming);
    assert_eq!(told_to.only().severity, Severity::Warning);
}

/// Shows S-B1E4-02.
#[test]
fn a_translating_mode_without_a_valid_reason_is_the_ports_mistake() {
    use ModeReason::*;
    let invalid =
        [DriverClaimsNothing, SwitchedOff, InterfaceTooOld, FlagsIncomplete, NoUnit, AttachFailed, OptedOut];
    for mode in [ModeChoice::Isolation, ModeChoice::Remapping] {
        for reason in [Asked, StrongestClaimed, NeededByAddressLimit, Forced, SecureVm] {
            assert_eq!(Run::told(Told { reason, ..Told::new(mode) }).found(), []);
        }
        for reason in invalid {
            let run = Run::told(Told { reason, ..Told::new(mode) });
            let finding = run.only();
            assert_eq!((finding.rule.id, finding.culprit), ("MODE-003", Culprit::Port));
            assert!(finding.message.contains("0x1E4/0x2"), "{}", finding.message);
        }
    }
    for reason in invalid {
        assert_eq!(Run::told(Told { reason, ..Told::new(ModeChoice::Passthrough) }).found(), []);
    }
}

/// Shows S-B1E4-03, S-ISO-20.
#[test]
fn an_iommu_that_is_turned_off_again_is_the_ports_mistake() {
    let off = |reason| {
        let mut run = Run::new(ModeChoice::Isolation);
        run.mode(Told { reason, ..Told::new(ModeChoice::Passthrough) });
        run
    };
    let run = off(ModeReason::Asked);
    assert_eq!((run.only().rule.id, run.only().culprit), ("MODE-003", Culprit::Port));
    assert!(run.only().message.contains("0x1E4/0x3"), "{}", run.only().message);
    // A mode that was chosen and could not be enabled never came about.
    assert_eq!(off(ModeReason::AttachFailed).found(), []);
}

/// Shows S-B1E4-08, S-B1E4-09, S-B1E4-10.
#[test]
fn what_the_port_finds_at_its_own_checks_is_told_once_for_each_check() {
    let mut run = Run::new(ModeChoice::Remapping);
    for parameter in [8, 9, 0xA, 9] {
        run.emit(Event::SelfCheck(SelfCheck { parameter, count: 3, logical_adapter: 0, reserved: 0 }));
    }
    let told: Vec<_> = run.verifier.findings().iter().map(|it| (it.rule.id, it.culprit, it.count)).collect();
    let port = |count| ("MODE-003", Culprit::Port, count);
    assert_eq!(told, [port(1), port(2), port(1)]);
    for (finding, parameter) in run.verifier.findings().iter().zip(["0x1E4/0x8", "0x1E4/0x9", "0x1E4/0xA"]) {
        assert!(finding.message.contains(parameter), "{}", finding.message);
    }
}
