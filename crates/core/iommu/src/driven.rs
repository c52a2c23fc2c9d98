//! What the drivers of all units share: domain numbers, who is attached to what, and the order of an attachment.
//!
//! A unit's own part is [`Hardware`]: its tables in RAM and its queue. The order that keeps pages safe is here: a
//! requester is blocked, and what the unit has cached of it is gone, before it is let in anywhere else; a domain
//! lives for as long as a device may walk its tables.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::ops::Range;

use dxgk_hw::{Attachment, DomainId, DomainOps, FrameSource, MachineMemory, Pfn, RequesterId, UnitError};
use dxgk_iopt::{Format, Pending};
use lock_api::{Mutex, RawMutex};

use crate::domain::{Invalidator, PagedDomain};

/// Where a requester's requests go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// To the same physical address.
    PassThrough,
    /// Through the tables at `root`, cached under `domain`.
    Tables { root: Pfn, domain: u16 },
}

/// A unit's own part of its driver.
pub(crate) trait Hardware: Send + Sync + 'static {
    /// The format of its domains' tables.
    type Format: Format;

    /// The name as `--iommu-unit` spells it.
    fn name(&self) -> &'static str;

    /// The format, as far as the unit supports it.
    fn format(&self) -> Self::Format;

    /// The numbers that domains may have.
    fn domain_numbers(&self) -> Range<u32>;

    /// Whether [`Target::PassThrough`] can be had.
    fn passes_through(&self) -> bool;

    /// Whether the unit may cache that a page is not mapped, so that a new mapping needs an invalidation.
    fn caches_absent(&self) -> bool;

    /// Refuses and records every request of `requester` from now on. Returns when the unit's caches hold nothing of
    /// what was before. After an error it can be asked for again, and then finishes what it began.
    fn block(&self, requester: RequesterId) -> Result<(), UnitError>;

    /// Lets a requester that is blocked in.
    fn let_in(&self, requester: RequesterId, target: Target) -> Result<(), UnitError>;

    /// Invalidates what is cached of a domain's range, and waits until it is done.
    fn invalidate(&self, domain: u16, range: &Pending) -> Result<(), UnitError>;

    /// Likewise, all of a domain.
    fn invalidate_domain(&self, domain: u16) -> Result<(), UnitError>;
}

type Domains<F, M> = BTreeMap<u16, Weak<PagedDomain<F, M>>>;

/// A unit with its domains and attachments. Domains outlive the handle that made them.
pub(crate) struct Driven<H: Hardware, M: RawMutex> {
    pub(crate) hardware: H,
    memory: Arc<dyn MachineMemory>,
    frames: Arc<dyn FrameSource>,
    domains: Mutex<M, Domains<H::Format, M>>,
    /// Keeps a domain's tables for as long as a device may walk them. Held over an attachment, so that two of one
    /// requester follow each other.
    attached: Mutex<M, BTreeMap<u16, Arc<dyn DomainOps>>>,
}

