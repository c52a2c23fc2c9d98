//! Dxgkrnl's system memory manager (Windows calls it SysMm).
//!
//! It gives a display miniport pages, physical memory objects and address descriptor lists, keeps each logical
//! adapter's DMA domain in step with them, and takes everything back in an order that no device can exploit.
//!
//! # Why it looks the way it does
//!
//! * **It sees no hardware.** RAM is [`MachineMemory`](dxgk_hw::MachineMemory), translation is
//!   [`DomainOps`](dxgk_hw::DomainOps), the driver's address space is [`DriverMemory`](dxgk_hw::DriverMemory), what
//!   happened goes to an [`EventSink`](dxgk_event::EventSink). A platform is those four and a lock ([`Platform`]).
//! * **One function a callback** ([`callbacks`]), from the driver's argument structure to a result or a
//!   [`CallError`]. A failed call has changed nothing, unless its documentation says otherwise.
//! * **The order clear, invalidate, completion, give back stands in one place** (`domain::retire`). What an
//!   invalidation was not confirmed for is never given to anybody again.
//! * **It unmaps from its own record**, never from what an MDL says by then; a page list is read once, at the call.
//! * **Locks are short.** One lock over the records, one over the page database, one a domain (held for at most 512
//!   pages); none is held while a large list is mapped or unmapped, but for the late switch to isolation, during
//!   which no callback may run anyway.
//! * **Where the documentation is silent the choice is in [`policy`]** or is called "our choice" at its place.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod accounting;
mod adapters;
pub mod callbacks;
mod domain;
mod error;
mod handles;
mod hot_update;
mod logical;
mod low_resources;
mod objects;
pub mod pages;
mod platform;
pub mod policy;
mod pressure;
mod random;
mod record;
mod reserved;
mod runs;
mod save_area;
mod section;
mod switch;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use lock_api::Mutex;

pub use accounting::Statistics;
pub use adapters::{AddedAdapter, Leak, LogicalAdapterId, Resource, ResourceKind};
pub use callbacks::Caller;
pub use error::CallError;
pub use handles::{HandleError, HandleKind};
pub use hot_update::SavedBlock;
pub use low_resources::{Allocation, LowResources};
pub use pages::PageDatabase;
pub use platform::Platform;
pub use policy::Policy;
pub use reserved::RangeRefused;
pub use save_area::SaveRefusal;
pub use section::HeapPageStore;
pub use switch::Addressing;

/// The memory manager of one machine.
pub struct SysMm<P: Platform> {
    platform: Arc<P>,
    pages: Arc<PageDatabase<P>>,
    policy: Policy,
    numbers: AtomicU64,
    failed_invalidations: AtomicU64,
    records: Mutex<P::RawMutex, objects::Records<P>>,
}

impl<P: Platform> SysMm<P> {
    /// A memory manager over `pages`, which the IOMMU driver shares for its table pages.
    #[must_use]
    pub fn new(platform: Arc<P>, pages: Arc<PageDatabase<P>>, policy: Policy) -> Self {
        let records = objects::Records::new(Arc::clone(pages.shared_low_resources()));
        Self {
            platform,
            pages,
            policy,
            numbers: AtomicU64::new(1),
            failed_invalidations: AtomicU64::new(0),
            records: Mutex::new(records),
        }
    }

    /// What it runs on.
    #[must_use]
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// The page database.
    #[must_use]
    pub fn pages(&self) -> &Arc<PageDatabase<P>> {
        &self.pages
    }

    /// The choices made.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A fresh number for an object of the event stream, from 1, never given twice. Whoever else reports objects
    /// (pool, the driver's own MDLs) draws its numbers here.
    #[must_use]
    pub fn object_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether `handle` names a live object of `kind`.
    ///
    /// # Errors
    /// [`HandleError`], which tells stale handles from foreign ones; a driver sees the same status for all of them.
    pub fn inspect_handle(&self, handle: dxgk_abi::Handle, kind: HandleKind) -> Result<(), HandleError> {
        self.records.lock().inspect(handle, kind)
    }
}
