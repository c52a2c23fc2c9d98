//! DxgkCbAllocateAdl and DxgkCbFreeAdl.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::callback::{AllocateAdlFlags, ArgCbAllocateAdl, ArgCbFreeAdl, PhysicalMemoryType};
use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{AdlShape, CpuVa, DriverMemory, PAGE_SIZE, PageRun};

use super::{Caller, INVALID, NotEntered, pages_of};
use crate::SysMm;
use crate::domain::Placement;
use crate::domain::retire::{Frames, Retired};
use crate::error::CallError;
use crate::objects::{Adl, Memory, Place, Records};
use crate::platform::Platform;
use crate::runs;

/// The output of [`SysMm::allocate_adl`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AllocatedAdl {
    /// `pAdl`: a DXGK_ADL in the driver's memory. It and its array live until FreeAdl (our choice).
    pub adl: CpuVa,
    /// Whether it has the contiguous form.
    pub contiguous: bool,
    /// The page number that the device must use for the first page.
    pub first: u64,
}

const CONTIGUOUS: AllocateAdlFlags =
    AllocateAdlFlags::REQUIRE_CONTIGUOUS.union(AllocateAdlFlags::PREFER_CONTIGUOUS);

/// The types that RequireContiguous may be asked of.
const ONE_RUN: [PhysicalMemoryType; 2] =
    [PhysicalMemoryType::CONTIGUOUS_MEMORY, PhysicalMemoryType::IO_SPACE];

/// An ADL that is being made. It is counted on its objects, so that they stay.
struct Wanted<P: Platform> {
    place: Place<P>,
    physical: Handle,
    parent: u64,
    memory: Memory<P>,
    /// The part of the object, in pages.
    first: u64,
    pages: u64,
    single_run: bool,
}

/// The page numbers that the device must use, as runs.
fn device_pages<P: Platform>(placement: &Placement<P>, list: &[PageRun]) -> Vec<(u64, u64)> {
    match placement {
        Placement::Physical | Placement::Identity { .. } => {
            list.iter().map(|run| (run.start.get(), run.pages)).collect()
        }
        Placement::Logical { pieces, .. } => {
            pieces.iter().map(|piece| (piece.start.get(), piece.pages)).collect()
        }
    }
}

