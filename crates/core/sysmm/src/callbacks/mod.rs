//! The memory callbacks, one function each, on [`SysMm`].
//!
//! Each takes who calls, the adapter's handle where the callback has one, and the argument structure as the driver
//! wrote it; it returns the output fields, or a [`CallError`]. On every failure nothing was changed,
//! nothing is mapped, and no output field is to be written. Verbs that return nothing in Windows return their error
//! here all the same, for the event stream.
//!
//! Which status a refusal has is our choice; the documentation says "an appropriate NTSTATUS error code":
//!
//! | situation | status |
//! | --- | --- |
//! | argument out of range, null, misaligned, reserved bit set; a pointer that is not what the verb gave out | STATUS_INVALID_PARAMETER |
//! | handle never given out, closed, of another kind or another adapter; not the lead adapter's where it has to be | STATUS_INVALID_HANDLE |
//! | no pages in the range, no contiguous run | STATUS_NO_MEMORY |
//! | no logical addresses, table pages, handles, or room for CPU views | STATUS_INSUFFICIENT_RESOURCES |
//! | not usable in this mode | STATUS_NOT_SUPPORTED |
//! | object already opened | STATUS_ALREADY_REGISTERED |
//! | registers or ports not assigned to the adapter; pages that devices may only read, where more is wanted | STATUS_ACCESS_DENIED |
//! | a section's page that was put away cannot be read back | STATUS_IN_PAGE_ERROR |
//! | adapter stopped or removed | STATUS_DEVICE_NOT_READY |
//!
//! They are checked in this order: adapter handle, lead, stopped, mode, other handles, arguments, resources.

mod adl;
mod contiguous_memory;
mod device_information;
mod given_pages;
mod hot_update;
mod mdl_map;
mod object_kind;
mod pages_for_mdl;
mod physical_object;
mod registers;
mod save_area;
mod view;

use alloc::sync::Arc;

use dxgk_abi::callback::MemoryCachingType;
use dxgk_abi::{Irql, NtStatus};
use dxgk_hw::{Access, CacheType, PAGE_SIZE, PageRun};

use crate::SysMm;
use crate::domain::Placement;
use crate::error::CallError;
use crate::objects::{Place, Records};
use crate::platform::Platform;

pub use adl::AllocatedAdl;
pub use contiguous_memory::ContiguousMemory;
pub use device_information::DeviceMemory;
pub use pages_for_mdl::PagesForMdl;
pub use physical_object::CreatedPhysicalMemory;
pub use registers::MapMemoryArgs;
pub use save_area::MappedSaveArea;
pub use view::MappedView;

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The level at which the driver called. Nothing here depends on it: the rules about it are the verifier's.
    pub irql: Irql,
    /// The current process, as the host numbers it; 0 is the system process.
    pub process: u32,
    /// The ideal NUMA node of the current thread (for MM_ALLOCATE_FROM_LOCAL_NODE_ONLY).
    pub node: u32,
}

impl Caller {
    /// A caller on node 0.
    #[must_use]
    pub fn new(irql: Irql, process: u32) -> Self {
        Self { irql, process, node: 0 }
    }
}

const INVALID: CallError = CallError::Status(NtStatus::INVALID_PARAMETER);

/// DXGK_MEMORY_CACHING_TYPE; the first three values of MEMORY_CACHING_TYPE are the same.
fn cache_type(number: MemoryCachingType) -> Result<CacheType, CallError> {
    match number {
        MemoryCachingType::NON_CACHED => Ok(CacheType::NonCached),
        MemoryCachingType::CACHED => Ok(CacheType::Cached),
        MemoryCachingType::WRITE_COMBINED => Ok(CacheType::WriteCombined),
        _ => Err(INVALID),
    }
}

/// Whole pages for a length that is not 0.
fn pages_of(bytes: u64) -> Result<u64, CallError> {
    if bytes == 0 { Err(INVALID) } else { Ok(bytes.div_ceil(PAGE_SIZE)) }
}

impl<P: Platform> SysMm<P> {
    /// Maps pages for the adapter's device and enters the record that holds the mapping, so that a switch of the
    /// mode meanwhile misses neither. In between, outside the lock, `prepare` makes what the record needs of the
    /// mapping (with `contiguous` one logical run, or none at all); `None` means that there is no room for it. `enter` gives the mapping back when it cannot enter the
    /// record. The pages are still the caller's after a failure.
    fn map_and_enter<T, R>(
        &self,
        place: &Place<P>,
        runs: &Arc<[PageRun]>,
        (access, contiguous): (Access, bool),
        prepare: impl Fn(&Placement<P>) -> Option<T>,
        enter: impl FnOnce(&mut Records<P>, Placement<P>, &T) -> Result<R, Placement<P>>,
    ) -> Result<R, NotEntered<T>> {
        let mut domain = place.domain.clone();
        let mut prepared: Option<T> = None;
        loop {
            let placement = match domain.map(runs, access, contiguous) {
                Ok(placement) => placement,
                Err(failure) => {
                    return Err(NotEntered { reachable: failure.reachable, error: failure.into(), prepared });
                }
            };
            // Only passthrough is ever switched, to isolation, and the device's page numbers are the same in both: what
            // was prepared before a switch is right after it.
            let Some(made) = prepared.take().or_else(|| prepare(&placement)) else {
                return Err(self.not_entered(NtStatus::INSUFFICIENT_RESOURCES.into(), &placement, None));
            };
            let mut records = self.records.lock();
            let now = match records.place(place.handle) {
                Ok(now) => now,
                Err(error) => {
                    drop(records);
                    return Err(self.not_entered(error, &placement, Some(made)));
                }
            };
            if now.domain.mode() != placement.mode() {
                drop(records);
                // A mapping from before a switch is one in passthrough: there is nothing to withdraw.
                prepared = Some(made);
                domain = now.domain;
                continue;
            }
            return enter(&mut records, placement, &made).map_err(|placement| {
                drop(records);
                self.not_entered(NtStatus::INSUFFICIENT_RESOURCES.into(), &placement, Some(made))
            });
        }
    }

    fn not_entered<T>(
        &self,
        error: CallError,
        placement: &Placement<P>,
        prepared: Option<T>,
    ) -> NotEntered<T> {
        NotEntered { error, reachable: !self.withdraw(placement), prepared }
    }
}

/// A mapping that did not come about.
struct NotEntered<T> {
    error: CallError,
    /// The undoing was not confirmed: a device may still reach the pages.
    reachable: bool,
    /// What was prepared for the record, if it came to that; to be unmade.
    prepared: Option<T>,
}
