//! One adapter: the exact order of everything in each mode.

use dxgk_abi::InterfaceVersion;
use dxgk_abi::caps::VidMmCapsFlags;
use dxgk_abi::query::IommuCaps;
use dxgk_event::{ModeChoice, ModeReason};
use dxgk_port::Halt;
use dxgk_port::mode::Asked;

use crate::miniport::Says;
use crate::rig::{FULL, OLD, Rig};
use crate::unit::ID;

const QUESTIONS_BEFORE: [&str; 2] = ["ask 0 IOMMU_CAPS", "ask 0 PHYSICAL_MEMORY_CAPS"];
const START: [&str; 4] = ["start 0", "children 0", "ask 0 DRIVERCAPS", "ask 0 PHYSICALADAPTERCAPS of 0"];
const ISOLATION_QUESTIONS: [&str; 2] = ["ask 0 FRAMEBUFFERSAVESIZE of 0", "reserved ranges 0"];
const END: [&str; 7] = ["work 0", "D3 0", "D0 0", "stop 0", "remove 0", "device 0 blocked", "unload"];

#[track_caller]
fn lives(rig: &Rig, parts: &[&[&str]]) {
    assert_eq!(rig.live(1), Ok(()));
    let expected = [&["add 0"], QUESTIONS_BEFORE.as_slice(), &parts.concat(), &END].concat();
    assert_eq!(rig.journal.lines(), expected);
    rig.assert_balanced();
}

#[track_caller]
fn announced(rig: &Rig, mode: ModeChoice, reason: ModeReason) {
    let modes = rig.machine.events.modes();
    let told: Vec<_> = modes.iter().map(|it| (it.mode, it.reason, it.refused)).collect();
    assert_eq!(told, [(mode, reason, 0)]);
}

#[test]
fn passthrough_lets_the_device_pass_before_the_start() {
    let rig = Rig::new(FULL, Asked::Off);
    lives(&rig, &[&["device 0 pass-through"], &START, &ISOLATION_QUESTIONS]);
    announced(&rig, ModeChoice::Passthrough, ModeReason::Asked);
}

/// Shows S-RMP-16.
#[test]
fn remapping_is_attached_before_the_start_and_the_device_never_passes() {
    let rig = Rig::new(FULL, Asked::Auto);
    lives(&rig, &[&["create domain", "device 0 domain"], &START, &ISOLATION_QUESTIONS]);
    announced(&rig, ModeChoice::Remapping, ModeReason::StrongestClaimed);
    let mode = rig.machine.events.modes()[0];
    assert_eq!((mode.domain, mode.highest_visible), (ID.0, (1 << 48) - 1));
}

/// Shows S-ISO-15, S-ISO-38, S-ISO-41, S-ISO-42, S-ISO-45, S-ISO-57, S-BEX-01, S-BEX-06, S-EEX-01, S-EEX-02,
/// S-RMP-22, S-RMP-21, S-BEX-05, S-ISO-44.
#[test]
fn isolation_is_attached_last_between_begin_and_end() {
    let rig = Rig::new(FULL, Asked::Isolation);
    let late = ["create domain", "begin 0", "device 0 domain", "end 0"];
    lives(&rig, &[&["device 0 pass-through"], &START, &ISOLATION_QUESTIONS, &late]);
    announced(&rig, ModeChoice::Isolation, ModeReason::Asked);
}

/// Shows S-ISO-16, S-ISO-07.
#[test]
fn what_the_driver_allocated_is_mapped_before_begin() {
    let rig = Rig::new(FULL, Asked::Isolation).allocating(5);
    assert_eq!(rig.live(1), Ok(()));
    let lines = rig.journal.lines();
    let place = |line: &str| lines.iter().position(|it| it == line).expect("the line");
    let maps: Vec<(usize, u64)> = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| Some((at, line.strip_prefix("map ")?.parse().ok()?)))
        .collect();
    assert_eq!(maps.iter().map(|(_, pages)| pages).sum::<u64>(), 5, "{lines:?}");
    assert!(maps.iter().all(|(at, _)| *at > place("create domain") && *at < place("begin 0")), "{lines:?}");
    // And taken away again from a device that was blocked first.
    let unmapped = lines.iter().position(|line| line.starts_with("unmap ")).expect("unmapped");
    assert!(unmapped > place("device 0 blocked"), "{lines:?}");
    rig.assert_balanced();
}

/// Shows S-ISO-48, S-VMC-01.
#[test]
fn a_driver_too_old_for_the_question_is_isolated_late_by_its_driver_caps() {
    let rig = Rig::new(OLD, Asked::Auto);
    let late = ["create domain", "begin 0", "device 0 domain", "end 0"];
    lives(&rig, &[&["device 0 pass-through"], &START, &ISOLATION_QUESTIONS, &late]);
    announced(&rig, ModeChoice::Isolation, ModeReason::StrongestClaimed);
}

