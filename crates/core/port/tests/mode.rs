//! Every sentence about choosing the mode, one table row or one test each.

use dxgk_abi::InterfaceVersion;
use dxgk_abi::caps::VidMmCapsFlags;
use dxgk_abi::query::IommuCaps;
use dxgk_event::{ModeChoice, ModeReason};
use dxgk_port::mode::{
    Asked, Choice, Claims, IommuFlags, Machine, Request, caps_agree, choose, choose_late, failure_allowed,
    isolation_required,
};
use dxgk_port::opt_in::Standing;

const REMAP: IommuCaps = IommuCaps::DMA_REMAPPING_SUPPORTED;
const ISOLATE: IommuCaps = IommuCaps::IOMMU_ISOLATION_SUPPORTED;
const REQUIRE: IommuCaps = IommuCaps::IOMMU_ISOLATION_REQUIRED;
const NOTHING: IommuCaps = IommuCaps(0);
const SECURE: VidMmCapsFlags = VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED;
const SECURE_ONLY: VidMmCapsFlags = VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED;
const APERTURE2: VidMmCapsFlags = VidMmCapsFlags::MAP_APERTURE2_SUPPORTED;
const HIGHEST_RAM: u64 = 0x1_3fff_ffff;

fn claims(iommu: IommuCaps) -> Claims {
    Claims { iommu: Some(iommu), highest_visible: u64::MAX }
}

/// A driver older than 2.9.
const OLD: Claims = Claims { iommu: None, highest_visible: u64::MAX };
const MACHINE: Machine = Machine { has_unit: true, highest_physical: HIGHEST_RAM };

fn asked(asked: Asked) -> Request {
    Request { asked, ..Request::default() }
}

fn forced(asked: Asked) -> Request {
    Request { asked, forced: true, ..Request::default() }
}

fn flags(bits: u32) -> Request {
    Request { flags: IommuFlags::from_bits_truncate(bits), ..Request::default() }
}

fn offered(version: InterfaceVersion, request: Request) -> Request {
    Request { offered: version, ..request }
}

fn starts(mode: ModeChoice, reason: ModeReason) -> Choice {
    Choice { mode, reason, refused: false }
}

fn off(reason: ModeReason) -> Choice {
    starts(ModeChoice::Passthrough, reason)
}

fn isolated(reason: ModeReason) -> Choice {
    starts(ModeChoice::Isolation, reason)
}

fn remapped(reason: ModeReason) -> Choice {
    starts(ModeChoice::Remapping, reason)
}

fn refused(reason: ModeReason) -> Choice {
    Choice { mode: ModeChoice::Passthrough, reason, refused: true }
}

#[track_caller]
fn check(rows: &[(Request, Claims, Choice)]) {
    for (request, claims, expected) in rows {
        assert_eq!(choose(request, claims, &MACHINE), *expected, "{request:?} {claims:?}");
    }
}

/// Shows S-ISO-12, S-IOC-05, S-RMP-11, S-RMP-14.
#[test]
fn what_is_asked_for_and_what_the_driver_claims_make_the_mode() {
    use ModeReason::{Asked as AskedFor, DriverClaimsNothing, StrongestClaimed};
    check(&[
        (asked(Asked::Auto), claims(REMAP | ISOLATE), remapped(StrongestClaimed)),
        (asked(Asked::Auto), claims(REMAP), remapped(StrongestClaimed)),
        (asked(Asked::Auto), claims(ISOLATE), isolated(StrongestClaimed)),
        (asked(Asked::Auto), claims(NOTHING), off(DriverClaimsNothing)),
        (asked(Asked::Remapping), claims(REMAP | ISOLATE), remapped(AskedFor)),
        (asked(Asked::Remapping), claims(ISOLATE), isolated(StrongestClaimed)),
        (asked(Asked::Remapping), claims(NOTHING), off(DriverClaimsNothing)),
        // Isolation is honoured for a driver that could remap.
        (asked(Asked::Isolation), claims(REMAP | ISOLATE), isolated(AskedFor)),
        (asked(Asked::Isolation), claims(ISOLATE), isolated(AskedFor)),
        // It is never turned into more than was asked for.
        (asked(Asked::Isolation), claims(REMAP), off(DriverClaimsNothing)),
        (asked(Asked::Isolation), claims(NOTHING), off(DriverClaimsNothing)),
        (asked(Asked::Off), claims(REMAP | ISOLATE), off(AskedFor)),
        (asked(Asked::Off), claims(NOTHING), off(AskedFor)),
    ]);
}

