//! The life of a logical adapter, in order.
//!
//! Sources: the topics "IOMMU-based GPU isolation" and "IOMMU DMA remapping". AddDevice of every physical
//! adapter; the two capability queries; in remapping mode the domain, attached, so that the device never sees a
//! physical address; StartDevice, lead first; the remaining queries, which check the choice; in isolation mode the
//! late attach between Begin- and EndExclusiveAccess; work; StopDevice; RemoveDevice; Unload.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use dxgk_abi::NtStatus;
use dxgk_abi::caps::VidMmCapsFlags;
use dxgk_abi::life::DevicePowerState;
use dxgk_abi::query::IommuCaps;
use dxgk_event::{Adapter, Event, EventSink, Mode, ModeChoice, ModeReason, ResourceRange, SelfCheck};
use dxgk_hw::{Attachment, Bar, BarKind, DomainOps, IommuUnit, RequesterId};
use dxgk_sysmm::{LogicalAdapterId, Platform, Resource, ResourceKind, SysMm};

use crate::caps;
use crate::miniport::{AdapterIdentity, DdiError, DeviceContext, Miniport};
use crate::mode::{self, Choice, Claims, Machine, Request};
use crate::vidmm::{self, Caps, Done};

/// Why a life did not go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Halt {
    /// The machine stopped: no driver code may run any more.
    Stopped,
    /// The adapter did not start; the driver's status, or the port's when the port refused.
    NotStarted(NtStatus),
    /// The driver does not link the devices of a chain.
    NotLinked,
    /// The memory manager has no handle left for another adapter.
    NoResources,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => write!(f, "the machine stopped"),
            Self::NotStarted(status) => write!(f, "the adapter did not start: {status}"),
            Self::NotLinked => {
                write!(f, "the driver does not link its devices into one chain with the first as its lead")
            }
            Self::NoResources => write!(f, "no handle is left for another adapter"),
        }
    }
}

impl core::error::Error for Halt {}

/// A device to be given to the driver.
#[derive(Clone, Debug)]
pub struct AdapterSpec {
    /// Who it is on the bus.
    pub requester: RequesterId,
    /// Its assigned resources.
    pub bars: Vec<Bar>,
}

/// The port driver over one miniport.
pub struct Port<'a, M, P: Platform> {
    /// The driver.
    pub miniport: &'a M,
    /// The memory manager.
    pub sysmm: &'a SysMm<P>,
    /// The IOMMU over the devices, when the machine has one.
    pub unit: Option<Arc<dyn IommuUnit>>,
    /// Where events go.
    pub sink: &'a dyn EventSink,
    /// What the user asked for.
    pub request: Request,
    /// Replaces the driver's highest visible address.
    pub limit: Option<u64>,
    /// Highest installed physical address, inclusive.
    pub highest_physical: u64,
}

pub(crate) struct PhysicalAdapter {
    pub(crate) identity: AdapterIdentity,
    pub(crate) device: DeviceContext,
    pub(crate) started: bool,
}

/// A logical adapter: one physical adapter, or a chain of linked ones with the lead first.
pub struct LogicalAdapter {
    pub(crate) id: LogicalAdapterId,
    pub(crate) adapters: Vec<PhysicalAdapter>,
    pub(crate) claims: Claims,
    pub(crate) choice: Choice,
    /// The domain that every one of the adapters is attached to.
    pub(crate) domain: Option<Arc<dyn DomainOps>>,
    /// A domain that was filled, attached or not.
    pub(crate) filled: Option<Arc<dyn DomainOps>>,
    /// What the driver said of video memory after the start.
    pub(crate) caps: Caps,
    /// The last fence that was submitted: they are numbered on as long as the adapter lives.
    pub(crate) fence: Cell<u32>,
}

impl LogicalAdapter {
    /// The mode that came about, and why.
    #[must_use]
    pub fn choice(&self) -> Choice {
        self.choice
    }

    /// How many physical adapters it has; none once it is removed.
    #[must_use]
    pub fn links(&self) -> usize {
        self.adapters.len()
    }

    /// Who its devices are on the bus, the lead first.
    #[must_use]
    pub fn requesters(&self) -> Vec<RequesterId> {
        self.adapters.iter().map(|adapter| adapter.identity.requester).collect()
    }

    /// Whether one of its physical adapters is started.
    #[must_use]
    pub fn is_started(&self) -> bool {
        self.adapters.iter().any(|adapter| adapter.started)
    }

