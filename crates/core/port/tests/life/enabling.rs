//! Enabling that fails: refused, or forgiven by AllowFailure.

use dxgk_abi::InterfaceVersion;
use dxgk_abi::caps::VidMmCapsFlags;
use dxgk_abi::query::IommuCaps;
use dxgk_event::{Event, ModeChoice, ModeReason};
use dxgk_port::mode::Asked;
use dxgk_port::{AttachError, Late};
use dxgk_port::{DdiError, Halt};

use crate::miniport::Says;
use crate::rig::{FAILED, FULL, OLD, Rig};

const ALLOW: u32 = 0x17;

/// What was announced, in order.
fn told(rig: &Rig) -> Vec<(ModeChoice, ModeReason, bool)> {
    rig.machine.events.modes().iter().map(|it| (it.mode, it.reason, it.refused != 0)).collect()
}

/// The lines from the first `from` on.
fn since(rig: &Rig, from: &str) -> Vec<String> {
    let lines = rig.journal.lines();
    let at = lines.iter().position(|line| line == from).expect("the line");
    lines[at..].to_vec()
}

#[test]
fn remapping_that_fails_refuses_the_start_before_the_driver_sees_it() {
    for act in ["create domain", "device 0 domain", "device 2 domain"] {
        let rig = Rig::new(FULL, Asked::Auto).hardware_fails(act);
        assert!(matches!(rig.live(3), Err(Halt::NotStarted(_))), "{act}");
        let lines = rig.journal.lines();
        assert!(!lines.iter().any(|line| line.starts_with("start") || line.starts_with("stop")), "{lines:?}");
        assert_eq!(told(&rig), [(ModeChoice::Remapping, ModeReason::AttachFailed, true)]);
        assert_eq!(lines.iter().filter(|line| line.ends_with("blocked")).count(), 3, "{lines:?}");
        rig.assert_balanced();
    }
}

#[test]
fn a_device_that_cannot_even_pass_through_is_not_started() {
    let rig = Rig::new(FULL, Asked::Off).hardware_fails("device 0 pass-through");
    assert!(matches!(rig.live(1), Err(Halt::NotStarted(_))));
    assert_eq!(told(&rig), [(ModeChoice::Passthrough, ModeReason::AttachFailed, true)]);
}

/// Shows S-ISO-13.
#[test]
fn allow_failure_starts_in_passthrough_with_every_device_of_the_chain() {
    let rig = Rig::new(FULL, Asked::Auto).flags(ALLOW).hardware_fails("device 1 domain").allocating(2);
    assert_eq!(rig.live(3), Ok(()));
    let back = ["device 0 pass-through", "device 1 pass-through", "device 2 pass-through", "start 0"];
    let expected = [&["device 0 domain", "device 1 domain"], &back[..]].concat();
    assert_eq!(since(&rig, "device 0 domain")[..6], expected);
    assert_eq!(told(&rig), [(ModeChoice::Passthrough, ModeReason::AttachFailed, false)]);
    // The callbacks of 2.4 worked at the start, so the memory manager, too, is in passthrough; and nothing was mapped.
    assert!(!rig.journal.lines().iter().any(|line| line.starts_with("map")));
    rig.assert_balanced();
}

#[test]
fn allow_failure_does_not_override_what_is_required_or_needed() {
    let only = IommuCaps::IOMMU_ISOLATION_SUPPORTED | IommuCaps::IOMMU_ISOLATION_REQUIRED;
    let required = Says {
        iommu: Some(only | IommuCaps::DMA_REMAPPING_SUPPORTED),
        started: FULL.started | VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED,
        ..FULL
    };
    let old = Says { started: OLD.started | VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED, ..OLD };
    let needed = Says { highest_visible: Some(0xffff), ..FULL };
    for (says, asked) in
        [(required, Asked::Auto), (required, Asked::Isolation), (old, Asked::Auto), (needed, Asked::Auto)]
    {
        let rig = Rig::new(says, asked).flags(ALLOW).hardware_fails("device 0 domain");
        assert!(matches!(rig.live(1), Err(Halt::NotStarted(_))));
        let last = *told(&rig).last().expect("announced");
        assert_eq!((last.1, last.2), (ModeReason::AttachFailed, true));
    }
}

/// Shows S-EEX-02.
#[test]
fn a_late_attach_that_fails_closes_the_window_before_the_driver_is_stopped() {
    let rig = Rig::new(FULL, Asked::Isolation).hardware_fails("device 1 domain").allocating(1);
    assert!(matches!(rig.live(2), Err(Halt::NotStarted(_))));
    let expected = ["begin 0", "device 0 domain", "device 1 domain", "end 0", "stop 1", "stop 0", "remove 1"];
    assert_eq!(since(&rig, "begin 0")[..7], expected);
    let refused = (ModeChoice::Isolation, ModeReason::AttachFailed, true);
    assert_eq!(told(&rig), [(ModeChoice::Isolation, ModeReason::Asked, false), refused]);
    rig.assert_balanced();
}

