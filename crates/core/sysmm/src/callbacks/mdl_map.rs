//! DxgkCbMapMdlToIoMmu and DxgkCbUnmapMdlFromIoMmu.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::callback::{ArgCbMapMdlToIoMmu, ArgCbUnmapMdlFromIoMmu};
use dxgk_abi::mdl::{Mdl, MdlFlags};
use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{CacheType, CpuVa, DriverMemory, PAGE_SIZE, PageRun, total_pages};

use super::{Caller, INVALID, NotEntered};
use crate::SysMm;
use crate::domain::READ_WRITE;
use crate::error::CallError;
use crate::handles::HandleKind;
use crate::objects::{PageMapping, Place, Records};
use crate::pages::PageListError;
use crate::platform::Platform;
use crate::runs;

/// Above this many pages the array no longer fits what `Size`, a signed 16-bit field, can say; Windows makes such MDLs
/// all the same, so `Size` is checked below it only.
const SIZED_PAGES: u64 = (i16::MAX as u64 - size_of::<Mdl>() as u64) / 8;

/// No page number above this has an address.
const HIGHEST_PAGE: u64 = u64::MAX / PAGE_SIZE;

/// The number of pages of an MDL that may be mapped.
///
/// Our choice is to refuse what cannot be right, before any page of it is looked at: a chain (a part that is mapped
/// while the rest is not would show up as a fault far away), an empty buffer, an offset beyond a page, a page array
/// that `Size` leaves no room for, pages that are neither locked nor of nonpaged pool nor part of another MDL, both
/// locked and of nonpaged pool, and device memory.
fn checked_page_count(mdl: &Mdl) -> Result<u64, CallError> {
    let flags = mdl.mdl_flags;
    let populated = MdlFlags::PAGES_LOCKED.union(MdlFlags::SOURCE_IS_NONPAGED_POOL);
    let pages = mdl.page_count();
    let sane = mdl.next.is_null()
        && mdl.byte_count != 0
        && u64::from(mdl.byte_offset) < PAGE_SIZE
        && flags.intersects(populated.union(MdlFlags::PARTIAL))
        && !flags.contains(populated)
        && !flags.contains(MdlFlags::IO_SPACE)
        && (pages > SIZED_PAGES || pages <= mdl.page_capacity());
    if sane { Ok(pages) } else { Err(INVALID) }
}

/// The pages of an MDL of the driver's that can be right, read once.
pub(super) fn readable_mdl(driver: &impl DriverMemory, mdl: CpuVa) -> Result<Vec<PageRun>, CallError> {
    let header = driver.mdl_header(mdl).map_err(|_| INVALID)?;
    let count = checked_page_count(&header)?;
    let mut list: Vec<PageRun> = Vec::new();
    let mut numbers_are_pages = true;
    let read = driver.mdl_pages(mdl, count, &mut |page| {
        numbers_are_pages &= page.get() <= HIGHEST_PAGE;
        runs::push(&mut list, page.get(), 1);
    });
    read.map_err(|_| INVALID)?;
    if numbers_are_pages && total_pages(&list) == count { Ok(list) } else { Err(INVALID) }
}

impl<P: Platform> Records<P> {
    /// As `place_2_4`, for callbacks that want the lead adapter's handle.
    pub(super) fn lead_place_2_4(&self, handle: Handle) -> Result<Place<P>, CallError> {
        let place = self.lead_place(handle)?;
        if place.domain.is_remapping() { Err(NtStatus::NOT_SUPPORTED.into()) } else { Ok(place) }
    }
}

impl<P: Platform> SysMm<P> {
    /// DxgkCbMapMdlToIoMmu. The page list is read once, here. Its pages belong to the kernel around the driver or to the
    /// driver's own objects; while they are mapped none of them can be given to anybody else, whatever their owner
    /// does. Returns `hMemoryHandle`, which differs for every live map.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE (also for a linked adapter that is not the lead), STATUS_DEVICE_NOT_READY,
    /// STATUS_NOT_SUPPORTED (remapping); STATUS_INVALID_PARAMETER for an MDL that cannot be read or cannot be right,
    /// and for pages that are not RAM or belong to nobody; STATUS_ACCESS_DENIED for pages of a section that devices may
    /// only read (our choice: the call has no direction, so what it maps can be written); STATUS_INSUFFICIENT_RESOURCES.
    pub fn map_mdl_to_iommu(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbMapMdlToIoMmu,
    ) -> Result<Handle, CallError> {
        let place = self.records.lock().lead_place_2_4(adapter)?;
        let mdl = CpuVa::new(args.mdl.0);
        if args.mdl.is_null() {
            return Err(INVALID);
        }
        let list = readable_mdl(self.platform.driver(), mdl)?;
        self.pages.pin(&list).map_err(|refused| match refused {
            PageListError::TooManyMaps(_) => CallError::Status(NtStatus::INSUFFICIENT_RESOURCES),
            PageListError::ReadOnly(_) => CallError::Status(NtStatus::ACCESS_DENIED),
            PageListError::NotRam(_) | PageListError::NotOwned(_) => INVALID,
        })?;
        let list: Arc<[PageRun]> = Arc::from(list);
        let object = self.object_number();
        let arena = self.note_list(&list);
        let entered = self.map_and_enter(
            &place,
            &list,
            (READ_WRITE, false),
            |_| Some(()),
            |records, placement, ()| {
                let pages = PageMapping {
                    object,
                    kind: HandleKind::MdlMap,
                    adapter: place.number,
                    logical: place.logical,
                    at: mdl,
                    runs: Arc::clone(&list),
                    list: arena,
                    cache: CacheType::Cached,
                    placement,
                };
                records.enter_pages(pages, |pages, handle| self.note_entered(pages, handle))
            },
        );
        entered.map_err(|NotEntered { error, reachable, .. }| {
            if !reachable {
                self.pages.unpin(&list);
            }
            error
        })
    }

    /// DxgkCbUnmapMdlFromIoMmu: unmaps what was mapped, from the record made at the map; the MDL is not looked at.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY, STATUS_NOT_SUPPORTED (remapping). Windows returns nothing.
    pub fn unmap_mdl_from_iommu(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbUnmapMdlFromIoMmu,
    ) -> Result<(), CallError> {
        let mut records = self.records.lock();
        let place = records.lead_place_2_4(adapter)?;
        records.own_pages(&place, args.memory_handle, HandleKind::MdlMap)?;
        let pages = records.take_pages(args.memory_handle, HandleKind::MdlMap)?;
        drop(records);
        self.end_page_mapping(args.memory_handle, pages);
        Ok(())
    }
}
