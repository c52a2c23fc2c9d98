//! Enabling the IOMMU for an adapter: its domain made, filled and attached, or why not.
//!
//! Sources: "IOMMU DMA remapping" (attached before the start, so that the device never sees a physical address),
//! "IOMMU-based GPU isolation" (attached late, between Begin- and EndExclusiveAccess), and its `IOMMUFlags`.

use alloc::sync::Arc;
use core::fmt;

use dxgk_event::{ModeChoice, ModeReason};
use dxgk_hw::{Attachment, DomainOps, LogicalAddr};
use dxgk_sysmm::{Addressing, Platform};

use crate::life::{Halt, LogicalAdapter, NOT_ATTACHED_AGAIN, Port};
use crate::miniport::{DdiError, DeviceContext, Miniport};
use crate::mode::{self, Choice};

/// The domain was not made, filled or attached.
#[derive(PartialEq, Eq)]
pub(crate) struct EnablingFailed;

/// Why an adapter is attached after its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Late {
    /// Somebody asked for it.
    Asked,
    /// A secure virtual machine is created, which needs it ("IOMMU-based GPU isolation").
    SecureVm,
}

/// Why an adapter was not attached after its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttachError {
    /// The machine stopped: no driver code may run any more.
    Halted,
    /// The adapter is not started.
    NotStarted,
    /// The driver does not claim isolation.
    NotSupported,
    /// The interface offered is older than isolation.
    InterfaceTooOld,
    /// The machine has no IOMMU.
    NoUnit,
    /// The domain could not be made, filled or attached, or the driver refused exclusive access.
    Failed {
        /// The adapter was stopped for it.
        stopped: bool,
    },
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Halted => write!(f, "the machine stopped"),
            Self::NotStarted => write!(f, "the adapter is not started"),
            Self::NotSupported => write!(f, "the driver does not claim isolation"),
            Self::InterfaceTooOld => write!(f, "the interface offered is older than isolation (WDDM 2.4)"),
            Self::NoUnit => write!(f, "the machine has no IOMMU"),
            Self::Failed { stopped } => {
                let then =
                    if *stopped { "; the adapter was stopped" } else { "; the adapter goes on without it" };
                write!(f, "the domain could not be made, filled or attached{then}")
            }
        }
    }
}

impl core::error::Error for AttachError {}

/// How a late attach failed.
enum LateFailure {
    /// The machine stopped.
    Stopped,
    /// `restored`: every device is where it was.
    Failed { restored: bool },
}

