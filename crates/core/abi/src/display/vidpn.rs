//! Arguments of the VidPN entry points, and of the source address.

use super::{
    CommitVidPnFlags, EnumPivotType, MonitorConnectivityChecks, RecommendReason, VidPnHwCapability,
    VidPnPresentPath,
};
use crate::word::{Boolean, Handle, Pointer};

layout! {
    /// Argument of `DxgkDdiIsSupportedVidPn`.
    "DXGKARG_ISSUPPORTEDVIDPN" [16]
    pub struct ArgIsSupportedVidPn {
        0 => desired_vidpn: Handle, "`hDesiredVidPn`: the topology asked about.";
        8 => is_vidpn_supported: Boolean, "`IsVidPnSupported`: out: the answer.";
        9 => _pad0: [u8; 7], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkDdiRecommendFunctionalVidPn`.
    "DXGKARG_RECOMMENDFUNCTIONALVIDPN" [48]
    pub struct ArgRecommendFunctionalVidPn {
        0 => number_of_vidpn_targets: u32, "`NumberOfVidPnTargets`: entries of the vector.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => vidpn_target_prioritization_vector: Pointer, "`pVidPnTargetPrioritizationVector`: target numbers, the most important first.";
        16 => recommended_functional_vidpn: Handle, "`hRecommendedFunctionalVidPn`: the topology to fill in.";
        24 => request_reason: RecommendReason, "`RequestReason`: why it is asked for.";
        28 => _pad1: [u8; 4], "Padding.";
        32 => private_driver_data: Pointer, "`pPrivateDriverData`: the driver's own bytes.";
        40 => private_driver_data_size: u32, "`PrivateDriverDataSize`: bytes.";
        44 => _pad2: [u8; 4], "Padding.";
    }
}

layout! {
    /// The source and target that stay as they are.
    "DXGK_ENUM_PIVOT" [8]
    pub struct EnumPivot {
        0 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
        4 => vidpn_target_id: u32, "`VidPnTargetId`: video present target.";
    }
}

layout! {
    /// Argument of `DxgkDdiEnumVidPnCofuncModality`.
    "DXGKARG_ENUMVIDPNCOFUNCMODALITY" [24]
    pub struct ArgEnumVidPnCofuncModality {
        0 => constraining_vidpn: Handle, "`hConstrainingVidPn`: the topology to complete.";
        8 => enum_pivot_type: EnumPivotType, "`EnumPivotType`: what must stay.";
        12 => enum_pivot: EnumPivot, "`EnumPivot`: which source and target.";
        20 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkDdiSetVidPnSourceVisibility`.
    "DXGKARG_SETVIDPNSOURCEVISIBILITY" [8]
    pub struct ArgSetVidPnSourceVisibility {
        0 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
        4 => visible: Boolean, "`Visible`: whether the source is to be shown.";
        5 => _pad0: [u8; 3], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkDdiCommitVidPn`.
    "DXGKARG_COMMITVIDPN" [32]
    pub struct ArgCommitVidPn {
        0 => functional_vidpn: Handle, "`hFunctionalVidPn`: the topology to commit.";
        8 => affected_vidpn_source_id: u32, "`AffectedVidPnSourceId`: the source concerned, or all (`0xFFFFFFFD`).";
        12 => monitor_connectivity_checks: MonitorConnectivityChecks, "`MonitorConnectivityChecks`: whether absent monitors matter.";
        16 => primary_allocation: Handle, "`hPrimaryAllocation`: the surface to show, or null.";
        24 => flags: CommitVidPnFlags, "`Flags`: see the type.";
        28 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkDdiUpdateActiveVidPnPresentPath`.
    "DXGKARG_UPDATEACTIVEVIDPNPRESENTPATH" [360]
    pub struct ArgUpdateActiveVidPnPresentPath {
        0 => vidpn_present_path_info: VidPnPresentPath, "`VidPnPresentPathInfo`: the path as it is to be.";
    }
}

layout! {
    /// Argument of `DxgkDdiRecommendMonitorModes`.
    "DXGKARG_RECOMMENDMONITORMODES" [24]
    pub struct ArgRecommendMonitorModes {
        0 => video_present_target_id: u32, "`VideoPresentTargetId`: video present target.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => monitor_source_mode_set: Handle, "`hMonitorSourceModeSet`: the mode set.";
        16 => monitor_source_mode_set_interface: Pointer, "`pMonitorSourceModeSetInterface`: functions of the mode set.";
    }
}

layout! {
    /// Argument of `DxgkDdiQueryVidPnHWCapability`, since WDDM 1.1.
    "DXGKARG_QUERYVIDPNHWCAPABILITY" [24]
    pub struct ArgQueryVidPnHwCapability {
        0 => functional_vidpn: Handle, "`hFunctionalVidPn`: the topology to commit.";
        8 => source_id: u32, "`SourceId`: video present source.";
        12 => target_id: u32, "`TargetId`: video present target.";
        16 => vidpn_hw_caps: VidPnHwCapability, "`VidPnHWCaps`: out: the answer.";
        20 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkDdiGetScanLine`.
    "DXGKARG_GETSCANLINE" [12]
    pub struct ArgGetScanLine {
        0 => vidpn_target_id: u32, "`VidPnTargetId`: video present target.";
        4 => in_vertical_blank: Boolean, "`InVerticalBlank`: whether none is.";
        5 => _pad0: [u8; 3], "Padding.";
        8 => scan_line: u32, "`ScanLine`: line being drawn.";
    }
}

flags! {
    /// `DXGK_SETVIDPNSOURCEADDRESS_FLAGS`: of [`ArgSetVidPnSourceAddress`].
    pub struct SetVidPnSourceAddressFlags(u32) {
        MODE_CHANGE = 0x1, "`ModeChange`.";
        FLIP_IMMEDIATE = 0x2, "`FlipImmediate`.";
        FLIP_ON_NEXT_VSYNC = 0x4, "`FlipOnNextVSync`.";
        FLIP_STEREO = 0x8, "`FlipStereo`.";
        FLIP_STEREO_TEMPORARY_MONO = 0x10, "`FlipStereoTemporaryMono`.";
        FLIP_STEREO_PREFER_RIGHT = 0x20, "`FlipStereoPreferRight`.";
        SHARED_PRIMARY_TRANSITION = 0x40, "`SharedPrimaryTransition`.";
        INDEPENDENT_FLIP_EXCLUSIVE = 0x80, "`IndependentFlipExclusive` (since WDDM 2.0).";
        MOVE_FLIP = 0x100, "`MoveFlip` (since WDDM 2.1).";
    }
}

layout! {
    /// Argument of `DxgkDdiSetVidPnSourceAddress`.
    ///
    /// Its length grew: 560 bytes from WDDM 1.0, 2112 bytes from WDDM 2.0.
    "DXGKARG_SETVIDPNSOURCEADDRESS" [2112]
    pub struct ArgSetVidPnSourceAddress {
        0 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
        4 => primary_segment: u32, "`PrimarySegment`: segment of the surface.";
        8 => primary_address: u64, "`PrimaryAddress`: address within it, bytes.";
        16 => allocation: Handle, "`hAllocation`: the driver's handle of the allocation; null: none.";
        24 => context_count: u32, "`ContextCount`: entries of `context`.";
        28 => _pad0: [u8; 4], "Padding.";
        32 => context: [Handle; 65], "`Context`: handed to the routine.";
        552 => flags: SetVidPnSourceAddressFlags, "`Flags`: see the type.";
        556 => duration: u32, "`Duration` (since WDDM 1.3): how long the flip lasts, in 100 ns.";
        560 => primary_data: [[u64; 3]; 64], "`PrimaryData` (since WDDM 2.0): 24 bytes for each plane.";
        2096 => driver_private_data_size: u32, "`DriverPrivateDataSize` (since WDDM 2.0): bytes.";
        2100 => _pad1: [u8; 4], "Padding.";
        2104 => driver_private_data: Pointer, "`pDriverPrivateData` (since WDDM 2.0): the driver's own bytes.";
    }
}
