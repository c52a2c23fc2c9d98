//! `DXGK_DRIVERCAPS`: the long answer to [`crate::query::QueryAdapterInfoType::DRIVERCAPS`].

use crate::display::PointerFlags;
use crate::word::Boolean;

open_enum! {
    /// `DXGK_WDDMVERSION`: the driver model a driver says it keeps to (not an interface version).
    pub struct WddmVersion(u32) {
        V1 = 4096, "`DXGKDDI_WDDMv1`.";
        V1_2 = 4608, "`DXGKDDI_WDDMv1_2`.";
        V1_3 = 4864, "`DXGKDDI_WDDMv1_3`.";
        V2 = 8192, "`DXGKDDI_WDDMv2`.";
        V2_1 = 8448, "`DXGKDDI_WDDMv2_1`.";
        V2_1_5 = 8453, "`DXGKDDI_WDDMv2_1_5`.";
        V2_1_6 = 8454, "`DXGKDDI_WDDMv2_1_6`.";
        V2_2 = 8704, "`DXGKDDI_WDDMv2_2`.";
        V2_3 = 8960, "`DXGKDDI_WDDMv2_3`.";
        V2_4 = 9216, "`DXGKDDI_WDDMv2_4`.";
        V2_5 = 9472, "`DXGKDDI_WDDMv2_5`.";
        V2_6 = 9728, "`DXGKDDI_WDDMv2_6`.";
        V2_7 = 9984, "`DXGKDDI_WDDMv2_7`.";
        V2_8 = 10240, "`DXGKDDI_WDDMv2_8`.";
        V2_9 = 10496, "`DXGKDDI_WDDMv2_9`.";
        V3_0 = 12288, "`DXGKDDI_WDDMv3_0`.";
        V3_1 = 12544, "`DXGKDDI_WDDMv3_1`.";
        LATEST = 12544, "`DXGKDDI_WDDM_LATEST`, as of WDDM 3.1.";
    }
}

flags! {
    /// `DXGK_COLORTRANSFORMCAPS`: colour transforms, since WDDM 2.2.
    pub struct ColorTransformCaps(u32) {
        GAMMA_RGB256X3X16 = 0x1, "`Gamma_Rgb256x3x16`.";
        GAMMA_DXGI1 = 0x2, "`Gamma_Dxgi1`.";
        TRANSFORM_3X4_MATRIX = 0x4, "`Transform_3x4Matrix` (since WDDM 2.3).";
        TRANSFORM_3X4_MATRIX_WIDE_COLOR = 0x8, "`Transform_3x4Matrix_WideColor` (since WDDM 2.3).";
        TRANSFORM_3X4_MATRIX_HIGH_COLOR = 0x10, "`Transform_3x4Matrix_HighColor` (since WDDM 2.3).";
        TRANSFORM_MATRIX_V2 = 0x20, "`Transform_Matrix_V2` (since WDDM 2.6).";
    }
}