#[test]
fn a_late_attach_that_fails_and_is_allowed_to_is_undone_while_the_driver_is_silent() {
    for says in [FULL, OLD] {
        let rig =
            Rig::new(says, Asked::Isolation).flags(ALLOW).hardware_fails("device 1 domain").allocating(1);
        assert_eq!(rig.live(2), Ok(()));
        let window = [
            "begin 0",
            "device 0 domain",
            "device 1 domain",
            "device 0 pass-through",
            "device 1 pass-through",
        ];
        let expected = [&window[..], &["end 0", "work 0"]].concat();
        assert_eq!(since(&rig, "begin 0")[..7], expected);
        let last = *told(&rig).last().expect("announced");
        assert_eq!(last, (ModeChoice::Passthrough, ModeReason::AttachFailed, false));
        rig.assert_balanced();
    }
}

#[test]
fn a_domain_that_cannot_be_made_or_filled_never_opens_the_window() {
    for act in ["create domain", "map"] {
        for (flags, started) in [(0x07, false), (ALLOW, true)] {
            let rig = Rig::new(FULL, Asked::Isolation).flags(flags).hardware_fails(act).allocating(1);
            assert_eq!(rig.live(1).is_ok(), started, "{act}");
            let lines = rig.journal.lines();
            assert!(
                !lines.iter().any(|line| line.starts_with("begin") || line.starts_with("end")),
                "{lines:?}"
            );
            assert!(!lines.iter().any(|line| line == "device 0 domain"), "{lines:?}");
            rig.assert_balanced();
        }
    }
}

/// Shows S-BEX-02, S-ISO-40, S-RMP-19.
#[test]
fn a_driver_that_refuses_begin_is_not_moved_and_gets_no_end() {
    for (flags, started) in [(0x07, false), (ALLOW, true)] {
        for outcome in [FAILED, DdiError::Absent] {
            let rig = Rig::new(FULL, Asked::Isolation).flags(flags).driver_call("begin 0", outcome);
            assert_eq!(rig.live(1).is_ok(), started);
            let next = if started { "work 0" } else { "stop 0" };
            assert_eq!(since(&rig, "begin 0")[1], next);
        }
    }
}

#[test]
fn a_forced_switch_does_without_the_window_that_the_driver_does_not_have() {
    let nothing = Says { started: VidMmCapsFlags(0), ..OLD };
    let rig = Rig::new(nothing, Asked::Isolation).forced().driver_call("begin 0", DdiError::Absent);
    assert_eq!(rig.live(1), Ok(()));
    assert_eq!(since(&rig, "begin 0")[..3], ["begin 0", "device 0 domain", "work 0"]);
    assert_eq!(told(&rig), [(ModeChoice::Isolation, ModeReason::Forced, false)]);
}

/// Shows S-EEX-03.
#[test]
fn an_end_that_fails_leaves_the_adapter_isolated() {
    let rig = Rig::new(FULL, Asked::Isolation).driver_call("end 0", FAILED);
    assert_eq!(rig.live(1), Ok(()));
    assert_eq!(told(&rig), [(ModeChoice::Isolation, ModeReason::Asked, false)]);
}

#[test]
fn nothing_is_given_back_of_a_device_that_cannot_be_blocked() {
    for asked in [Asked::Off, Asked::Isolation] {
        let rig = Rig::new(FULL, asked).allocating(4).hardware_fails("device 0 blocked");
        let before = rig.sysmm.statistics().pages.free;
        assert_eq!(rig.live(1), Ok(()));
        assert_eq!(rig.sysmm.statistics().pages.free, before - 4);
    }
}

/// A started adapter in passthrough, and what its late attach gives.
fn late(rig: &Rig, why: Late) -> (Result<(), AttachError>, bool, Vec<String>) {
    let mut logical = rig.added(2);
    let port = rig.port();
    assert_eq!(port.start(&mut logical), Ok(()));
    rig.journal.take();
    let attached = port.attach(&mut logical, why);
    let lines = rig.journal.take();
    let started = logical.is_started();
    assert_eq!(port.stop(&mut logical), Ok(()));
    assert_eq!(port.remove(&mut logical), Ok(()));
    rig.assert_balanced();
    (attached, started, lines)
}

