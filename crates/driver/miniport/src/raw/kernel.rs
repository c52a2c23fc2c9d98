//! The kernel's routines as safe functions: pool, MDLs, stalls, the debugger's log.

use core::ffi::c_void;

use dxgk_abi::NtStatus;

use super::import;
use super::list::MdlPointer;
use super::memory::Memory;
use crate::status::Result;

/// The pool tag of everything this crate allocates: `Dxgk` in a memory dump.
const TAG: u32 = u32::from_le_bytes(*b"Dxgk");
/// `POOL_FLAG_NON_PAGED`; contents start as zeros.
const NON_PAGED: u64 = 0x40;
/// `DPFLTR_IHVVIDEO_ID`: messages of a hardware vendor's video driver.
const IHVVIDEO: u32 = 78;
/// `DPFLTR_ERROR_LEVEL`: the one level that is not filtered out by default.
const ERROR_LEVEL: u32 = 0;

/// Sends one line, which ends with a zero byte, to the kernel debugger's log.
pub(crate) fn print(line: &core::ffi::CStr) {
    // SAFETY: both strings end with a zero byte and live over the call, and the format takes exactly one string.
    unsafe { import::DbgPrintEx(IHVVIDEO, ERROR_LEVEL, c"%s\n".as_ptr().cast(), line.as_ptr().cast()) };
}

/// Waits without giving up the processor.
pub(crate) fn stall(microseconds: u32) {
    // SAFETY: takes a number and may be called at any IRQL.
    unsafe { import::KeStallExecutionProcessor(microseconds) };
}

/// `ExAllocatePool2` of nonpaged memory: zeroed, and page-aligned from one page on.
pub(crate) fn allocate(bytes: usize) -> Result<Memory> {
    // SAFETY: takes numbers; the flags ask for one kind of pool and the tag is not zero.
    let block = unsafe { import::ExAllocatePool2(NON_PAGED, bytes, TAG) };
    // SAFETY: when not null the block has `bytes` bytes that nobody else refers to, until `free`.
    unsafe { Memory::new(block.expose_provenance() as u64, bytes as u64) }.ok_or(NtStatus::NO_MEMORY)
}

/// `ExFreePoolWithTag`.
///
/// # Safety
/// `block` is the start of an [`allocate`]d block that is not freed yet and not used afterwards.
pub(super) unsafe fn free_block(block: *mut c_void) {
    // SAFETY: the caller's contract, and the tag is the one it was allocated with.
    unsafe { import::ExFreePoolWithTag(block, TAG) };
}

/// Nonpaged pool, freed when dropped.
#[derive(Debug)]
pub(crate) struct PoolMemory(Memory);

impl PoolMemory {
    /// Allocates; zeroed.
    pub(crate) fn new(bytes: usize) -> Result<Self> {
        if bytes == 0 {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        allocate(bytes).map(Self)
    }

    /// The block.
    pub(crate) fn memory(&self) -> &Memory {
        &self.0
    }
}

impl Drop for PoolMemory {
    fn drop(&mut self) {
        // SAFETY: the block was allocated in `new`, and this value is its only owner.
        unsafe { free_block(core::ptr::with_exposed_provenance_mut(self.0.address() as usize)) };
    }
}

/// An MDL of a nonpaged pool block; the MDL is freed when dropped, the block is not touched.
#[derive(Debug)]
pub(crate) struct BlockMdl(MdlPointer);

impl BlockMdl {
    /// `IoAllocateMdl` and `MmBuildMdlForNonPagedPool`.
    pub(crate) fn new(block: &PoolMemory) -> Result<Self> {
        let made = Self::unpopulated(block)?;
        // SAFETY: the MDL was made right above and describes one block of nonpaged pool, borrowed meanwhile.
        unsafe { import::MmBuildMdlForNonPagedPool(made.0.as_ptr()) };
        Ok(made)
    }

    /// `IoAllocateMdl` alone: the MDL has no page numbers yet.
    pub(crate) fn unpopulated(block: &PoolMemory) -> Result<Self> {
        let length = u32::try_from(block.0.length()).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let start = core::ptr::with_exposed_provenance_mut(block.0.address() as usize);
        // SAFETY: takes a range of addresses as numbers, and no IRP.
        let mdl = unsafe { import::IoAllocateMdl(start, length, 0, 0, core::ptr::null_mut()) };
        // SAFETY: when not null it points to an MDL of that range, which lives until `drop`.
        let mdl = unsafe { MdlPointer::new(mdl) }.ok_or(NtStatus::INSUFFICIENT_RESOURCES)?;
        Ok(Self(mdl))
    }

    /// The MDL.
    pub(crate) fn list(&self) -> &MdlPointer {
        &self.0
    }
}

impl Drop for BlockMdl {
    fn drop(&mut self) {
        // SAFETY: the MDL was made in `new`, and this value is its only owner.
        unsafe { import::IoFreeMdl(self.0.as_ptr()) };
    }
}

/// A system address of an MDL's locked pages, unmapped when dropped.
#[derive(Debug)]
pub(crate) struct LockedPages<'m> {
    memory: Memory,
    mdl: &'m MdlPointer,
}

impl<'m> LockedPages<'m> {
    /// `MDL_MAPPED_TO_SYSTEM_VA` is set afterwards; `cache` is a `MEMORY_CACHING_TYPE`.
    pub(crate) fn new(mdl: &'m MdlPointer, cache: u32) -> Result<Self> {
        /// `NormalPagePriority | MdlMappingNoExecute`.
        const PRIORITY: u32 = 0x4000_0010;
        let length = u64::from(mdl.header().byte_count);
        // SAFETY: the MDL is live and its pages are locked (its maker allocated them so); kernel mode, any address,
        // and a failure returns null.
        let address = unsafe {
            import::MmMapLockedPagesSpecifyCache(mdl.as_ptr(), 0, cache, core::ptr::null_mut(), 0, PRIORITY)
        };
        // SAFETY: when not null, all bytes of the MDL are mapped there until `drop`.
        let memory = unsafe { Memory::new(address.expose_provenance() as u64, length) };
        Ok(Self { memory: memory.ok_or(NtStatus::INSUFFICIENT_RESOURCES)?, mdl })
    }

    /// The mapped bytes.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl Drop for LockedPages<'_> {
    fn drop(&mut self) {
        let address = core::ptr::with_exposed_provenance_mut(self.memory.address() as usize);
        // SAFETY: mapped in `new` from this MDL, which is borrowed and so still there; not unmapped before.
        unsafe { import::MmUnmapLockedPages(address, self.mdl.as_ptr()) };
    }
}

/// `MmGetPhysicalAddress` of a byte of the range; nothing beyond its end.
pub(crate) fn physical_address(memory: &Memory, offset: usize) -> Option<u64> {
    if offset >= memory.length() {
        return None;
    }
    let address = core::ptr::with_exposed_provenance(memory.address() as usize + offset);
    // SAFETY: takes an address as a number; it is inside a live mapping.
    Some(unsafe { import::MmGetPhysicalAddress(address) })
}
