//! The frame buffer's save area: pinned for the time the device's memory has to be kept (WDDM 2.4 and 2.9).

use crate::word::Pointer;

layout! {
    /// Argument of `DxgkCbPinFrameBufferForSave`, since WDDM 2.4.
    "DXGKARGCB_PINFRAMEBUFFERFORSAVE" [24]
    pub struct ArgCbPinFrameBufferForSave {
        0 => physical_adapter_index: u32, "In, `PhysicalAdapterIndex`: which adapter of the link.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => commit_size: u64, "In, `CommitSize`: bytes to commit.";
        16 => mdl: Pointer, "Out, `pMdl`: the pages of the save area.";
    }
}

layout! {
    /// Argument of `DxgkCbUnpinFrameBufferForSave`, since WDDM 2.4.
    "DXGKARGCB_UNPINFRAMEBUFFERFORSAVE" [4]
    pub struct ArgCbUnpinFrameBufferForSave {
        0 => physical_adapter_index: u32, "In, `PhysicalAdapterIndex`: which adapter of the link.";
    }
}

layout! {
    /// Argument of `DxgkCbMapFrameBufferPointer`, since WDDM 2.4.
    "DXGKARGCB_MAPFRAMEBUFFERPOINTER" [32]
    pub struct ArgCbMapFrameBufferPointer {
        0 => physical_adapter_index: u32, "In, `PhysicalAdapterIndex`: which adapter of the link.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => size: u64, "In, `Size`: bytes to map.";
        16 => offset: u64, "In, `Offset`: bytes from the save area's start.";
        24 => base_address: Pointer, "Out, `pBaseAddress`: where it is mapped.";
    }
}

layout! {
    /// Argument of `DxgkCbUnmapFrameBufferPointer`, since WDDM 2.4.
    "DXGKARGCB_UNMAPFRAMEBUFFERPOINTER" [16]
    pub struct ArgCbUnmapFrameBufferPointer {
        0 => physical_adapter_index: u32, "In, `PhysicalAdapterIndex`: which adapter of the link.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => base_address: Pointer, "In, `pBaseAddress`: from the map.";
    }
}

flags! {
    /// The flags of [`ArgCbPinFrameBufferForSave2`], since WDDM 2.9.
    pub struct PinFrameBufferFlags(u32) {
        PREFER_CONTIGUOUS = 0x1, "`PreferContiguous`: a contiguous list is liked.";
    }
}

layout! {
    /// Argument of `DxgkCbPinFrameBufferForSave2`, since WDDM 2.9.
    "DXGKARGCB_PINFRAMEBUFFERFORSAVE2" [32]
    pub struct ArgCbPinFrameBufferForSave2 {
        0 => physical_adapter_index: u32, "In, `PhysicalAdapterIndex`: which adapter of the link.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => commit_size: u64, "In, `CommitSize`: bytes to commit.";
        16 => flags: PinFrameBufferFlags, "In, `Flags`.";
        20 => _pad1: [u8; 4], "Padding.";
        24 => adl: Pointer, "Out, `pAdl`: the save area as the device sees it, a `DXGK_ADL`.";
    }
}