/// Shows S-ISO-48, S-ISO-57.
#[test]
fn a_driver_that_claims_nothing_is_asked_nothing_about_isolation() {
    let nothing = Says { started: VidMmCapsFlags(0), ..OLD };
    let rig = Rig::new(nothing, Asked::Auto);
    lives(&rig, &[&["device 0 pass-through"], &START]);
    announced(&rig, ModeChoice::Passthrough, ModeReason::DriverClaimsNothing);
}

#[test]
fn a_display_only_driver_is_asked_for_its_driver_caps_alone() {
    let rig = Rig::new(Says { display_only: true, ..FULL }, Asked::Off);
    lives(&rig, &[&["device 0 pass-through"], &START[..3]]);
}

#[test]
fn without_a_unit_nothing_is_attached() {
    let mut rig = Rig::new(FULL, Asked::Auto);
    rig.has_unit = false;
    assert_eq!(rig.live(1), Ok(()));
    let lines = rig.journal.lines();
    assert!(lines.iter().all(|line| !line.starts_with("device ") && line != "create domain"), "{lines:?}");
    announced(&rig, ModeChoice::Passthrough, ModeReason::NoUnit);
}

/// Shows S-RMP-05, S-IOC-03, S-RMP-13.
#[test]
fn a_refused_mode_ends_before_the_start() {
    let only = IommuCaps::IOMMU_ISOLATION_SUPPORTED | IommuCaps::IOMMU_ISOLATION_REQUIRED;
    let cases = [
        (Rig::new(Says { highest_visible: Some(0xffff), ..FULL }, Asked::Off), ModeReason::LimitNotMet),
        (Rig::new(Says { iommu: Some(only), ..FULL }, Asked::Off), ModeReason::RequiredByDriver),
        (Rig::new(Says { iommu: Some(only), ..FULL }, Asked::Auto).flags(0x10), ModeReason::RequiredByDriver),
    ];
    for (rig, reason) in cases {
        assert!(matches!(rig.live(1), Err(Halt::NotStarted(_))));
        let expected =
            [&["add 0"], QUESTIONS_BEFORE.as_slice(), &["remove 0", "device 0 blocked", "unload"]].concat();
        assert_eq!(rig.journal.lines(), expected);
        let modes = rig.machine.events.modes();
        assert_eq!(modes.iter().map(|it| (it.reason, it.refused)).collect::<Vec<_>>(), [(reason, 1)]);
    }
}

/// Shows S-RMP-28, S-RMP-32, S-VMC-02, S-VMC-04.
#[test]
fn caps_that_disagree_or_a_late_requirement_stop_the_started_device() {
    let no_aperture = Says { started: VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED, ..FULL };
    let required = Says { started: OLD.started | VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED, ..OLD };
    let forced = Says { started: FULL.started | VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED, ..FULL };
    let cases = [
        (Rig::new(no_aperture, Asked::Auto), ModeReason::CapsDisagree),
        (Rig::new(required, Asked::Off), ModeReason::RequiredByDriver),
        (Rig::new(required, Asked::Auto).flags(0x17 & !4), ModeReason::RequiredByDriver),
        // A forced run is not checked for contradictions, but what is required stays so.
        (Rig::new(forced, Asked::Off).forced(), ModeReason::RequiredByDriver),
    ];
    for (rig, reason) in cases {
        assert!(matches!(rig.live(1), Err(Halt::NotStarted(_))));
        let lines = rig.journal.lines();
        assert!(
            lines.ends_with(&["stop 0", "remove 0", "device 0 blocked", "unload"].map(String::from)),
            "{lines:?}"
        );
        assert!(!lines.iter().any(|line| line.starts_with("begin")), "{lines:?}");
        let last = *rig.machine.events.modes().last().expect("announced");
        assert_eq!((last.reason, last.refused), (reason, 1));
    }
}

#[test]
fn a_limit_of_zero_is_none_and_the_users_replaces_the_drivers() {
    let rig = Rig::new(Says { highest_visible: Some(0), ..FULL }, Asked::Off);
    assert_eq!(rig.live(1), Ok(()));
    let rig = Rig::new(FULL, Asked::Auto);
    let mut port = rig.port();
    port.limit = Some(0xffff);
    let mut logical = port.add(&crate::rig::chain(1)).expect("added");
    assert_eq!(port.start(&mut logical), Ok(()));
    assert_eq!(logical.choice().reason, ModeReason::NeededByAddressLimit);
    assert_eq!(rig.machine.events.modes()[0].highest_visible, 0xffff);
}

/// Shows S-ISO-01, S-RMP-01.
#[test]
fn an_old_interface_leaves_isolation() {
    let mut rig = Rig::new(FULL, Asked::Auto);
    rig.request.offered = InterfaceVersion::WDDM2_9;
    assert_eq!(rig.live(1), Ok(()));
    announced(&rig, ModeChoice::Isolation, ModeReason::StrongestClaimed);
}
