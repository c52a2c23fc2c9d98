//! Which addressing mode a logical adapter gets, and why.
//!
//! Sources: "IOMMU-based GPU isolation" (the `IOMMUFlags` registry value, late attach), "IOMMU DMA remapping"
//! (selection by the two capability queries before the start). Everything here is a pure function of what was
//! asked, what the driver claims and what the machine is, so that each sentence of those pages is one test.

use dxgk_abi::InterfaceVersion;
use dxgk_abi::caps::VidMmCapsFlags;
use dxgk_abi::query::IommuCaps;
use dxgk_event::{ModeChoice, ModeReason};

bitflags::bitflags! {
    /// The `IOMMUFlags` registry value (DWORD under the GraphicsDrivers key), a development switch.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct IommuFlags: u32 {
        /// Create the domain.
        const ENABLED = 0x01;
        /// Map memory into it; does nothing without `ENABLED`.
        const ENABLE_MAPPINGS = 0x02;
        /// Attach devices to it; does nothing without `ENABLE_MAPPINGS`.
        const ENABLE_ATTACH = 0x04;
        /// Act even if the driver reports no support; isolation only.
        const BYPASS_DRIVER_CAP = 0x08;
        /// Start the adapter even if enabling failed. That it cannot override "required" is our choice.
        const ALLOW_FAILURE = 0x10;
    }
}

impl IommuFlags {
    /// What `--iommu-flags` leaves on when it is not given.
    pub const DEFAULT: Self = Self::ENABLED.union(Self::ENABLE_MAPPINGS).union(Self::ENABLE_ATTACH);

    /// Whether a domain is created, filled and attached: a bit whose prerequisite is missing does nothing.
    #[must_use]
    pub const fn translates(self) -> bool {
        self.contains(Self::DEFAULT)
    }
}

/// What the user asked for (`--iommu`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Asked {
    /// The strongest that the driver claims.
    #[default]
    Auto,
    /// Remapping.
    Remapping,
    /// Isolation, also for a driver that could remap.
    Isolation,
    /// Passthrough.
    Off,
}

/// The user's side of the choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// The mode asked for.
    pub asked: Asked,
    /// Apply it whatever the driver reports. Not Windows behaviour.
    pub forced: bool,
    /// The registry switch.
    pub flags: IommuFlags,
    /// The interface version that the driver was offered.
    pub offered: InterfaceVersion,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            asked: Asked::Auto,
            forced: false,
            flags: IommuFlags::DEFAULT,
            offered: InterfaceVersion::WDDM3_1,
        }
    }
}

/// The driver's side, from the queries before StartDevice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claims {
    /// `DXGKQAITYPE_IOMMU_CAPS`; `None` when the driver answered with an error (older than WDDM 2.9).
    pub iommu: Option<IommuCaps>,
    /// `DXGKQAITYPE_PHYSICAL_MEMORY_CAPS`: the highest address that the device can put on the bus, inclusive;
    /// `u64::MAX` when the query failed or names no limit.
    pub highest_visible: u64,
}

/// The machine's side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Machine {
    /// There is an IOMMU over the device.
    pub has_unit: bool,
    /// Highest installed physical address, inclusive.
    pub highest_physical: u64,
}

/// The outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Choice {
    /// The mode.
    pub mode: ModeChoice,
    /// Why.
    pub reason: ModeReason,
    /// The adapter does not start.
    pub refused: bool,
}

const fn start(mode: ModeChoice, reason: ModeReason) -> Choice {
    Choice { mode, reason, refused: false }
}

const fn refuse(reason: ModeReason) -> Choice {
    Choice { mode: ModeChoice::Passthrough, reason, refused: true }
}

/// Remapping needs its structures (2.9) and, our choice, an interface of WDDM 3.0, which brought the feature.
const REMAPPING_SINCE: InterfaceVersion = InterfaceVersion::WDDM3_0;
/// Isolation came with WDDM 2.4.
const ISOLATION_SINCE: InterfaceVersion = InterfaceVersion::WDDM2_4;

