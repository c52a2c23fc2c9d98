//! Memory segments: answers to the `QUERYSEGMENT` questions of `DxgkDdiQueryAdapterInfo`.

use crate::word::Pointer;

flags! {
    /// `DXGK_SEGMENTFLAGS`: of a segment.
    pub struct SegmentFlags(u32) {
        APERTURE = 0x1, "`Aperture`.";
        AGP = 0x2, "`Agp`.";
        CPU_VISIBLE = 0x4, "`CpuVisible`.";
        USE_BANKING = 0x8, "`UseBanking`.";
        CACHE_COHERENT = 0x10, "`CacheCoherent`.";
        PITCH_ALIGNMENT = 0x20, "`PitchAlignment`.";
        POPULATED_FROM_SYSTEM_MEMORY = 0x40, "`PopulatedFromSystemMemory`.";
        PRESERVED_DURING_STANDBY = 0x80, "`PreservedDuringStandby`.";
        PRESERVED_DURING_HIBERNATE = 0x100, "`PreservedDuringHibernate`.";
        PARTIALLY_PRESERVED_DURING_HIBERNATE = 0x200, "`PartiallyPreservedDuringHibernate`.";
        DIRECT_FLIP = 0x400, "`DirectFlip` (since WDDM 1.2).";
        USE64_KB_PAGES = 0x800, "`Use64KBPages` (since WDDM 2.0).";
        SUPPORTS_CPU_HOST_APERTURE = 0x2000, "`SupportsCpuHostAperture` (since WDDM 2.0).";
        SUPPORTS_CACHED_CPU_HOST_APERTURE = 0x4000, "`SupportsCachedCpuHostAperture` (since WDDM 2.0).";
        APPLICATION_TARGET = 0x8000, "`ApplicationTarget` (since WDDM 2.0).";
        VPR_SUPPORTED = 0x10000, "`VprSupported` (since WDDM 2.0).";
        VPR_PRESERVED_DURING_STANDBY = 0x20000, "`VprPreservedDuringStandby` (since WDDM 2.0).";
        ENCRYPTED_PAGING_SUPPORTED = 0x40000, "`EncryptedPagingSupported` (since WDDM 2.0).";
        LOCAL_BUDGET_GROUP = 0x80000, "`LocalBudgetGroup` (since WDDM 2.0).";
        NON_LOCAL_BUDGET_GROUP = 0x100000, "`NonLocalBudgetGroup` (since WDDM 2.0).";
        POPULATED_BY_RESERVED_DDR_BY_FIRMWARE = 0x200000, "`PopulatedByReservedDDRByFirmware` (since WDDM 2.9).";
    }
}

