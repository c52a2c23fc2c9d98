//! DxgkCbMapPhysicalMemory and DxgkCbUnmapPhysicalMemory: CPU views of physical memory objects.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::callback::{AccessMode, ArgCbMapPhysicalMemory, ArgCbUnmapPhysicalMemory};
use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{
    Access, CacheType, CpuVa, DriverMemory, MachineMemory, NoRoom, PAGE_SIZE, PageRun, Pfn, RegisterWindow,
    ViewOwner, total_pages,
};

use super::{Caller, INVALID};
use crate::SysMm;
use crate::error::CallError;
use crate::objects::{Memory, Records, View, ViewOf};
use crate::platform::Platform;
use crate::runs;

/// The output of [`SysMm::map_physical_memory`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MappedView {
    /// `pMappedAddress`: base of the view, page-aligned.
    pub mapped_address: CpuVa,
    /// `Offset`: where the wanted part begins in the view, in bytes.
    pub offset: u64,
    /// `Size`: bytes of the view, at least what was wanted; whole pages.
    pub size: u64,
}

/// A view that is being made. It is counted on its object, so that it stays.
struct Wanted<P: Platform> {
    memory: Memory<P>,
    cache: CacheType,
    /// The part of the object, in pages.
    first: u64,
    pages: u64,
    owner: ViewOwner,
    /// Whether the pages may never have been written.
    unzeroed: bool,
    parent: u64,
    adapter: Option<u32>,
}

/// A view that was mapped: its base, its pages, and what they are.
type Mapped<P> = (CpuVa, Vec<PageRun>, ViewOf<P>);

impl<P: Platform> Records<P> {
    fn reserve_view(
        &mut self,
        caller: &Caller,
        args: &ArgCbMapPhysicalMemory,
    ) -> Result<Wanted<P>, CallError> {
        let handle = args.physical_memory_object;
        self.live_physical(handle)?;
        self.object_ready(handle)?;
        let object = self.live_physical(handle)?;
        let owner = match args.access_mode {
            AccessMode::KERNEL_MODE => ViewOwner::Kernel,
            AccessMode::USER_MODE if matches!(object.memory, Memory::Device(_)) => return Err(INVALID),
            AccessMode::USER_MODE => ViewOwner::Process(caller.process),
            _ => return Err(INVALID),
        };
        let end = args.offset.checked_add(args.size).filter(|_| args.size != 0).ok_or(INVALID)?;
        if end > object.bytes {
            return Err(INVALID);
        }
        let first = args.offset / PAGE_SIZE;
        object.views += 1;
        Ok(Wanted {
            memory: object.memory.clone(),
            cache: object.cache,
            first,
            pages: end.div_ceil(PAGE_SIZE) - first,
            owner,
            unzeroed: object.unzeroed,
            parent: object.object,
            adapter: object.creator.map(|owner| owner.number),
        })
    }
}

impl<P: Platform> SysMm<P> {
    /// DxgkCbMapPhysicalMemory. The view covers the pages that hold the wanted part; its cache type is the object's. A user
    /// view is in the calling process. A view of an IO_SPACE object reaches the device's registers.
    ///
    /// A user view of a section that is not PAGE_READWRITE can be read only; of PAGE_WRITECOPY, too, because nobody is
    /// given a copy (our choice). Kernel views can be written.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER for an unknown access mode, user mode on
    /// an IO_SPACE object, Size 0, or a part outside the object; STATUS_INSUFFICIENT_RESOURCES when there is no room for
    /// the view; STATUS_NO_MEMORY and STATUS_IN_PAGE_ERROR when pages of a section cannot be brought back.
    pub fn map_physical_memory(
        &self,
        caller: &Caller,
        args: &ArgCbMapPhysicalMemory,
    ) -> Result<MappedView, CallError> {
        let handle = args.physical_memory_object;
        let wanted = self.records.lock().reserve_view(caller, args)?;
        let (base, runs, of) = match self.map_part(&wanted) {
            Ok(mapped) => mapped,
            Err(status) => {
                self.forget_view(handle);
                return Err(status.into());
            }
        };
        let size = wanted.pages * PAGE_SIZE;
        let seen_by_process = matches!(wanted.owner, ViewOwner::Process(_));
        let view = View {
            object: self.object_number(),
            physical: handle,
            bytes: size,
            owner: wanted.owner,
            cache: wanted.cache,
            list: self.note_list(&runs),
            parent: wanted.parent,
            adapter: wanted.adapter,
            poisoned: seen_by_process && wanted.unzeroed && self.holds_poison(&runs),
            of,
        };
        let mut records = self.records.lock();
        self.note_created(&view.note(base.get()));
        records.views.insert(base.get(), view);
        drop(records);
        Ok(MappedView { mapped_address: base, offset: args.offset - wanted.first * PAGE_SIZE, size })
    }