/// Chooses the mode before StartDevice.
#[must_use]
pub fn choose(request: &Request, claims: &Claims, machine: &Machine) -> Choice {
    let iommu = claims.iommu.unwrap_or_default();
    let obstacle = obstacle(request, machine);
    let remapping = obstacle.is_none()
        && request.offered.0 >= REMAPPING_SINCE.0
        && (iommu.contains(IommuCaps::DMA_REMAPPING_SUPPORTED)
            || (request.forced && request.asked == Asked::Remapping));
    let isolation =
        obstacle.is_none() && may_isolate(request, iommu.contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED));

    // Equality, too, is a device that does not see all of RAM (DXGK_PHYSICAL_MEMORY_CAPS).
    if claims.highest_visible != u64::MAX && claims.highest_visible <= machine.highest_physical {
        return if remapping && matches!(request.asked, Asked::Auto | Asked::Remapping) {
            start(ModeChoice::Remapping, ModeReason::NeededByAddressLimit)
        } else {
            refuse(ModeReason::LimitNotMet)
        };
    }

    let claimed_by = |claimed: bool| if claimed { ModeReason::Asked } else { ModeReason::Forced };
    let choice = match request.asked {
        Asked::Remapping if remapping => {
            start(ModeChoice::Remapping, claimed_by(iommu.contains(IommuCaps::DMA_REMAPPING_SUPPORTED)))
        }
        Asked::Isolation if isolation => {
            start(ModeChoice::Isolation, claimed_by(iommu.contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED)))
        }
        Asked::Auto if remapping => start(ModeChoice::Remapping, ModeReason::StrongestClaimed),
        Asked::Auto | Asked::Remapping if isolation => {
            start(ModeChoice::Isolation, ModeReason::StrongestClaimed)
        }
        Asked::Off => start(ModeChoice::Passthrough, ModeReason::Asked),
        _ => start(ModeChoice::Passthrough, why_not(request, iommu, obstacle)),
    };
    if iommu.contains(IommuCaps::IOMMU_ISOLATION_REQUIRED) && choice.mode == ModeChoice::Passthrough {
        return refuse(ModeReason::RequiredByDriver);
    }
    choice
}

/// Chooses again after StartDevice for a driver that answered `IOMMU_CAPS` with an error: those of WDDM 2.4 to 2.8
/// can only say it in `DXGK_VIDMMCAPS::IoMmuSecureModeSupported` ("IOMMU-based GPU isolation": attach after
/// start).
#[must_use]
pub fn choose_late(request: &Request, secure_mode_supported: bool, machine: &Machine) -> Choice {
    let obstacle = obstacle(request, machine);
    let wanted = matches!(request.asked, Asked::Auto | Asked::Isolation | Asked::Remapping);
    if obstacle.is_none() && wanted && may_isolate(request, secure_mode_supported) {
        let reason =
            if request.asked == Asked::Isolation { ModeReason::Asked } else { ModeReason::StrongestClaimed };
        return start(ModeChoice::Isolation, reason);
    }
    if request.asked == Asked::Off {
        return start(ModeChoice::Passthrough, ModeReason::Asked);
    }
    start(ModeChoice::Passthrough, obstacle.unwrap_or(ModeReason::DriverClaimsNothing))
}

/// What keeps any translating mode from coming about, whatever the driver says.
fn obstacle(request: &Request, machine: &Machine) -> Option<ModeReason> {
    if !request.flags.contains(IommuFlags::ENABLED) {
        Some(ModeReason::SwitchedOff)
    } else if !request.flags.translates() {
        Some(ModeReason::FlagsIncomplete)
    } else if !machine.has_unit {
        Some(ModeReason::NoUnit)
    } else {
        None
    }
}

fn may_isolate(request: &Request, claimed: bool) -> bool {
    let bypassed = request.flags.contains(IommuFlags::BYPASS_DRIVER_CAP);
    let forced = request.forced && request.asked == Asked::Isolation;
    request.offered.0 >= ISOLATION_SINCE.0 && (claimed || bypassed || forced)
}

fn why_not(request: &Request, iommu: IommuCaps, obstacle: Option<ModeReason>) -> ModeReason {
    if let Some(reason) = obstacle {
        return reason;
    }
    let claims_something = iommu.contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED)
        || iommu.contains(IommuCaps::DMA_REMAPPING_SUPPORTED);
    if claims_something && request.offered.0 < REMAPPING_SINCE.0 {
        return ModeReason::InterfaceTooOld;
    }
    ModeReason::DriverClaimsNothing
}

/// Whether what DRIVERCAPS says fits what IOMMU_CAPS said before. The documentation only "expects" it; that the
/// start fails is our choice. A forced run is not checked: its driver never claimed anything.
#[must_use]
pub fn caps_agree(request: &Request, claims: &Claims, started: VidMmCapsFlags, mode: ModeChoice) -> bool {
    let Some(iommu) = claims.iommu else { return true };
    if request.forced {
        return true;
    }
    if mode == ModeChoice::Remapping && !started.contains(VidMmCapsFlags::MAP_APERTURE2_SUPPORTED) {
        return false;
    }
    iommu.contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED)
        == started.contains(VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED)
        && iommu.contains(IommuCaps::IOMMU_ISOLATION_REQUIRED)
            == started.contains(VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED)
}