layout! {
    /// Input of `QUERYSEGMENT` and `QUERYSEGMENT3`.
    "DXGK_QUERYSEGMENTIN" [24]
    pub struct QuerySegmentIn {
        0 => agp_aperture_base: u64, "`AgpApertureBase`: physical address, bytes.";
        8 => agp_aperture_size: u64, "`AgpApertureSize`: bytes.";
        16 => agp_flags: SegmentFlags, "`AgpFlags`: of the aperture.";
        20 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// Answer to `QUERYSEGMENT`.
    "DXGK_QUERYSEGMENTOUT" [32]
    pub struct QuerySegmentOut {
        0 => segment: u32, "`NbSegment`: number of segments.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => segment_descriptor: Pointer, "`pSegmentDescriptor`: array of descriptors, or null in the first of the two calls.";
        16 => paging_buffer_segment_id: u32, "`PagingBufferSegmentId`: segment the paging buffer lies in; 0: system memory.";
        20 => paging_buffer_size: u32, "`PagingBufferSize`: bytes.";
        24 => paging_buffer_private_data_size: u32, "`PagingBufferPrivateDataSize`: bytes.";
        28 => _pad1: [u8; 4], "Padding.";
    }
}

layout! {
    /// Answer to `QUERYSEGMENT3`, since WDDM 1.2.
    "DXGK_QUERYSEGMENTOUT3" [32]
    pub struct QuerySegmentOut3 {
        0 => segment: u32, "`NbSegment`: number of segments.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => segment_descriptor: Pointer, "`pSegmentDescriptor`: array of descriptors, or null in the first of the two calls.";
        16 => paging_buffer_segment_id: u32, "`PagingBufferSegmentId`: segment the paging buffer lies in; 0: system memory.";
        20 => paging_buffer_size: u32, "`PagingBufferSize`: bytes.";
        24 => paging_buffer_private_data_size: u32, "`PagingBufferPrivateDataSize`: bytes.";
        28 => _pad1: [u8; 4], "Padding.";
    }
}

layout! {
    /// Input of `QUERYSEGMENT4`, since WDDM 2.0.
    "DXGK_QUERYSEGMENTIN4" [4]
    pub struct QuerySegmentIn4 {
        0 => physical_adapter_index: u32, "`PhysicalAdapterIndex`: which adapter of the link.";
    }
}

layout! {
    /// Answer to `QUERYSEGMENT4`, since WDDM 2.0.
    "DXGK_QUERYSEGMENTOUT4" [40]
    pub struct QuerySegmentOut4 {
        0 => segment: u32, "`NbSegment`: number of segments.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => segment_descriptor: Pointer, "`pSegmentDescriptor`: array of descriptors, or null in the first of the two calls.";
        16 => paging_buffer_segment_id: u32, "`PagingBufferSegmentId`: segment the paging buffer lies in; 0: system memory.";
        20 => paging_buffer_size: u32, "`PagingBufferSize`: bytes.";
        24 => paging_buffer_private_data_size: u32, "`PagingBufferPrivateDataSize`: bytes.";
        28 => _pad1: [u8; 4], "Padding.";
        32 => segment_descriptor_stride: u64, "`SegmentDescriptorStride`: bytes from one descriptor to the next.";
    }
}

layout! {
    /// A segment, for `QUERYSEGMENT`.
    "DXGK_SEGMENTDESCRIPTOR" [56]
    pub struct SegmentDescriptor {
        0 => base_address: u64, "`BaseAddress`: bytes.";
        8 => cpu_translated_address: u64, "`CpuTranslatedAddress`: physical address as the processor sees it, bytes.";
        16 => size: u64, "`Size`: bytes.";
        24 => of_banks: u32, "`NbOfBanks`: banks.";
        28 => _pad0: [u8; 4], "Padding.";
        32 => bank_range_table: Pointer, "`pBankRangeTable`: array of bank ends.";
        40 => commit_limit: u64, "`CommitLimit`: bytes.";
        48 => flags: SegmentFlags, "`Flags`: see the type.";
        52 => _pad1: [u8; 4], "Padding.";
    }
}

layout! {
    /// A segment, for `QUERYSEGMENT3`, since WDDM 1.2.
    "DXGK_SEGMENTDESCRIPTOR3" [72]
    pub struct SegmentDescriptor3 {
        0 => flags: SegmentFlags, "`Flags`: see the type.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => base_address: u64, "`BaseAddress`: bytes.";
        16 => cpu_translated_address: u64, "`CpuTranslatedAddress`: physical address as the processor sees it, bytes.";
        24 => size: u64, "`Size`: bytes.";
        32 => of_banks: u32, "`NbOfBanks`: banks.";
        36 => _pad1: [u8; 4], "Padding.";
        40 => bank_range_table: Pointer, "`pBankRangeTable`: array of bank ends.";
        48 => commit_limit: u64, "`CommitLimit`: bytes.";
        56 => system_memory_end_address: u64, "`SystemMemoryEndAddress`: bytes.";
        64 => reserved: u64, "`Reserved`: reserved.";
    }
}

layout! {
    /// The window through which the processor sees a segment, since WDDM 2.0.
    "DXGK_CPUHOSTAPERTURE" [16]
    pub struct CpuHostAperture {
        0 => physical_address: u64, "`PhysicalAddress`: bytes.";
        8 => size_in_pages: u32, "`SizeInPages`: pages.";
        12 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// A segment, for `QUERYSEGMENT4`, since WDDM 2.0.
    "DXGK_SEGMENTDESCRIPTOR4" [96]
    pub struct SegmentDescriptor4 {
        0 => flags: SegmentFlags, "`Flags`: see the type.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => base_address: u64, "`BaseAddress`: bytes.";
        16 => size: u64, "`Size`: bytes.";
        24 => commit_limit: u64, "`CommitLimit`: bytes.";
        32 => system_memory_end_address: u64, "`SystemMemoryEndAddress`: bytes.";
        40 => cpu_host_aperture: CpuHostAperture, "`CpuHostAperture`: a union: its first word is `CpuTranslatedAddress` when the segment is visible without an aperture.";
        56 => num_invalid_memory_ranges: u32, "`NumInvalidMemoryRanges`: ranges not to be used.";
        60 => _pad1: [u8; 4], "Padding.";
        64 => vpr_range_start_offset: u64, "`VprRangeStartOffset`: bytes from the segment's start.";
        72 => vpr_range_size: u64, "`VprRangeSize`: bytes.";
        80 => vpr_alignment: u32, "`VprAlignment`: bytes.";
        84 => num_vpr_supported: u32, "`NumVprSupported`: protected ranges.";
        88 => vpr_reserve_size: u32, "`VprReserveSize`: bytes.";
        92 => num_uefi_frame_buffer_ranges: u32, "`NumUEFIFrameBufferRanges` (since WDDM 2.2): ranges the firmware's frame buffer uses.";
    }
}
