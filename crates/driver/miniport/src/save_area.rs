//! The save area: where what the device would forget waits while it has no power.
//!
//! The driver reports the most that it will ever save ([`Query::FrameBufferSaveSize`](crate::Query)). At a power
//! transition it pins the area, which puts all of it before the device at once; when that is refused, it goes on in small
//! pieces through memory of its own ([`SavePiece`]); when even that is refused, what the device held is lost.

use core::ops::Deref;

use dxgk_abi::callback::{
    ArgCbMapFrameBufferPointer, ArgCbPinFrameBufferForSave, ArgCbPinFrameBufferForSave2,
    ArgCbUnmapFrameBufferPointer, ArgCbUnpinFrameBufferForSave, PinFrameBufferFlags,
};
use dxgk_abi::mdl::PAGE_SIZE;
use dxgk_abi::{NtStatus, Pointer};

use crate::adapter::Adapter;
use crate::address::DeviceAddress;
use crate::pages::place;
use crate::raw::list::{AdlPointer, MdlPointer};
use crate::raw::memory::Memory;
use crate::status::Result;

/// What unpins, once.
#[derive(Debug)]
struct Unpin<'a> {
    adapter: &'a Adapter,
    argument: ArgCbUnpinFrameBufferForSave,
}

impl Drop for Unpin<'_> {
    fn drop(&mut self) {
        // A refusal means that the port driver disagrees about what is pinned: nothing a driver could mend here.
        let _ = self.adapter.callbacks().unpin_frame_buffer_for_save(&mut self.argument);
    }
}

/// In which words the device's addresses are said.
#[derive(Debug)]
enum List {
    /// Physical pages, which are the device's in isolation and passthrough.
    Mdl(MdlPointer),
    /// The pages that the device must use, in every mode.
    Adl(AdlPointer),
}

/// A pinned save area. Unpinned when dropped; what was written to it stays.
#[derive(Debug)]
pub struct PinnedSaveArea<'a> {
    list: List,
    bytes: u64,
    _unpin: Unpin<'a>,
}

impl<'a> PinnedSaveArea<'a> {
    /// `DxgkCbPinFrameBufferForSave` of the first `bytes` bytes of the area of the adapter with this index in its chain.
    /// `adapter` is the lead of the chain.
    ///
    /// # Errors
    /// The callback's: it may fail whenever memory is short. `STATUS_NOT_SUPPORTED` under remapping and below WDDM 2.4.
    pub fn pin(adapter: &'a Adapter, index: u32, bytes: u64) -> Result<Self> {
        let mut argument = ArgCbPinFrameBufferForSave {
            physical_adapter_index: index,
            commit_size: bytes,
            ..ArgCbPinFrameBufferForSave::default()
        };
        let mdl = adapter.callbacks().pinned(&mut argument)?;
        Ok(Self::new(adapter, index, bytes, List::Mdl(mdl)))
    }

    /// `DxgkCbPinFrameBufferForSave2`, in every mode.
    ///
    /// # Errors
    /// The callback's; `STATUS_NOT_SUPPORTED` below WDDM 2.9.
    pub fn pin2(adapter: &'a Adapter, index: u32, bytes: u64, flags: PinFrameBufferFlags) -> Result<Self> {
        let mut argument = ArgCbPinFrameBufferForSave2 {
            physical_adapter_index: index,
            commit_size: bytes,
            flags,
            ..ArgCbPinFrameBufferForSave2::default()
        };
        let adl = adapter.callbacks().pinned2(&mut argument)?;
        Ok(Self::new(adapter, index, bytes, List::Adl(adl)))
    }

    fn new(adapter: &'a Adapter, physical_adapter_index: u32, bytes: u64, list: List) -> Self {
        let argument = ArgCbUnpinFrameBufferForSave { physical_adapter_index };
        Self { list, bytes, _unpin: Unpin { adapter, argument } }
    }

    /// The address for the device of the byte at `offset` of the area.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` beyond what is pinned.
    pub fn device_address(&self, offset: u64) -> Result<DeviceAddress<'_>> {
        if offset >= self.bytes {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        match &self.list {
            List::Mdl(mdl) => place(mdl, offset).map(DeviceAddress::new),
            List::Adl(adl) => {
                let page = usize::try_from(offset / PAGE_SIZE).map_err(|_| NtStatus::INVALID_PARAMETER)?;
                let number = adl.page(page).ok_or(NtStatus::INVALID_PARAMETER)?;
                let base = number.checked_mul(PAGE_SIZE).ok_or(NtStatus::INVALID_PARAMETER)?;
                Ok(DeviceAddress::new(base + offset % PAGE_SIZE))
            }
        }
    }
}

/// What unmaps a piece, once.
#[derive(Debug)]
struct Unmap<'a> {
    adapter: &'a Adapter,
    argument: ArgCbUnmapFrameBufferPointer,
}

impl Drop for Unmap<'_> {
    fn drop(&mut self) {
        // As for `Unpin`.
        let _ = self.adapter.callbacks().unmap_frame_buffer_pointer(&mut self.argument);
    }
}

/// The processor's view of a piece of a save area. Unmapped when dropped.
#[derive(Debug)]
pub struct SavePiece<'a> {
    memory: Memory,
    _unmap: Unmap<'a>,
}

impl<'a> SavePiece<'a> {
    /// `DxgkCbMapFrameBufferPointer` of `bytes` bytes from `offset` on, both multiples of the page. `adapter` is the lead
    /// of the chain.
    ///
    /// # Errors
    /// The callback's: even a single page may be refused.
    pub fn map(adapter: &'a Adapter, index: u32, offset: u64, bytes: u64) -> Result<Self> {
        let mut argument = ArgCbMapFrameBufferPointer {
            physical_adapter_index: index,
            size: bytes,
            offset,
            base_address: Pointer::NULL,
            ..ArgCbMapFrameBufferPointer::default()
        };
        let memory = adapter.callbacks().piece(&mut argument)?;
        let argument = ArgCbUnmapFrameBufferPointer {
            physical_adapter_index: index,
            base_address: argument.base_address,
            ..ArgCbUnmapFrameBufferPointer::default()
        };
        Ok(Self { memory, _unmap: Unmap { adapter, argument } })
    }
}

impl Deref for SavePiece<'_> {
    type Target = Memory;

    /// The bytes that were asked for.
    fn deref(&self) -> &Memory {
        &self.memory
    }
}