/// Shows S-ISO-06, S-ISO-08, S-ISO-09, S-ISO-10.
#[test]
fn a_bit_of_iommuflags_whose_prerequisite_is_missing_does_nothing() {
    for bits in 0..0x20_u32 {
        let full = claims(REMAP | ISOLATE);
        let expected = match bits & 7 {
            7 => remapped(ModeReason::StrongestClaimed),
            enabled if enabled & 1 != 0 => off(ModeReason::FlagsIncomplete),
            _ => off(ModeReason::SwitchedOff),
        };
        assert_eq!(choose(&flags(bits), &full, &MACHINE), expected, "IOMMUFlags {bits:#x}");
    }
}

/// Shows S-ISO-11.
#[test]
fn bypass_driver_cap_makes_isolation_alone_and_says_that_it_was_imposed() {
    let bypass = flags(0x0f);
    let isolation = Request { asked: Asked::Isolation, ..bypass };
    let remapping = Request { asked: Asked::Remapping, ..bypass };
    check(&[
        (bypass, claims(NOTHING), isolated(ModeReason::Forced)),
        (isolation, claims(NOTHING), isolated(ModeReason::Forced)),
        (remapping, claims(NOTHING), isolated(ModeReason::Forced)),
        (isolation, claims(REMAP), isolated(ModeReason::Forced)),
        // What is claimed needs no bypass.
        (bypass, claims(ISOLATE), isolated(ModeReason::StrongestClaimed)),
        (bypass, claims(REMAP | ISOLATE), remapped(ModeReason::StrongestClaimed)),
        // Alone it enables nothing.
        (flags(0x08), claims(NOTHING), off(ModeReason::SwitchedOff)),
        (Request { asked: Asked::Off, ..bypass }, claims(NOTHING), off(ModeReason::Asked)),
    ]);
    assert_eq!(choose_late(&bypass, VidMmCapsFlags(0), &MACHINE), isolated(ModeReason::Forced));
}

#[test]
fn a_forced_mode_comes_whatever_the_driver_reports_but_never_another_one() {
    check(&[
        (forced(Asked::Remapping), claims(NOTHING), remapped(ModeReason::Forced)),
        (forced(Asked::Remapping), OLD, remapped(ModeReason::Forced)),
        (forced(Asked::Remapping), claims(ISOLATE), remapped(ModeReason::Forced)),
        (forced(Asked::Remapping), claims(REMAP), remapped(ModeReason::Asked)),
        (forced(Asked::Isolation), claims(NOTHING), isolated(ModeReason::Forced)),
        (forced(Asked::Isolation), claims(REMAP), isolated(ModeReason::Forced)),
        (forced(Asked::Isolation), claims(ISOLATE), isolated(ModeReason::Asked)),
        (forced(Asked::Auto), claims(NOTHING), off(ModeReason::DriverClaimsNothing)),
        (forced(Asked::Off), claims(REMAP | ISOLATE), off(ModeReason::Asked)),
        // The registry switch and the machine have the last word.
        (
            Request { flags: IommuFlags::empty(), ..forced(Asked::Remapping) },
            claims(REMAP),
            off(ModeReason::SwitchedOff),
        ),
    ]);
    let nothing = VidMmCapsFlags(0);
    assert_eq!(choose_late(&forced(Asked::Isolation), nothing, &MACHINE), isolated(ModeReason::Forced));
    assert_eq!(choose_late(&forced(Asked::Auto), nothing, &MACHINE), off(ModeReason::DriverClaimsNothing));
}

