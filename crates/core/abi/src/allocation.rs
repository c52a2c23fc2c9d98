//! Allocations: what a driver is asked to describe, and what it answers.

use crate::display::{DdiFormat, Rational};
use crate::word::{Handle, Pointer};

flags! {
    /// `DXGK_CREATEALLOCATIONFLAGS`: of [`ArgCreateAllocation`].
    pub struct CreateAllocationFlags(u32) {
        RESOURCE = 0x1, "`Resource`: the allocations make up a resource.";
    }
}

flags! {
    /// `DXGK_DESTROYALLOCATIONFLAGS`: of [`ArgDestroyAllocation`].
    pub struct DestroyAllocationFlags(u32) {
        DESTROY_RESOURCE = 0x1, "`DestroyResource`: the resource goes too.";
    }
}

flags! {
    /// `DXGK_OPENALLOCATIONFLAGS`: of [`ArgOpenAllocation`].
    pub struct OpenAllocationFlags(u32) {
        CREATE = 0x1, "`Create`: opened by its creator.";
        READ_ONLY = 0x2, "`ReadOnly`.";
    }
}

flags! {
    /// `DXGK_ALLOCATIONINFOFLAGS_WDDM2_0`: of [`AllocationInfo`]. The bits below `DISABLE_LARGE_PAGE_MAPPING` are those of
    /// `DXGK_ALLOCATIONINFOFLAGS` too.
    pub struct AllocationFlags(u32) {
        CPU_VISIBLE = 0x1, "`CpuVisible`.";
        PERMANENT_SYS_MEM = 0x2, "`PermanentSysMem`.";
        CACHED = 0x4, "`Cached`.";
        PROTECTED = 0x8, "`Protected`.";
        EXISTING_SYS_MEM = 0x10, "`ExistingSysMem`.";
        EXISTING_KERNEL_SYS_MEM = 0x20, "`ExistingKernelSysMem`.";
        FROM_END_OF_SEGMENT = 0x40, "`FromEndOfSegment`.";
        DISABLE_LARGE_PAGE_MAPPING = 0x80, "`DisableLargePageMapping`; before WDDM 2.0 `Swizzled`.";
        OVERLAY = 0x100, "`Overlay`.";
        CAPTURE = 0x200, "`Capture`.";
        CREATE_IN_VPR = 0x400, "`CreateInVpr` (since WDDM 2.1).";
        MAP_APERTURE_CPU_VISIBLE = 0x2000, "`MapApertureCpuVisible` (since WDDM 2.9): [`crate::paging::MapApertureSegment2`] gives a processor's address.";
        HISTORY_BUFFER = 0x4000, "`HistoryBuffer`.";
        ACCESSED_PHYSICALLY = 0x8000, "`AccessedPhysically` (since WDDM 2.0).";
        EXPLICIT_RESIDENCY_NOTIFICATION = 0x10000, "`ExplicitResidencyNotification` (since WDDM 2.0).";
        HARDWARE_PROTECTED = 0x20000, "`HardwareProtected` (since WDDM 2.0).";
        CPU_VISIBLE_ON_DEMAND = 0x40000, "`CpuVisibleOnDemand` (since WDDM 2.0).";
    }
}

open_enum! {
    /// `D3DKMDT_STANDARDALLOCATION_TYPE`: allocations that the port makes itself.
    pub struct StandardAllocationType(u32) {
        SHARED_PRIMARY_SURFACE = 1, "`D3DKMDT_STANDARDALLOCATION_SHAREDPRIMARYSURFACE`.";
        SHADOW_SURFACE = 2, "`D3DKMDT_STANDARDALLOCATION_SHADOWSURFACE`.";
        STAGING_SURFACE = 3, "`D3DKMDT_STANDARDALLOCATION_STAGINGSURFACE`.";
        GDI_SURFACE = 4, "`D3DKMDT_STANDARDALLOCATION_GDISURFACE`.";
        VGPU = 5, "`D3DKMDT_STANDARDALLOCATION_VGPU` (since WDDM 2.1).";
    }
}

layout! {
    /// A shared primary that the port wants described.
    "D3DKMDT_SHAREDPRIMARYSURFACEDATA" [24]
    pub struct SharedPrimarySurfaceData {
        0 => width: u32, "`Width`: pixels.";
        4 => height: u32, "`Height`: pixels.";
        8 => format: DdiFormat, "`Format`.";
        12 => refresh_rate: Rational, "`RefreshRate`: frames a second.";
        20 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
    }
}

layout! {
    /// Argument of `DxgkDdiGetStandardAllocationDriverData`.
    "DXGKARG_GETSTANDARDALLOCATIONDRIVERDATA" [48]
    pub struct ArgGetStandardAllocationDriverData {
        0 => kind: StandardAllocationType, "In, `StandardAllocationType`.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => surface_data: Pointer, "In, a union of pointers: what is to be described, e.g. [`SharedPrimarySurfaceData`].";
        16 => allocation_private_driver_data: Pointer, "In, `pAllocationPrivateDriverData`: where to, or null in the first of the two calls.";
        24 => allocation_private_driver_data_size: u32, "Out, `AllocationPrivateDriverDataSize`: bytes.";
        28 => _pad1: [u8; 4], "Padding.";
        32 => resource_private_driver_data: Pointer, "In, `pResourcePrivateDriverData`: where to, or null in the first of the two calls.";
        40 => resource_private_driver_data_size: u32, "Out, `ResourcePrivateDriverDataSize`: bytes.";
        44 => physical_adapter_index: u32, "In, `PhysicalAdapterIndex` (since WDDM 2.0).";
    }
}

