//! Pages that a callback of the isolation set gives to the driver: for an MDL, or as contiguous memory.
//!
//! The two differ in which pages they ask for and in what the driver holds of them; taking the pages, mapping them and
//! giving all of it back are the same.

use alloc::sync::Arc;

use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{CacheType, CpuVa, NoRoom, PageRun};

use super::NotEntered;
use crate::SysMm;
use crate::domain::READ_WRITE;
use crate::domain::retire::Frames;
use crate::error::CallError;
use crate::handles::HandleKind;
use crate::objects::{PageMapping, Place};
use crate::pages::{PageOwner, PageRequest};
use crate::platform::Platform;

/// What the driver holds of its pages: an MDL, or a view.
pub(super) struct Hold<B, R> {
    pub(super) kind: HandleKind,
    pub(super) cache: CacheType,
    /// Makes it of the pages.
    pub(super) build: B,
    /// Unmakes it, when the call fails later.
    pub(super) release: R,
}

impl<P: Platform> SysMm<P> {
    /// Takes the pages, builds what the driver holds of them, and maps them for the device.
    pub(super) fn give_pages<B, R>(
        &self,
        place: &Place<P>,
        request: &PageRequest,
        hold: Hold<B, R>,
    ) -> Result<(Handle, CpuVa), CallError>
    where
        B: FnOnce(&[PageRun]) -> Result<CpuVa, NoRoom>,
        R: FnOnce(CpuVa, &[PageRun]),
    {
        let runs = self.pages.allocate(request, PageOwner::Driver).map_err(|_| NtStatus::NO_MEMORY)?;
        let runs: Arc<[_]> = Arc::from(runs);
        let object = self.object_number();
        let give_back = |confirmed| {
            let frames = Frames::Owned(Arc::clone(&runs), PageOwner::Driver);
            self.give_back(object, place.logical, frames, confirmed);
        };
        let Ok(at) = (hold.build)(&runs) else {
            give_back(true);
            return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
        };
        let list = self.note_list(&runs);
        let entered = self.map_and_enter(
            place,
            &runs,
            (READ_WRITE, false),
            |_| Some(()),
            |records, placement, ()| {
                let pages = PageMapping {
                    object,
                    kind: hold.kind,
                    adapter: place.number,
                    logical: place.logical,
                    at,
                    runs: Arc::clone(&runs),
                    list,
                    cache: hold.cache,
                    placement,
                };
                records.enter_pages(pages, |pages, handle| self.note_entered(pages, handle))
            },
        );
        entered.map(|handle| (handle, at)).map_err(|NotEntered { error, reachable, .. }| {
            (hold.release)(at, &runs);
            give_back(!reachable);
            error
        })
    }

    /// Takes back what [`give_pages`](Self::give_pages) gave.
    pub(super) fn take_pages_back(
        &self,
        adapter: Handle,
        handle: Handle,
        kind: HandleKind,
    ) -> Result<(), CallError> {
        let mut records = self.records.lock();
        let place = records.place_2_4(adapter)?;
        records.own_pages(&place, handle, kind)?;
        let pages = records.take_pages(handle, kind)?;
        drop(records);
        self.end_page_mapping(handle, pages);
        Ok(())
    }
}
