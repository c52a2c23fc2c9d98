//! DxgkCbPinFrameBufferForSave, -ForSave2, DxgkCbUnpinFrameBufferForSave, DxgkCbMap- and UnmapFrameBufferPointer.
//!
//! All of them want the lead adapter's handle; which physical adapter's area is meant, its index in the chain says. An
//! index without an area (no such adapter, or a maximum of 0) is refused with STATUS_INVALID_PARAMETER (our choice).

use alloc::sync::Arc;

use dxgk_abi::callback::{
    ArgCbMapFrameBufferPointer, ArgCbPinFrameBufferForSave, ArgCbPinFrameBufferForSave2,
    ArgCbUnmapFrameBufferPointer, ArgCbUnpinFrameBufferForSave, PinFrameBufferFlags,
};
use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{CacheType, CpuVa, DriverMemory, PAGE_SIZE, PageRun, ViewOwner};

use super::adl::adl_shape;
use super::{Caller, INVALID, NotEntered};
use crate::SysMm;
use crate::domain::READ_WRITE;
use crate::error::CallError;
use crate::objects::{Place, Records};
use crate::platform::Platform;
use crate::save_area::{Backing, Pin, PinForm, PinState, SaveKey, SaveRefusal, SaveView};

/// The output of [`SysMm::map_frame_buffer_pointer`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappedSaveArea {
    /// `pBaseAddress`.
    pub base_address: CpuVa,
    /// `Offset`: where the wanted part begins, in bytes from the base.
    pub offset: u64,
}

/// Views of a section begin at multiples of this in it, as Windows' views of sections do (our choice: the page says only
/// that the wanted data lies at `pBaseAddress` + `Offset`, and a driver that leaves `Offset` out is found so).
const GRANULARITY_PAGES: u64 = 16;

/// The multiple of a page that `bytes` is, not 0 and at most `most` pages.
fn whole_pages(bytes: u64, most: u64) -> Result<u64, CallError> {
    let pages = bytes / PAGE_SIZE;
    // An ADL counts its pages in 32 bits, an MDL fewer.
    let sane = bytes != 0 && bytes.is_multiple_of(PAGE_SIZE) && pages <= most && u32::try_from(pages).is_ok();
    if !sane {
        return Err(INVALID);
    }
    Ok(pages)
}

/// What a pin is made for.
struct Wanted<P: Platform> {
    place: Place<P>,
    index: u32,
    pages: u64,
    form: PinForm,
    prefer_contiguous: bool,
    backing: Arc<Backing<P>>,
}

impl<P: Platform> Wanted<P> {
    fn key(&self) -> SaveKey {
        (self.place.logical, self.index)
    }
}

impl<P: Platform> Records<P> {
    /// Claims an area for a pin.
    fn reserve_pin(
        &mut self,
        place: Place<P>,
        index: u32,
        commit_size: u64,
        form: PinForm,
        prefer_contiguous: bool,
    ) -> Result<Wanted<P>, CallError> {
        let refusal = self.save_refusal;
        let area = self.save_area((place.logical, index)).ok_or(INVALID)?;
        let pages = whole_pages(commit_size, area.pages)?;
        if !matches!(area.pin, PinState::Unpinned) {
            return Err(NtStatus::ALREADY_REGISTERED.into());
        }
        if refusal != SaveRefusal::None {
            return Err(NtStatus::NO_MEMORY.into());
        }
        area.pin = PinState::Underway;
        Ok(Wanted { index, pages, form, prefer_contiguous, backing: Arc::clone(&area.backing), place })
    }
}

impl<P: Platform> SysMm<P> {
    /// DxgkCbPinFrameBufferForSave: locks the first `CommitSize` bytes of the area and lets the chain's devices reach them.
    /// Returns `pMdl`: pages locked, not mapped to a system address, as AllocatePagesForMdl's.
    ///
    /// The callback page speaks of pinning all of the save memory, the structure's of any size up to the maximum; here the
    /// structure's is followed. An area is pinned once at a time (our choice): the unpin names nothing but the area.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE (also for a linked adapter that is not the lead), STATUS_DEVICE_NOT_READY,
    /// STATUS_NOT_SUPPORTED (remapping); STATUS_INVALID_PARAMETER for an index without an area, CommitSize 0, no multiple
    /// of a page, or above the maximum; STATUS_ALREADY_REGISTERED for an area that is pinned; STATUS_NO_MEMORY when pins
    /// are refused; STATUS_INSUFFICIENT_RESOURCES.
    pub fn pin_frame_buffer_for_save(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbPinFrameBufferForSave,
    ) -> Result<CpuVa, CallError> {
        let mut records = self.records.lock();
        let place = records.lead_place_2_4(adapter)?;
        let (index, size) = (args.physical_adapter_index, args.commit_size);
        let wanted = records.reserve_pin(place, index, size, PinForm::Mdl, false)?;
        drop(records);
        self.pin(&wanted)
    }