/// Shows S-RMP-05, S-RMP-06, S-PMC-01, S-PMC-03.
#[test]
fn a_device_that_does_not_see_all_of_ram_is_remapped_or_does_not_start() {
    let seeing = |iommu, highest_visible| Claims { iommu, highest_visible };
    let all = Some(REMAP | ISOLATE);
    let needed = remapped(ModeReason::NeededByAddressLimit);
    let unmet = refused(ModeReason::LimitNotMet);
    let strongest = remapped(ModeReason::StrongestClaimed);
    check(&[
        (asked(Asked::Auto), seeing(all, HIGHEST_RAM - 1), needed),
        (asked(Asked::Remapping), seeing(all, 0xffff_ffff), needed),
        // Equality, too, fails without remapping; one more is enough.
        (asked(Asked::Auto), seeing(all, HIGHEST_RAM), needed),
        (asked(Asked::Auto), seeing(all, HIGHEST_RAM + 1), strongest),
        (asked(Asked::Auto), seeing(Some(ISOLATE), HIGHEST_RAM), unmet),
        (asked(Asked::Auto), seeing(Some(ISOLATE), HIGHEST_RAM + 1), isolated(ModeReason::StrongestClaimed)),
        (asked(Asked::Auto), seeing(None, 0xffff_ffff), unmet),
        (asked(Asked::Isolation), seeing(all, HIGHEST_RAM), unmet),
        (asked(Asked::Off), seeing(all, HIGHEST_RAM), unmet),
        (flags(0), seeing(all, HIGHEST_RAM), unmet),
        (flags(3), seeing(all, HIGHEST_RAM), unmet),
        // BypassDriverCap is isolation's; it cannot remap.
        (flags(0x0f), seeing(Some(ISOLATE), HIGHEST_RAM), unmet),
        (offered(InterfaceVersion::WDDM2_9, asked(Asked::Auto)), seeing(all, HIGHEST_RAM), unmet),
        (forced(Asked::Remapping), seeing(None, HIGHEST_RAM), needed),
    ]);
    let no_unit = Machine { has_unit: false, ..MACHINE };
    assert_eq!(choose(&asked(Asked::Auto), &seeing(all, HIGHEST_RAM), &no_unit), unmet);
}

/// Shows S-IOC-03, S-VMC-02.
#[test]
fn a_driver_that_requires_isolation_does_not_start_without_the_iommu() {
    let only = claims(ISOLATE | REQUIRE);
    let no = refused(ModeReason::RequiredByDriver);
    check(&[
        (asked(Asked::Auto), only, isolated(ModeReason::StrongestClaimed)),
        (asked(Asked::Isolation), only, isolated(ModeReason::Asked)),
        // Remapping keeps the device within its pages as well.
        (asked(Asked::Auto), claims(REMAP | ISOLATE | REQUIRE), remapped(ModeReason::StrongestClaimed)),
        (asked(Asked::Off), only, no),
        (flags(0), only, no),
        (flags(1), only, no),
        // AllowFailure does not override it.
        (flags(0x10), only, no),
        (offered(InterfaceVersion::WDDM2_3, asked(Asked::Auto)), only, no),
    ]);
    let no_unit = Machine { has_unit: false, ..MACHINE };
    assert_eq!(choose(&asked(Asked::Auto), &only, &no_unit), no);
    assert_eq!(choose_late(&asked(Asked::Auto), SECURE | SECURE_ONLY, &no_unit), no);
    assert_eq!(choose_late(&asked(Asked::Off), SECURE | SECURE_ONLY, &MACHINE), no);
    let late = choose_late(&asked(Asked::Auto), SECURE | SECURE_ONLY, &MACHINE);
    assert_eq!(late, isolated(ModeReason::StrongestClaimed));
    assert!(isolation_required(&only, VidMmCapsFlags(0)));
    assert!(isolation_required(&OLD, SECURE_ONLY));
    assert!(!isolation_required(&claims(ISOLATE | REMAP), SECURE | APERTURE2));
}

