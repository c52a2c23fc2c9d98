//! The memory descriptor list (wdm.h).
//!
//! The array of page frame numbers, 8 bytes each, starts right behind the 48-byte header; drivers read it inline.

use crate::word::Pointer;

/// Bytes of a page.
pub const PAGE_SIZE: u64 = 4096;

/// Bytes of one page frame number (`PFN_NUMBER`) in the array behind an [`Mdl`].
pub const PFN_SIZE: u64 = 8;

flags! {
    /// The flags of an MDL (`MDL_*` in wdm.h).
    pub struct MdlFlags(u16) {
        MAPPED_TO_SYSTEM_VA = 0x1, "`MDL_MAPPED_TO_SYSTEM_VA`: `MappedSystemVa` holds.";
        PAGES_LOCKED = 0x2, "`MDL_PAGES_LOCKED`: the pages are resident and stay so.";
        SOURCE_IS_NONPAGED_POOL = 0x4, "`MDL_SOURCE_IS_NONPAGED_POOL`: describes nonpaged pool; `MappedSystemVa` holds.";
        ALLOCATED_FIXED_SIZE = 0x8, "`MDL_ALLOCATED_FIXED_SIZE`: the MDL itself came from a fixed-size list.";
        PARTIAL = 0x10, "`MDL_PARTIAL`: built of a part of another MDL.";
        PARTIAL_HAS_BEEN_MAPPED = 0x20, "`MDL_PARTIAL_HAS_BEEN_MAPPED`: that part is mapped.";
        IO_PAGE_READ = 0x40, "`MDL_IO_PAGE_READ`: used by the pager for a read.";
        WRITE_OPERATION = 0x80, "`MDL_WRITE_OPERATION`: locked for writing.";
        LOCKED_PAGE_TABLES = 0x100, "`MDL_LOCKED_PAGE_TABLES`: page tables are locked too.";
        FREE_EXTRA_PTES = 0x200, "`MDL_FREE_EXTRA_PTES`: extra page-table entries go with the unmap.";
        DESCRIBES_AWE = 0x400, "`MDL_DESCRIBES_AWE`: describes pages of Address Windowing Extensions.";
        IO_SPACE = 0x800, "`MDL_IO_SPACE`: describes device memory, not RAM.";
        NETWORK_HEADER = 0x1000, "`MDL_NETWORK_HEADER`: holds a network header.";
        MAPPING_CAN_FAIL = 0x2000, "`MDL_MAPPING_CAN_FAIL`: a failed mapping returns null instead of stopping the machine.";
        PAGE_CONTENTS_INVARIANT = 0x4000, "`MDL_PAGE_CONTENTS_INVARIANT`: the pages do not change.";
        INTERNAL = 0x8000, "`MDL_INTERNAL`: the memory manager's own.";
    }
}

layout! {
    /// The header of a memory descriptor list; page frame numbers follow it.
    "MDL" [48]
    pub struct Mdl {
        0 => next: Pointer, "`Next`: the next MDL of a chain, or null.";
        8 => size: u16, "`Size`: bytes of header and page array together.";
        10 => mdl_flags: MdlFlags, "`MdlFlags`: state of the pages and of the mapping.";
        12 => _pad0: [u8; 4], "Padding.";
        16 => process: Pointer, "`Process`: the process whose pages these are, or null.";
        24 => mapped_system_va: Pointer, "`MappedSystemVa`: where the buffer is mapped in system space, if the flags say so.";
        32 => start_va: Pointer, "`StartVa`: page-aligned start of the buffer in its owner's address space.";
        40 => byte_count: u32, "`ByteCount`: length of the buffer in bytes.";
        44 => byte_offset: u32, "`ByteOffset`: where the buffer begins within the first page, 0 to 4095.";
    }
}

impl Mdl {
    /// Pages that the buffer touches: `ADDRESS_AND_SIZE_TO_SPAN_PAGES` of offset and length, for any values.
    pub const fn page_count(&self) -> u64 {
        (self.byte_offset as u64 + self.byte_count as u64).div_ceil(PAGE_SIZE)
    }

    /// Page frame numbers for which `Size` leaves room behind the header.
    pub const fn page_capacity(&self) -> u64 {
        (self.size as u64).saturating_sub(size_of::<Self>() as u64) / PFN_SIZE
    }
}