layout! {
    /// Argument of `DxgkDdiCreateAllocation`.
    "DXGKARG_CREATEALLOCATION" [40]
    pub struct ArgCreateAllocation {
        0 => private_driver_data: Pointer, "In, `pPrivateDriverData`: of the resource.";
        8 => private_driver_data_size: u32, "In, `PrivateDriverDataSize`: bytes there.";
        12 => num_allocations: u32, "In, `NumAllocations`: entries of the array.";
        16 => allocation_info: Pointer, "In, `pAllocationInfo`: array of [`AllocationInfo`].";
        24 => resource: Handle, "In and out, `hResource`: the driver's handle of the resource.";
        32 => flags: CreateAllocationFlags, "In, `Flags`: see the type.";
        36 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// One allocation, described by the driver.
    "DXGK_ALLOCATIONINFO" [88]
    pub struct AllocationInfo {
        0 => private_driver_data: Pointer, "In, `pPrivateDriverData`: of the allocation.";
        8 => private_driver_data_size: u32, "In, `PrivateDriverDataSize`: bytes there.";
        12 => alignment: u32, "Out, `Alignment`: bytes; 0: none wanted.";
        16 => size: u64, "Out, `Size`: bytes.";
        24 => pitch_aligned_size: u64, "Out, `PitchAlignedSize`: bytes in segments with pitch alignment; 0: none.";
        32 => hinted_bank: u32, "Out, `HintedBank`.";
        36 => preferred_segment: u32, "Out, `PreferredSegment`: five segments of five bits and a direction bit each, the first in the low bits.";
        40 => supported_read_segment_set: u32, "Out, `SupportedReadSegmentSet`: bit n - 1 for segment n.";
        44 => supported_write_segment_set: u32, "Out, `SupportedWriteSegmentSet`: bit n - 1 for segment n.";
        48 => eviction_segment_set: u32, "Out, `EvictionSegmentSet`: bit n - 1 for segment n.";
        52 => maximum_renaming_list_length_or_physical_adapter_index: u32, "Out, `MaximumRenamingListLength`; since WDDM 2.0 `PhysicalAdapterIndex`.";
        56 => allocation: Handle, "Out, `hAllocation`: the driver's handle.";
        64 => flags: AllocationFlags, "Out, `Flags`, `FlagsWddm2`: see the type.";
        68 => _pad0: [u8; 4], "Padding.";
        72 => allocation_usage_hint: Pointer, "Out, `pAllocationUsageHint`, or null.";
        80 => allocation_priority: u32, "Out, `AllocationPriority`.";
        84 => flags2: u32, "Out, `Flags2` (since WDDM 3.0): bit 0 `ShareBackingStoreWithKmd`.";
    }
}

layout! {
    /// Argument of `DxgkDdiDestroyAllocation`.
    "DXGKARG_DESTROYALLOCATION" [32]
    pub struct ArgDestroyAllocation {
        0 => num_allocations: u32, "`NumAllocations`: entries of the array.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => allocation_list: Pointer, "`pAllocationList`: array of the driver's handles.";
        16 => resource: Handle, "`hResource`: the driver's handle of the resource, or null.";
        24 => flags: DestroyAllocationFlags, "`Flags`: see the type.";
        28 => _pad1: [u8; 4], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkDdiOpenAllocation`.
    ///
    /// Its length grew: 32 bytes from WDDM 1.0, 56 bytes from WDDM 1.2.
    "DXGKARG_OPENALLOCATION" [56]
    pub struct ArgOpenAllocation {
        0 => num_allocations: u32, "`NumAllocations`: entries of the array.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => open_allocation: Pointer, "`pOpenAllocation`: array of [`OpenAllocationInfo`].";
        16 => private_driver_data: Pointer, "`pPrivateDriverData`: of the resource.";
        24 => private_driver_size: u32, "`PrivateDriverSize`: bytes there.";
        28 => flags: OpenAllocationFlags, "`Flags`: see the type.";
        32 => subresource_index: u32, "Out, `SubresourceIndex` (since WDDM 1.2).";
        36 => _pad1: [u8; 4], "Padding.";
        40 => subresource_offset: u64, "Out, `SubresourceOffset` (since WDDM 1.2): bytes.";
        48 => pitch: u32, "Out, `Pitch` (since WDDM 1.2): bytes.";
        52 => _pad2: [u8; 4], "Padding.";
    }
}

layout! {
    /// One allocation that a device opens.
    "DXGK_OPENALLOCATIONINFO" [32]
    pub struct OpenAllocationInfo {
        0 => allocation: u32, "In, `hAllocation`: the port's handle, for `DxgkCbGetHandleData`.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => private_driver_data: Pointer, "In, `pPrivateDriverData`: of the allocation.";
        16 => private_driver_data_size: u32, "In, `PrivateDriverDataSize`: bytes there.";
        20 => _pad1: [u8; 4], "Padding.";
        24 => device_specific_allocation: Handle, "Out, `hDeviceSpecificAllocation`: the driver's handle of the allocation in this device.";
    }
}

layout! {
    /// Argument of `DxgkDdiCloseAllocation`.
    "DXGKARG_CLOSEALLOCATION" [16]
    pub struct ArgCloseAllocation {
        0 => num_allocations: u32, "`NumAllocations`: entries of the array.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => open_handle_list: Pointer, "`pOpenHandleList`: array of device-specific handles.";
    }
}
