//! Save areas: where the contents of device memory wait while the device has no power.
//!
//! Topic "IOMMU-based GPU isolation", frame buffer save: each physical adapter whose driver reports a maximum above 0 has
//! a section of that size. Its commit charge is taken at the adapter's start, so that pages are there when they are
//! asked for; its pages come into being when they are first pinned or mapped for the CPU, zeroed, and hold what was
//! written to them until the adapter stops, pinned or not.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::{Handle, NtStatus};
use dxgk_event::{ListRef, ObjectKind};
use dxgk_hw::{CacheType, CpuVa, DriverMemory, PAGE_SIZE, PageRun, total_pages};
use lock_api::Mutex;

use crate::SysMm;
use crate::domain::Placement;
use crate::domain::retire::Frames;
use crate::error::CallError;
use crate::objects::{Owner, Records};
use crate::pages::{Layout, OutOfPages, PageDatabase, PageOwner, PageRequest};
use crate::platform::Platform;
use crate::record::ObjectNote;
use crate::runs;

/// Which save area: logical adapter, and index of the physical adapter in its chain.
pub(crate) type SaveKey = (u32, u32);

/// The save section of one physical adapter.
pub(crate) struct SaveArea<P: Platform> {
    /// The lead adapter: its handle names the area together with the index.
    pub(crate) owner: Owner,
    /// The maximum that the driver reported.
    pub(crate) pages: u64,
    pub(crate) backing: Arc<Backing<P>>,
    pub(crate) pin: PinState<P>,
    /// CPU views alive or being made.
    pub(crate) views: u32,
    /// A device may still reach its pages: an invalidation was not confirmed.
    pub(crate) tainted: bool,
}

/// Whether an area is pinned.
pub(crate) enum PinState<P: Platform> {
    Unpinned,
    /// A pin is being made.
    Underway,
    Pinned(Pin<P>),
}

/// Which structure describes the pinned pages.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PinForm {
    Mdl,
    Adl,
}

/// A pinned part of a save area, from its beginning on.
pub(crate) struct Pin<P: Platform> {
    pub(crate) object: u64,
    pub(crate) adapter: u32,
    pub(crate) form: PinForm,
    /// The MDL or ADL.
    pub(crate) at: CpuVa,
    pub(crate) contiguous: bool,
    pub(crate) runs: Arc<[PageRun]>,
    pub(crate) list: ListRef,
    pub(crate) placement: Placement<P>,
}

/// A CPU view of a part of a save area.
pub(crate) struct SaveView {
    pub(crate) object: u64,
    pub(crate) adapter: u32,
    pub(crate) key: SaveKey,
    pub(crate) bytes: u64,
    pub(crate) list: ListRef,
}

/// The pages of a save area. One lock an area, held while pages that are missing are taken.
pub(crate) struct Backing<P: Platform> {
    /// Frame of each page of the section that has come into being.
    frames: Mutex<P::RawMutex, BTreeMap<u64, u64>>,
}

impl<P: Platform> Backing<P> {
    fn new() -> Self {
        Self { frames: Mutex::new(BTreeMap::new()) }
    }

    /// The frames of `count` pages of the section from `first` on, those that are missing taken from what the area was
    /// charged for.
    pub(crate) fn ensure(
        &self,
        database: &PageDatabase<P>,
        first: u64,
        count: u64,
        few_runs: bool,
    ) -> Result<Vec<PageRun>, OutOfPages> {
        let mut frames = self.frames.lock();
        let missing: Vec<u64> = (first..first + count).filter(|page| !frames.contains_key(page)).collect();
        if !missing.is_empty() {
            let layout = if few_runs { Layout::FewRuns } else { Layout::Any };
            let request = PageRequest { layout, ..PageRequest::anywhere(missing.len() as u64) };
            let taken = database.allocate_charged(&request, PageOwner::Driver)?;
            let taken = taken.iter().flat_map(|run| run.start.get()..run.start.get() + run.pages);
            frames.extend(missing.into_iter().zip(taken));
        }
        let mut list = Vec::new();
        for (_, frame) in frames.range(first..first + count) {
            runs::push(&mut list, *frame, 1);
        }
        Ok(list)
    }

    /// Takes all pages out.
    fn empty(&self) -> Vec<PageRun> {
        let mut list = Vec::new();
        for frame in core::mem::take(&mut *self.frames.lock()).into_values() {
            runs::push(&mut list, frame, 1);
        }
        list
    }
}

impl<P: Platform> SaveArea<P> {
    fn in_use(&self) -> bool {
        self.views != 0 || !matches!(self.pin, PinState::Unpinned)
    }
}

impl<P: Platform> Pin<P> {
    pub(crate) fn note(&self, owner: Handle, index: u32) -> ObjectNote {
        ObjectNote {
            va: self.at.get(),
            pages: self.list,
            adapter: Some(self.adapter),
            flags: u8::from(self.contiguous),
            ..ObjectNote::new(
                self.object,
                ObjectKind::Pin,
                // The driver names what it pinned by adapter and index alone.
                owner.0.wrapping_add(index.into()),
                total_pages(&self.runs) * PAGE_SIZE,
            )
        }
    }
}

impl SaveView {
    pub(crate) fn note(&self, base: u64) -> ObjectNote {
        ObjectNote {
            va: base,
            pages: self.list,
            adapter: Some(self.adapter),
            cache: CacheType::Cached,
            ..ObjectNote::new(self.object, ObjectKind::SaveView, base, self.bytes)
        }
    }
}

