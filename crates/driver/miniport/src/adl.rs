//! Address descriptor lists: what the device may use of a physical memory object.

use core::mem::ManuallyDrop;

use dxgk_abi::callback::{AllocateAdlFlags, ArgCbAllocateAdl, ArgCbFreeAdl};
use dxgk_abi::mdl::PAGE_SIZE;
use dxgk_abi::{Handle, NtStatus};

use crate::adapter::Adapter;
use crate::address::DeviceAddress;
use crate::raw::list::AdlPointer;
use crate::status::Result;

/// What frees a list, once.
#[derive(Debug)]
pub(crate) struct AdlRelease<'m> {
    pub(crate) adapter: &'m Adapter,
    pub(crate) argument: ArgCbFreeAdl,
}

impl Drop for AdlRelease<'_> {
    fn drop(&mut self) {
        // `VOID`: it can only fail when the offered table ends before the slot, and then nothing was allocated.
        let _ = self.adapter.callbacks().free_adl(&mut self.argument);
    }
}

/// A list of pages that the device may use, in whichever mode the adapter is: logical pages under remapping, physical
/// ones otherwise. Freed when dropped; the addresses it gives borrow it, so none of them outlives it unnoticed.
#[derive(Debug)]
pub struct Adl<'m> {
    list: AdlPointer,
    pub(crate) release: AdlRelease<'m>,
}

impl<'m> Adl<'m> {
    pub(crate) fn allocate(
        adapter: &'m Adapter,
        adapter_memory_object: Handle,
        offset: u64,
        bytes: u64,
        flags: AllocateAdlFlags,
    ) -> Result<Self> {
        let mut argument = ArgCbAllocateAdl {
            adapter_memory_object,
            offset,
            size: bytes,
            flags,
            ..ArgCbAllocateAdl::default()
        };
        let list = adapter.callbacks().list(&mut argument)?;
        let argument = ArgCbFreeAdl { adapter_memory_object, adl: list.pointer() };
        Ok(Self { list, release: AdlRelease { adapter, argument } })
    }

    /// Pages in the list.
    pub fn page_count(&self) -> usize {
        self.list.head().page_count as usize
    }

    /// Whether the list is one run, given as its first page.
    pub fn is_contiguous(&self) -> bool {
        self.list.head().is_contiguous()
    }

    /// The address for the device of the byte at `offset` from the list's start.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` beyond the list.
    pub fn device_address(&self, offset: u64) -> Result<DeviceAddress<'_>> {
        let page = usize::try_from(offset / PAGE_SIZE).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let number = self.list.page(page).ok_or(NtStatus::INVALID_PARAMETER)?;
        let base = number.checked_mul(PAGE_SIZE).ok_or(NtStatus::INVALID_PARAMETER)?;
        Ok(DeviceAddress::new(base + offset % PAGE_SIZE))
    }

    /// The addresses of the list's pages, in order.
    pub fn pages(&self) -> impl Iterator<Item = DeviceAddress<'_>> {
        (0..self.page_count())
            .filter_map(|page| Some(DeviceAddress::new(self.list.page(page)?.checked_mul(PAGE_SIZE)?)))
    }

    /// The address of the page array, as a number; nothing when the list is one run.
    pub(crate) fn array(&self) -> Option<u64> {
        self.list.head().pages().map(|array| array.0)
    }

    /// Never frees it: a leak, which the port driver sees at the removal. For demonstrations.
    pub fn leak(self) {
        let _ = ManuallyDrop::new(self);
    }
}
