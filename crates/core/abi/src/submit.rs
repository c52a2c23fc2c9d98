//! Submission of work, and fences.

use crate::word::{Handle, Pointer};

flags! {
    /// `DXGK_SUBMITCOMMANDFLAGS`: of a submission.
    pub struct SubmitCommandFlags(u32) {
        PAGING = 0x1, "`Paging`.";
        PRESENT = 0x2, "`Present`.";
        REDIRECTED_PRESENT = 0x4, "`RedirectedPresent`.";
        NULL_RENDERING = 0x8, "`NullRendering`.";
        FLIP = 0x10, "`Flip`.";
        FLIP_WITH_NO_WAIT = 0x20, "`FlipWithNoWait`.";
        CONTEXT_SWITCH = 0x40, "`ContextSwitch` (since WDDM 1.2).";
        RESUBMISSION = 0x80, "`Resubmission` (since WDDM 2.0).";
        VIRTUAL_MACHINE_DATA = 0x100, "`VirtualMachineData` (since WDDM 2.2).";
    }
}

open_enum! {
    /// `D3DDDI_FLIPINTERVAL_TYPE`: vertical syncs to wait for.
    pub struct FlipInterval(u32) {
        IMMEDIATE = 0, "`D3DDDI_FLIPINTERVAL_IMMEDIATE`.";
        ONE = 1, "`D3DDDI_FLIPINTERVAL_ONE`.";
        TWO = 2, "`D3DDDI_FLIPINTERVAL_TWO`.";
        THREE = 3, "`D3DDDI_FLIPINTERVAL_THREE`.";
        FOUR = 4, "`D3DDDI_FLIPINTERVAL_FOUR`.";
        IMMEDIATE_ALLOW_TEARING = 5, "`D3DDDI_FLIPINTERVAL_IMMEDIATE_ALLOW_TEARING`.";
    }
}

layout! {
    /// Argument of `DxgkDdiSubmitCommand`.
    ///
    /// Its length grew: 80 bytes from WDDM 1.0, 88 bytes from WDDM 1.1, 96 bytes from WDDM 1.2.
    "DXGKARG_SUBMITCOMMAND" [96]
    pub struct ArgSubmitCommand {
        0 => device: Handle, "`hDevice`: the device, or `hContext` for a driver with contexts; null for paging.";
        8 => dma_buffer_segment_id: u32, "`DmaBufferSegmentId`: segment of the DMA buffer; 0: system memory.";
        12 => _pad0: [u8; 4], "Padding.";
        16 => dma_buffer_physical_address: u64, "`DmaBufferPhysicalAddress`: bytes.";
        24 => dma_buffer_size: u32, "`DmaBufferSize`: bytes.";
        28 => dma_buffer_submission_start_offset: u32, "`DmaBufferSubmissionStartOffset`: bytes from the buffer's start.";
        32 => dma_buffer_submission_end_offset: u32, "`DmaBufferSubmissionEndOffset`: bytes from the buffer's start.";
        36 => _pad1: [u8; 4], "Padding.";
        40 => dma_buffer_private_data: Pointer, "`pDmaBufferPrivateData`: the driver's own data of the buffer.";
        48 => dma_buffer_private_data_size: u32, "`DmaBufferPrivateDataSize`: bytes.";
        52 => dma_buffer_private_data_submission_start_offset: u32, "`DmaBufferPrivateDataSubmissionStartOffset`: bytes.";
        56 => dma_buffer_private_data_submission_end_offset: u32, "`DmaBufferPrivateDataSubmissionEndOffset`: bytes.";
        60 => submission_fence_id: u32, "`SubmissionFenceId`: fence to signal.";
        64 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
        68 => flip_interval: FlipInterval, "`FlipInterval`: vertical syncs to wait for.";
        72 => flags: SubmitCommandFlags, "`Flags`: see the type.";
        76 => engine_ordinal: u32, "`EngineOrdinal`: engine.";
        80 => dma_buffer_virtual_address: u64, "`DmaBufferVirtualAddress` (since WDDM 1.1): GPU virtual address, bytes.";
        88 => node_ordinal: u32, "`NodeOrdinal` (since WDDM 1.2): node.";
        92 => _pad2: [u8; 4], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkDdiPreemptCommand`.
    "DXGKARG_PREEMPTCOMMAND" [16]
    pub struct ArgPreemptCommand {
        0 => preemption_fence_id: u32, "`PreemptionFenceId`: fence of the preemption.";
        4 => node_ordinal: u32, "`NodeOrdinal`: node.";
        8 => engine_ordinal: u32, "`EngineOrdinal`: engine.";
        12 => flags: u32, "`Flags`: see the type.";
    }
}

layout! {
    /// Argument of `DxgkDdiQueryCurrentFence`.
    "DXGKARG_QUERYCURRENTFENCE" [12]
    pub struct ArgQueryCurrentFence {
        0 => current_fence: u32, "`CurrentFence`: out: the last fence completed.";
        4 => node_ordinal: u32, "`NodeOrdinal`: node.";
        8 => engine_ordinal: u32, "`EngineOrdinal`: engine.";
    }
}