    /// Whether its devices are attached to its domain.
    pub(crate) fn enabled(&self) -> bool {
        self.domain.is_some()
    }
}

impl<M: Miniport, P: Platform> Port<'_, M, P> {
    fn machine(&self) -> Machine {
        Machine { has_unit: self.unit.is_some(), highest_physical: self.highest_physical }
    }

    /// AddDevice for each device of a chain, their linking, then the queries that come before the start.
    ///
    /// # Errors
    /// [`Halt`]; devices added before the one that failed have been removed again.
    pub fn add(&self, chain: &[AdapterSpec]) -> Result<LogicalAdapter, Halt> {
        let id = self.sysmm.add_logical_adapter();
        let claims = Claims { iommu: None, highest_visible: u64::MAX };
        let choice =
            Choice { mode: ModeChoice::Passthrough, reason: ModeReason::DriverClaimsNothing, refused: false };
        let mut logical = LogicalAdapter {
            id,
            adapters: Vec::new(),
            claims,
            choice,
            domain: None,
            filled: None,
            caps: Caps::default(),
            fence: Cell::new(0),
        };
        for spec in chain {
            match self.add_one(&mut logical, spec) {
                Ok(()) => {}
                Err(Halt::Stopped) => return Err(Halt::Stopped),
                Err(halt) => {
                    self.remove(&mut logical)?;
                    return Err(halt);
                }
            }
        }
        match self.link(&logical) {
            Ok(()) => {}
            Err(Halt::Stopped) => return Err(Halt::Stopped),
            Err(halt) => {
                self.remove(&mut logical)?;
                return Err(halt);
            }
        }
        if let Some(lead) = logical.adapters.first() {
            logical.claims =
                caps::before_start(self.miniport, lead.device, self.limit).map_err(|_| Halt::Stopped)?;
        }
        Ok(logical)
    }

    /// DxgkDdiLinkDevice for each device of a chain of several. Who asks for a chain decides that there is one (our choice,
    /// as is that the first is its lead): a driver without the DDI is linked all the same, one that says something else is
    /// refused.
    fn link(&self, logical: &LogicalAdapter) -> Result<(), Halt> {
        let links = logical.adapters.len();
        if links < 2 {
            return Ok(());
        }
        let mut chain = None;
        for (position, adapter) in logical.adapters.iter().enumerate() {
            let linked = match self.miniport.link_device(adapter.device) {
                Ok(linked) => linked,
                Err(DdiError::Stopped) => return Err(Halt::Stopped),
                Err(DdiError::Absent) => return Ok(()),
                Err(DdiError::Failed(_)) => return Err(Halt::NotLinked),
            };
            let same_chain = *chain.get_or_insert(linked.chain_uid) == linked.chain_uid;
            let lead = linked.lead_link.0 != 0;
            if !same_chain || linked.number_of_links_in_chain as usize != links || lead != (position == 0) {
                return Err(Halt::NotLinked);
            }
        }
        Ok(())
    }

    fn add_one(&self, logical: &mut LogicalAdapter, spec: &AdapterSpec) -> Result<(), Halt> {
        let lead = logical.adapters.is_empty();
        let resources: Vec<Resource> = spec.bars.iter().map(resource).collect();
        let added = self.sysmm.add_adapter(logical.id, lead, &resources).map_err(|_| Halt::NoResources)?;
        let identity =
            AdapterIdentity { number: added.number, handle: added.handle, requester: spec.requester };
        self.announce(logical.id, &identity, lead, spec);
        match self.miniport.add_device(&identity) {
            Ok(device) => {
                logical.adapters.push(PhysicalAdapter { identity, device, started: false });
                Ok(())
            }
            Err(DdiError::Stopped) => Err(Halt::Stopped),
            Err(error) => {
                self.forget(&identity);
                Err(Halt::NotStarted(status_of(error)))
            }
        }
    }

    fn announce(
        &self,
        logical: LogicalAdapterId,
        identity: &AdapterIdentity,
        lead: bool,
        spec: &AdapterSpec,
    ) {
        let facts = self.miniport.facts();
        self.sink.emit(&Event::Adapter(Adapter {
            handle: identity.handle.0,
            adapter: identity.number,
            logical_adapter: logical.0,
            requester: identity.requester.0,
            lead: lead.into(),
            reserved: 0,
            interface_version: self.request.offered.0,
            driver_version: facts.version,
            display_only: facts.display_only.into(),
        }));
        for bar in &spec.bars {
            self.sink.emit(&Event::Resource(ResourceRange {
                base: bar.base.get(),
                bytes: bar.size,
                adapter: identity.number,
                bar: bar.index,
                is_port: (bar.kind == BarKind::Io).into(),
                reserved: 0,
            }));
        }
    }

    /// Chooses the mode and starts the adapter. An adapter that was stopped keeps its mode: once enabled, the IOMMU is
    /// not disabled again before the removal.
    ///
    /// # Errors
    /// [`Halt::NotStarted`] when the driver or the port refused: the device is then stopped, and can be removed.
    pub fn start(&self, logical: &mut LogicalAdapter) -> Result<(), Halt> {
        if !logical.enabled() {
            self.before_start(logical)?;
        }
        for position in 0..logical.adapters.len() {
            self.start_one(logical, position)?;
        }
        self.after_start(logical)
    }

    /// The choice, and what the devices meet while the driver starts.
    fn before_start(&self, logical: &mut LogicalAdapter) -> Result<(), Halt> {
        logical.choice = mode::choose(&self.request, &logical.claims, &self.machine());
        if logical.choice.refused {
            return self.refuse_start(logical, logical.choice.reason);
        }
        if logical.choice.mode == ModeChoice::Remapping {
            self.enable_remapping(logical)?;
        } else if self.pass_through(logical).is_err() {
            return self.refuse_start(logical, ModeReason::AttachFailed);
        }
        // A driver too old for the query may still turn out to support isolation: then the mode is not settled yet.
        if logical.choice.mode != ModeChoice::Passthrough || logical.claims.iommu.is_some() {
            self.announce_mode(logical, logical.choice);
        }
        Ok(())
    }

    fn start_one(&self, logical: &mut LogicalAdapter, position: usize) -> Result<(), Halt> {
        let Some(adapter) = logical.adapters.get_mut(position) else { return Ok(()) };
        // The handle is ours and live until the adapter is removed, here and below.
        let _ = self.sysmm.start_adapter(adapter.identity.handle);
        match self.miniport.start_device(adapter.device, &adapter.identity) {
            Ok(started) => {
                adapter.started = true;
                let device = adapter.device;
                match self.miniport.enumerate_children(device, started.children) {
                    Err(DdiError::Stopped) => Err(Halt::Stopped),
                    _ => Ok(()),
                }
            }
            Err(DdiError::Stopped) => Err(Halt::Stopped),
            Err(error) => {
                // As after a stop: a driver that refused to start has nothing to call for.
                let _ = self.sysmm.stop_adapter(adapter.identity.handle);
                self.stop(logical)?;
                Err(Halt::NotStarted(status_of(error)))
            }
        }
    }

    /// DRIVERCAPS and what follows from it; the late attach.
    fn after_start(&self, logical: &mut LogicalAdapter) -> Result<(), Halt> {
        let Some(lead) = logical.adapters.first() else { return Ok(()) };
        let device = lead.device;
        let stopped = |_| Halt::Stopped;
        logical.caps = caps::driver(self.miniport, device).map_err(stopped)?.unwrap_or_default();
        let started = logical.caps.memory;
        let display_only = self.miniport.facts().display_only;
        if !display_only {
            for index in (0u32..).take(logical.adapters.len()) {
                caps::physical_adapter(self.miniport, device, index).map_err(stopped)?;
            }
        }
        if !mode::caps_agree(&self.request, &logical.claims, started, logical.choice.mode) {
            return self.refuse_start(logical, ModeReason::CapsDisagree);
        }
        if logical.claims.iommu.is_none() && logical.choice.mode == ModeChoice::Passthrough {
            logical.choice = mode::choose_late(&self.request, started, &self.machine());
            if !logical.choice.refused {
                self.announce_mode(logical, logical.choice);
            }
        }
        let required = mode::isolation_required(&logical.claims, started);
        if logical.choice.refused || required && logical.choice.mode == ModeChoice::Passthrough {
            return self.refuse_start(logical, ModeReason::RequiredByDriver);
        }
        if claims_isolation(&logical.claims, started) && !display_only {
            self.take_memory_claims(logical, device)?;
        }
        if logical.choice.mode == ModeChoice::Isolation && !logical.enabled() {
            self.attach_after_start(logical, device, required)
        } else {
            Ok(())
        }
    }

    pub(crate) fn announce_mode(&self, logical: &LogicalAdapter, choice: Choice) {
        self.sink.emit(&Event::Mode(Mode {
            highest_visible: logical.claims.highest_visible,
            highest_physical: self.highest_physical,
            logical_adapter: logical.id.0,
            iommu_caps: logical.claims.iommu.unwrap_or_default().0,
            domain: logical.domain.as_ref().map_or(0, |domain| domain.id().0),
            mode: choice.mode,
            reason: choice.reason,
            refused: choice.refused.into(),
            reserved: [0; 3],
        }));
    }

    pub(crate) fn refuse_start(&self, logical: &mut LogicalAdapter, reason: ModeReason) -> Result<(), Halt> {
        logical.choice = Choice { reason, refused: true, ..logical.choice };
        self.announce_mode(logical, logical.choice);
        self.stop(logical)?;
        Err(Halt::NotStarted(NtStatus::NOT_SUPPORTED))
    }

    /// One round of work: for a full driver with video memory, [`page`](Self::page); for others whatever each started
    /// physical adapter can be given, lead first. Nothing when that is nothing. A DDI that fails is in the stream; the
    /// adapter's life goes on.
    ///
    /// # Errors
    /// [`Halt::Stopped`].
    pub fn work(&self, logical: &LogicalAdapter) -> Result<(), Halt> {
        match self.page(logical) {
            Err(DdiError::Stopped) => return Err(Halt::Stopped),
            Err(DdiError::Absent) => {}
            Ok(_) | Err(DdiError::Failed(_)) => return Ok(()),
        }
        each_started(logical.adapters.iter(), |device| self.miniport.work(device))
    }

    /// One round of video memory work on the lead (our choice: linked adapters share their segments' layout).
    ///
    /// # Errors
    /// [`DdiError::Absent`] for a driver without video memory or segments, and for an adapter that is not started; else
    /// the first failure. Nothing is left mapped or allocated.
    pub fn page(&self, logical: &LogicalAdapter) -> Result<Done, DdiError> {
        let lead = logical.adapters.first().filter(|lead| lead.started).ok_or(DdiError::Absent)?;
        let adapter = vidmm::Adapter {
            ddis: self.miniport.video_memory().ok_or(DdiError::Absent)?,
            sink: self.sink,
            device: lead.device,
            handle: lead.identity.handle,
            mode: self.sysmm.mode(logical.id),
            caps: logical.caps,
            fence: &logical.fence,
        };
        vidmm::round(&adapter, self.sysmm)
    }

    /// To a power state, every started physical adapter: down with the lead last, up to D0 with the lead first. A driver
    /// that refuses is in the stream; the others follow all the same.
    ///
    /// # Errors
    /// [`Halt::Stopped`].
    pub fn set_power(&self, logical: &LogicalAdapter, state: DevicePowerState) -> Result<(), Halt> {
        let to = |device| self.miniport.set_power_state(device, state);
        if state == DevicePowerState::D0 {
            each_started(logical.adapters.iter(), to)
        } else {
            each_started(logical.adapters.iter().rev(), to)
        }
    }

    /// StopDevice for every started adapter, the lead last. Callbacks answer until it has returned.
    ///
    /// # Errors
    /// [`Halt::Stopped`].
    pub fn stop(&self, logical: &mut LogicalAdapter) -> Result<(), Halt> {
        for adapter in logical.adapters.iter_mut().rev().filter(|adapter| adapter.started) {
            adapter.started = false;
            let outcome = self.miniport.stop_device(adapter.device);
            // The handle is ours and live until the adapter is removed.
            let _ = self.sysmm.stop_adapter(adapter.identity.handle);
            if outcome == Err(DdiError::Stopped) {
                return Err(Halt::Stopped);
            }
        }
        if let Some(lead) = logical.adapters.first() {
            // The handle is ours; what the driver still has pinned goes with the adapter.
            let _ = self.sysmm.drop_save_areas(lead.identity.handle);
        }
        Ok(())
    }

    /// The devices are gone: DxgkDdiNotifySurpriseRemoval for each started adapter whose driver has it, then StopDevice and
    /// RemoveDevice as ever (that both follow is our choice).
    ///
    /// # Errors
    /// [`Halt::Stopped`].
    pub fn surprise_removed(&self, logical: &mut LogicalAdapter) -> Result<(), Halt> {
        each_started(logical.adapters.iter().rev(), |device| self.miniport.notify_surprise_removal(device))?;
        self.stop(logical)?;
        self.remove(logical)
    }

    /// RemoveDevice for every adapter, the lead last; what the driver left behind is then reclaimed, and the
    /// devices are blocked.
    ///
    /// # Errors
    /// [`Halt::Stopped`].
    pub fn remove(&self, logical: &mut LogicalAdapter) -> Result<(), Halt> {
        while let Some(last) = logical.adapters.len().checked_sub(1) {
            self.remove_one(logical, last)?;
        }
        Ok(())
    }

    /// RemoveDevice for the adapter at this place of what is left of the chain, in whatever order; with the last one the
    /// logical adapter goes. Nothing for a place that is none.
    ///
    /// # Errors
    /// [`Halt::Stopped`]; the adapters that are left are then forgotten, too.
    pub fn remove_one(&self, logical: &mut LogicalAdapter, position: usize) -> Result<(), Halt> {
        if position >= logical.adapters.len() {
            return Ok(());
        }
        let adapter = logical.adapters.remove(position);
        let outcome = self.miniport.remove_device(adapter.device);
        self.forget(&adapter.identity);
        if outcome == Err(DdiError::Stopped) {
            logical.adapters.drain(..).rev().for_each(|adapter| self.forget(&adapter.identity));
            return Err(Halt::Stopped);
        }
        if logical.adapters.is_empty() {
            // Nothing can be attached to it any more; what was still mapped was reclaimed with its adapter.
            let mode = self.sysmm.mode(logical.id);
            let left = self.sysmm.remove_logical_adapter(logical.id).unwrap_or_default();
            if left != 0 {
                let parameter = if mode == ModeChoice::Remapping { ADDRESSES_LEAKED } else { ENTRIES_LEAKED };
                self.tell_self_check(logical, parameter, left);
            }
        }
        Ok(())
    }

    /// What this port did wrong, or could not do.
    pub(crate) fn tell_self_check(&self, logical: &LogicalAdapter, parameter: u64, count: u64) {
        let logical_adapter = logical.id.0;
        self.sink.emit(&Event::SelfCheck(SelfCheck { parameter, count, logical_adapter, reserved: 0 }));
    }

    /// A device that its driver has left may do nothing more, whatever it was told before; then its memory goes back.
    fn forget(&self, identity: &AdapterIdentity) {
        let blocked = match &self.unit {
            Some(unit) => unit.attach(identity.requester, Attachment::Blocked).is_ok(),
            None => true,
        };
        // Of a device that could not be blocked nothing is given back: it may still write there.
        let _ = if blocked {
            self.sysmm.remove_adapter(identity.handle).map(|_| ())
        } else {
            self.sysmm.stop_adapter(identity.handle)
        };
    }

    /// Unload.
    ///
    /// # Errors
    /// [`Halt::Stopped`].
    pub fn unload(&self) -> Result<(), Halt> {
        let outcome = self.miniport.unload();
        self.sysmm.reclaim_unowned();
        if outcome == Err(DdiError::Stopped) { Err(Halt::Stopped) } else { Ok(()) }
    }
}

