//! Views and address descriptor lists of physical memory objects: callbacks of "IOMMU DMA remapping" (WDDM 2.9).

use crate::word::{Handle, Pointer};

open_enum! {
    /// `DXGK_ACCESS_MODE`, since WDDM 2.9: whose address space a view is in.
    pub struct AccessMode(u32) {
        KERNEL_MODE = 0, "`DXGK_ACCESS_MODE_KERNEL_MODE`: system space.";
        USER_MODE = 1, "`DXGK_ACCESS_MODE_USER_MODE`: the current process.";
    }
}

layout! {
    /// Argument of `DxgkCbMapPhysicalMemory`, since WDDM 2.9.
    "DXGKARGCB_MAP_PHYSICAL_MEMORY" [40]
    pub struct ArgCbMapPhysicalMemory {
        0 => physical_memory_object: Handle, "In, `hPhysicalMemoryObject`.";
        8 => access_mode: AccessMode, "In, `AccessMode`.";
        12 => _pad0: [u8; 4], "Padding.";
        16 => offset: u64, "In, `Offset`: bytes from the object's start.";
        24 => size: u64, "In, `Size`: bytes to map.";
        32 => mapped_address: Pointer, "Out, `pMappedAddress`: where it is mapped.";
    }
}

layout! {
    /// Argument of `DxgkCbUnmapPhysicalMemory`, since WDDM 2.9.
    "DXGKARGCB_UNMAP_PHYSICAL_MEMORY" [24]
    pub struct ArgCbUnmapPhysicalMemory {
        0 => physical_memory_object: Handle, "In, `hPhysicalMemoryObject`.";
        8 => base_address: Pointer, "In, `pBaseAddress`: from the map.";
        16 => size: u64, "In, `Size`: as it was mapped, bytes.";
    }
}

flags! {
    /// The flags of [`ArgCbAllocateAdl`], since WDDM 2.9.
    pub struct AllocateAdlFlags(u32) {
        REQUIRE_CONTIGUOUS = 0x1, "`RequireContiguous`: a list that is not one run is a failure.";
        PREFER_CONTIGUOUS = 0x2, "`PreferContiguous`: one run is liked.";
    }
}

layout! {
    /// Argument of `DxgkCbAllocateAdl`, since WDDM 2.9.
    "DXGKARGCB_ALLOCATE_ADL" [40]
    pub struct ArgCbAllocateAdl {
        0 => adapter_memory_object: Handle, "In, `hAdapterMemoryObject`.";
        8 => offset: u64, "In, `Offset`: bytes from the object's start.";
        16 => size: u64, "In, `Size`: bytes that the list covers.";
        24 => flags: AllocateAdlFlags, "In, `Flags`.";
        28 => _pad0: [u8; 4], "Padding.";
        32 => adl: Pointer, "Out, `pAdl`: the list, a `DXGK_ADL`.";
    }
}

layout! {
    /// Argument of `DxgkCbFreeAdl`, since WDDM 2.9.
    "DXGKARGCB_FREE_ADL" [16]
    pub struct ArgCbFreeAdl {
        0 => adapter_memory_object: Handle, "In, `hAdapterMemoryObject`.";
        8 => adl: Pointer, "In, `pAdl`: from the allocation.";
    }
}