flags! {
    /// `DXGK_PRESENTATIONCAPS`: abilities of presents and of GDI.
    pub struct PresentationCaps(u32) {
        NO_SCREEN_TO_SCREEN_BLT = 0x1, "`NoScreenToScreenBlt`.";
        NO_OVERLAP_SCREEN_BLT = 0x2, "`NoOverlapScreenBlt`.";
        SUPPORT_KERNEL_MODE_COMMAND_BUFFER = 0x4, "`SupportKernelModeCommandBuffer`.";
        NO_SAME_BITMAP_ALPHA_BLEND = 0x8, "`NoSameBitmapAlphaBlend`.";
        NO_SAME_BITMAP_STRETCH_BLT = 0x10, "`NoSameBitmapStretchBlt`.";
        NO_SAME_BITMAP_TRANSPARENT_BLT = 0x20, "`NoSameBitmapTransparentBlt`.";
        NO_SAME_BITMAP_OVERLAPPED_ALPHA_BLEND = 0x40, "`NoSameBitmapOverlappedAlphaBlend`.";
        NO_SAME_BITMAP_OVERLAPPED_STRETCH_BLT = 0x80, "`NoSameBitmapOverlappedStretchBlt`.";
        DRIVER_SUPPORTS_CDD_DWM_INTEROP = 0x100, "`DriverSupportsCddDwmInterop`.";
        ALIGNMENT_SHIFT = 0x3c00, "`AlignmentShift`, 4 bits.";
        MAX_TEXTURE_WIDTH_SHIFT = 0x1c000, "`MaxTextureWidthShift`, 3 bits.";
        MAX_TEXTURE_HEIGHT_SHIFT = 0xe0000, "`MaxTextureHeightShift`, 3 bits.";
        SUPPORT_ALL_BLT_ROPS = 0x100000, "`SupportAllBltRops`.";
        SUPPORT_MIRROR_STRETCH_BLT = 0x200000, "`SupportMirrorStretchBlt`.";
        SUPPORT_MONO_STRETCH_BLT_MODES = 0x400000, "`SupportMonoStretchBltModes`.";
        STAGING_RECT_START_PITCH_ALIGNED = 0x800000, "`StagingRectStartPitchAligned`.";
        NO_SAME_BITMAP_BIT_BLT = 0x1000000, "`NoSameBitmapBitBlt`.";
        NO_SAME_BITMAP_OVERLAPPED_BIT_BLT = 0x2000000, "`NoSameBitmapOverlappedBitBlt`.";
        NO_TEMP_SURFACE_FOR_CLEAR_TYPE_BLEND = 0x8000000, "`NoTempSurfaceForClearTypeBlend`.";
        SUPPORT_SOFTWARE_DEVICE_BITMAPS = 0x10000000, "`SupportSoftwareDeviceBitmaps` (since WDDM 1.2).";
        NO_CACHE_COHERENT_APERTURE_MEMORY = 0x20000000, "`NoCacheCoherentApertureMemory` (since WDDM 1.2).";
        SUPPORT_LINEAR_HEAP = 0x40000000, "`SupportLinearHeap` (since WDDM 1.2).";
    }
}

flags! {
    /// `DXGK_FLIPCAPS`: abilities of flips.
    pub struct FlipCaps(u32) {
        FLIP_ON_VSYNC_WITH_NO_WAIT = 0x1, "`FlipOnVSyncWithNoWait`.";
        FLIP_ON_VSYNC_MM_IO = 0x2, "`FlipOnVSyncMmIo`.";
        FLIP_INTERVAL = 0x4, "`FlipInterval`.";
        FLIP_IMMEDIATE_MM_IO = 0x8, "`FlipImmediateMmIo`.";
        FLIP_INDEPENDENT = 0x10, "`FlipIndependent` (since WDDM 1.3).";
        DDI_PRESENT_FOR_I_FLIP = 0x20, "`DdiPresentForIFlip` (since WDDM 2.0).";
        FLIP_IMMEDIATE_ON_HSYNC = 0x40, "`FlipImmediateOnHSync` (since WDDM 2.0).";
    }
}

flags! {
    /// `DXGK_VIDSCHCAPS`: abilities of scheduling.
    pub struct VidSchCaps(u32) {
        MULTI_ENGINE_AWARE = 0x1, "`MultiEngineAware`.";
        VSYNC_POWER_SAVE_AWARE = 0x2, "`VSyncPowerSaveAware`.";
        PREEMPTION_AWARE = 0x4, "`PreemptionAware` (since WDDM 1.2).";
        NO_DMA_PATCHING = 0x8, "`NoDmaPatching` (since WDDM 1.2).";
        CANCEL_COMMAND_AWARE = 0x10, "`CancelCommandAware` (since WDDM 1.2).";
        NO64_BIT_ATOMICS = 0x20, "`No64BitAtomics` (since WDDM 2.0).";
        LOW_IRQL_PREEMPT_COMMAND = 0x40, "`LowIrqlPreemptCommand` (since WDDM 2.0).";
        HW_QUEUE_PACKET_CAP = 0x780, "`HwQueuePacketCap`, 4 bits (since WDDM 2.3).";
        NATIVE_GPU_FENCE = 0x800, "`NativeGpuFence` (since WDDM 3.1).";
    }
}