/// Shows S-ISO-01, S-RMP-01, S-BPO-04.
#[test]
fn an_interface_older_than_the_mode_takes_it_away() {
    let too_old = off(ModeReason::InterfaceTooOld);
    check(&[
        (
            offered(InterfaceVersion::WDDM3_0, asked(Asked::Auto)),
            claims(REMAP),
            remapped(ModeReason::StrongestClaimed),
        ),
        (offered(InterfaceVersion::WDDM2_9, asked(Asked::Auto)), claims(REMAP), too_old),
        (offered(InterfaceVersion::WDDM2_9, forced(Asked::Remapping)), claims(NOTHING), too_old),
        (
            offered(InterfaceVersion::WDDM2_9, asked(Asked::Remapping)),
            claims(REMAP | ISOLATE),
            isolated(ModeReason::StrongestClaimed),
        ),
        (
            offered(InterfaceVersion::WDDM2_4, asked(Asked::Isolation)),
            claims(ISOLATE),
            isolated(ModeReason::Asked),
        ),
        (offered(InterfaceVersion::WDDM2_3, asked(Asked::Isolation)), claims(ISOLATE), too_old),
        (offered(InterfaceVersion::WDDM2_3, asked(Asked::Auto)), claims(REMAP | ISOLATE), too_old),
        (offered(InterfaceVersion::WDDM2_3, forced(Asked::Isolation)), claims(NOTHING), too_old),
        // Its age is no reason for what was not claimed at all.
        (
            offered(InterfaceVersion::WDDM2_3, asked(Asked::Auto)),
            claims(NOTHING),
            off(ModeReason::DriverClaimsNothing),
        ),
        (
            offered(InterfaceVersion::WDDM2_9, asked(Asked::Isolation)),
            claims(REMAP),
            off(ModeReason::DriverClaimsNothing),
        ),
    ]);
    let old = offered(InterfaceVersion::WDDM2_3, asked(Asked::Auto));
    assert_eq!(choose_late(&old, SECURE, &MACHINE), too_old);
}

/// Shows S-RMP-52.
#[test]
fn a_device_that_the_registry_opts_out_is_not_remapped_whatever_its_driver_claims() {
    let opted = |opt_in, request: Request| Request { opt_in, ..request };
    let out = |request| opted(Standing::Out, request);
    let full = claims(REMAP | ISOLATE);
    check(&[
        (out(asked(Asked::Auto)), full, isolated(ModeReason::StrongestClaimed)),
        (out(asked(Asked::Remapping)), claims(REMAP), off(ModeReason::OptedOut)),
        (out(asked(Asked::Auto)), claims(NOTHING), off(ModeReason::DriverClaimsNothing)),
        (out(asked(Asked::Isolation)), claims(REMAP), off(ModeReason::DriverClaimsNothing)),
        (
            out(asked(Asked::Auto)),
            Claims { highest_visible: HIGHEST_RAM, ..full },
            refused(ModeReason::LimitNotMet),
        ),
        // Forcing is no matter of the registry.
        (out(forced(Asked::Remapping)), claims(REMAP), remapped(ModeReason::Forced)),
    ]);
    for standing in [Standing::In, Standing::System] {
        let request = opted(standing, asked(Asked::Auto));
        check(&[
            (request, full, remapped(ModeReason::StrongestClaimed)),
            (request, claims(ISOLATE), isolated(ModeReason::StrongestClaimed)),
        ]);
    }
}

#[test]
fn without_a_unit_nothing_is_translated() {
    let no_unit = Machine { has_unit: false, ..MACHINE };
    for iommu in [claims(REMAP | ISOLATE), claims(NOTHING), OLD] {
        for request in [asked(Asked::Auto), forced(Asked::Remapping), flags(0x0f), flags(0x17)] {
            assert_eq!(choose(&request, &iommu, &no_unit), off(ModeReason::NoUnit), "{request:?} {iommu:?}");
        }
    }
    assert_eq!(choose(&asked(Asked::Off), &OLD, &no_unit), off(ModeReason::Asked));
    assert_eq!(choose_late(&asked(Asked::Auto), SECURE, &no_unit), off(ModeReason::NoUnit));
}

