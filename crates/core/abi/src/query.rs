//! `DxgkDdiQueryAdapterInfo`: what the port asks of an adapter, and the short answers.
//!
//! The long answers are in [`crate::caps`] and [`crate::segment`].

use crate::word::{Handle, Pointer};

open_enum! {
    /// `DXGK_QUERYADAPTERINFOTYPE`: what is asked.
    pub struct QueryAdapterInfoType(u32) {
        UMDRIVERPRIVATE = 0, "`DXGKQAITYPE_UMDRIVERPRIVATE`.";
        DRIVERCAPS = 1, "`DXGKQAITYPE_DRIVERCAPS`.";
        QUERYSEGMENT = 2, "`DXGKQAITYPE_QUERYSEGMENT`.";
        RESERVED = 3, "`DXGKQAITYPE_RESERVED` (since WDDM 1.1).";
        QUERYSEGMENT2 = 4, "`DXGKQAITYPE_QUERYSEGMENT2` (since WDDM 1.1).";
        QUERYSEGMENT3 = 5, "`DXGKQAITYPE_QUERYSEGMENT3` (since WDDM 1.2).";
        NUMPOWERCOMPONENTS = 6, "`DXGKQAITYPE_NUMPOWERCOMPONENTS` (since WDDM 1.2).";
        POWERCOMPONENTINFO = 7, "`DXGKQAITYPE_POWERCOMPONENTINFO` (since WDDM 1.2).";
        PREFERREDGPUNODE = 8, "`DXGKQAITYPE_PREFERREDGPUNODE` (since WDDM 1.2).";
        POWERCOMPONENTPSTATEINFO = 9, "`DXGKQAITYPE_POWERCOMPONENTPSTATEINFO` (since WDDM 1.3).";
        HISTORYBUFFERPRECISION = 10, "`DXGKQAITYPE_HISTORYBUFFERPRECISION` (since WDDM 1.3).";
        QUERYSEGMENT4 = 11, "`DXGKQAITYPE_QUERYSEGMENT4` (since WDDM 2.0).";
        SEGMENTMEMORYSTATE = 12, "`DXGKQAITYPE_SEGMENTMEMORYSTATE` (since WDDM 2.0).";
        GPUMMUCAPS = 13, "`DXGKQAITYPE_GPUMMUCAPS` (since WDDM 2.0).";
        PAGETABLELEVELDESC = 14, "`DXGKQAITYPE_PAGETABLELEVELDESC` (since WDDM 2.0).";
        PHYSICALADAPTERCAPS = 15, "`DXGKQAITYPE_PHYSICALADAPTERCAPS` (since WDDM 2.0).";
        DISPLAY_DRIVERCAPS_EXTENSION = 16, "`DXGKQAITYPE_DISPLAY_DRIVERCAPS_EXTENSION` (since WDDM 2.0).";
        INTEGRATED_DISPLAY_DESCRIPTOR = 17, "`DXGKQAITYPE_INTEGRATED_DISPLAY_DESCRIPTOR` (since WDDM 2.2).";
        UEFIFRAMEBUFFERRANGES = 18, "`DXGKQAITYPE_UEFIFRAMEBUFFERRANGES` (since WDDM 2.2).";
        QUERYCOLORIMETRYOVERRIDES = 19, "`DXGKQAITYPE_QUERYCOLORIMETRYOVERRIDES` (since WDDM 2.2).";
        DISPLAYID_DESCRIPTOR = 20, "`DXGKQAITYPE_DISPLAYID_DESCRIPTOR` (since WDDM 2.3).";
        FRAMEBUFFERSAVESIZE = 21, "`DXGKQAITYPE_FRAMEBUFFERSAVESIZE` (since WDDM 2.4).";
        HARDWARERESERVEDRANGES = 22, "`DXGKQAITYPE_HARDWARERESERVEDRANGES` (since WDDM 2.4).";
        INTEGRATED_DISPLAY_DESCRIPTOR2 = 23, "`DXGKQAITYPE_INTEGRATED_DISPLAY_DESCRIPTOR2` (since WDDM 2.4).";
        NODEPERFDATA = 24, "`DXGKQAITYPE_NODEPERFDATA` (since WDDM 2.4).";
        ADAPTERPERFDATA = 25, "`DXGKQAITYPE_ADAPTERPERFDATA` (since WDDM 2.4).";
        ADAPTERPERFDATA_CAPS = 26, "`DXGKQAITYPE_ADAPTERPERFDATA_CAPS` (since WDDM 2.4).";
        GPUVERSION = 27, "`DXGKQAITYPE_GPUVERSION` (since WDDM 2.4).";
        DEVICE_TYPE_CAPS = 28, "`DXGKQAITYPE_DEVICE_TYPE_CAPS` (since WDDM 2.5).";
        WDDMDEVICECAPS = 29, "`DXGKQAITYPE_WDDMDEVICECAPS` (since WDDM 2.6).";
        GPUPCAPS = 30, "`DXGKQAITYPE_GPUPCAPS` (since WDDM 2.6).";
        QUERYTARGETGAMMACAPS = 31, "`DXGKQAITYPE_QUERYTARGETGAMMACAPS` (since WDDM 2.6).";
        SCANOUT_CAPS = 33, "`DXGKQAITYPE_SCANOUT_CAPS` (since WDDM 2.6).";
        PHYSICAL_MEMORY_CAPS = 34, "`DXGKQAITYPE_PHYSICAL_MEMORY_CAPS` (since WDDM 2.9).";
        IOMMU_CAPS = 35, "`DXGKQAITYPE_IOMMU_CAPS` (since WDDM 2.9).";
        HARDWARERESERVEDRANGES2 = 36, "`DXGKQAITYPE_HARDWARERESERVEDRANGES2` (since WDDM 3.1).";
    }
}