flags! {
    /// `DXGK_VIDMMCAPS`: the first word of [`VidMmCaps`].
    pub struct VidMmCapsFlags(u32) {
        OUT_OF_ORDER_LOCK = 0x1, "`OutOfOrderLock`.";
        DEDICATED_PAGING_ENGINE = 0x2, "`DedicatedPagingEngine`.";
        PAGING_ENGINE_CAN_SWIZZLE = 0x4, "`PagingEngineCanSwizzle`.";
        SECTION_BACKED_PRIMARY = 0x8, "`SectionBackedPrimary`.";
        CROSS_ADAPTER_RESOURCE = 0x10, "`CrossAdapterResource`.";
        VIRTUAL_ADDRESSING_SUPPORTED = 0x20, "`VirtualAddressingSupported`.";
        GPU_MMU_SUPPORTED = 0x40, "`GpuMmuSupported`.";
        IOMMU_SUPPORTED = 0x80, "`IoMmuSupported`.";
        REPLICATE_GDI_CONTENT = 0x100, "`ReplicateGdiContent`.";
        NON_CPU_VISIBLE_PRIMARY = 0x200, "`NonCpuVisiblePrimary`.";
        PARAVIRTUALIZATION_SUPPORTED = 0x400, "`ParavirtualizationSupported`.";
        IOMMU_SECURE_MODE_SUPPORTED = 0x800, "`IoMmuSecureModeSupported` (since WDDM 2.4): the driver works isolated.";
        DISABLE_SELF_REFRESH_VRAM_IN_S3 = 0x1000, "`DisableSelfRefreshVRAMInS3`.";
        IOMMU_SECURE_MODE_REQUIRED = 0x2000, "`IoMmuSecureModeRequired` (since WDDM 2.7): the driver works only isolated.";
        MAP_APERTURE2_SUPPORTED = 0x4000, "`MapAperture2Supported` (since WDDM 2.9): paging operation MapApertureSegment2.";
        CROSS_ADAPTER_RESOURCE_TEXTURE = 0x8000, "`CrossAdapterResourceTexture`.";
        CROSS_ADAPTER_RESOURCE_SCANOUT = 0x10000, "`CrossAdapterResourceScanout`.";
        ALWAYS_POWERED_VRAM = 0x20000, "`AlwaysPoweredVRAM` (since WDDM 3.1).";
    }
}

layout! {
    /// What a driver says of video memory, as of WDDM 3.1.
    "DXGK_VIDMMCAPS" [8]
    pub struct VidMmCaps {
        0 => value: VidMmCapsFlags, "`Value`: the flags.";
        4 => paging_node: u32, "`PagingNode`: the node that pages.";
    }
}

layout! {
    /// Engines, as WDDM 1.0 had them.
    "DXGK_GPUENGINETOPOLOGY" [260]
    pub struct GpuEngineTopology {
        0 => asymetric_processing_nodes: u32, "`NbAsymetricProcessingNodes`: nodes.";
        4 => reserved: [u32; 64], "`Reserved`.";
    }
}

open_enum! {
    /// `D3DKMDT_GRAPHICS_PREEMPTION_GRANULARITY`: where graphics work can be interrupted.
    pub struct GraphicsPreemptionGranularity(u32) {
        NONE = 0, "`D3DKMDT_GRAPHICS_PREEMPTION_NONE`.";
        DMA_BUFFER_BOUNDARY = 100, "`D3DKMDT_GRAPHICS_PREEMPTION_DMA_BUFFER_BOUNDARY`.";
        PRIMITIVE_BOUNDARY = 200, "`D3DKMDT_GRAPHICS_PREEMPTION_PRIMITIVE_BOUNDARY`.";
        TRIANGLE_BOUNDARY = 300, "`D3DKMDT_GRAPHICS_PREEMPTION_TRIANGLE_BOUNDARY`.";
        PIXEL_BOUNDARY = 400, "`D3DKMDT_GRAPHICS_PREEMPTION_PIXEL_BOUNDARY`.";
        SHADER_BOUNDARY = 500, "`D3DKMDT_GRAPHICS_PREEMPTION_SHADER_BOUNDARY`.";
    }
}

