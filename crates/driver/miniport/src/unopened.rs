//! Physical memory objects that are made for no adapter, and opened on one later.

use dxgk_abi::Handle;
use dxgk_abi::callback::{AllocateAdlFlags, ArgCbClosePhysicalMemoryObject, ArgCbOpenPhysicalMemoryObject};

use crate::adapter::Adapter;
use crate::adl::Adl;
use crate::physical::{CpuView, PhysicalMemory, Placement};
use crate::status::Result;

/// An object that no adapter has opened: the processor can see it, no device can. Destroyed when dropped.
#[derive(Debug)]
pub struct UnopenedMemory<'a> {
    memory: PhysicalMemory<'a>,
}

impl<'a> UnopenedMemory<'a> {
    /// An object of single nonpaged pages, zeroed, cached. `adapter` gives the callbacks, and is not told to the
    /// object.
    ///
    /// # Errors
    /// `DxgkCbCreatePhysicalMemoryObject`'s; `STATUS_NOT_SUPPORTED` below WDDM 2.9.
    pub fn pages(adapter: &'a Adapter, bytes: u64, placement: Placement) -> Result<Self> {
        let memory = PhysicalMemory::create(adapter, Handle::NULL, bytes, placement.pages())?;
        Ok(Self { memory })
    }

    /// Never destroys it: a leak, which the port driver sees when the driver is unloaded. For demonstrations.
    pub fn leak(self) {
        self.memory.leak();
    }

    /// Bytes asked for.
    pub fn size(&self) -> u64 {
        self.memory.size()
    }

    /// As [`PhysicalMemory::view`].
    ///
    /// # Errors
    /// The callback's.
    pub fn view(&self, offset: u64, bytes: u64) -> Result<CpuView<'_>> {
        self.memory.view(offset, bytes)
    }

    /// `DxgkCbOpenPhysicalMemoryObject`, for the whole logical adapter that `adapter` belongs to.
    ///
    /// # Errors
    /// The callback's; an object that is open already is refused, whichever adapter it is open on.
    pub fn open<'m>(&'m self, adapter: &'m Adapter) -> Result<AdapterMemory<'m>> {
        let mut argument = ArgCbOpenPhysicalMemoryObject {
            physical_memory_object: self.memory.object(),
            adapter: adapter.handle(),
            ..ArgCbOpenPhysicalMemoryObject::default()
        };
        adapter.callbacks().open_physical_memory_object(&mut argument)?;
        Ok(AdapterMemory { adapter, object: argument.adapter_memory_object })
    }
}

/// An object as one adapter's. Closed when dropped, before the object it borrows is destroyed.
#[derive(Debug)]
pub struct AdapterMemory<'m> {
    adapter: &'m Adapter,
    object: Handle,
}

impl AdapterMemory<'_> {
    /// As [`PhysicalMemory::adl`].
    ///
    /// # Errors
    /// The callback's.
    pub fn adl(&self, offset: u64, bytes: u64, flags: AllocateAdlFlags) -> Result<Adl<'_>> {
        Adl::allocate(self.adapter, self.object, offset, bytes, flags)
    }
}

impl Drop for AdapterMemory<'_> {
    fn drop(&mut self) {
        let mut argument = ArgCbClosePhysicalMemoryObject { adapter_memory_object: self.object };
        // `VOID`: it can only fail when the offered table ends before the slot, and then nothing was opened.
        let _ = self.adapter.callbacks().close_physical_memory_object(&mut argument);
    }
}