flags! {
    /// `DXGK_QUERYADAPTERINFOFLAGS`: modifies the question, since WDDM 2.2.
    pub struct QueryAdapterInfoFlags(u32) {
        VIRTUAL_MACHINE_DATA = 0x1, "`VirtualMachineData`.";
        SECURE_VIRTUAL_MACHINE = 0x2, "`SecureVirtualMachine`.";
    }
}

layout! {
    /// Argument of `DxgkDdiQueryAdapterInfo`.
    ///
    /// Its length grew: 40 bytes from WDDM 1.0, 48 bytes from WDDM 2.4.
    "DXGKARG_QUERYADAPTERINFO" [48]
    pub struct ArgQueryAdapterInfo {
        0 => kind: QueryAdapterInfoType, "`Type`: which kind this is.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => input_data: Pointer, "`pInputData`: bytes the port gives, or null.";
        16 => input_data_size: u32, "`InputDataSize`: bytes at `input_data`.";
        20 => _pad1: [u8; 4], "Padding.";
        24 => output_data: Pointer, "`pOutputData`: bytes the driver fills in.";
        32 => output_data_size: u32, "`OutputDataSize`: bytes at `output_data`.";
        36 => flags: QueryAdapterInfoFlags, "`Flags` (since WDDM 2.2): see the type.";
        40 => kmd_process_handle: Handle, "`hKmdProcessHandle` (since WDDM 2.4): the driver's handle of the process.";
    }
}

flags! {
    /// `DXGK_IOMMU_CAPS`: answer to [`QueryAdapterInfoType::IOMMU_CAPS`], since WDDM 2.9.
    pub struct IommuCaps(u32) {
        IOMMU_ISOLATION_SUPPORTED = 0x1, "`IommuIsolationSupported`: the driver works isolated.";
        IOMMU_ISOLATION_REQUIRED = 0x2, "`IommuIsolationRequired`: the driver works only isolated.";
        DMA_REMAPPING_SUPPORTED = 0x4, "`DmaRemappingSupported`: the driver uses logical addresses only.";
    }
}