open_enum! {
    /// `D3DKMDT_COMPUTE_PREEMPTION_GRANULARITY`: where compute work can be interrupted.
    pub struct ComputePreemptionGranularity(u32) {
        NONE = 0, "`D3DKMDT_COMPUTE_PREEMPTION_NONE`.";
        DMA_BUFFER_BOUNDARY = 100, "`D3DKMDT_COMPUTE_PREEMPTION_DMA_BUFFER_BOUNDARY`.";
        DISPATCH_BOUNDARY = 200, "`D3DKMDT_COMPUTE_PREEMPTION_DISPATCH_BOUNDARY`.";
        THREAD_GROUP_BOUNDARY = 300, "`D3DKMDT_COMPUTE_PREEMPTION_THREAD_GROUP_BOUNDARY`.";
        THREAD_BOUNDARY = 400, "`D3DKMDT_COMPUTE_PREEMPTION_THREAD_BOUNDARY`.";
        SHADER_BOUNDARY = 500, "`D3DKMDT_COMPUTE_PREEMPTION_SHADER_BOUNDARY`.";
    }
}

layout! {
    /// Where work can be interrupted, since WDDM 1.2.
    "D3DKMDT_PREEMPTION_CAPS" [8]
    pub struct PreemptionCaps {
        0 => graphics: GraphicsPreemptionGranularity, "`GraphicsPreemptionGranularity`.";
        4 => compute: ComputePreemptionGranularity, "`ComputePreemptionGranularity`.";
    }
}

flags! {
    /// `DXGK_DRIVERCAPS.MiscCaps`: the unnamed word of [`DriverCaps`], since WDDM 2.4.
    pub struct MiscCaps(u32) {
        SUPPORT_CONTEXTLESS_PRESENT = 0x1, "`SupportContextlessPresent`.";
        DETACHABLE = 0x2, "`Detachable`.";
        VIRTUAL_GPU_ONLY = 0x4, "`VirtualGpuOnly` (since WDDM 2.5).";
        COMPUTE_ONLY = 0x8, "`ComputeOnly` (since WDDM 2.6).";
        INDEPENDENT_VIDPN_VSYNC_CONTROL = 0x10, "`IndependentVidPnVSyncControl` (since WDDM 2.7).";
        NO_HYBRID_DISCRETE_D_LIST_DLL_SUPPORT = 0x20, "`NoHybridDiscreteDListDllSupport` (since WDDM 2.8).";
        DISPLAYABLE_SUPPORT = 0x40, "`DisplayableSupport` (since WDDM 3.0).";
    }
}

