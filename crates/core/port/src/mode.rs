//! Which addressing mode a logical adapter gets, and why.
//!
//! Sources: "IOMMU-based GPU isolation" (the `IOMMUFlags` registry value, late attach), "IOMMU DMA remapping"
//! (selection by the two capability queries before the start). Everything here is a pure function of what was
//! asked, what the driver claims and what the machine is, so that each sentence of those pages is one test.

use dxgk_abi::InterfaceVersion;
use dxgk_abi::caps::VidMmCapsFlags;
use dxgk_abi::query::IommuCaps;
use dxgk_event::{ModeChoice, ModeReason};

use crate::enable::Late;
use crate::opt_in::Standing;

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
    /// What the device's INF wrote into the registry about remapping.
    pub opt_in: Standing,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            asked: Asked::Auto,
            forced: false,
            flags: IommuFlags::DEFAULT,
            offered: InterfaceVersion::WDDM3_1,
            opt_in: Standing::System,
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

/// A translating mode, and what speaks for it.
#[derive(Clone, Copy)]
struct Candidate {
    mode: ModeChoice,
    /// The first interface that has it.
    since: InterfaceVersion,
    /// The driver claims it.
    claimed: bool,
    /// It is to be had without the driver's word.
    imposed: bool,
}

impl Candidate {
    /// Remapping needs its structures (2.9) and, our choice, an interface of WDDM 3.0, which brought the feature.
    fn remapping(request: &Request, claimed: bool) -> Self {
        let imposed = request.forced && request.asked == Asked::Remapping;
        Self { mode: ModeChoice::Remapping, since: InterfaceVersion::WDDM3_0, claimed, imposed }
    }

    /// Isolation came with WDDM 2.4.
    fn isolation(request: &Request, claimed: bool) -> Self {
        let forced = request.forced && request.asked == Asked::Isolation;
        let imposed = forced || request.flags.contains(IommuFlags::BYPASS_DRIVER_CAP);
        Self { mode: ModeChoice::Isolation, since: InterfaceVersion::WDDM2_4, claimed, imposed }
    }

    fn supported(&self) -> bool {
        self.claimed || self.imposed
    }

    fn reason(&self, asked: Asked) -> ModeReason {
        let named = match self.mode {
            ModeChoice::Remapping => asked == Asked::Remapping,
            _ => asked == Asked::Isolation,
        };
        match (self.claimed, named) {
            (false, _) => ModeReason::Forced,
            (true, true) => ModeReason::Asked,
            (true, false) => ModeReason::StrongestClaimed,
        }
    }
}

/// The first candidate, strongest first, that is wanted, supported and offered; else passthrough, and why.
fn pick(request: &Request, machine: &Machine, candidates: &[Candidate]) -> Choice {
    if request.asked == Asked::Off {
        return start(ModeChoice::Passthrough, ModeReason::Asked);
    }
    if let Some(reason) = obstacle(request, machine) {
        return start(ModeChoice::Passthrough, reason);
    }
    let wanted = |candidate: &&Candidate| {
        candidate.supported()
            && (request.asked != Asked::Isolation || candidate.mode == ModeChoice::Isolation)
    };
    let mut wanted = candidates.iter().filter(wanted).peekable();
    let too_old = wanted.peek().is_some();
    match wanted.find(|candidate| candidate.since <= request.offered) {
        Some(candidate) => start(candidate.mode, candidate.reason(request.asked)),
        None if too_old => start(ModeChoice::Passthrough, ModeReason::InterfaceTooOld),
        None => start(ModeChoice::Passthrough, ModeReason::DriverClaimsNothing),
    }
}