/// The form of an ADL for what is mapped: the contiguous one when it is wanted and the numbers are one run. `make` is given
/// it, whether it is contiguous, and the first number; `None` for a list of nothing.
pub(super) fn adl_shape<P: Platform, T>(
    placement: &Placement<P>,
    list: &[PageRun],
    contiguous: bool,
    make: impl FnOnce(AdlShape<'_>, bool, u64) -> Option<T>,
) -> Option<T> {
    let numbers = device_pages(placement, list);
    let first = numbers.first().map(|(base, _)| *base)?;
    match numbers.as_slice() {
        [(base, pages)] if contiguous => {
            // Who asks for an ADL has checked that the count fits.
            let pages = u32::try_from(*pages).unwrap_or(u32::MAX);
            make(AdlShape::Contiguous { base: *base, pages }, true, first)
        }
        numbers => make(AdlShape::Pages(numbers), false, first),
    }
}

impl<P: Platform> Records<P> {
    fn reserve_adl(&mut self, args: &ArgCbAllocateAdl) -> Result<Wanted<P>, CallError> {
        let opened = self.live_adapter_memory(args.adapter_memory_object)?;
        let (physical, owner, parent) = (opened.physical, opened.owner, opened.object);
        self.ready(owner)?;
        let place = self.place(owner.handle)?;
        let memory = self.live_physical(physical)?;
        let end = args.offset.checked_add(args.size).ok_or(INVALID)?;
        let pages = pages_of(args.size)?;
        let require = args.flags.contains(AllocateAdlFlags::REQUIRE_CONTIGUOUS);
        if !args.offset.is_multiple_of(PAGE_SIZE)
            || !args.size.is_multiple_of(PAGE_SIZE)
            || end > memory.bytes
            || !CONTIGUOUS.contains(args.flags)
            || (require && !ONE_RUN.contains(&memory.kind))
            || u32::try_from(pages).is_err()
        {
            return Err(INVALID);
        }
        memory.adls += 1;
        let memory = memory.memory.clone();
        self.live_adapter_memory(args.adapter_memory_object)?.adls += 1;
        let first = args.offset / PAGE_SIZE;
        Ok(Wanted { place, physical, parent, memory, first, pages, single_run: require })
    }

    fn unreserve_adl(&mut self, adapter_memory: Handle, physical: Handle, tainted: bool) {
        if let Ok(opened) = self.adapter_memory_mut(adapter_memory) {
            opened.adls = opened.adls.saturating_sub(1);
        }
        if let Ok(memory) = self.physical_mut(physical) {
            memory.adls = memory.adls.saturating_sub(1);
            memory.tainted |= tainted;
        }
    }
}

impl<P: Platform> SysMm<P> {
    /// DxgkCbAllocateAdl: the device may reach the pages for the ADL's life. The list holds the numbers that the device
    /// must use: logical in remapping mode, else physical. In remapping mode every ADL has logical pages of its own,
    /// in one run where possible.
    ///
    /// The contiguous form is used only if RequireContiguous or PreferContiguous is set and the numbers are one run;
    /// without both flags the ADL has the page-array form even if they are (our choice: drivers may not cope with the
    /// other).
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER for Offset or Size that is no multiple
    /// of a page or outside the object, Size 0, reserved flags, or RequireContiguous on an object of type MDL or SECTION;
    /// STATUS_INSUFFICIENT_RESOURCES; STATUS_NO_MEMORY and STATUS_IN_PAGE_ERROR when pages of a section cannot be brought
    /// back. Bug check 0x1E4/4 is a check of our own: the pages were not locked after all.
    pub fn allocate_adl(&self, _caller: &Caller, args: &ArgCbAllocateAdl) -> Result<AllocatedAdl, CallError> {
        let wanted = self.records.lock().reserve_adl(args)?;
        let made = match self.lock_part(&wanted) {
            Ok(runs) => self.make_adl(args, &wanted, &Arc::from(runs)).map_err(|not_entered| {
                if let Some(unused) = not_entered.prepared {
                    self.driver().release_adl(unused.adl);
                }
                // What a device may still reach stays locked for ever.
                if let (Memory::Section(section), false) = (&wanted.memory, not_entered.reachable) {
                    section.unlock();
                }
                (not_entered.error, not_entered.reachable)
            }),
            Err(status) => Err((status.into(), false)),
        };
        made.map_err(|(error, reachable)| {
            let mut records = self.records.lock();
            records.unreserve_adl(args.adapter_memory_object, wanted.physical, reachable);
            let settled = records.settle(wanted.physical);
            drop(records);
            self.finish(settled);
            error
        })
    }

    /// The pages of the part, which stay where they are from now on.
    fn lock_part(&self, wanted: &Wanted<P>) -> Result<Vec<PageRun>, NtStatus> {
        let (first, pages) = (wanted.first, wanted.pages);
        match &wanted.memory {
            Memory::Ram(runs) => Ok(runs::slice(runs, first, pages)),
            Memory::Device(run) => Ok(runs::slice(&[*run], first, pages)),
            Memory::Section(section) => section.lock(&self.paging(), first, pages),
        }
    }

    fn make_adl(
        &self,
        args: &ArgCbAllocateAdl,
        wanted: &Wanted<P>,
        runs: &Arc<[PageRun]>,
    ) -> Result<AllocatedAdl, NotEntered<AllocatedAdl>> {
        let section = match &wanted.memory {
            Memory::Section(section) => Some(section),
            Memory::Ram(_) | Memory::Device(_) => None,
        };
        if section.is_some_and(|section| !section.is_locked(wanted.first, runs)) {
            let error = CallError::fatal(SysMmFatalError::ADL_OVER_UNLOCKED_MEMORY);
            return Err(NotEntered { error, reachable: false, prepared: None });
        }
        let (object, access) = (self.object_number(), wanted.memory.access());
        let list = self.note_list(runs);
        let lay_out = |placement: &Placement<P>| {
            let contiguous = args.flags.intersects(CONTIGUOUS);
            adl_shape(placement, runs, contiguous, |shape, contiguous, first| {
                let adl = self.driver().build_adl(shape).ok()?;
                Some(AllocatedAdl { adl, contiguous, first })
            })
        };
        self.map_and_enter(
            &wanted.place,
            runs,
            (access, wanted.single_run),
            lay_out,
            |records, placement, made| {
                let adl = Adl {
                    object,
                    adapter_memory: args.adapter_memory_object,
                    parent: wanted.parent,
                    physical: wanted.physical,
                    adapter: wanted.place.number,
                    logical: wanted.place.logical,
                    runs: Arc::clone(runs),
                    access,
                    list,
                    contiguous: made.contiguous,
                    section: section.map(Arc::clone),
                    placement,
                };
                self.note_created(&adl.note(made.adl.get()));
                self.note_mapped(object, adl.logical, &adl.placement, access, &adl.runs, list);
                records.adls.insert(made.adl.get(), adl);
                Ok(*made)
            },
        )
    }

    /// DxgkCbFreeAdl: unmaps the pages, waits for the invalidation, then frees the ADL. It is accepted for an adapter
    /// memory object that was closed too early, because that debt is still owed.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER for a pointer that is no live ADL of
    /// this adapter memory object. Windows returns nothing.
    pub fn free_adl(&self, _caller: &Caller, args: &ArgCbFreeAdl) -> Result<(), CallError> {
        let mut records = self.records.lock();
        let owner = records.adapter_memory_mut(args.adapter_memory_object)?.owner;
        records.ready(owner)?;
        let at = args.adl.0;
        if records.adls.get(&at).is_none_or(|adl| adl.adapter_memory != args.adapter_memory_object) {
            return Err(INVALID);
        }
        let adl = records.adls.remove(&at).ok_or(INVALID)?;
        drop(records);
        self.end_adl(at, adl);
        Ok(())
    }

    /// Ends an ADL that has left the records but is still counted on its objects.
    pub(crate) fn end_adl(&self, at: u64, adl: Adl<P>) {
        let note = adl.note(at);
        let section = adl.section;
        let (adapter_memory, physical) = (adl.adapter_memory, adl.physical);
        let confirmed = self.retire(Retired {
            object: adl.object,
            logical_adapter: adl.logical,
            placement: adl.placement,
            frames: Frames::Borrowed,
        });
        self.driver().release_adl(CpuVa::new(at));
        self.note_released(&note);
        // What a device may still reach stays locked for ever.
        if let Some(section) = section.filter(|_| confirmed) {
            section.unlock();
        }
        let mut records = self.records.lock();
        records.unreserve_adl(adapter_memory, physical, !confirmed);
        let settled = records.settle(physical);
        drop(records);
        self.finish(settled);
    }
}