layout! {
    /// What a driver can do.
    ///
    /// Its length grew: 336 bytes from WDDM 1.0, 528 bytes from WDDM 1.1, 544 bytes from WDDM 1.2, 552 bytes
    /// from WDDM 1.3, 576 bytes from WDDM 2.0, 584 bytes from WDDM 2.4, 592 bytes from WDDM 2.9.
    "DXGK_DRIVERCAPS" [592]
    pub struct DriverCaps {
        0 => highest_acceptable_address: u64, "`HighestAcceptableAddress`: highest physical address the device can use, bytes.";
        8 => max_allocation_list_slot_id: u32, "`MaxAllocationListSlotId`: largest number of allocation list slots.";
        12 => _pad0: [u8; 4], "Padding.";
        16 => aperture_segment_commit_limit: u64, "`ApertureSegmentCommitLimit`: bytes that may be mapped into aperture segments at once.";
        24 => max_pointer_width: u32, "`MaxPointerWidth`: pixels.";
        28 => max_pointer_height: u32, "`MaxPointerHeight`: pixels.";
        32 => pointer_caps: PointerFlags, "`PointerCaps`: pointer kinds the hardware draws.";
        36 => interrupt_message_number: u32, "`InterruptMessageNumber`: the message that means vertical sync.";
        40 => number_of_swizzling_ranges: u32, "`NumberOfSwizzlingRanges`: ranges.";
        44 => max_overlays: u32, "`MaxOverlays`: overlays.";
        48 => color_transform_caps: ColorTransformCaps, "`ColorTransformCaps` (since WDDM 2.2): before 2.2 `GammaRampCaps`, of which the first bit is left.";
        52 => presentation_caps: PresentationCaps, "`PresentationCaps`: abilities of presents.";
        56 => max_queued_flip_on_vsync: u32, "`MaxQueuedFlipOnVSync`: flips.";
        60 => flip_caps: FlipCaps, "`FlipCaps`: abilities of flips.";
        64 => scheduling_caps: VidSchCaps, "`SchedulingCaps`: abilities of scheduling.";
        68 => memory_management_caps: VidMmCaps, "`MemoryManagementCaps`: video memory abilities.";
        76 => gpu_engine_topology: GpuEngineTopology, "`GpuEngineTopology`: engines.";
        336 => wddm_version: WddmVersion, "`WDDMVersion` (since WDDM 1.1): the driver model the driver keeps to.";
        340 => reserved: [u8; 28], "`Reserved` (since WDDM 1.1): was the virtual address abilities.";
        368 => reserved1: [u8; 160], "`Reserved1` (since WDDM 1.1): was the DMA buffer abilities.";
        528 => preemption_caps: PreemptionCaps, "`PreemptionCaps` (since WDDM 1.2): where work can be interrupted.";
        536 => support_non_vga: Boolean, "`SupportNonVGA` (since WDDM 1.2): starts and stops without VGA.";
        537 => support_smooth_rotation: Boolean, "`SupportSmoothRotation` (since WDDM 1.2): rotates without a mode change.";
        538 => support_per_engine_tdr: Boolean, "`SupportPerEngineTDR` (since WDDM 1.2): resets single engines.";
        539 => support_direct_flip: Boolean, "`SupportDirectFlip` (since WDDM 1.2): flips to a window's surface.";
        540 => support_multi_plane_overlay: Boolean, "`SupportMultiPlaneOverlay` (since WDDM 1.2): has planes.";
        541 => support_runtime_power_management: Boolean, "`SupportRuntimePowerManagement` (since WDDM 1.2): saves power while running.";
        542 => support_surprise_removal_in_hibernation: Boolean, "`SupportSurpriseRemovalInHibernation` (since WDDM 1.2): stands to be removed in hibernation.";
        543 => hybrid_discrete: Boolean, "`HybridDiscrete` (since WDDM 1.3): the discrete one of two.";
        544 => max_overlay_planes: u32, "`MaxOverlayPlanes` (since WDDM 1.3): planes.";
        548 => hybrid_integrated: Boolean, "`HybridIntegrated` (since WDDM 2.0): the integrated one of two.";
        549 => _pad1: [u8; 3], "Padding.";
        552 => internal_gpu_virtual_address_range_start: u64, "`InternalGpuVirtualAddressRangeStart` (since WDDM 2.0): GPU virtual address, bytes.";
        560 => internal_gpu_virtual_address_range_end: u64, "`InternalGpuVirtualAddressRangeEnd` (since WDDM 2.0): GPU virtual address, bytes.";
        568 => support_surprise_removal: Boolean, "`SupportSurpriseRemoval` (since WDDM 2.0): stands to be removed.";
        569 => support_multi_plane_overlay_immediate_flip: Boolean, "`SupportMultiPlaneOverlayImmediateFlip` (since WDDM 2.1): flips planes at once.";
        570 => cursor_scaled_with_multi_plane_overlay_plane0: Boolean, "`CursorScaledWithMultiPlaneOverlayPlane0` (since WDDM 2.1): scales the pointer with plane 0.";
        571 => hybrid_acpi_chaining_required: Boolean, "`HybridAcpiChainingRequired` (since WDDM 2.1): ACPI events pass through both adapters.";
        572 => max_queued_multi_plane_overlay_flip_vsync: u32, "`MaxQueuedMultiPlaneOverlayFlipVSync` (since WDDM 2.1): flips.";
        576 => misc_caps: MiscCaps, "`MiscCaps` (since WDDM 2.4): further abilities.";
        580 => max_hw_queued_flips: u32, "`MaxHwQueuedFlips` (since WDDM 2.9): flips.";
        584 => hw_queued_flip_caps: u32, "`HwQueuedFlipCaps` (since WDDM 2.9): reserved.";
        588 => _pad2: [u8; 4], "Padding.";
    }
}
