//! Device registers: `DxgkCbMapMemory`.

use core::mem::ManuallyDrop;

use dxgk_abi::{NtStatus, Pointer};

use crate::adapter::Adapter;
use crate::address::PhysicalAddress;
use crate::raw::memory::{Memory, Word};
use crate::status::Result;

/// `MEMORY_CACHING_TYPE`, as the register map wants it (wdm.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RegisterCache {
    /// `MmNonCached`: registers.
    NonCached = 0,
    /// `MmWriteCombined`: frame buffers.
    WriteCombined = 2,
}

/// A mapped range of device memory. Each read and write is one plain move of exactly the width of its type, checked
/// against the range. Unmapped when dropped.
#[derive(Debug)]
pub struct RegisterMap<'a> {
    memory: Memory,
    adapter: &'a Adapter,
}

impl<'a> RegisterMap<'a> {
    /// `DxgkCbMapMemory` of a range out of [`crate::ResourceList`], for the kernel.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` for a length that is zero or above 4 GiB - 1, else the port driver's status.
    pub fn map(
        adapter: &'a Adapter,
        start: PhysicalAddress,
        length: u64,
        cache: RegisterCache,
    ) -> Result<Self> {
        let length = u32::try_from(length).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let memory = adapter.callbacks().map_memory(start.0, length, cache as u32)?;
        Ok(Self { memory, adapter })
    }

    /// Bytes mapped.
    pub fn length(&self) -> usize {
        self.memory.length()
    }

    /// Reads a register of the type's width at `offset` bytes.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` outside the map, `STATUS_DATATYPE_MISALIGNMENT` at an offset that the width does
    /// not divide.
    pub fn read<T: Word>(&self, offset: usize) -> Result<T> {
        self.memory.read_register(offset)
    }

    /// Writes a register.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn write<T: Word>(&self, offset: usize, value: T) -> Result<()> {
        self.memory.write_register(offset, value)
    }

    /// Where the map starts.
    pub(crate) fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Never unmaps it: a leak, which the port driver sees at the stop. For demonstrations.
    pub fn leak(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl Drop for RegisterMap<'_> {
    fn drop(&mut self) {
        // A refusal means that the port driver disagrees about what is mapped: nothing a driver could mend here.
        let _ = self.adapter.callbacks().unmap_memory(Pointer(self.memory.address()));
    }
}
