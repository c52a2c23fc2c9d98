//! Interrupts that a driver reports: `DxgkCbNotifyInterrupt`, and their control.

use crate::display::ArgCbPresentDisplayOnlyProgress;
use crate::status::NtStatus;
use crate::word::Handle;
use zerocopy::FromBytes;

open_enum! {
    /// `DXGK_INTERRUPT_TYPE`: what happened.
    pub struct InterruptType(u32) {
        DMA_COMPLETED = 1, "`DXGK_INTERRUPT_DMA_COMPLETED`.";
        DMA_PREEMPTED = 2, "`DXGK_INTERRUPT_DMA_PREEMPTED`.";
        CRTC_VSYNC = 3, "`DXGK_INTERRUPT_CRTC_VSYNC`.";
        DMA_FAULTED = 4, "`DXGK_INTERRUPT_DMA_FAULTED`.";
        DISPLAYONLY_VSYNC = 5, "`DXGK_INTERRUPT_DISPLAYONLY_VSYNC` (since WDDM 1.2).";
        DISPLAYONLY_PRESENT_PROGRESS = 6, "`DXGK_INTERRUPT_DISPLAYONLY_PRESENT_PROGRESS` (since WDDM 1.2).";
        CRTC_VSYNC_WITH_MULTIPLANE_OVERLAY = 7, "`DXGK_INTERRUPT_CRTC_VSYNC_WITH_MULTIPLANE_OVERLAY` (since WDDM 1.2).";
        MICACAST_CHUNK_PROCESSING_COMPLETE = 8, "`DXGK_INTERRUPT_MICACAST_CHUNK_PROCESSING_COMPLETE` (since WDDM 1.3).";
        DMA_PAGE_FAULTED = 9, "`DXGK_INTERRUPT_DMA_PAGE_FAULTED` (since WDDM 2.0).";
        CRTC_VSYNC_WITH_MULTIPLANE_OVERLAY2 = 10, "`DXGK_INTERRUPT_CRTC_VSYNC_WITH_MULTIPLANE_OVERLAY2` (since WDDM 2.1).";
        MONITORED_FENCE_SIGNALED = 11, "`DXGK_INTERRUPT_MONITORED_FENCE_SIGNALED` (since WDDM 2.2).";
        HWQUEUE_PAGE_FAULTED = 12, "`DXGK_INTERRUPT_HWQUEUE_PAGE_FAULTED` (since WDDM 2.2).";
        HWCONTEXTLIST_SWITCH_COMPLETED = 13, "`DXGK_INTERRUPT_HWCONTEXTLIST_SWITCH_COMPLETED` (since WDDM 2.2).";
        PERIODIC_MONITORED_FENCE_SIGNALED = 14, "`DXGK_INTERRUPT_PERIODIC_MONITORED_FENCE_SIGNALED` (since WDDM 2.2).";
        SCHEDULING_LOG_INTERRUPT = 15, "`DXGK_INTERRUPT_SCHEDULING_LOG_INTERRUPT` (since WDDM 2.4).";
        GPU_ENGINE_TIMEOUT = 16, "`DXGK_INTERRUPT_GPU_ENGINE_TIMEOUT` (since WDDM 2.4).";
        SUSPEND_CONTEXT_COMPLETED = 17, "`DXGK_INTERRUPT_SUSPEND_CONTEXT_COMPLETED` (since WDDM 2.4).";
        CRTC_VSYNC_WITH_MULTIPLANE_OVERLAY3 = 18, "`DXGK_INTERRUPT_CRTC_VSYNC_WITH_MULTIPLANE_OVERLAY3` (since WDDM 2.9).";
        NATIVE_FENCE_SIGNALED = 19, "`DXGK_INTERRUPT_NATIVE_FENCE_SIGNALED` (since WDDM 3.1).";
        GPU_ENGINE_STATE_CHANGE = 20, "`DXGK_INTERRUPT_GPU_ENGINE_STATE_CHANGE` (since WDDM 3.1).";
    }
}

open_enum! {
    /// `DXGK_INTERRUPT_STATE`: on or off.
    pub struct InterruptState(u32) {
        ENABLE = 0, "`DXGK_INTERRUPT_ENABLE`.";
        DISABLE = 1, "`DXGK_INTERRUPT_DISABLE`.";
    }
}

