//! Pointers and presents of a display-only driver, and the flags of the display entry points.

use crate::word::Pointer;

flags! {
    /// `DXGK_POINTERFLAGS`: kinds of pointer.
    pub struct PointerFlags(u32) {
        MONOCHROME = 0x1, "`Monochrome`.";
        COLOR = 0x2, "`Color`.";
        MASKED_COLOR = 0x4, "`MaskedColor`.";
    }
}

flags! {
    /// `DXGK_SETPOINTERPOSITIONFLAGS`: of [`ArgSetPointerPosition`].
    pub struct SetPointerPositionFlags(u32) {
        VISIBLE = 0x1, "`Visible`.";
        PROCEDURAL = 0x2, "`Procedural`.";
    }
}

layout! {
    /// Argument of `DxgkDdiSetPointerPosition`.
    "DXGKARG_SETPOINTERPOSITION" [16]
    pub struct ArgSetPointerPosition {
        0 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
        4 => x: i32, "`X`: pixels.";
        8 => y: i32, "`Y`: pixels.";
        12 => flags: SetPointerPositionFlags, "`Flags`: see the type.";
    }
}

layout! {
    /// Argument of `DxgkDdiSetPointerShape`.
    "DXGKARG_SETPOINTERSHAPE" [40]
    pub struct ArgSetPointerShape {
        0 => flags: PointerFlags, "`Flags`: see the type.";
        4 => width: u32, "`Width`: pixels.";
        8 => height: u32, "`Height`: pixels.";
        12 => pitch: u32, "`Pitch`: bytes from one line to the next.";
        16 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
        20 => _pad0: [u8; 4], "Padding.";
        24 => pixels: Pointer, "`pPixels`: the picture.";
        32 => x_hot: u32, "`XHot`: pixels.";
        36 => y_hot: u32, "`YHot`: pixels.";
    }
}

flags! {
    /// `D3DKMT_PRESENT_DISPLAY_ONLY_FLAGS`, since WDDM 1.2: of [`ArgPresentDisplayOnly`].
    pub struct PresentDisplayOnlyFlags(u32) {
        ROTATE = 0x1, "`Rotate`.";
    }
}

layout! {
    /// Argument of `DxgkDdiPresentDisplayOnly`, since WDDM 1.2.
    "DXGKARG_PRESENT_DISPLAYONLY" [64]
    pub struct ArgPresentDisplayOnly {
        0 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => source: Pointer, "`pSource`: the picture to show.";
        16 => bytes_per_pixel: u32, "`BytesPerPixel`: bytes.";
        20 => pitch: i32, "`Pitch`: bytes from one line of the source to the next; may be negative.";
        24 => flags: PresentDisplayOnlyFlags, "`Flags`: see the type.";
        28 => num_moves: u32, "`NumMoves`: entries at `moves`.";
        32 => moves: Pointer, "`pMoves`: array of [`MoveRect`].";
        40 => num_dirty_rects: u32, "`NumDirtyRects`: entries at `dirty_rect`.";
        44 => _pad1: [u8; 4], "Padding.";
        48 => dirty_rect: Pointer, "`pDirtyRect`: array of [`Rect`].";
        56 => present_display_only_progress: Pointer, "`pfnPresentDisplayOnlyProgress`: function to report the end of an asynchronous present.";
    }
}

layout! {
    /// A point, pixels.
    "POINT" [8]
    pub struct Point {
        0 => x: i32, "`x`: pixels.";
        4 => y: i32, "`y`: pixels.";
    }
}

layout! {
    /// A rectangle, pixels; right and bottom are outside it.
    "RECT" [16]
    pub struct Rect {
        0 => left: i32, "`left`: pixels.";
        4 => top: i32, "`top`: pixels.";
        8 => right: i32, "`right`: pixels.";
        12 => bottom: i32, "`bottom`: pixels.";
    }
}

layout! {
    /// A rectangle that moved on the screen.
    "D3DKMT_MOVE_RECT" [24]
    pub struct MoveRect {
        0 => source_point: Point, "`SourcePoint`: where it was.";
        8 => dest_rect: Rect, "`DestRect`: where it is.";
    }
}

open_enum! {
    /// `DXGK_PRESENT_DISPLAY_ONLY_PROGRESS_ID`: how an asynchronous present went.
    pub struct PresentProgressId(u32) {
        COMPLETE = 0, "`DXGK_PRESENT_DISPLAYONLY_PROGRESS_ID_COMPLETE`.";
        FAILED = 1, "`DXGK_PRESENT_DISPLAYONLY_PROGRESS_ID_FAILED`.";
    }
}

layout! {
    /// Argument of the progress function, since WDDM 1.2.
    "DXGKARGCB_PRESENT_DISPLAYONLY_PROGRESS" [8]
    pub struct ArgCbPresentDisplayOnlyProgress {
        0 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
        4 => progress_id: PresentProgressId, "`ProgressId`: how it went.";
    }
}

flags! {
    /// `DXGKARG_COMMITVIDPN_FLAGS`: of a commit.
    pub struct CommitVidPnFlags(u32) {
        PATH_POWER_TRANSITION = 0x1, "`PathPowerTransition`.";
        PATH_POWERED_OFF = 0x2, "`PathPoweredOff`.";
    }
}

flags! {
    /// `D3DKMDT_VIDPN_HW_CAPABILITY`: what the driver does rather than the hardware.
    pub struct VidPnHwCapability(u32) {
        DRIVER_ROTATION = 0x1, "`DriverRotation`.";
        DRIVER_SCALING = 0x2, "`DriverScaling`.";
        DRIVER_CLONING = 0x4, "`DriverCloning`.";
        DRIVER_COLOR_CONVERT = 0x8, "`DriverColorConvert`.";
        DRIVER_LINKED_ADAPATER_OUTPUT = 0x10, "`DriverLinkedAdapaterOutput`.";
        DRIVER_REMOTE_DISPLAY = 0x20, "`DriverRemoteDisplay`.";
    }
}
