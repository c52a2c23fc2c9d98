//! `DxgkDdiBuildPagingBuffer`: the port asks for commands that move memory or edit apertures.

use crate::adl::Adl;
use crate::word::{Handle, Pointer};
use zerocopy::FromBytes;
use zerocopy::IntoBytes;

open_enum! {
    /// `DXGK_BUILDPAGINGBUFFER_OPERATION`: what the commands are to do.
    pub struct PagingOperation(u32) {
        TRANSFER = 0, "`DXGK_OPERATION_TRANSFER`.";
        FILL = 1, "`DXGK_OPERATION_FILL`.";
        DISCARD_CONTENT = 2, "`DXGK_OPERATION_DISCARD_CONTENT`.";
        READ_PHYSICAL = 3, "`DXGK_OPERATION_READ_PHYSICAL`.";
        WRITE_PHYSICAL = 4, "`DXGK_OPERATION_WRITE_PHYSICAL`.";
        MAP_APERTURE_SEGMENT = 5, "`DXGK_OPERATION_MAP_APERTURE_SEGMENT`.";
        UNMAP_APERTURE_SEGMENT = 6, "`DXGK_OPERATION_UNMAP_APERTURE_SEGMENT`.";
        SPECIAL_LOCK_TRANSFER = 7, "`DXGK_OPERATION_SPECIAL_LOCK_TRANSFER`.";
        VIRTUAL_TRANSFER = 8, "`DXGK_OPERATION_VIRTUAL_TRANSFER`.";
        VIRTUAL_FILL = 9, "`DXGK_OPERATION_VIRTUAL_FILL`.";
        INIT_CONTEXT_RESOURCE = 10, "`DXGK_OPERATION_INIT_CONTEXT_RESOURCE`.";
        UPDATE_PAGE_TABLE = 11, "`DXGK_OPERATION_UPDATE_PAGE_TABLE`.";
        FLUSH_TLB = 12, "`DXGK_OPERATION_FLUSH_TLB`.";
        UPDATE_CONTEXT_ALLOCATION = 13, "`DXGK_OPERATION_UPDATE_CONTEXT_ALLOCATION`.";
        COPY_PAGE_TABLE_ENTRIES = 14, "`DXGK_OPERATION_COPY_PAGE_TABLE_ENTRIES`.";
        NOTIFY_RESIDENCY = 15, "`DXGK_OPERATION_NOTIFY_RESIDENCY`.";
        SIGNAL_MONITORED_FENCE = 16, "`DXGK_OPERATION_SIGNAL_MONITORED_FENCE` (since WDDM 2.2).";
        MAP_APERTURE_SEGMENT2 = 17, "`DXGK_OPERATION_MAP_APERTURE_SEGMENT2` (since WDDM 2.9).";
    }
}

flags! {
    /// `DXGK_TRANSFERFLAGS`: of [`Transfer`].
    pub struct TransferFlags(u32) {
        SWIZZLE = 0x1, "`Swizzle`.";
        UNSWIZZLE = 0x2, "`Unswizzle`.";
        ALLOCATION_IS_IDLE = 0x4, "`AllocationIsIdle`.";
        TRANSFER_START = 0x8, "`TransferStart`.";
        TRANSFER_END = 0x10, "`TransferEnd`.";
    }
}

flags! {
    /// `DXGK_MAPAPERTUREFLAGS`: of aperture maps.
    pub struct MapApertureFlags(u32) {
        CACHE_COHERENT = 0x1, "`CacheCoherent`.";
    }
}

layout! {
    /// Argument of `DxgkDdiBuildPagingBuffer`: 304 bytes before WDDM 2.0. The union is read by methods.
    "DXGKARG_BUILDPAGINGBUFFER" [320]
    pub struct ArgBuildPagingBuffer {
        0 => dma_buffer: Pointer, "In and out, `pDmaBuffer`: where to write commands; the driver moves it on.";
        8 => dma_size: u32, "In, `DmaSize`: bytes left in the DMA buffer.";
        12 => _pad0: [u8; 4], "Padding.";
        16 => dma_buffer_private_data: Pointer, "In and out, `pDmaBufferPrivateData`: the driver's own data of the buffer; moved on too.";
        24 => dma_buffer_private_data_size: u32, "In, `DmaBufferPrivateDataSize`: bytes left there.";
        28 => operation: PagingOperation, "In, `Operation`: which member of the union holds.";
        32 => multipass_offset: u32, "In and out, `MultipassOffset`: the driver's own; how far it came.";
        36 => _pad1: [u8; 4], "Padding.";
        40 => per_operation: [u8; 256], "In, the union.";
        296 => system_context: Handle, "In, `hSystemContext`: the context that pages.";
        304 => dma_buffer_gpu_virtual_address: u64, "In, `DmaBufferGpuVirtualAddress` (since WDDM 2.0): bytes.";
        312 => dma_buffer_write_offset: u32, "In and out, `DmaBufferWriteOffset` (since WDDM 2.0): bytes.";
        316 => _pad2: [u8; 4], "Padding.";
    }
}