    /// DxgkCbPinFrameBufferForSave2: the same in every mode, as an ADL of the numbers that the device must use. Returns
    /// `pAdl`. The contiguous form is used only with PreferContiguous, as for AllocateAdl (our choice).
    ///
    /// # Errors
    /// As for [`pin_frame_buffer_for_save`](Self::pin_frame_buffer_for_save), but for the mode; STATUS_INVALID_PARAMETER
    /// for reserved flags, too.
    pub fn pin_frame_buffer_for_save2(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbPinFrameBufferForSave2,
    ) -> Result<CpuVa, CallError> {
        let mut records = self.records.lock();
        let place = records.lead_place(adapter)?;
        if !PinFrameBufferFlags::PREFER_CONTIGUOUS.contains(args.flags) {
            return Err(INVALID);
        }
        let prefer = args.flags.contains(PinFrameBufferFlags::PREFER_CONTIGUOUS);
        let (index, size) = (args.physical_adapter_index, args.commit_size);
        let wanted = records.reserve_pin(place, index, size, PinForm::Adl, prefer)?;
        drop(records);
        self.pin(&wanted)
    }

    fn pin(&self, wanted: &Wanted<P>) -> Result<CpuVa, CallError> {
        let pinned = self.make_pin(wanted);
        pinned.map_err(|NotEntered { error, reachable, prepared }| {
            if let Some((unused, _)) = prepared {
                match wanted.form {
                    PinForm::Mdl => self.driver().release_mdl(unused),
                    PinForm::Adl => self.driver().release_adl(unused),
                }
            }
            if let Some(area) = self.records.lock().save_area(wanted.key()) {
                area.pin = PinState::Unpinned;
                area.tainted |= reachable;
            }
            error
        })
    }

    fn make_pin(&self, wanted: &Wanted<P>) -> Result<CpuVa, NotEntered<(CpuVa, bool)>> {
        let taken = wanted.backing.ensure(&self.pages, 0, wanted.pages, wanted.prefer_contiguous);
        let list: Arc<[PageRun]> = match taken {
            Ok(list) => Arc::from(list),
            Err(_) => {
                let error = NtStatus::NO_MEMORY.into();
                return Err(NotEntered { error, reachable: false, prepared: None });
            }
        };
        let object = self.object_number();
        let arena = self.note_list(&list);
        self.map_and_enter(
            &wanted.place,
            &list,
            (READ_WRITE, false),
            |placement| match wanted.form {
                PinForm::Mdl => self.driver().build_mdl(&list).ok().map(|mdl| (mdl, false)),
                PinForm::Adl => {
                    adl_shape(placement, &list, wanted.prefer_contiguous, |shape, contiguous, _| {
                        self.driver().build_adl(shape).ok().map(|adl| (adl, contiguous))
                    })
                }
            },
            |records, placement, (at, contiguous)| {
                let pin = Pin {
                    object,
                    adapter: wanted.place.number,
                    form: wanted.form,
                    at: *at,
                    contiguous: *contiguous,
                    runs: Arc::clone(&list),
                    list: arena,
                    placement,
                };
                let Some(area) = records.save_area(wanted.key()) else { return Err(pin.placement) };
                self.note_created(&pin.note(wanted.place.handle, wanted.index));
                self.note_mapped(object, wanted.place.logical, &pin.placement, READ_WRITE, &list, arena);
                area.pin = PinState::Pinned(pin);
                Ok(*at)
            },
        )
    }

