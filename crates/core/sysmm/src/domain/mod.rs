//! A logical adapter's DMA domain, in the three modes, and what is mapped in it.

mod identity;
mod remapped;
pub(crate) mod retire;

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::NtStatus;
use dxgk_event::ModeChoice;
use dxgk_hw::{Access, DomainId, PageRun, UnitError};

use crate::error::CallError;
use crate::logical::LogicalRun;
use crate::platform::Platform;

pub(crate) use identity::IdentityDomain;
pub(crate) use remapped::RemappedDomain;

/// What everything is mapped for that is no section for reading only.
pub(crate) const READ_WRITE: Access = Access::READ.union(Access::WRITE);

/// Where a logical adapter's device addresses lead.
pub(crate) enum Domain<P: Platform> {
    /// Device addresses are physical.
    Passthrough,
    /// Logical addresses equal physical ones.
    Isolation(Arc<IdentityDomain<P>>),
    /// Logical addresses are ours to give.
    Remapping(Arc<RemappedDomain<P>>),
}

impl<P: Platform> Clone for Domain<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Passthrough => Self::Passthrough,
            Self::Isolation(domain) => Self::Isolation(Arc::clone(domain)),
            Self::Remapping(domain) => Self::Remapping(Arc::clone(domain)),
        }
    }
}

/// Why something could not be mapped. Nothing stays mapped.
pub(crate) struct MapFailure {
    pub(crate) status: NtStatus,
    /// The undoing could not be confirmed: the device may still reach the pages.
    pub(crate) reachable: bool,
}

impl From<MapFailure> for CallError {
    fn from(failure: MapFailure) -> Self {
        Self::Status(failure.status)
    }
}

impl<P: Platform> Domain<P> {
    pub(crate) fn mode(&self) -> ModeChoice {
        match self {
            Self::Passthrough => ModeChoice::Passthrough,
            Self::Isolation(_) => ModeChoice::Isolation,
            Self::Remapping(_) => ModeChoice::Remapping,
        }
    }

    pub(crate) fn is_remapping(&self) -> bool {
        matches!(self, Self::Remapping(_))
    }

    /// Lets the adapter reach the pages, for this access. With `contiguous` a remapping domain finds one logical run or fails.
    pub(crate) fn map(
        &self,
        runs: &Arc<[PageRun]>,
        access: Access,
        contiguous: bool,
    ) -> Result<Placement<P>, MapFailure> {
        match self {
            Self::Passthrough => Ok(Placement::Physical),
            Self::Isolation(domain) => {
                domain.map(runs, access)?;
                Ok(Placement::Identity { domain: Arc::clone(domain), runs: Arc::clone(runs), access })
            }
            Self::Remapping(domain) => {
                let pieces = domain.map(runs, access, contiguous)?;
                Ok(Placement::Logical { domain: Arc::clone(domain), pieces, access })
            }
        }
    }

    /// Logical pages handed out (remapping), or pages with an entry (isolation).
    pub(crate) fn mapped_pages(&self) -> u64 {
        match self {
            Self::Passthrough => 0,
            Self::Isolation(domain) => domain.mapped_pages(),
            Self::Remapping(domain) => domain.used(),
        }
    }
}

/// Where something is mapped.
pub(crate) enum Placement<P: Platform> {
    /// Nowhere: the device uses physical addresses.
    Physical,
    /// At its physical addresses, counted.
    Identity { domain: Arc<IdentityDomain<P>>, runs: Arc<[PageRun]>, access: Access },
    /// At addresses of its own.
    Logical { domain: Arc<RemappedDomain<P>>, pieces: Vec<LogicalRun>, access: Access },
}

impl<P: Platform> Placement<P> {
    pub(crate) fn mode(&self) -> ModeChoice {
        match self {
            Self::Physical => ModeChoice::Passthrough,
            Self::Identity { .. } => ModeChoice::Isolation,
            Self::Logical { .. } => ModeChoice::Remapping,
        }
    }

    /// What the device may do there. Without a domain nothing keeps it from anything.
    pub(crate) fn access(&self) -> Access {
        match self {
            Self::Physical => READ_WRITE,
            Self::Identity { access, .. } | Self::Logical { access, .. } => *access,
        }
    }

    pub(crate) fn domain_id(&self) -> Option<DomainId> {
        match self {
            Self::Physical => None,
            Self::Identity { domain, .. } => Some(domain.id()),
            Self::Logical { domain, .. } => Some(domain.id()),
        }
    }

    /// Clears the entries. The device may go on using them until [`sync`](Self::sync) has returned.
    fn clear(&self) -> Cleared {
        match self {
            Self::Physical => Cleared::default(),
            Self::Identity { domain, runs, .. } => domain.clear(runs),
            Self::Logical { domain, pieces, .. } => domain.clear(pieces),
        }
    }

    /// Invalidates what [`clear`](Self::clear) cleared, and waits for it.
    fn sync(&self, cleared: &Cleared) -> Result<(), UnitError> {
        match self {
            Self::Physical => Ok(()),
            Self::Identity { domain, .. } => domain.sync(cleared),
            Self::Logical { domain, .. } => domain.sync(cleared),
        }
    }

    /// Gives logical addresses back, after [`sync`](Self::sync).
    fn release_addresses(&self) {
        if let Self::Logical { domain, pieces, .. } = self {
            domain.release(pieces);
        }
    }
}

/// What was cleared and has to be invalidated: logical page numbers.
#[derive(Default)]
pub(crate) struct Cleared {
    runs: Vec<(u64, u64)>,
    /// An entry could not be cleared: the tables are not as this code left them.
    failed: bool,
}

impl Cleared {
    fn push(&mut self, at: u64, pages: u64) {
        match self.runs.last_mut() {
            Some((start, count)) if *start + *count == at => *count += pages,
            _ => self.runs.push((at, pages)),
        }
    }
}

/// Invalidates all that was cleared: run by run, or, when there are many, the whole range that they lie in.
fn sync_cleared(ops: &dyn dxgk_hw::DomainOps, cleared: &Cleared) -> Result<(), UnitError> {
    use crate::policy::SEPARATE_INVALIDATIONS;
    use dxgk_hw::LogicalPage;

    if cleared.runs.len() <= SEPARATE_INVALIDATIONS {
        return cleared.runs.iter().try_for_each(|(at, pages)| ops.sync(LogicalPage::new(*at), *pages));
    }
    let first = cleared.runs.iter().map(|(at, _)| *at).min().unwrap_or(0);
    let end = cleared.runs.iter().map(|(at, pages)| at.saturating_add(*pages)).max().unwrap_or(0);
    ops.sync(LogicalPage::new(first), end.saturating_sub(first))
}

/// The status for a domain's refusal: out of table pages, or tables that cannot be trusted.
fn map_status(error: dxgk_hw::MapError) -> NtStatus {
    use dxgk_hw::MapError;
    match error {
        MapError::NoFrame | MapError::Occupied(_) | MapError::NotMapped(_) => {
            NtStatus::INSUFFICIENT_RESOURCES
        }
        MapError::BeyondWidth(_)
        | MapError::FrameBeyondWidth(_)
        | MapError::OffGranule(_)
        | MapError::Inexpressible(_) => NtStatus::INVALID_PARAMETER,
        MapError::Malformed(_) | MapError::BreakFirst(_) | MapError::Unanswered(_) => NtStatus::UNSUCCESSFUL,
    }
}
