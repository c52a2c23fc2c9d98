//! Modes and paths of a video present network (VidPN).

use super::{
    ColorBasis, CopyProtectionType, DdiFormat, GammaRampType, ModePreference, MonitorCapabilitiesOrigin,
    PathContent, PathImportance, PathRotation, PathScaling, PixelValueAccessMode, ScanLineOrdering,
    SourceModeType, VideoSignalStandard,
};
use crate::word::Pointer;

layout! {
    /// A width and a height, pixels.
    "D3DKMDT_2DREGION" [8]
    pub struct Region2d {
        0 => cx: u32, "`cx`: pixels.";
        4 => cy: u32, "`cy`: pixels.";
    }
}

layout! {
    /// An offset, pixels.
    "D3DKMDT_2DOFFSET" [8]
    pub struct Offset2d {
        0 => cx: u32, "`cx`: pixels.";
        4 => cy: u32, "`cy`: pixels.";
    }
}

layout! {
    /// A fraction, in hertz where it is a frequency.
    "D3DDDI_RATIONAL" [8]
    pub struct Rational {
        0 => numerator: u32, "`Numerator`.";
        4 => denominator: u32, "`Denominator`.";
    }
}

layout! {
    /// Bits a colour channel has.
    "D3DKMDT_COLOR_COEFF_DYNAMIC_RANGES" [16]
    pub struct ColorCoeffDynamicRanges {
        0 => first_channel: u32, "`FirstChannel`: bits.";
        4 => second_channel: u32, "`SecondChannel`: bits.";
        8 => third_channel: u32, "`ThirdChannel`: bits.";
        12 => fourth_channel: u32, "`FourthChannel`: bits.";
    }
}

flags! {
    /// `D3DKMDT_VIDPN_PRESENT_PATH_SCALING_SUPPORT`: scalings a path can do.
    pub struct ScalingSupport(u32) {
        IDENTITY = 0x1, "`Identity`.";
        CENTERED = 0x2, "`Centered`.";
        STRETCHED = 0x4, "`Stretched`.";
        ASPECT_RATIO_CENTERED_MAX = 0x8, "`AspectRatioCenteredMax`.";
        CUSTOM = 0x10, "`Custom`.";
    }
}

flags! {
    /// `D3DKMDT_VIDPN_PRESENT_PATH_ROTATION_SUPPORT`: rotations a path can do.
    pub struct RotationSupport(u32) {
        IDENTITY = 0x1, "`Identity`.";
        ROTATE90 = 0x2, "`Rotate90`.";
        ROTATE180 = 0x4, "`Rotate180`.";
        ROTATE270 = 0x8, "`Rotate270`.";
        OFFSET0 = 0x10, "`Offset0` (since WDDM 2.0).";
        OFFSET90 = 0x20, "`Offset90` (since WDDM 2.0).";
        OFFSET180 = 0x40, "`Offset180` (since WDDM 2.0).";
        OFFSET270 = 0x80, "`Offset270` (since WDDM 2.0).";
    }
}

flags! {
    /// `D3DKMDT_VIDPN_PRESENT_PATH_COPYPROTECTION_SUPPORT`: copy protections a path can do.
    pub struct CopyProtectionSupport(u32) {
        NO_PROTECTION = 0x1, "`NoProtection`.";
        MACRO_VISION_APS_TRIGGER = 0x2, "`MacroVisionApsTrigger`.";
        MACRO_VISION_FULL = 0x4, "`MacroVisionFull`.";
    }
}

layout! {
    /// Scaling and rotation of a path.
    "D3DKMDT_VIDPN_PRESENT_PATH_TRANSFORMATION" [16]
    pub struct PathTransformation {
        0 => scaling: PathScaling, "`Scaling`: scaling.";
        4 => scaling_support: ScalingSupport, "`ScalingSupport`: scalings possible.";
        8 => rotation: PathRotation, "`Rotation`: rotation.";
        12 => rotation_support: RotationSupport, "`RotationSupport`: rotations possible.";
    }
}

layout! {
    /// Copy protection of a path.
    "D3DKMDT_VIDPN_PRESENT_PATH_COPYPROTECTION" [268]
    pub struct PathCopyProtection {
        0 => copy_protection_type: CopyProtectionType, "`CopyProtectionType`: kind.";
        4 => aps_trigger_bits: u32, "`APSTriggerBits`: analog protection bits.";
        8 => oem_copy_protection: [u8; 256], "`OEMCopyProtection`: the maker's own.";
        264 => copy_protection_support: CopyProtectionSupport, "`CopyProtectionSupport`: kinds possible.";
    }
}

layout! {
    /// A gamma ramp.
    "D3DKMDT_GAMMA_RAMP" [24]
    pub struct GammaRamp {
        0 => kind: GammaRampType, "`Type`: which kind this is.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => data_size: u64, "`DataSize`: bytes.";
        16 => data: Pointer, "`Data`: a union of pointers to ramps.";
    }
}

layout! {
    /// A path from a source to a target.
    "D3DKMDT_VIDPN_PRESENT_PATH" [360]
    pub struct VidPnPresentPath {
        0 => vidpn_source_id: u32, "`VidPnSourceId`: video present source.";
        4 => vidpn_target_id: u32, "`VidPnTargetId`: video present target.";
        8 => importance_ordinal: PathImportance, "`ImportanceOrdinal`: rank of the path.";
        12 => content_transformation: PathTransformation, "`ContentTransformation`: scaling and rotation.";
        28 => visible_from_active_tl_offset: Offset2d, "`VisibleFromActiveTLOffset`: top left of the visible part, pixels.";
        36 => visible_from_active_br_offset: Offset2d, "`VisibleFromActiveBROffset`: bottom right of the visible part, pixels.";
        44 => vidpn_target_color_basis: ColorBasis, "`VidPnTargetColorBasis`: colour basis of the target.";
        48 => vidpn_target_color_coeff_dynamic_ranges: ColorCoeffDynamicRanges, "`VidPnTargetColorCoeffDynamicRanges`: bits a channel.";
        64 => content: PathContent, "`Content`: what is shown.";
        68 => copy_protection: PathCopyProtection, "`CopyProtection`: copy protection.";
        336 => gamma_ramp: GammaRamp, "`GammaRamp`: gamma ramp.";
    }
}