layout! {
    /// Answer to [`QueryAdapterInfoType::PHYSICAL_MEMORY_CAPS`], since WDDM 2.9.
    "DXGK_PHYSICAL_MEMORY_CAPS" [8]
    pub struct PhysicalMemoryCaps {
        0 => highest_visible_address: u64, "`HighestVisibleAddress`: highest address the device can reach, bytes.";
    }
}

layout! {
    /// Answer to [`QueryAdapterInfoType::FRAMEBUFFERSAVESIZE`], since WDDM 2.4.
    "DXGK_FRAMEBUFFERSAVEAREA" [8]
    pub struct FrameBufferSaveArea {
        0 => maximum_size: u64, "`MaximumSize`: bytes, a multiple of the page.";
    }
}

layout! {
    /// A range of physical memory, since WDDM 2.4.
    "DXGK_PHYSICAL_MEMORY_RANGE" [16]
    pub struct PhysicalMemoryRange {
        0 => base_address: u64, "`BaseAddress`: bytes.";
        8 => number_of_bytes: u64, "`NumberOfBytes`: bytes.";
    }
}

layout! {
    /// Answer to [`QueryAdapterInfoType::HARDWARERESERVEDRANGES`]: memory that the firmware gave the device,
    /// since WDDM 2.4.
    "DXGK_HARDWARERESERVEDRANGES" [16]
    pub struct HardwareReservedRanges {
        0 => num_ranges: u32, "`NumRanges`: entries of the array.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => physical_ranges: Pointer, "`pPhysicalRanges`: array of [`PhysicalMemoryRange`].";
    }
}

layout! {
    /// Input of [`QueryAdapterInfoType::PHYSICALADAPTERCAPS`], since WDDM 2.0.
    "DXGK_QUERYPHYSICALADAPTERCAPSIN" [4]
    pub struct QueryPhysicalAdapterCapsIn {
        0 => physical_adapter_index: u32, "`PhysicalAdapterIndex`: which adapter of the link.";
    }
}

flags! {
    /// `DXGK_PHYSICALADAPTERFLAGS`: of [`PhysicalAdapterCaps`].
    pub struct PhysicalAdapterFlags(u32) {
        IOMMU_SUPPORTED = 0x1, "`IoMmuSupported`.";
        GPU_MMU_SUPPORTED = 0x2, "`GpuMmuSupported`.";
        MOVE_PAGING_SUPPORTED = 0x4, "`MovePagingSupported`.";
        VPR_PAGING_CONTEXT_REQUIRED = 0x8, "`VPRPagingContextRequired`.";
        ALLOW_HARDWARE_PROTECTED_NO_VPR = 0x10, "`AllowHardwareProtectedNoVpr`.";
        VIRTUAL_COPY_ENGINE_SUPPORTED = 0x20, "`VirtualCopyEngineSupported`.";
    }
}

layout! {
    /// Answer to [`QueryAdapterInfoType::PHYSICALADAPTERCAPS`], since WDDM 2.0, as of 3.1.
    "DXGK_PHYSICALADAPTERCAPS" [32]
    pub struct PhysicalAdapterCaps {
        0 => num_execution_nodes: u16, "`NumExecutionNodes`: engines of this adapter.";
        2 => paging_node_index: u16, "`PagingNodeIndex`: the engine that pages.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => dxgk_physical_adapter_handle: Handle, "`DxgkPhysicalAdapterHandle`: the port's handle of this physical adapter.";
        16 => flags: PhysicalAdapterFlags, "`Flags`: see the type.";
        20 => vpr_paging_node: u32, "`VPRPagingNode`: node that pages protected memory.";
        24 => virtual_copy_node_index: u32, "`VirtualCopyNodeIndex`: node that copies.";
        28 => _pad1: [u8; 4], "Padding.";
    }
}
