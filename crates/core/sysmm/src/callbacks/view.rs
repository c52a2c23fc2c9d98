//! DxgkCbMapPhysicalMemory and DxgkCbUnmapPhysicalMemory: CPU views of physical memory objects.

use dxgk_abi::NtStatus;
use dxgk_abi::callback::{AccessMode, ArgCbMapPhysicalMemory, ArgCbUnmapPhysicalMemory};
use dxgk_hw::{CpuVa, DriverMemory, PAGE_SIZE, ViewOwner};

use super::{Caller, INVALID};
use crate::SysMm;
use crate::error::CallError;
use crate::objects::View;
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

impl<P: Platform> SysMm<P> {
    /// DxgkCbMapPhysicalMemory, kernel mode. The view covers the pages that hold the wanted part; its cache type is the
    /// object's.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER for an unknown access mode, Size 0, or
    /// a part outside the object; STATUS_NOT_SUPPORTED for user mode, which is not implemented yet;
    /// STATUS_INSUFFICIENT_RESOURCES when there is no room for the view.
    pub fn map_physical_memory(
        &self,
        _caller: &Caller,
        args: &ArgCbMapPhysicalMemory,
    ) -> Result<MappedView, CallError> {
        let handle = args.physical_memory_object;
        let mut records = self.records.lock();
        records.live_physical(handle)?;
        records.object_ready(handle)?;
        let memory = records.live_physical(handle)?;
        match args.access_mode {
            AccessMode::KERNEL_MODE => {}
            AccessMode::USER_MODE => return Err(NtStatus::NOT_SUPPORTED.into()),
            _ => return Err(INVALID),
        }
        let end = args.offset.checked_add(args.size).filter(|_| args.size != 0).ok_or(INVALID)?;
        if end > memory.bytes {
            return Err(INVALID);
        }
        let first = args.offset / PAGE_SIZE;
        let pages = end.div_ceil(PAGE_SIZE) - first;
        memory.views += 1;
        let (list, cache) = (alloc::sync::Arc::clone(&memory.runs), memory.cache);
        let (parent, adapter) = (memory.object, memory.creator.map(|owner| owner.number));
        drop(records);

        let part = runs::slice(&list, first, pages);
        let mapped = self.driver().map_view(&part, cache, ViewOwner::Kernel);
        let Ok(base) = mapped else {
            self.forget_view(handle);
            return Err(NtStatus::INSUFFICIENT_RESOURCES.into());
        };
        let size = pages * PAGE_SIZE;
        let view = View {
            object: self.object_number(),
            physical: handle,
            bytes: size,
            owner: ViewOwner::Kernel,
            cache,
            list: self.note_list(&part),
            parent,
            adapter,
        };
        let mut records = self.records.lock();
        self.note_created(&view.note(base.get()));
        records.views.insert(base.get(), view);
        drop(records);
        Ok(MappedView { mapped_address: base, offset: args.offset - first * PAGE_SIZE, size })
    }

    /// DxgkCbUnmapPhysicalMemory. It is accepted for an object that was destroyed with the view still open, because
    /// that debt is still owed.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER when the address is not the base of a
    /// live view of this object, or the size is not what the map returned. Windows returns nothing.
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
    pub(crate) fn end_view(&self, base: u64, view: &View) {
        self.driver().unmap_view(CpuVa::new(base), view.bytes);
        self.note_released(&view.note(base));
        self.forget_view(view.physical);
    }

    fn forget_view(&self, physical: dxgk_abi::Handle) {
        let mut records = self.records.lock();
        if let Ok(memory) = records.physical_mut(physical) {
            memory.views = memory.views.saturating_sub(1);
        }
        let settled = records.settle(physical);
        drop(records);
        self.finish(settled);
    }
}