open_enum! {
    /// `DXGK_CRTC_VSYNC_STATE`: on or off, and whether the phase is kept.
    pub struct CrtcVsyncState(u32) {
        ENABLE = 0, "`DXGK_VSYNC_ENABLE`.";
        DISABLE_KEEP_PHASE = 1, "`DXGK_VSYNC_DISABLE_KEEP_PHASE`.";
        DISABLE_NO_PHASE = 2, "`DXGK_VSYNC_DISABLE_NO_PHASE`.";
    }
}

flags! {
    /// `DXGKCB_NOTIFY_INTERRUPT_DATA_FLAGS`: of [`ArgCbNotifyInterruptData`].
    pub struct NotifyInterruptFlags(u32) {
        VALID_PHYSICAL_ADAPTER_MASK = 0x1, "`ValidPhysicalAdapterMask`.";
        HSYNC_FLIP_COMPLETION = 0x2, "`HsyncFlipCompletion` (since WDDM 2.2).";
    }
}

flags! {
    /// `DXGK_PAGE_FAULT_FLAGS`: of [`DmaPageFaulted`], since WDDM 2.0.
    pub struct PageFaultFlags(u32) {
        WRITE = 0x1, "`WRITE`.";
        FENCE_INVALID = 0x2, "`FENCE_INVALID`.";
        ADAPTER_RESET_REQUIRED = 0x4, "`ADAPTER_RESET_REQUIRED`.";
        ENGINE_RESET_REQUIRED = 0x8, "`ENGINE_RESET_REQUIRED`.";
        FATAL_HARDWARE_ERROR = 0x10, "`FATAL_HARDWARE_ERROR`.";
        IOMMU = 0x20, "`IOMMU`.";
        HW_CONTEXT_VALID = 0x40, "`HW_CONTEXT_VALID` (since WDDM 2.2).";
        PROCESS_HANDLE_VALID = 0x80, "`PROCESS_HANDLE_VALID` (since WDDM 2.2).";
    }
}

layout! {
    /// Argument of `DxgkCbNotifyInterrupt`; `per_type` is a union read by methods.
    "DXGKARGCB_NOTIFY_INTERRUPT_DATA" [80]
    pub struct ArgCbNotifyInterruptData {
        0 => interrupt_type: InterruptType, "In, `InterruptType`: which member of the union holds.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => per_type: [u8; 64], "In, the union.";
        72 => flags: NotifyInterruptFlags, "In, `Flags`.";
        76 => _pad1: [u8; 4], "Padding.";
    }
}

impl ArgCbNotifyInterruptData {
    /// Reads the front of the union's area; every member fits, so nothing is ever missing.
    fn front<T: FromBytes + Default>(&self) -> T {
        T::read_from_prefix(&self.per_type).map(|(value, _)| value).unwrap_or_default()
    }

    /// `DmaCompleted`, whatever the type says.
    pub fn dma_completed(&self) -> DmaCompleted {
        self.front()
    }

    /// `DmaPreempted`, whatever the type says.
    pub fn dma_preempted(&self) -> DmaPreempted {
        self.front()
    }

    /// `DmaFaulted`, whatever the type says.
    pub fn dma_faulted(&self) -> DmaFaulted {
        self.front()
    }

    /// `CrtcVsync`, whatever the type says.
    pub fn crtc_vsync(&self) -> CrtcVsync {
        self.front()
    }

    /// `DisplayOnlyVsync`, whatever the type says.
    pub fn display_only_vsync(&self) -> DisplayOnlyVsync {
        self.front()
    }

    /// `DmaPageFaulted`, whatever the type says.
    pub fn dma_page_faulted(&self) -> DmaPageFaulted {
        self.front()
    }

    /// `DisplayOnlyPresentProgress`, whatever the type says (since WDDM 1.2).
    pub fn display_only_present_progress(&self) -> ArgCbPresentDisplayOnlyProgress {
        self.front()
    }
}