/// Shows S-ISO-16, S-ISO-33, S-ISO-41, S-ISO-42, S-ISO-45.
#[test]
fn an_attach_at_run_time_fills_the_domain_then_moves_every_device_within_the_window() {
    for why in [Late::Asked, Late::SecureVm] {
        let rig = Rig::new(FULL, Asked::Off).allocating(2);
        let (attached, started, lines) = late(&rig, why);
        assert_eq!((attached, started), (Ok(()), true));
        let begin = lines.iter().position(|line| line == "begin 0").expect("begun");
        assert!(lines[..begin].iter().any(|line| line.starts_with("map ")), "{lines:?}");
        assert_eq!(lines[begin..], ["begin 0", "device 0 domain", "device 1 domain", "end 0"]);
    }
}

/// Shows S-ISO-14.
#[test]
fn an_attach_at_run_time_that_fails_stops_the_adapter_unless_failure_is_allowed_or_a_secure_vm_wanted_it() {
    const ALLOW: u32 = 0x1f;
    for (why, flags, goes_on) in [
        (Late::Asked, 0x7, false),
        (Late::Asked, ALLOW, true),
        (Late::SecureVm, 0x7, true),
        (Late::SecureVm, ALLOW, true),
    ] {
        let rig = Rig::new(FULL, Asked::Off).flags(flags).hardware_fails("device 1 domain");
        let (attached, started, lines) = late(&rig, why);
        assert_eq!((attached, started), (Err(AttachError::Failed { stopped: !goes_on }), goes_on));
        // Undone while the driver is silent.
        let back = lines.iter().position(|line| line == "device 0 pass-through").expect("moved back");
        let end = lines.iter().position(|line| line == "end 0").expect("the window closed");
        assert!(back < end, "{lines:?}");
        assert_eq!(lines.contains(&"stop 0".to_owned()), !goes_on, "{lines:?}");
    }
    // A device that cannot be brought back is stopped whatever is allowed.
    let rig = Rig::new(FULL, Asked::Off)
        .flags(ALLOW)
        .hardware_fails("device 1 domain")
        .hardware_fails("device 0 pass-through");
    let mut logical = rig.added(2);
    // It could not pass in the beginning either.
    assert!(rig.port().start(&mut logical).is_err());
}

/// Shows S-ISO-19, S-ISO-12.
#[test]
fn an_attach_at_run_time_needs_a_driver_that_claims_isolation_a_unit_and_a_started_adapter() {
    let nothing = Says { iommu: None, started: VidMmCapsFlags(0), ..FULL };
    let refused = |rig: &Rig, why| late(rig, why).0;
    assert_eq!(refused(&Rig::new(nothing, Asked::Off), Late::Asked), Err(AttachError::NotSupported));
    assert_eq!(refused(&Rig::new(nothing, Asked::Off).forced(), Late::Asked), Ok(()));
    assert_eq!(refused(&Rig::new(nothing, Asked::Off).flags(0xf), Late::Asked), Ok(()));
    assert_eq!(
        refused(&Rig::new(nothing, Asked::Off).forced(), Late::SecureVm),
        Err(AttachError::NotSupported)
    );
    let mut rig = Rig::new(FULL, Asked::Off);
    rig.has_unit = false;
    assert_eq!(refused(&rig, Late::SecureVm), Err(AttachError::NoUnit));
    let mut rig = Rig::new(FULL, Asked::Off);
    rig.request.offered = InterfaceVersion::WDDM2_3;
    assert_eq!(refused(&rig, Late::Asked), Err(AttachError::InterfaceTooOld));
    let rig = Rig::new(FULL, Asked::Off);
    let mut logical = rig.added(1);
    assert_eq!(rig.port().attach(&mut logical, Late::Asked), Err(AttachError::NotStarted));
}

/// What the port found at its own checks: first parameters of 0x1E4, and counts.
fn self_checks(rig: &Rig) -> Vec<(u64, u64)> {
    let events = rig.machine.events.0.lock().expect("unpoisoned");
    let checks = events.iter().filter_map(|event| match event {
        Event::SelfCheck(check) => Some((check.parameter, check.count)),
        _ => None,
    });
    checks.collect()
}

/// Shows S-B1E4-10.
#[test]
fn devices_that_cannot_be_brought_back_are_told_as_the_ports_own_failure() {
    for (fails, told) in [(true, vec![(0xA, 2)]), (false, vec![])] {
        let rig = Rig::new(FULL, Asked::Off);
        let mut logical = rig.added(2);
        let port = rig.port();
        assert_eq!(port.start(&mut logical), Ok(()));
        rig.failing.add("device 1 domain");
        if fails {
            rig.failing.add("device 0 pass-through");
        }
        // A secure virtual machine would let the adapter go on; a device that is nowhere cannot.
        let attached = port.attach(&mut logical, Late::SecureVm);
        assert_eq!(attached, Err(AttachError::Failed { stopped: fails }));
        assert_eq!((self_checks(&rig), logical.is_started()), (told, !fails));
    }
}
