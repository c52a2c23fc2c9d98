//! Devices and contexts: whom a driver works for.

use crate::word::{Handle, Pointer};

flags! {
    /// `DXGK_CREATEDEVICEFLAGS`: of [`ArgCreateDevice`].
    pub struct CreateDeviceFlags(u32) {
        SYSTEM_DEVICE = 0x1, "`SystemDevice`: the port's own.";
        GDI_DEVICE = 0x2, "`GdiDevice`.";
    }
}

flags! {
    /// `DXGK_DEVICEINFOFLAGS`: of [`CreateDeviceInfo`].
    pub struct CreateDeviceInfoFlags(u32) {
        GUARANTEED_DMA_BUFFER_CONTRACT = 0x1, "`GuaranteedDmaBufferContract`.";
    }
}

flags! {
    /// `DXGK_CREATECONTEXTFLAGS`: of [`ArgCreateContext`].
    pub struct CreateContextFlags(u32) {
        SYSTEM_CONTEXT = 0x1, "`SystemContext`: the port's own, for paging.";
        GDI_CONTEXT = 0x2, "`GdiContext`.";
        VIRTUAL_ADDRESSING = 0x4, "`VirtualAddressing` (since WDDM 2.0).";
        SYSTEM_PROTECTED_CONTEXT = 0x8, "`SystemProtectedContext` (since WDDM 2.1).";
        HW_QUEUE_SUPPORTED = 0x10, "`HwQueueSupported` (since WDDM 2.3).";
    }
}

flags! {
    /// `DXGK_CONTEXTINFO_CAPS`: of [`ContextInfo`], since WDDM 2.0.
    pub struct ContextInfoCaps(u32) {
        NO_PATCHING_REQUIRED = 0x1, "`NoPatchingRequired`.";
        DRIVER_MANAGES_RESIDENCY = 0x2, "`DriverManagesResidency`.";
        USE_IOMMU = 0x4, "`UseIoMmu`.";
    }
}

layout! {
    /// Argument of `DxgkDdiCreateDevice`.
    ///
    /// Its length grew: 16 bytes from WDDM 1.0, 32 bytes from WDDM 2.0.
    "DXGKARG_CREATEDEVICE" [32]
    pub struct ArgCreateDevice {
        0 => device: Handle, "In and out, `hDevice`: the port's handle, then the driver's.";
        8 => flags_or_info: u64, "In and out, a union: `Flags` ([`CreateDeviceFlags`]), then `pInfo`, where the driver may leave the address of a [`CreateDeviceInfo`].";
        16 => pasid: u32, "In, `Pasid` (since WDDM 2.0).";
        20 => _pad0: [u8; 4], "Padding.";
        24 => kmd_process: Handle, "In, `hKmdProcess` (since WDDM 2.0): the driver's handle of the process.";
    }
}

layout! {
    /// What a device without contexts needs.
    "DXGK_DEVICEINFO" [24]
    pub struct CreateDeviceInfo {
        0 => dma_buffer_size: u32, "`DmaBufferSize`: bytes.";
        4 => dma_buffer_segment_set: u32, "`DmaBufferSegmentSet`: bit n - 1 for segment n; 0: system memory.";
        8 => dma_buffer_private_data_size: u32, "`DmaBufferPrivateDataSize`: bytes.";
        12 => allocation_list_size: u32, "`AllocationListSize`: entries.";
        16 => patch_location_list_size: u32, "`PatchLocationListSize`: entries.";
        20 => flags: CreateDeviceInfoFlags, "`Flags`: see the type.";
    }
}

layout! {
    /// What a context needs.
    ///
    /// Its length grew: 20 bytes from WDDM 1.0, 24 bytes from WDDM 1.1, 32 bytes from WDDM 2.0.
    "DXGK_CONTEXTINFO" [32]
    pub struct ContextInfo {
        0 => dma_buffer_size: u32, "`DmaBufferSize`: bytes.";
        4 => dma_buffer_segment_set: u32, "`DmaBufferSegmentSet`: bit n - 1 for segment n; 0: system memory.";
        8 => dma_buffer_private_data_size: u32, "`DmaBufferPrivateDataSize`: bytes.";
        12 => allocation_list_size: u32, "`AllocationListSize`: entries.";
        16 => patch_location_list_size: u32, "`PatchLocationListSize`: entries.";
        20 => reserved: u32, "`Reserved` (since WDDM 1.1).";
        24 => caps: ContextInfoCaps, "`Caps` (since WDDM 2.0): see the type.";
        28 => paging_companion_node_id: u32, "`PagingCompanionNodeId` (since WDDM 2.0): node.";
    }
}

layout! {
    /// Argument of `DxgkDdiCreateContext`.
    ///
    /// Its length grew: 56 bytes from WDDM 1.0, 64 bytes from WDDM 1.1, 72 bytes from WDDM 2.0.
    "DXGKARG_CREATECONTEXT" [72]
    pub struct ArgCreateContext {
        0 => context: Handle, "In and out, `hContext`: the port's handle, then the driver's.";
        8 => node_ordinal: u32, "In, `NodeOrdinal`: node.";
        12 => engine_affinity: u32, "In, `EngineAffinity`: bit n for engine n.";
        16 => flags: CreateContextFlags, "In, `Flags`: see the type.";
        20 => _pad0: [u8; 4], "Padding.";
        24 => private_driver_data: Pointer, "In, `pPrivateDriverData`: from the user-mode driver, or null.";
        32 => private_driver_data_size: u32, "In, `PrivateDriverDataSize`: bytes there.";
        36 => context_info: ContextInfo, "Out, `ContextInfo`.";
        68 => _pad1: [u8; 4], "Padding.";
    }
}