impl<H: Hardware, M: RawMutex + Send + Sync + 'static> Driven<H, M> {
    pub(crate) fn new(
        hardware: H,
        memory: Arc<dyn MachineMemory>,
        frames: Arc<dyn FrameSource>,
    ) -> Arc<Self> {
        let (domains, attached) = (Mutex::new(BTreeMap::new()), Mutex::new(BTreeMap::new()));
        Arc::new(Self { hardware, memory, frames, domains, attached })
    }

    pub(crate) fn create_domain(self: &Arc<Self>) -> Result<Arc<dyn DomainOps>, UnitError> {
        let mut domains = self.domains.lock();
        let free = self
            .hardware
            .domain_numbers()
            .filter_map(|id| u16::try_from(id).ok())
            .find(|id| !domains.contains_key(id))
            .ok_or(UnitError::NoResources)?;
        let invalidator: Arc<dyn Invalidator> = Arc::clone(self) as _;
        let (memory, frames) = (Arc::clone(&self.memory), Arc::clone(&self.frames));
        let domain = PagedDomain::new(DomainId(free), self.hardware.format(), memory, frames, invalidator)
            .map_err(|_| UnitError::NoResources)?;
        let domain = Arc::new(domain);
        domains.insert(free, Arc::downgrade(&domain));
        Ok(domain)
    }

    pub(crate) fn attach(&self, requester: RequesterId, what: Attachment) -> Result<(), UnitError> {
        let (target, keep) = match what {
            Attachment::Blocked => (None, None),
            Attachment::PassThrough if self.hardware.passes_through() => (Some(Target::PassThrough), None),
            Attachment::PassThrough => return Err(UnitError::Unsupported("pass-through")),
            Attachment::Domain(domain) => {
                let target = Target::Tables { root: self.root_of(&domain)?, domain: domain.id().0 };
                (Some(target), Some(domain))
            }
        };
        let mut attached = self.attached.lock();
        self.hardware.block(requester)?;
        let before = attached.remove(&requester.0);
        let let_in = target.map_or(Ok(()), |target| self.hardware.let_in(requester, target));
        // An entry that was written, but not acknowledged, may be in use all the same.
        let may_walk = let_in.is_ok() || self.hardware.block(requester).is_err();
        if let (Some(domain), true) = (keep, may_walk) {
            attached.insert(requester.0, domain);
        }
        drop(attached);
        // The last reference to a domain retires it, which takes locks of its own.
        drop(before);
        let_in
    }

    /// Blocks whatever is attached, so that the domains can go.
    pub(crate) fn detach_all(&self) {
        let attached: Vec<u16> = self.attached.lock().keys().copied().collect();
        for requester in attached {
            let _ = self.attach(RequesterId(requester), Attachment::Blocked);
        }
    }

    /// The root of a domain, if it is one of this unit's.
    fn root_of(&self, domain: &Arc<dyn DomainOps>) -> Result<Pfn, UnitError> {
        let ours = self.domains.lock().get(&domain.id().0).and_then(Weak::upgrade);
        ours.filter(|ours| core::ptr::addr_eq(Arc::as_ptr(ours), Arc::as_ptr(domain)))
            .map(|ours| ours.root())
            .ok_or(UnitError::Unsupported("this domain"))
    }
}

impl<H: Hardware, M: RawMutex + Send + Sync + 'static> Invalidator for Driven<H, M> {
    fn caches_absent(&self) -> bool {
        self.hardware.caches_absent()
    }

    fn invalidate(&self, domain: DomainId, range: &Pending) -> Result<(), UnitError> {
        self.hardware.invalidate(domain.0, range)
    }

    fn retire(&self, domain: DomainId) -> Result<(), UnitError> {
        self.hardware.invalidate_domain(domain.0)?;
        self.domains.lock().remove(&domain.0);
        Ok(())
    }
}

/// Takes `COUNT` zeroed frames, or none.
pub(crate) fn take_frames<const COUNT: usize>(frames: &dyn FrameSource) -> Result<[Pfn; COUNT], UnitError> {
    let mut taken = [Pfn::default(); COUNT];
    for nth in 0..COUNT {
        match frames.take_frame() {
            Some(frame) => taken[nth] = frame,
            None => {
                taken[..nth].iter().for_each(|&frame| frames.give_frame(frame));
                return Err(UnitError::NoResources);
            }
        }
    }
    Ok(taken)
}

/// The handle of a unit, around its [`Driven`] part: what is the same for all of them.
macro_rules! unit_handle {
    ($(#[$doc:meta])* $handle:ident, $hardware:ident) => {
        $(#[$doc])*
        pub struct $handle<M: lock_api::RawMutex + Send + Sync + 'static> {
            shared: alloc::sync::Arc<crate::driven::Driven<$hardware<M>, M>>,
        }

        impl<M: lock_api::RawMutex + Send + Sync + 'static> dxgk_hw::IommuUnit for $handle<M> {
            fn name(&self) -> &'static str {
                crate::driven::Hardware::name(&self.shared.hardware)
            }

            fn create_domain(&self) -> Result<alloc::sync::Arc<dyn dxgk_hw::DomainOps>, dxgk_hw::UnitError> {
                self.shared.create_domain()
            }

            fn attach(
                &self,
                requester: dxgk_hw::RequesterId,
                what: dxgk_hw::Attachment,
            ) -> Result<(), dxgk_hw::UnitError> {
                self.shared.attach(requester, what)
            }
        }

        impl<M: lock_api::RawMutex + Send + Sync + 'static> Drop for $handle<M> {
            /// Blocks whatever is attached, so that the domains can go. Translation stays on.
            fn drop(&mut self) {
                self.shared.detach_all();
            }
        }

        impl<M: lock_api::RawMutex + Send + Sync + 'static> core::fmt::Debug for $handle<M> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($handle), "({:?})"), self.shared.hardware.unit)
            }
        }
    };
}
pub(crate) use unit_handle;