    /// DxgkCbUnpinFrameBufferForSave: undoes the pin of the area, whichever callback made it: unmaps, waits for the
    /// invalidation, frees the MDL or ADL. What was written to the pages stays.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER for an index without an area, or an area
    /// that is not pinned.
    pub fn unpin_frame_buffer_for_save(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbUnpinFrameBufferForSave,
    ) -> Result<(), CallError> {
        let mut records = self.records.lock();
        let place = records.lead_place(adapter)?;
        let key = (place.logical, args.physical_adapter_index);
        let area = records.save_area(key).ok_or(INVALID)?;
        let owner = area.owner;
        let pin = match core::mem::replace(&mut area.pin, PinState::Underway) {
            PinState::Pinned(pin) => pin,
            other => {
                area.pin = other;
                return Err(INVALID);
            }
        };
        drop(records);
        let confirmed = self.end_pin(owner, args.physical_adapter_index, pin);
        if let Some(area) = self.records.lock().save_area(key) {
            area.pin = PinState::Unpinned;
            area.tainted |= !confirmed;
        }
        Ok(())
    }

    /// DxgkCbMapFrameBufferPointer: shows the CPU a part of the area, cached, in every mode, pinned or not. The view begins
    /// at a multiple of 64 KiB in the section, `offset` says where in it the wanted part is (our choice).
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE (also for a linked adapter that is not the lead), STATUS_DEVICE_NOT_READY;
    /// STATUS_INVALID_PARAMETER for an index without an area, Size or Offset that is no multiple of a page, Size 0, or a
    /// part outside the area; STATUS_NO_MEMORY when views are refused; STATUS_INSUFFICIENT_RESOURCES without room for the
    /// view.
    pub fn map_frame_buffer_pointer(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbMapFrameBufferPointer,
    ) -> Result<MappedSaveArea, CallError> {
        let mut records = self.records.lock();
        let place = records.lead_place(adapter)?;
        let key = (place.logical, args.physical_adapter_index);
        let refusal = records.save_refusal;
        let area = records.save_area(key).ok_or(INVALID)?;
        let pages = whole_pages(args.size, area.pages)?;
        let first = args.offset / PAGE_SIZE;
        if !args.offset.is_multiple_of(PAGE_SIZE)
            || first.checked_add(pages).is_none_or(|end| end > area.pages)
        {
            return Err(INVALID);
        }
        if refusal == SaveRefusal::PinsAndViews {
            return Err(NtStatus::NO_MEMORY.into());
        }
        area.views += 1;
        let backing = Arc::clone(&area.backing);
        drop(records);

        let begin = first / GRANULARITY_PAGES * GRANULARITY_PAGES;
        let mapped = self.view_of(&backing, begin, first + pages - begin);
        let (base, list) = mapped.inspect_err(|_| {
            if let Some(area) = self.records.lock().save_area(key) {
                area.views = area.views.saturating_sub(1);
            }
        })?;
        let view = SaveView {
            object: self.object_number(),
            adapter: place.number,
            key,
            bytes: Self::bytes_of(&list),
            list: self.note_list(&list),
        };
        let mut records = self.records.lock();
        self.note_created(&view.note(base.get()));
        records.save_views.insert(base.get(), view);
        Ok(MappedSaveArea { base_address: base, offset: (first - begin) * PAGE_SIZE })
    }

    fn view_of(
        &self,
        backing: &Backing<P>,
        first: u64,
        pages: u64,
    ) -> Result<(CpuVa, alloc::vec::Vec<PageRun>), CallError> {
        let list = backing.ensure(&self.pages, first, pages, false).map_err(|_| NtStatus::NO_MEMORY)?;
        let base = self.driver().map_view(&list, CacheType::Cached, ViewOwner::Kernel);
        base.map(|base| (base, list)).map_err(|_| NtStatus::INSUFFICIENT_RESOURCES.into())
    }

    /// DxgkCbUnmapFrameBufferPointer.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER when the address is not the base of a live
    /// view of this area.
    pub fn unmap_frame_buffer_pointer(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbUnmapFrameBufferPointer,
    ) -> Result<(), CallError> {
        let mut records = self.records.lock();
        let place = records.lead_place(adapter)?;
        let key = (place.logical, args.physical_adapter_index);
        let base = args.base_address.0;
        if records.save_views.get(&base).is_none_or(|view| view.key != key) {
            return Err(INVALID);
        }
        let view = records.save_views.remove(&base).ok_or(INVALID)?;
        drop(records);
        self.end_save_view(base, &view);
        Ok(())
    }
}