layout! {
    /// A graphics mode of a source.
    "D3DKMDT_GRAPHICS_RENDERING_FORMAT" [32]
    pub struct GraphicsRenderingFormat {
        0 => prim_surf_size: Region2d, "`PrimSurfSize`: pixels of the surface.";
        8 => visible_region_size: Region2d, "`VisibleRegionSize`: pixels shown.";
        16 => stride: u32, "`Stride`: bytes from one line to the next.";
        20 => pixel_format: DdiFormat, "`PixelFormat`: pixel format.";
        24 => color_basis: ColorBasis, "`ColorBasis`: what colour values mean.";
        28 => pixel_value_access_mode: PixelValueAccessMode, "`PixelValueAccessMode`: colours or palette.";
    }
}

layout! {
    /// A mode of a source.
    "D3DKMDT_VIDPN_SOURCE_MODE" [40]
    pub struct VidPnSourceMode {
        0 => id: u32, "`Id`: the mode's number in its set.";
        4 => kind: SourceModeType, "`Type`: which kind this is.";
        8 => format: GraphicsRenderingFormat, "`Format`: `Format.Graphics` of the union; `Format.Text` is its first word.";
    }
}

layout! {
    /// The signal of a target mode.
    "D3DKMDT_VIDEO_SIGNAL_INFO" [56]
    pub struct VideoSignalInfo {
        0 => video_standard: VideoSignalStandard, "`VideoStandard`: the standard.";
        4 => total_size: Region2d, "`TotalSize`: pixels with blanking.";
        12 => active_size: Region2d, "`ActiveSize`: pixels without blanking.";
        20 => vsync_freq: Rational, "`VSyncFreq`: frames a second.";
        28 => hsync_freq: Rational, "`HSyncFreq`: lines a second.";
        36 => _pad0: [u8; 4], "Padding.";
        40 => pixel_rate: u64, "`PixelRate`: pixels a second.";
        48 => additional_signal_info: u32, "`AdditionalSignalInfo`: scan line ordering and, since WDDM 1.3, the divider; see the methods.";
        52 => _pad1: [u8; 4], "Padding.";
    }
}

impl VideoSignalInfo {
    /// `ScanLineOrdering`: the low three bits of the additional word.
    pub const fn scan_line_ordering(&self) -> ScanLineOrdering {
        ScanLineOrdering(self.additional_signal_info & 0x7)
    }

    /// `VSyncFreqDivider`: frames of the signal for one of the content; 0 and 1 mean one.
    pub const fn vsync_freq_divider(&self) -> u32 {
        (self.additional_signal_info >> 3) & 0x3F
    }
}

flags! {
    /// `D3DKMDT_WIRE_FORMAT_AND_PREFERENCE`: bits a channel on the wire, since WDDM 2.2.
    pub struct WireFormatAndPreference(u32) {
        PREFERENCE = 0x3, "`Preference`, 2 bits.";
        RGB = 0xfc, "`Rgb`, 6 bits.";
        YCBCR444 = 0x3f00, "`YCbCr444`, 6 bits.";
        YCBCR422 = 0xfc000, "`YCbCr422`, 6 bits.";
        YCBCR420 = 0x3f00000, "`YCbCr420`, 6 bits.";
        INTENSITY = 0xfc000000, "`Intensity`, 6 bits.";
    }
}

layout! {
    /// A mode of a target: 72 bytes before WDDM 2.9.
    "D3DKMDT_VIDPN_TARGET_MODE" [80]
    pub struct VidPnTargetMode {
        0 => id: u32, "`Id`.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => video_signal_info: VideoSignalInfo, "`VideoSignalInfo`.";
        64 => wire_format_and_preference: WireFormatAndPreference, "`WireFormatAndPreference` (since WDDM 2.2); before, the whole word is the preference.";
        68 => minimum_vsync_freq: Rational, "`MinimumVSyncFreq` (since WDDM 2.9): hertz.";
        76 => _pad1: [u8; 4], "Padding.";
    }
}

impl VidPnTargetMode {
    /// `Preference`: the low two bits of the word.
    pub const fn preference(&self) -> ModePreference {
        ModePreference(self.wire_format_and_preference.0 & 0x3)
    }
}

layout! {
    /// A mode of a monitor.
    "D3DKMDT_MONITOR_SOURCE_MODE" [96]
    pub struct MonitorSourceMode {
        0 => id: u32, "`Id`: the mode's number in its set.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => video_signal_info: VideoSignalInfo, "`VideoSignalInfo`: the signal.";
        64 => color_basis: ColorBasis, "`ColorBasis`: what colour values mean.";
        68 => color_coeff_dynamic_ranges: ColorCoeffDynamicRanges, "`ColorCoeffDynamicRanges`: bits a channel.";
        84 => origin: MonitorCapabilitiesOrigin, "`Origin`: where it comes from.";
        88 => preference: ModePreference, "`Preference`: whether it is preferred.";
        92 => _pad1: [u8; 4], "Padding.";
    }
}