impl ArgBuildPagingBuffer {
    /// Reads the front of the union's area; every member fits, so nothing is ever missing.
    fn front<T: FromBytes + Default>(&self) -> T {
        T::read_from_prefix(&self.per_operation).map(|(value, _)| value).unwrap_or_default()
    }

    /// Sets the operation and the union together; the rest of the union's area becomes zero.
    pub fn set_operation(&mut self, operation: PagingParameters) {
        let (code, bytes) = match &operation {
            PagingParameters::Transfer(it) => (PagingOperation::TRANSFER, it.as_bytes()),
            PagingParameters::Fill(it) => (PagingOperation::FILL, it.as_bytes()),
            PagingParameters::MapApertureSegment(it) => {
                (PagingOperation::MAP_APERTURE_SEGMENT, it.as_bytes())
            }
            PagingParameters::UnmapApertureSegment(it) => {
                (PagingOperation::UNMAP_APERTURE_SEGMENT, it.as_bytes())
            }
            PagingParameters::MapApertureSegment2(it) => {
                (PagingOperation::MAP_APERTURE_SEGMENT2, it.as_bytes())
            }
        };
        self.operation = code;
        self.per_operation = [0; 256];
        for (to, from) in self.per_operation.iter_mut().zip(bytes) {
            *to = *from;
        }
    }

    /// The union's member that `operation` selects, or nothing for an operation this crate does not describe.
    pub fn parameters(&self) -> Option<PagingParameters> {
        match self.operation {
            PagingOperation::TRANSFER => Some(PagingParameters::Transfer(self.transfer())),
            PagingOperation::FILL => Some(PagingParameters::Fill(self.fill())),
            PagingOperation::MAP_APERTURE_SEGMENT => {
                Some(PagingParameters::MapApertureSegment(self.map_aperture_segment()))
            }
            PagingOperation::UNMAP_APERTURE_SEGMENT => {
                Some(PagingParameters::UnmapApertureSegment(self.unmap_aperture_segment()))
            }
            PagingOperation::MAP_APERTURE_SEGMENT2 => {
                Some(PagingParameters::MapApertureSegment2(self.map_aperture_segment2()))
            }
            _ => None,
        }
    }

    /// `Transfer`, whatever the operation says.
    pub fn transfer(&self) -> Transfer {
        self.front()
    }

    /// `Fill`, whatever the operation says.
    pub fn fill(&self) -> Fill {
        self.front()
    }

    /// `MapApertureSegment`, whatever the operation says.
    pub fn map_aperture_segment(&self) -> MapApertureSegment {
        self.front()
    }

    /// `UnmapApertureSegment`, whatever the operation says.
    pub fn unmap_aperture_segment(&self) -> UnmapApertureSegment {
        self.front()
    }

    /// `MapApertureSegment2`, whatever the operation says.
    pub fn map_aperture_segment2(&self) -> MapApertureSegment2 {
        self.front()
    }
}

/// The union of [`ArgBuildPagingBuffer`], read as its operation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PagingParameters {
    /// Move memory.
    Transfer(Transfer),
    /// Fill memory.
    Fill(Fill),
    /// Map an MDL into an aperture.
    MapApertureSegment(MapApertureSegment),
    /// Unmap a part of an aperture.
    UnmapApertureSegment(UnmapApertureSegment),
    /// Map an address descriptor list into an aperture.
    MapApertureSegment2(MapApertureSegment2),
}