/// Chooses the mode before StartDevice. For a driver that answered `IOMMU_CAPS` with an error, passthrough is not the
/// last word: see [`choose_late`].
///
/// A device that does not see all of RAM is remapped or does not start, whatever else was asked for (our choice: who
/// asks for a mode in which it cannot work is told so).
#[must_use]
pub fn choose(request: &Request, claims: &Claims, machine: &Machine) -> Choice {
    let iommu = claims.iommu.unwrap_or_default();
    let claimed = iommu.contains(IommuCaps::DMA_REMAPPING_SUPPORTED);
    // PnP is told by the registry that the device may be remapped; a claim alone does not do it.
    let opted_out = claimed && request.opt_in == Standing::Out;
    let remapping = Candidate::remapping(request, claimed && !opted_out);
    let isolation = Candidate::isolation(request, iommu.contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED));

    // Equality, too, is a device that does not see all of RAM (DXGK_PHYSICAL_MEMORY_CAPS).
    if claims.highest_visible != u64::MAX && claims.highest_visible <= machine.highest_physical {
        return match pick(request, machine, &[remapping]).mode {
            ModeChoice::Remapping => start(ModeChoice::Remapping, ModeReason::NeededByAddressLimit),
            _ => refuse(ModeReason::LimitNotMet),
        };
    }
    // Isolation is attached after the start anyway: what cannot be asked before it is decided then.
    let candidates = if claims.iommu.is_some() { &[remapping, isolation][..] } else { &[remapping] };
    let mut choice = pick(request, machine, candidates);
    if opted_out && choice.reason == ModeReason::DriverClaimsNothing && request.asked != Asked::Isolation {
        choice.reason = ModeReason::OptedOut;
    }
    if iommu.contains(IommuCaps::IOMMU_ISOLATION_REQUIRED) && choice.mode == ModeChoice::Passthrough {
        return refuse(ModeReason::RequiredByDriver);
    }
    choice
}

/// Chooses again after StartDevice for a driver that answered `IOMMU_CAPS` with an error: those of WDDM 2.4 to 2.8
/// can only say it in `DXGK_VIDMMCAPS` ("IOMMU-based GPU isolation": attach after start).
#[must_use]
pub fn choose_late(request: &Request, started: VidMmCapsFlags, machine: &Machine) -> Choice {
    let claimed = started.contains(VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED);
    let choice = pick(request, machine, &[Candidate::isolation(request, claimed)]);
    if started.contains(VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED) && choice.mode == ModeChoice::Passthrough
    {
        return refuse(ModeReason::RequiredByDriver);
    }
    choice
}

/// Whether isolation may come about at run time, and with which reason; or why it may not.
///
/// A secure virtual machine asks for the driver's own word: neither `--force-iommu` nor `BypassDriverCap` replaces it (our
/// choice, after "a secure VM does not start when the driver lacks IOMMU support").
///
/// # Errors
/// [`ModeReason::DriverClaimsNothing`], [`ModeReason::InterfaceTooOld`].
pub fn late_reason(
    request: &Request,
    claims: &Claims,
    started: VidMmCapsFlags,
    why: Late,
) -> Result<ModeReason, ModeReason> {
    let claimed = claims.iommu.unwrap_or_default().contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED)
        || started.contains(VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED);
    let imposed = request.forced || request.flags.contains(IommuFlags::BYPASS_DRIVER_CAP);
    if InterfaceVersion::WDDM2_4 > request.offered {
        return Err(ModeReason::InterfaceTooOld);
    }
    match (why, claimed) {
        (Late::SecureVm, true) => Ok(ModeReason::SecureVm),
        (Late::Asked, true) => Ok(ModeReason::Asked),
        (Late::Asked, false) if imposed => Ok(ModeReason::Forced),
        _ => Err(ModeReason::DriverClaimsNothing),
    }
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

/// Whether the driver says, in either place, that it works isolated only.
#[must_use]
pub fn isolation_required(claims: &Claims, started: VidMmCapsFlags) -> bool {
    claims.iommu.unwrap_or_default().contains(IommuCaps::IOMMU_ISOLATION_REQUIRED)
        || started.contains(VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED)
}

/// Whether an adapter whose domain could not be made, filled or attached starts in passthrough: `AllowFailure`, unless
/// the driver requires isolation, or the device could not reach all of RAM that way (both our choice).
#[must_use]
pub fn failure_allowed(request: &Request, chosen: &Choice, required: bool) -> bool {
    request.flags.contains(IommuFlags::ALLOW_FAILURE)
        && !required
        && chosen.reason != ModeReason::NeededByAddressLimit
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
