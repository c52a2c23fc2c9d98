//! The one place where things are taken from a device and given back.
//!
//! The order is a security property: clear the entries, invalidate, wait for completion, and only then give back
//! logical addresses and pages. In between they belong to nobody. What the unit did not confirm is never given back:
//! pages go into quarantine, addresses stay taken.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use dxgk_event::MappingStep;
use dxgk_hw::PageRun;

use super::Placement;
use crate::SysMm;
use crate::pages::PageOwner;
use crate::platform::Platform;

/// Whose the frames are that were mapped, and so what happens to them.
pub(crate) enum Frames {
    /// The object's own: they go back to the page database.
    Owned(Arc<[PageRun]>, PageOwner),
    /// Somebody else's, counted as mapped.
    Pinned(Arc<[PageRun]>),
    /// Another object's, which goes on holding them.
    Borrowed,
}

/// Something that ends.
pub(crate) struct Retired<P: Platform> {
    pub(crate) object: u64,
    pub(crate) logical_adapter: u32,
    pub(crate) placement: Placement<P>,
    pub(crate) frames: Frames,
}

impl<P: Platform> SysMm<P> {
    /// Ends a mapping and gives back what it held. False when the unit did not confirm the invalidation; then nothing
    /// was given back, and [`Frames::Borrowed`] pages must not be given back by their owner either.
    pub(crate) fn retire(&self, retired: Retired<P>) -> bool {
        let Retired { object, logical_adapter, placement, frames } = retired;
        let note = |step| self.note_step(object, logical_adapter, &placement, step);
        let cleared = placement.clear();
        note(MappingStep::Unmapped);
        let confirmed = placement.sync(&cleared).is_ok() && !cleared.failed;
        if confirmed {
            if !matches!(placement, Placement::Physical) {
                note(MappingStep::Invalidated);
            }
            placement.release_addresses();
        } else {
            self.failed_invalidations.fetch_add(1, Ordering::Relaxed);
        }
        self.give_back(object, logical_adapter, frames, confirmed);
        confirmed
    }

    /// Gives pages back that no device reaches any more, or, when that is not certain, keeps them from everybody.
    pub(crate) fn give_back(&self, object: u64, logical_adapter: u32, frames: Frames, confirmed: bool) {
        let freed = match (&frames, confirmed) {
            (Frames::Borrowed, _) => 0,
            // Our own record names our own pages; were it not so, none of them would be free afterwards.
            (Frames::Owned(runs, owner), true) => self.pages.release(runs, *owner).unwrap_or(0),
            (Frames::Owned(runs, _), false) => {
                self.pages.quarantine(runs);
                0
            }
            (Frames::Pinned(runs), true) => self.pages.unpin(runs),
            (Frames::Pinned(_), false) => 0,
        };
        if freed != 0 {
            self.note_pages_returned(object, logical_adapter, freed);
        }
    }

    /// Undoes a mapping that nobody has heard of yet. As [`retire`](Self::retire), without events.
    pub(crate) fn withdraw(&self, placement: &Placement<P>) -> bool {
        let cleared = placement.clear();
        let confirmed = placement.sync(&cleared).is_ok() && !cleared.failed;
        if confirmed {
            placement.release_addresses();
        } else {
            self.failed_invalidations.fetch_add(1, Ordering::Relaxed);
        }
        confirmed
    }
}
