//! Entry points of display.

use crate::display::{
    ArgCommitVidPn, ArgEnumVidPnCofuncModality, ArgGetScanLine, ArgIsSupportedVidPn, ArgPresentDisplayOnly,
    ArgQueryVidPnHwCapability, ArgRecommendFunctionalVidPn, ArgRecommendMonitorModes, ArgSetPointerPosition,
    ArgSetPointerShape, ArgSetVidPnSourceAddress, ArgSetVidPnSourceVisibility,
    ArgUpdateActiveVidPnPresentPath, DdiFormat,
};
use crate::status::NtStatus;
use crate::word::{Handle, Pointer};

/// `DxgkDdiSetPalette`: 0xe8 of the full table and 0x90 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiSetPalette = driver_fn!(fn(adapter: Handle, set_palette: Pointer) -> NtStatus);

/// `DxgkDdiSetPointerPosition`: 0xf0 of the full table and 0x98 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiSetPointerPosition =
    driver_fn!(fn(adapter: Handle, set_pointer_position: *const ArgSetPointerPosition) -> NtStatus);

/// `DxgkDdiSetPointerShape`: 0xf8 of the full table and 0xa0 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiSetPointerShape =
    driver_fn!(fn(adapter: Handle, set_pointer_shape: *const ArgSetPointerShape) -> NtStatus);

/// `DxgkDdiIsSupportedVidPn`: 0x128 of the full table and 0xb8 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiIsSupportedVidPn =
    driver_fn!(fn(adapter: Handle, is_supported_vidpn: *mut ArgIsSupportedVidPn) -> NtStatus);

/// `DxgkDdiRecommendFunctionalVidPn`: 0x130 of the full table and 0xc0 of the display-only table, at
/// `PASSIVE_LEVEL`.
pub type DxgkDdiRecommendFunctionalVidPn = driver_fn!(
    fn(adapter: Handle, recommend_functional_vidpn: *const ArgRecommendFunctionalVidPn) -> NtStatus
);

/// `DxgkDdiEnumVidPnCofuncModality`: 0x138 of the full table and 0xc8 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiEnumVidPnCofuncModality =
    driver_fn!(fn(adapter: Handle, enum_cofunc_modality: *const ArgEnumVidPnCofuncModality) -> NtStatus);

/// `DxgkDdiSetVidPnSourceAddress`: 0x140 of the full table, at any level.
pub type DxgkDdiSetVidPnSourceAddress =
    driver_fn!(fn(adapter: Handle, set_vidpn_source_address: *const ArgSetVidPnSourceAddress) -> NtStatus);

/// `DxgkDdiSetVidPnSourceVisibility`: 0x148 of the full table and 0xd0 of the display-only table, at
/// `PASSIVE_LEVEL`.
pub type DxgkDdiSetVidPnSourceVisibility = driver_fn!(
    fn(adapter: Handle, set_vidpn_source_visibility: *const ArgSetVidPnSourceVisibility) -> NtStatus
);

/// `DxgkDdiCommitVidPn`: 0x150 of the full table and 0xd8 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiCommitVidPn =
    driver_fn!(fn(adapter: Handle, commit_vidpn: *const ArgCommitVidPn) -> NtStatus);

/// `DxgkDdiUpdateActiveVidPnPresentPath`: 0x158 of the full table and 0xe0 of the display-only table, at
/// `PASSIVE_LEVEL`.
pub type DxgkDdiUpdateActiveVidPnPresentPath = driver_fn!(
    fn(adapter: Handle, update_active_vidpn_present_path: *const ArgUpdateActiveVidPnPresentPath) -> NtStatus
);

/// `DxgkDdiRecommendMonitorModes`: 0x160 of the full table and 0xe8 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiRecommendMonitorModes =
    driver_fn!(fn(adapter: Handle, recommend_monitor_modes: *const ArgRecommendMonitorModes) -> NtStatus);

/// `DxgkDdiRecommendVidPnTopology`: 0x168 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiRecommendVidPnTopology =
    driver_fn!(fn(adapter: Handle, recommend_vidpn_topology: Pointer) -> NtStatus);

/// `DxgkDdiGetScanLine`: 0x170 of the full table and 0xf0 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiGetScanLine = driver_fn!(fn(adapter: Handle, get_scan_line: *mut ArgGetScanLine) -> NtStatus);

/// `DxgkDdiQueryVidPnHWCapability`: 0x230 of the full table and 0xf8 of the display-only table, at
/// `PASSIVE_LEVEL`, since WDDM 1.1.
pub type DxgkDdiQueryVidPnHWCapability =
    driver_fn!(fn(adapter: Handle, vidpn_hw_caps: *mut ArgQueryVidPnHwCapability) -> NtStatus);

/// `DxgkDdiPresentDisplayOnly`: 0x100 of the display-only table, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkDdiPresentDisplayOnly =
    driver_fn!(fn(adapter: Handle, present_display_only: *const ArgPresentDisplayOnly) -> NtStatus);

/// `DxgkDdiSystemDisplayEnable`: 0x260 of the full table and 0x110 of the display-only table, since WDDM 1.2.
pub type DxgkDdiSystemDisplayEnable = driver_fn!(
    fn(
        miniport_device_context: Pointer,
        target_id: u32,
        flags: Pointer,
        width: *mut u32,
        height: *mut u32,
        color_format: *mut DdiFormat,
    ) -> NtStatus
);

/// `DxgkDdiSystemDisplayWrite`: 0x268 of the full table and 0x118 of the display-only table, since WDDM 1.2.
pub type DxgkDdiSystemDisplayWrite = driver_fn!(
    fn(
        miniport_device_context: Pointer,
        source: Pointer,
        source_width: u32,
        source_height: u32,
        source_stride: u32,
        position_x: u32,
        position_y: u32,
    )
);

/// `DxgkDdiSetTimingsFromVidPn`: 0x3b8 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiSetTimingsFromVidPn = driver_fn!(fn(adapter: Handle, set_timings: Pointer) -> NtStatus);

/// `DxgkDdiDisplayDetectControl`: 0x3e0 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiDisplayDetectControl =
    driver_fn!(fn(adapter: Handle, display_detect_control: Pointer) -> NtStatus);

/// `DxgkDdiQueryConnectionChange`: 0x3e8 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiQueryConnectionChange =
    driver_fn!(fn(adapter: Handle, query_connection_change: Pointer) -> NtStatus);
