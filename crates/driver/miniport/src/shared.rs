//! A buffer that the processor and the device share for as long as the driver likes, in every mode.

use core::ops::Deref;

use dxgk_abi::callback::{AccessMode, AllocateAdlFlags};

use crate::adapter::Adapter;
use crate::address::DeviceAddress;
use crate::adl::Adl;
use crate::physical::{CpuView, PhysicalMemory, Placement};
use crate::raw::memory::Memory;
use crate::status::Result;

/// A physical memory object with a view and a list of all of it. Given back in the right order when dropped: the list, the
/// view, the object.
#[derive(Debug)]
pub struct SharedBuffer<'a> {
    adl: Adl<'a>,
    view: CpuView<'a>,
    _object: PhysicalMemory<'a>,
}

impl<'a> SharedBuffer<'a> {
    /// A buffer of zeroed, cached pages; `bytes` is a multiple of the page.
    ///
    /// # Errors
    /// Those of the three callbacks; `STATUS_NOT_SUPPORTED` below WDDM 2.9.
    pub fn allocate(adapter: &'a Adapter, bytes: u64) -> Result<Self> {
        let object = PhysicalMemory::pages(adapter, bytes, Placement::ANYWHERE)?;
        let view = CpuView::map(adapter, object.object(), AccessMode::KERNEL_MODE, 0, bytes)?;
        let (_, opened) = object.opened();
        let adl = Adl::allocate(adapter, opened, 0, bytes, AllocateAdlFlags(0))?;
        Ok(Self { adl, view, _object: object })
    }

    /// Where the buffer begins in the view.
    pub fn start(&self) -> usize {
        self.view.start()
    }

    /// The address for the device of the byte at `offset`.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` beyond the buffer.
    pub fn device_address(&self, offset: u64) -> Result<DeviceAddress<'_>> {
        self.adl.device_address(offset)
    }
}

impl Deref for SharedBuffer<'_> {
    type Target = Memory;

    /// The whole view; the buffer begins at [`start`](Self::start).
    fn deref(&self) -> &Memory {
        &self.view
    }
}
