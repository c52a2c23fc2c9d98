//! Contiguous memory, pages for an MDL and MDL maps: the callbacks of "IOMMU-based GPU isolation" (WDDM 2.4).

use super::{AllocatePagesFlags, MemoryCachingType};
use crate::word::{Handle, Pointer};

layout! {
    /// Argument of `DxgkCbAllocateContiguousMemory`, since WDDM 2.4.
    "DXGKARGCB_ALLOCATECONTIGUOUSMEMORY" [56]
    pub struct ArgCbAllocateContiguousMemory {
        0 => number_of_bytes: u64, "In, `NumberOfBytes`: length in bytes.";
        8 => lowest_acceptable_address: u64, "In, `LowestAcceptableAddress`: lowest physical address, bytes.";
        16 => highest_acceptable_address: u64, "In, `HighestAcceptableAddress`: highest physical address, bytes.";
        24 => boundary_address_multiple: u64, "In, `BoundaryAddressMultiple`: a multiple that the memory must not cross, bytes; 0: none.";
        32 => cache_type: MemoryCachingType, "In, `CacheType`.";
        36 => _pad0: [u8; 4], "Padding.";
        40 => memory_handle: Handle, "Out, `hMemoryHandle`: names the memory for the free.";
        48 => memory: Pointer, "Out, `pMemory`: where the memory is mapped in system space.";
    }
}

layout! {
    /// Argument of `DxgkCbFreeContiguousMemory`, since WDDM 2.4.
    "DXGKARGCB_FREECONTIGUOUSMEMORY" [8]
    pub struct ArgCbFreeContiguousMemory {
        0 => memory_handle: Handle, "In, `hMemoryHandle`: from the allocation.";
    }
}

layout! {
    /// Argument of `DxgkCbAllocatePagesForMdl`, since WDDM 2.4.
    "DXGKARGCB_ALLOCATEPAGESFORMDL" [56]
    pub struct ArgCbAllocatePagesForMdl {
        0 => low_address: u64, "In, `LowAddress`: lowest physical address, bytes.";
        8 => high_address: u64, "In, `HighAddress`: highest physical address, bytes.";
        16 => skip_bytes: u64, "In, `SkipBytes`: bytes to skip between ranges, or the length of a contiguous chunk.";
        24 => total_bytes: u64, "In, `TotalBytes`: length in bytes.";
        32 => cache_type: MemoryCachingType, "In, `CacheType`.";
        36 => flags: AllocatePagesFlags, "In, `Flags`.";
        40 => memory_handle: Handle, "Out, `hMemoryHandle`: names the pages for the free.";
        48 => mdl: Pointer, "Out, `pMdl`: the MDL of the pages.";
    }
}

layout! {
    /// Argument of `DxgkCbFreePagesFromMdl`, since WDDM 2.4.
    "DXGKARGCB_FREEPAGESFROMMDL" [8]
    pub struct ArgCbFreePagesFromMdl {
        0 => memory_handle: Handle, "In, `hMemoryHandle`: from the allocation.";
    }
}

layout! {
    /// Argument of `DxgkCbMapMdlToIoMmu`, since WDDM 2.4.
    "DXGKARGCB_MAPMDLTOIOMMU" [16]
    pub struct ArgCbMapMdlToIoMmu {
        0 => mdl: Pointer, "In, `pMdl`: an MDL whose page array is filled in.";
        8 => memory_handle: Handle, "Out, `hMemoryHandle`: names the map for the unmap.";
    }
}

layout! {
    /// Argument of `DxgkCbUnmapMdlFromIoMmu`, since WDDM 2.4.
    "DXGKARGCB_UNMAPMDLFROMIOMMU" [8]
    pub struct ArgCbUnmapMdlFromIoMmu {
        0 => memory_handle: Handle, "In, `hMemoryHandle`: from the map.";
    }
}