    fn map_part(&self, wanted: &Wanted<P>) -> Result<Mapped<P>, NtStatus> {
        let no_room = |NoRoom| NtStatus::INSUFFICIENT_RESOURCES;
        let driver = self.driver();
        let map = |runs: &[PageRun]| {
            let base = driver.map_view(runs, wanted.cache, wanted.owner)?;
            let bytes = total_pages(runs) * PAGE_SIZE;
            let writable =
                wanted.memory.access().contains(Access::WRITE) || wanted.owner == ViewOwner::Kernel;
            if !writable && driver.make_view_read_only(base, bytes).is_err() {
                driver.unmap_view(base, bytes);
                return Err(NoRoom);
            }
            Ok(base)
        };
        match &wanted.memory {
            Memory::Ram(runs) => {
                let part = runs::slice(runs, wanted.first, wanted.pages);
                Ok((map(&part).map_err(no_room)?, part, ViewOf::Ram))
            }
            Memory::Device(run) => {
                let part = runs::slice(&[*run], wanted.first, wanted.pages);
                let start = part.first().map(|run| run.start.address());
                let window = RegisterWindow {
                    base: start.ok_or(NtStatus::INVALID_PARAMETER)?,
                    bytes: wanted.pages * PAGE_SIZE,
                    cache: wanted.cache,
                    owner: wanted.owner,
                };
                Ok((driver.map_registers(window).map_err(no_room)?, part, ViewOf::Device))
            }
            Memory::Section(section) => {
                let (base, frames) = section.open_window(&self.paging(), wanted.first, wanted.pages, map)?;
                Ok((base, frames, ViewOf::Section(Arc::clone(section))))
            }
        }
    }

    /// Whether a word of these pages is what unzeroed pages are filled with.
    fn holds_poison(&self, runs: &[PageRun]) -> bool {
        let Some(pattern) = self.policy.poison else { return false };
        let mut pages =
            runs.iter().flat_map(|run| run.start.get()..run.start.get().saturating_add(run.pages));
        pages.any(|page| {
            let mut bytes = [0u8; PAGE_SIZE as usize];
            let read = self.platform.memory().read(Pfn::new(page).address(), &mut bytes);
            let (words, _) = bytes.as_chunks::<8>();
            read.is_ok() && words.iter().any(|word| u64::from_le_bytes(*word) == pattern)
        })
    }

    /// DxgkCbUnmapPhysicalMemory. It is accepted for an object that was destroyed with the view still open, because
    /// that debt is still owed.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER when the address is not the base of a
    /// live view of this object, the size is not what the map returned, or another process made the view. Windows returns
    /// nothing.
    pub fn unmap_physical_memory(
        &self,
        caller: &Caller,
        args: &ArgCbUnmapPhysicalMemory,
    ) -> Result<(), CallError> {
        let mut records = self.records.lock();
        records.object_ready(args.physical_memory_object)?;
        let base = args.base_address.0;
        let view = records.views.get(&base).ok_or(INVALID)?;
        let foreign = matches!(view.owner, ViewOwner::Process(process) if process != caller.process);
        if view.physical != args.physical_memory_object || view.bytes != args.size || foreign {
            return Err(INVALID);
        }
        let view = records.views.remove(&base).ok_or(INVALID)?;
        drop(records);
        self.end_view(base, &view);
        Ok(())
    }

    /// Ends a view that has left the records but is still counted on its object.
    pub(crate) fn end_view(&self, base: u64, view: &View<P>) {
        let (at, driver) = (CpuVa::new(base), self.driver());
        match &view.of {
            ViewOf::Ram => driver.unmap_view(at, view.bytes),
            ViewOf::Device => driver.unmap_registers(at, view.bytes),
            ViewOf::Section(section) => section.close_window(at, || driver.unmap_view(at, view.bytes)),
        }
        self.note_released(&view.note(base));
        self.forget_view(view.physical);
    }

    fn forget_view(&self, physical: Handle) {
        let mut records = self.records.lock();
        if let Ok(memory) = records.physical_mut(physical) {
            memory.views = memory.views.saturating_sub(1);
        }
        let settled = records.settle(physical);
        drop(records);
        self.finish(settled);
    }
}