impl<M: Miniport, P: Platform> Port<'_, M, P> {
    /// Remapping: the devices first, while the domain is empty and nobody was given an address; so a failure leaves the
    /// memory manager where it was.
    pub(crate) fn enable_remapping(&self, logical: &mut LogicalAdapter) -> Result<(), Halt> {
        match self.attach_and_remap(logical) {
            Ok(domain) => {
                logical.domain = Some(domain);
                Ok(())
            }
            Err(EnablingFailed) => {
                let required = mode::isolation_required(&logical.claims, Default::default());
                if mode::failure_allowed(&self.request, &logical.choice, required)
                    && self.pass_through(logical).is_ok()
                {
                    logical.choice = FELL_BACK;
                    return Ok(());
                }
                self.refuse_start(logical, ModeReason::AttachFailed)
            }
        }
    }

    fn attach_and_remap(&self, logical: &LogicalAdapter) -> Result<Arc<dyn DomainOps>, EnablingFailed> {
        let domain = self.new_domain()?;
        self.attach_all(logical, &Attachment::Domain(Arc::clone(&domain)))?;
        let highest_visible = LogicalAddr::new(logical.claims.highest_visible);
        let remapping = Addressing::Remapping { domain: Arc::clone(&domain), highest_visible };
        self.sysmm.set_mode(logical.id, remapping).map_err(|_| EnablingFailed)?;
        Ok(domain)
    }

    /// Isolation right after the start, as the mode was chosen.
    pub(crate) fn attach_after_start(
        &self,
        logical: &mut LogicalAdapter,
        lead: DeviceContext,
        required: bool,
    ) -> Result<(), Halt> {
        let allowed = mode::failure_allowed(&self.request, &logical.choice, required);
        match self.attach_late(logical, lead, allowed) {
            Ok(()) => Ok(()),
            Err(LateFailure::Stopped) => Err(Halt::Stopped),
            Err(LateFailure::Failed { restored }) => self.not_attached(logical, allowed && restored),
        }
    }

    /// Isolation at run time: the adapter, which was in passthrough since its start, is attached to its domain. Nothing
    /// for one that is attached already: once on, the IOMMU is not turned off again.
    ///
    /// A failure has consequences. Of a secure virtual machine: it is not created, and the adapter goes on as it was
    /// (`AllowFailure` changes nothing about that). Of a plain request: the adapter is stopped, unless `AllowFailure` lets
    /// it go on (our choice). A device that cannot be brought back to where it was is always stopped.
    ///
    /// # Errors
    /// [`AttachError`].
    pub fn attach(&self, logical: &mut LogicalAdapter, why: Late) -> Result<(), AttachError> {
        let lead =
            logical.adapters.first().filter(|lead| lead.started).ok_or(AttachError::NotStarted)?.device;
        if logical.enabled() {
            return Ok(());
        }
        let started = logical.caps.memory;
        let reason = mode::late_reason(&self.request, &logical.claims, started, why);
        let reason = reason.map_err(|refused| match refused {
            ModeReason::InterfaceTooOld => AttachError::InterfaceTooOld,
            _ => AttachError::NotSupported,
        })?;
        if self.unit.is_none() {
            return Err(AttachError::NoUnit);
        }
        let before = logical.choice;
        logical.choice = Choice { mode: ModeChoice::Isolation, reason, refused: false };
        let required = mode::isolation_required(&logical.claims, started);
        let go_on = match why {
            Late::SecureVm => true,
            Late::Asked => mode::failure_allowed(&self.request, &logical.choice, required),
        };
        let failure = match self.attach_late(logical, lead, true) {
            Ok(()) => {
                self.announce_mode(logical, logical.choice);
                return Ok(());
            }
            Err(failure) => failure,
        };
        logical.choice = before;
        match failure {
            LateFailure::Stopped => Err(AttachError::Halted),
            LateFailure::Failed { restored: true } if go_on => Err(AttachError::Failed { stopped: false }),
            LateFailure::Failed { .. } => {
                self.stop(logical).map_err(|_| AttachError::Halted)?;
                Err(AttachError::Failed { stopped: true })
            }
        }
    }

    /// The domain is filled with everything that the driver has allocated; then the driver is silent while its devices
    /// move into it. The window opens when Begin is called and closes when End has returned; no other DDI is called in it,
    /// and a failed move is undone in it, too, when `restore` says so.
    fn attach_late(
        &self,
        logical: &mut LogicalAdapter,
        lead: DeviceContext,
        restore: bool,
    ) -> Result<(), LateFailure> {
        let Ok(domain) = self.filled_domain(logical) else {
            return Err(LateFailure::Failed { restored: true });
        };
        let begun = match self.miniport.begin_exclusive_access(lead) {
            Ok(()) => true,
            Err(DdiError::Stopped) => return Err(LateFailure::Stopped),
            // A driver that never claimed isolation need not have the pair; a forced switch goes on without the window
            // (our choice).
            Err(DdiError::Absent) if logical.choice.reason == ModeReason::Forced => false,
            // It did not promise silence, so there is no window to close (our choice).
            Err(_) => return Err(LateFailure::Failed { restored: true }),
        };
        let attached = self.attach_all(logical, &Attachment::Domain(Arc::clone(&domain)));
        // Devices that did move go back while the driver is still silent.
        let back = || restore.then(|| self.pass_through(logical).is_ok());
        let restored = if attached.is_ok() { Some(true) } else { back() };
        if restored == Some(false) {
            self.tell_self_check(logical, NOT_ATTACHED_AGAIN, logical.adapters.len() as u64);
        }
        let restored = restored.unwrap_or_default();
        if begun && self.miniport.end_exclusive_access(lead) == Err(DdiError::Stopped) {
            return Err(LateFailure::Stopped);
        }
        if attached.is_err() {
            return Err(LateFailure::Failed { restored });
        }
        logical.domain = Some(domain);
        Ok(())
    }

    /// A domain with everything in it that the adapter's devices may reach. One that was filled and not attached then is
    /// kept in step by the memory manager, and used by the next attempt.
    fn filled_domain(&self, logical: &mut LogicalAdapter) -> Result<Arc<dyn DomainOps>, EnablingFailed> {
        if let Some(domain) = &logical.filled {
            return Ok(Arc::clone(domain));
        }
        let domain = self.new_domain()?;
        let isolation = Addressing::Isolation { domain: Arc::clone(&domain) };
        self.sysmm.set_mode(logical.id, isolation).map_err(|_| EnablingFailed)?;
        logical.filled = Some(Arc::clone(&domain));
        Ok(domain)
    }

    /// Isolation did not come about. With `go_on` every device is where it was, and the adapter stays in passthrough.
    /// What the memory manager may have mapped for isolation already is then a domain that no device uses; addresses
    /// are the same in both modes.
    fn not_attached(&self, logical: &mut LogicalAdapter, go_on: bool) -> Result<(), Halt> {
        if !go_on {
            return self.refuse_start(logical, ModeReason::AttachFailed);
        }
        logical.choice = FELL_BACK;
        self.announce_mode(logical, logical.choice);
        Ok(())
    }

    fn new_domain(&self) -> Result<Arc<dyn DomainOps>, EnablingFailed> {
        let unit = self.unit.as_ref().ok_or(EnablingFailed)?;
        unit.create_domain().map_err(|_| EnablingFailed)
    }

    /// Lets every device of the chain meet `what`, lead first.
    fn attach_all(&self, logical: &LogicalAdapter, what: &Attachment) -> Result<(), EnablingFailed> {
        let unit = self.unit.as_ref().ok_or(EnablingFailed)?;
        for adapter in &logical.adapters {
            unit.attach(adapter.identity.requester, what.clone()).map_err(|_| EnablingFailed)?;
        }
        Ok(())
    }

    /// Without a domain the devices' addresses are physical: the unit, if there is one, lets them pass.
    pub(crate) fn pass_through(&self, logical: &LogicalAdapter) -> Result<(), EnablingFailed> {
        if self.unit.is_some() { self.attach_all(logical, &Attachment::PassThrough) } else { Ok(()) }
    }
}

/// `AllowFailure`.
const FELL_BACK: Choice =
    Choice { mode: ModeChoice::Passthrough, reason: ModeReason::AttachFailed, refused: false };