/// First parameters of 0x1E4 ("Bug Check 0x1E4: VIDEO_DXGKRNL_SYSMM_FATAL_ERROR"). Which of the first two is which is our
/// reading of "logical block pool" and "logical block pool's allocator".
const ENTRIES_LEAKED: u64 = 8;
const ADDRESSES_LEAKED: u64 = 9;
pub(crate) const NOT_ATTACHED_AGAIN: u64 = 0xA;

fn each_started<'l>(
    adapters: impl Iterator<Item = &'l PhysicalAdapter>,
    act: impl Fn(DeviceContext) -> Result<(), DdiError>,
) -> Result<(), Halt> {
    for adapter in adapters.filter(|adapter| adapter.started) {
        if act(adapter.device) == Err(DdiError::Stopped) {
            return Err(Halt::Stopped);
        }
    }
    Ok(())
}

fn claims_isolation(claims: &Claims, started: VidMmCapsFlags) -> bool {
    claims.iommu.unwrap_or_default().contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED)
        || started.contains(VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED)
}

fn resource(bar: &Bar) -> Resource {
    let kind = if bar.kind == BarKind::Io { ResourceKind::Port } else { ResourceKind::Memory };
    Resource { kind, base: bar.base.get(), bytes: bar.size }
}

pub(crate) fn status_of(error: DdiError) -> NtStatus {
    match error {
        DdiError::Failed(status) => status,
        DdiError::Absent => NtStatus::NOT_IMPLEMENTED,
        DdiError::Stopped => NtStatus::UNSUCCESSFUL,
    }
}
