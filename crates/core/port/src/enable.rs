//! Enabling the IOMMU for an adapter: its domain made, filled and attached, or why not.
//!
//! Sources: "IOMMU DMA remapping" (attached before the start, so that the device never sees a physical address),
//! "IOMMU-based GPU isolation" (attached late, between Begin- and EndExclusiveAccess), and its `IOMMUFlags`.

use alloc::sync::Arc;

use dxgk_event::{ModeChoice, ModeReason};
use dxgk_hw::{Attachment, DomainOps, LogicalAddr};
use dxgk_sysmm::{Addressing, Platform};

use crate::life::{Halt, LogicalAdapter, Port};
use crate::miniport::{DdiError, DeviceContext, Miniport};
use crate::mode::{self, Choice};

/// The domain was not made, filled or attached.
#[derive(PartialEq, Eq)]
pub(crate) struct EnablingFailed;

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
        self.attach(logical, &Attachment::Domain(Arc::clone(&domain)))?;
        let highest_visible = LogicalAddr::new(logical.claims.highest_visible);
        let remapping = Addressing::Remapping { domain: Arc::clone(&domain), highest_visible };
        self.sysmm.set_mode(logical.id, remapping).map_err(|_| EnablingFailed)?;
        Ok(domain)
    }

    /// Isolation: the domain is filled with everything that the driver has allocated; then the driver is silent while
    /// its devices move into it. The window opens when Begin is called and closes when End has returned; no other DDI
    /// is called in it, and a failed move is undone in it, too.
    pub(crate) fn attach_late(
        &self,
        logical: &mut LogicalAdapter,
        lead: DeviceContext,
        required: bool,
    ) -> Result<(), Halt> {
        let allowed = mode::failure_allowed(&self.request, &logical.choice, required);
        let Ok(domain) = self.new_domain() else { return self.not_attached(logical, allowed) };
        let isolation = Addressing::Isolation { domain: Arc::clone(&domain) };
        if self.sysmm.set_mode(logical.id, isolation).is_err() {
            return self.not_attached(logical, allowed);
        }
        let begun = match self.miniport.begin_exclusive_access(lead) {
            Ok(()) => true,
            Err(DdiError::Stopped) => return Err(Halt::Stopped),
            // A driver that never claimed isolation need not have the pair; a forced switch goes on without the window
            // (our choice).
            Err(DdiError::Absent) if logical.choice.reason == ModeReason::Forced => false,
            // It did not promise silence, so there is no window to close (our choice).
            Err(_) => return self.not_attached(logical, allowed),
        };
        let attached = self.attach(logical, &Attachment::Domain(Arc::clone(&domain)));
        // Devices that did move go back while the driver is still silent.
        let restored = attached.is_ok() || allowed && self.pass_through(logical).is_ok();
        if begun && self.miniport.end_exclusive_access(lead) == Err(DdiError::Stopped) {
            return Err(Halt::Stopped);
        }
        if attached.is_err() {
            return self.not_attached(logical, restored);
        }
        logical.domain = Some(domain);
        Ok(())
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
    fn attach(&self, logical: &LogicalAdapter, what: &Attachment) -> Result<(), EnablingFailed> {
        let unit = self.unit.as_ref().ok_or(EnablingFailed)?;
        for adapter in &logical.adapters {
            unit.attach(adapter.identity.requester, what.clone()).map_err(|_| EnablingFailed)?;
        }
        Ok(())
    }

    /// Without a domain the devices' addresses are physical: the unit, if there is one, lets them pass.
    pub(crate) fn pass_through(&self, logical: &LogicalAdapter) -> Result<(), EnablingFailed> {
        if self.unit.is_some() { self.attach(logical, &Attachment::PassThrough) } else { Ok(()) }
    }
}

/// `AllowFailure`.
const FELL_BACK: Choice =
    Choice { mode: ModeChoice::Passthrough, reason: ModeReason::AttachFailed, refused: false };
