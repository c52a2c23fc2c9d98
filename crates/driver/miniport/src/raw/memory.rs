//! Memory that something else writes too: registers, and RAM that a device reads and writes.

use core::ptr::NonNull;

use dxgk_abi::NtStatus;

use super::kernel;
use super::mmio::Width;
use crate::address::PhysicalAddress;

/// A number that one access can read or write.
pub trait Word: sealed::Word {}

mod sealed {
    pub trait Word: super::Width {}
}

macro_rules! words {
    ($($ty:ty)*) => { $(impl sealed::Word for $ty {} impl Word for $ty {})* };
}
words! { u8 u16 u32 u64 }

/// Mapped memory that a device may change at any moment. Made only by the call that maps it; every access is checked
/// against its length, is volatile, and has exactly the width of its type.
#[derive(Debug)]
pub struct Memory {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: the range belongs to no thread, and all access to it is volatile: the device shares it anyway.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Takes over a range; nothing when it is null or runs past the end of the address space.
    ///
    /// # Safety
    /// `length` bytes from `base` are mapped, readable and writable until the value is dropped, and no Rust reference
    /// to them exists meanwhile.
    pub(super) unsafe fn new(base: u64, length: u64) -> Option<Self> {
        let length = usize::try_from(length).ok()?;
        base.checked_add(length as u64)?;
        Some(Self { base: NonNull::new(core::ptr::with_exposed_provenance_mut(base as usize))?, length })
    }

    /// Where the range starts, as a number for the port driver and the kernel.
    pub(crate) fn address(&self) -> u64 {
        self.base.as_ptr().expose_provenance() as u64
    }

    /// Bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The address of a whole `T` inside the range.
    fn place<T: Word>(&self, offset: usize) -> Result<*mut T, NtStatus> {
        let end = offset.checked_add(size_of::<T>()).ok_or(NtStatus::INVALID_PARAMETER)?;
        if end > self.length {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let place = self.base.as_ptr().wrapping_add(offset).cast::<T>();
        if place.is_aligned() { Ok(place) } else { Err(NtStatus::DATATYPE_MISALIGNMENT) }
    }

    /// Reads a word of the type's width at `offset` bytes.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` outside the range, `STATUS_DATATYPE_MISALIGNMENT` at a place that the width does not
    /// divide.
    pub fn read<T: Word>(&self, offset: usize) -> Result<T, NtStatus> {
        let place = self.place::<T>(offset)?;
        // SAFETY: `place` is aligned and lies inside the range, which is mapped as long as `self` lives; any bytes
        // are a valid word.
        Ok(unsafe { place.read_volatile() })
    }

    /// Writes a word.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn write<T: Word>(&self, offset: usize, value: T) -> Result<(), NtStatus> {
        let place = self.place::<T>(offset)?;
        // SAFETY: `place` is aligned and lies inside the range, which is mapped as long as `self` lives; no Rust
        // reference covers it, so nothing can see it change.
        unsafe { place.write_volatile(value) };
        Ok(())
    }

    /// Reads a device register: the same as [`Self::read`], as one plain move.
    pub(crate) fn read_register<T: Word>(&self, offset: usize) -> Result<T, NtStatus> {
        let place = self.place::<T>(offset)?;
        // SAFETY: `place` is aligned and lies inside the range, which is mapped as long as `self` lives.
        Ok(unsafe { T::load(place) })
    }

    /// Writes a device register, likewise.
    pub(crate) fn write_register<T: Word>(&self, offset: usize, value: T) -> Result<(), NtStatus> {
        let place = self.place::<T>(offset)?;
        // SAFETY: `place` is aligned and lies inside the range, which is mapped as long as `self` lives; no Rust
        // reference covers it.
        unsafe { T::store(place, value) };
        Ok(())
    }

    /// `MmGetPhysicalAddress`: where the byte at `offset` lies in RAM; nothing beyond the range. **Not** an address for
    /// the device: under DMA remapping it means nothing to it.
    pub fn physical_address(&self, offset: usize) -> Option<PhysicalAddress> {
        kernel::physical_address(self, offset).map(PhysicalAddress)
    }
}