layout! {
    /// A DMA buffer is done.
    "DXGKARGCB_NOTIFY_INTERRUPT_DATA.DmaCompleted" [12]
    pub struct DmaCompleted {
        0 => submission_fence_id: u32, "`SubmissionFenceId`: fence to signal.";
        4 => node_ordinal: u32, "`NodeOrdinal`: node.";
        8 => engine_ordinal: u32, "`EngineOrdinal`: engine.";
    }
}

layout! {
    /// A preemption is done.
    "DXGKARGCB_NOTIFY_INTERRUPT_DATA.DmaPreempted" [16]
    pub struct DmaPreempted {
        0 => preemption_fence_id: u32, "`PreemptionFenceId`: fence of the preemption.";
        4 => last_completed_fence_id: u32, "`LastCompletedFenceId`: fence.";
        8 => node_ordinal: u32, "`NodeOrdinal`: node.";
        12 => engine_ordinal: u32, "`EngineOrdinal`: engine.";
    }
}

layout! {
    /// A DMA buffer failed.
    "DXGKARGCB_NOTIFY_INTERRUPT_DATA.DmaFaulted" [16]
    pub struct DmaFaulted {
        0 => faulted_fence_id: u32, "`FaultedFenceId`: fence of the work that faulted.";
        4 => status: NtStatus, "`Status`: why.";
        8 => node_ordinal: u32, "`NodeOrdinal`: node.";
        12 => engine_ordinal: u32, "`EngineOrdinal`: engine.";
    }
}

layout! {
    /// Vertical sync.
    "DXGKARGCB_NOTIFY_INTERRUPT_DATA.CrtcVsync" [24]
    pub struct CrtcVsync {
        0 => vidpn_target_id: u32, "`VidPnTargetId`: video present target.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => physical_address: u64, "`PhysicalAddress`: bytes.";
        16 => physical_adapter_mask: u32, "`PhysicalAdapterMask`: one bit for each physical adapter.";
        20 => _pad1: [u8; 4], "Padding.";
    }
}

layout! {
    /// Vertical sync of a display-only driver, since WDDM 1.2.
    "DXGKARGCB_NOTIFY_INTERRUPT_DATA.DisplayOnlyVsync" [4]
    pub struct DisplayOnlyVsync {
        0 => vidpn_target_id: u32, "`VidPnTargetId`: video present target.";
    }
}

layout! {
    /// A DMA buffer met a page fault, since WDDM 2.0.
    "DXGKARGCB_NOTIFY_INTERRUPT_DATA.DmaPageFaulted" [64]
    pub struct DmaPageFaulted {
        0 => faulted_fence_id: u32, "`FaultedFenceId`: fence of the work that faulted.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => faulted_primitive_api_sequence_number: u64, "`FaultedPrimitiveAPISequenceNumber`: primitive.";
        16 => faulted_pipeline_stage: u32, "`FaultedPipelineStage`: pipeline stage.";
        20 => faulted_bind_table_entry: u32, "`FaultedBindTableEntry`: binding.";
        24 => page_fault_flags: PageFaultFlags, "`PageFaultFlags`: what kind of fault.";
        28 => _pad1: [u8; 4], "Padding.";
        32 => faulted_virtual_address: u64, "`FaultedVirtualAddress`: GPU virtual address, bytes.";
        40 => node_ordinal: u32, "`NodeOrdinal`: node.";
        44 => engine_ordinal: u32, "`EngineOrdinal`: engine.";
        48 => page_table_level: u32, "`PageTableLevel`: level of the page table.";
        52 => fault_error_code: u32, "`FaultErrorCode`: bit 0: device specific; the code above it.";
        56 => faulted_process_handle: Handle, "`FaultedProcessHandle`: the process.";
    }
}

layout! {
    /// Argument of `DxgkDdiControlInterrupt2`, since WDDM 1.3; eight bytes, passed by value.
    "DXGKARG_CONTROLINTERRUPT2" [8]
    pub struct ArgControlInterrupt2 {
        0 => interrupt_type: InterruptType, "`InterruptType`: what is switched.";
        4 => state: u32, "`InterruptState`, or `CrtcVsyncState` for [`InterruptType::CRTC_VSYNC`].";
    }
}