layout! {
    /// One end of a transfer or fill: an address within a segment, or an MDL when the segment is 0.
    "DXGKARG_BUILDPAGINGBUFFER.Transfer.Source" [16]
    pub struct PagingLocation {
        0 => segment_id: u32, "`SegmentId`: segment, from 1; 0: system memory.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => segment_address_or_mdl: u64, "`SegmentAddress` (bytes into the segment) or, for system memory, `pMdl`.";
    }
}

layout! {
    /// Move a part of an allocation between segments.
    "DXGKARG_BUILDPAGINGBUFFER.Transfer" [64]
    pub struct Transfer {
        0 => allocation: Handle, "`hAllocation`.";
        8 => transfer_offset: u32, "`TransferOffset`: bytes from the allocation's start.";
        12 => _pad0: [u8; 4], "Padding.";
        16 => transfer_size: u64, "`TransferSize`: bytes.";
        24 => source: PagingLocation, "`Source`.";
        40 => destination: PagingLocation, "`Destination`.";
        56 => flags: TransferFlags, "`Flags`.";
        60 => mdl_offset: u32, "`MdlOffset`: pages into the MDL.";
    }
}

layout! {
    /// Fill a part of an allocation with a pattern.
    "DXGKARG_BUILDPAGINGBUFFER.Fill" [40]
    pub struct Fill {
        0 => allocation: Handle, "`hAllocation`: the driver's handle of the allocation; null: none.";
        8 => fill_size: u64, "`FillSize`: bytes.";
        16 => fill_pattern: u32, "`FillPattern`: 32-bit pattern.";
        20 => _pad0: [u8; 4], "Padding.";
        24 => destination: PagingLocation, "`Destination`.";
    }
}

layout! {
    /// Point a part of an aperture segment at an MDL's pages.
    "DXGKARG_BUILDPAGINGBUFFER.MapApertureSegment" [56]
    pub struct MapApertureSegment {
        0 => device: Handle, "`hDevice`: the driver's handle of the device.";
        8 => allocation: Handle, "`hAllocation`: the driver's handle of the allocation; null: none.";
        16 => segment_id: u32, "`SegmentId`: segment, from 1; 0: system memory.";
        20 => _pad0: [u8; 4], "Padding.";
        24 => offset_in_pages: u64, "`OffsetInPages`: pages from the segment's start.";
        32 => number_of_pages: u64, "`NumberOfPages`: pages.";
        40 => mdl: Pointer, "`pMdl`: the MDL.";
        48 => flags: MapApertureFlags, "`Flags`: see the type.";
        52 => mdl_offset: u32, "`MdlOffset`: pages into the MDL.";
    }
}

layout! {
    /// Point a part of an aperture segment at the dummy page.
    "DXGKARG_BUILDPAGINGBUFFER.UnmapApertureSegment" [48]
    pub struct UnmapApertureSegment {
        0 => device: Handle, "`hDevice`: the driver's handle of the device.";
        8 => allocation: Handle, "`hAllocation`: the driver's handle of the allocation; null: none.";
        16 => segment_id: u32, "`SegmentId`: segment, from 1; 0: system memory.";
        20 => _pad0: [u8; 4], "Padding.";
        24 => offset_in_pages: u64, "`OffsetInPages`: pages from the segment's start.";
        32 => number_of_pages: u64, "`NumberOfPages`: pages.";
        40 => dummy_page: u64, "`DummyPage`: physical address of the page to point at instead, bytes.";
    }
}

layout! {
    /// Point a part of an aperture segment at an address descriptor list's pages, since WDDM 2.9.
    "DXGKARG_BUILDPAGINGBUFFER.MapApertureSegment2" [72]
    pub struct MapApertureSegment2 {
        0 => device: Handle, "`hDevice`: the driver's handle of the device.";
        8 => allocation: Handle, "`hAllocation`: the driver's handle of the allocation; null: none.";
        16 => segment_id: u32, "`SegmentId`: segment, from 1; 0: system memory.";
        20 => _pad0: [u8; 4], "Padding.";
        24 => offset_in_pages: u64, "`OffsetInPages`: pages from the segment's start.";
        32 => number_of_pages: u64, "`NumberOfPages`: pages.";
        40 => adl: Adl, "`Adl`.";
        56 => flags: MapApertureFlags, "`Flags`: see the type.";
        60 => adl_offset: u32, "`AdlOffset`: pages into the list.";
        64 => cpu_visible_address: Pointer, "`CpuVisibleAddress`: where the processor sees the pages.";
    }
}