impl<P: Platform> Records<P> {
    /// The save area of a chain's physical adapter; `None` when its maximum is 0.
    pub(crate) fn save_area(&mut self, key: SaveKey) -> Option<&mut SaveArea<P>> {
        self.save_areas.get_mut(&key)
    }
}

/// How much of saving is refused, to see what a driver does then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SaveRefusal {
    /// Nothing.
    #[default]
    None,
    /// Pins: the driver has to go on in small pieces.
    Pins,
    /// Pins, and every piece: the driver has to give the transfer up.
    PinsAndViews,
}

impl<P: Platform> SysMm<P> {
    /// Makes the save area of the physical adapter with this index in the chain of `lead`, and takes its commit charge;
    /// for 0 bytes there is none. One that a driver did not leave at its last stop stays as it is.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE; STATUS_INVALID_PARAMETER for a maximum that is no multiple of a page;
    /// STATUS_INVALID_DEVICE_STATE for one of another size that is still in use; STATUS_NO_MEMORY without enough commit
    /// left.
    pub fn create_save_area(&self, lead: Handle, index: u32, maximum: u64) -> Result<(), CallError> {
        let mut records = self.records.lock();
        let place = records.lead_place(lead)?;
        if !maximum.is_multiple_of(PAGE_SIZE) {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        let (key, pages) = ((place.logical, index), maximum / PAGE_SIZE);
        match records.save_area(key) {
            Some(area) if area.pages == pages => return Ok(()),
            Some(_) => return Err(NtStatus::INVALID_DEVICE_STATE.into()),
            None if pages == 0 => return Ok(()),
            None => {}
        }
        self.pages.charge(pages).map_err(|OutOfPages| NtStatus::NO_MEMORY)?;
        let area = SaveArea {
            owner: place.owner(),
            pages,
            backing: Arc::new(Backing::new()),
            pin: PinState::Unpinned,
            views: 0,
            tainted: false,
        };
        records.save_areas.insert(key, area);
        Ok(())
    }

    /// Drops the save areas of the chain of `lead` with all that was saved, but for those that the driver still has pinned
    /// or mapped: these go when the adapter is removed.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE.
    pub fn drop_save_areas(&self, lead: Handle) -> Result<(), CallError> {
        let mut records = self.records.lock();
        let number = records.adapter(lead)?.number;
        let gone: Vec<SaveArea<P>> = records
            .save_areas
            .extract_if(.., |_, area| area.owner.number == number && !area.in_use())
            .map(|(_, area)| area)
            .collect();
        drop(records);
        gone.into_iter().for_each(|area| self.end_save_area(area));
        Ok(())
    }

    /// Refuses pins, or pins and views, with STATUS_NO_MEMORY from now on, as a machine under pressure may.
    pub fn refuse_saving(&self, refusal: SaveRefusal) {
        self.records.lock().save_refusal = refusal;
    }

    /// Pages and charge of an area that nothing uses any more.
    pub(crate) fn end_save_area(&self, area: SaveArea<P>) {
        let list = area.backing.empty();
        self.pages.uncharge(area.pages.saturating_sub(total_pages(&list)));
        // The area itself is no object of the driver's: nothing is told of its pages.
        if area.tainted {
            self.pages.quarantine(&list);
        } else {
            // Our own record names our own pages.
            let _ = self.pages.release(&list, PageOwner::Driver);
        }
    }

    /// Takes back what the driver of an adapter left pinned or mapped, and the areas.
    pub(crate) fn reclaim_save_areas(&self, number: u32) {
        let mut records = self.records.lock();
        let views: Vec<(u64, SaveView)> =
            records.save_views.extract_if(.., |_, view| view.adapter == number).collect();
        drop(records);
        views.iter().for_each(|(base, view)| self.end_save_view(*base, view));
        let mut records = self.records.lock();
        let areas: Vec<(SaveKey, SaveArea<P>)> =
            records.save_areas.extract_if(.., |_, area| area.owner.number == number).collect();
        drop(records);
        for ((_, index), mut area) in areas {
            if let PinState::Pinned(pin) = core::mem::replace(&mut area.pin, PinState::Unpinned) {
                let confirmed = self.end_pin(area.owner, index, pin);
                area.tainted |= !confirmed;
            }
            self.end_save_area(area);
        }
    }
}

impl<P: Platform> SysMm<P> {
    /// Ends a pin that has left the records: the device first, then the MDL or ADL. False when a device may still reach
    /// the pages.
    pub(crate) fn end_pin(&self, owner: Owner, index: u32, pin: Pin<P>) -> bool {
        use crate::domain::retire::Retired;

        let note = pin.note(owner.handle, index);
        let confirmed = self.retire(Retired {
            object: pin.object,
            logical_adapter: owner.logical,
            placement: pin.placement,
            frames: Frames::Borrowed,
        });
        match pin.form {
            PinForm::Mdl => self.driver().release_mdl(pin.at),
            PinForm::Adl => self.driver().release_adl(pin.at),
        }
        self.note_released(&note);
        confirmed
    }

    /// Ends a view that has left the records but is still counted on its area.
    pub(crate) fn end_save_view(&self, base: u64, view: &SaveView) {
        self.driver().unmap_view(CpuVa::new(base), view.bytes);
        self.note_released(&view.note(base));
        if let Some(area) = self.records.lock().save_area(view.key) {
            area.views = area.views.saturating_sub(1);
        }
    }
}