#[test]
fn a_driver_that_cannot_be_asked_before_the_start_has_no_limit_and_may_be_isolated_after_it() {
    // Even a bypass waits: only DRIVERCAPS tell whether it is one.
    for request in [asked(Asked::Auto), asked(Asked::Isolation), forced(Asked::Isolation), flags(0x0f)] {
        assert_eq!(choose(&request, &OLD, &MACHINE).mode, ModeChoice::Passthrough, "{request:?}");
    }
    let rows = [
        (asked(Asked::Auto), SECURE, isolated(ModeReason::StrongestClaimed)),
        (asked(Asked::Remapping), SECURE, isolated(ModeReason::StrongestClaimed)),
        (asked(Asked::Isolation), SECURE, isolated(ModeReason::Asked)),
        (forced(Asked::Isolation), SECURE, isolated(ModeReason::Asked)),
        (asked(Asked::Auto), APERTURE2, off(ModeReason::DriverClaimsNothing)),
        (asked(Asked::Isolation), VidMmCapsFlags(0), off(ModeReason::DriverClaimsNothing)),
        (asked(Asked::Off), SECURE, off(ModeReason::Asked)),
        (flags(0), SECURE, off(ModeReason::SwitchedOff)),
        (flags(1), SECURE, off(ModeReason::FlagsIncomplete)),
    ];
    for (request, started, expected) in rows {
        assert_eq!(choose_late(&request, started, &MACHINE), expected, "{request:?} {started:?}");
    }
}

/// Shows S-IOC-02, S-IOC-04, S-RMP-28, S-RMP-32, S-VMC-04.
#[test]
fn driver_caps_check_the_choice() {
    use ModeChoice::{Isolation, Passthrough, Remapping};
    let rows = [
        (claims(REMAP | ISOLATE), SECURE | APERTURE2, Remapping, true),
        // Remapping needs the second MapApertureSegment; other modes do not.
        (claims(REMAP | ISOLATE), SECURE, Remapping, false),
        (claims(REMAP | ISOLATE), SECURE, Isolation, true),
        (claims(ISOLATE), VidMmCapsFlags(0), Isolation, false),
        (claims(ISOLATE), VidMmCapsFlags(0), Passthrough, false),
        (claims(NOTHING), SECURE, Passthrough, false),
        (claims(ISOLATE | REQUIRE), SECURE, Isolation, false),
        (claims(ISOLATE), SECURE | SECURE_ONLY, Isolation, false),
        (claims(ISOLATE | REQUIRE), SECURE | SECURE_ONLY, Isolation, true),
        (claims(NOTHING), VidMmCapsFlags(0), Passthrough, true),
        // Who could not be asked cannot contradict itself.
        (OLD, SECURE | SECURE_ONLY, Isolation, true),
    ];
    for (before, started, mode, agree) in rows {
        let natural = caps_agree(&asked(Asked::Auto), &before, started, mode);
        assert_eq!(natural, agree, "{before:?} {started:?} {mode:?}");
        assert!(caps_agree(&forced(Asked::Remapping), &before, started, mode), "a forced run is not checked");
    }
}

/// Shows S-ISO-13.
#[test]
fn allow_failure_forgives_but_not_what_is_required() {
    let chosen = isolated(ModeReason::StrongestClaimed);
    assert!(failure_allowed(&flags(0x17), &chosen, false));
    assert!(!failure_allowed(&flags(0x07), &chosen, false));
    assert!(!failure_allowed(&flags(0x17), &chosen, true));
    assert!(!failure_allowed(&flags(0x17), &remapped(ModeReason::NeededByAddressLimit), false));
}
