//! Display enumerations: pixel formats, modes, paths.

open_enum! {
    /// `D3DDDIFORMAT`: pixel formats, those that a display-only driver meets.
    pub struct DdiFormat(u32) {
        UNKNOWN = 0, "`D3DDDIFMT_UNKNOWN`.";
        R8G8B8 = 20, "`D3DDDIFMT_R8G8B8`.";
        A8R8G8B8 = 21, "`D3DDDIFMT_A8R8G8B8`.";
        X8R8G8B8 = 22, "`D3DDDIFMT_X8R8G8B8`.";
        R5G6B5 = 23, "`D3DDDIFMT_R5G6B5`.";
        X1R5G5B5 = 24, "`D3DDDIFMT_X1R5G5B5`.";
        A1R5G5B5 = 25, "`D3DDDIFMT_A1R5G5B5`.";
        A2B10G10R10 = 31, "`D3DDDIFMT_A2B10G10R10`.";
        A8B8G8R8 = 32, "`D3DDDIFMT_A8B8G8R8`.";
        X8B8G8R8 = 33, "`D3DDDIFMT_X8B8G8R8`.";
        P8 = 41, "`D3DDDIFMT_P8`.";
        A8 = 28, "`D3DDDIFMT_A8`.";
        A16B16G16R16F = 113, "`D3DDDIFMT_A16B16G16R16F`.";
        A2R10G10B10 = 35, "`D3DDDIFMT_A2R10G10B10`.";
    }
}

open_enum! {
    /// `D3DKMDT_VIDEO_OUTPUT_TECHNOLOGY`: the kind of connector.
    pub struct VideoOutputTechnology(u32) {
        UNINITIALIZED = 0xfffffffe, "`D3DKMDT_VOT_UNINITIALIZED`.";
        OTHER = 0xffffffff, "`D3DKMDT_VOT_OTHER`.";
        HD15 = 0, "`D3DKMDT_VOT_HD15`.";
        SVIDEO = 1, "`D3DKMDT_VOT_SVIDEO`.";
        COMPOSITE_VIDEO = 2, "`D3DKMDT_VOT_COMPOSITE_VIDEO`.";
        COMPONENT_VIDEO = 3, "`D3DKMDT_VOT_COMPONENT_VIDEO`.";
        DVI = 4, "`D3DKMDT_VOT_DVI`.";
        HDMI = 5, "`D3DKMDT_VOT_HDMI`.";
        LVDS = 6, "`D3DKMDT_VOT_LVDS`.";
        D_JPN = 8, "`D3DKMDT_VOT_D_JPN`.";
        SDI = 9, "`D3DKMDT_VOT_SDI`.";
        DISPLAYPORT_EXTERNAL = 10, "`D3DKMDT_VOT_DISPLAYPORT_EXTERNAL`.";
        DISPLAYPORT_EMBEDDED = 11, "`D3DKMDT_VOT_DISPLAYPORT_EMBEDDED`.";
        UDI_EXTERNAL = 12, "`D3DKMDT_VOT_UDI_EXTERNAL`.";
        UDI_EMBEDDED = 13, "`D3DKMDT_VOT_UDI_EMBEDDED`.";
        SDTVDONGLE = 14, "`D3DKMDT_VOT_SDTVDONGLE`.";
        MIRACAST = 15, "`D3DKMDT_VOT_MIRACAST`.";
        INDIRECT_WIRED = 16, "`D3DKMDT_VOT_INDIRECT_WIRED` (since WDDM 2.1).";
        INTERNAL = 0x80000000, "`D3DKMDT_VOT_INTERNAL`.";
        SVIDEO_4PIN = 1, "`D3DKMDT_VOT_SVIDEO_4PIN`.";
        SVIDEO_7PIN = 1, "`D3DKMDT_VOT_SVIDEO_7PIN`.";
        RF = 2, "`D3DKMDT_VOT_RF`.";
        RCA_3COMPONENT = 3, "`D3DKMDT_VOT_RCA_3COMPONENT`.";
        BNC = 3, "`D3DKMDT_VOT_BNC`.";
    }
}

open_enum! {
    /// `D3DKMDT_MONITOR_ORIENTATION_AWARENESS`: whether a monitor tells its rotation.
    pub struct MonitorOrientationAwareness(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_MOA_UNINITIALIZED`.";
        NONE = 1, "`D3DKMDT_MOA_NONE`.";
        POLLED = 2, "`D3DKMDT_MOA_POLLED`.";
        INTERRUPTIBLE = 3, "`D3DKMDT_MOA_INTERRUPTIBLE`.";
    }
}

open_enum! {
    /// `D3DKMDT_ENUMCOFUNCMODALITY_PIVOT_TYPE`: what must not change while modes are enumerated.
    pub struct EnumPivotType(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_EPT_UNINITIALIZED`.";
        VIDPNSOURCE = 1, "`D3DKMDT_EPT_VIDPNSOURCE`.";
        VIDPNTARGET = 2, "`D3DKMDT_EPT_VIDPNTARGET`.";
        SCALING = 3, "`D3DKMDT_EPT_SCALING`.";
        ROTATION = 4, "`D3DKMDT_EPT_ROTATION`.";
        NOPIVOT = 5, "`D3DKMDT_EPT_NOPIVOT`.";
    }
}

open_enum! {
    /// `D3DKMDT_VIDPN_SOURCE_MODE_TYPE`: kind of source mode.
    pub struct SourceModeType(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_RMT_UNINITIALIZED`.";
        GRAPHICS = 1, "`D3DKMDT_RMT_GRAPHICS`.";
        TEXT = 2, "`D3DKMDT_RMT_TEXT`.";
        GRAPHICS_STEREO = 3, "`D3DKMDT_RMT_GRAPHICS_STEREO`.";
        GRAPHICS_STEREO_ADVANCED_SCAN = 4, "`D3DKMDT_RMT_GRAPHICS_STEREO_ADVANCED_SCAN`.";
    }
}

open_enum! {
    /// `D3DKMDT_MODE_PREFERENCE`: whether a mode is preferred.
    pub struct ModePreference(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_MP_UNINITIALIZED`.";
        PREFERRED = 1, "`D3DKMDT_MP_PREFERRED`.";
        NOTPREFERRED = 2, "`D3DKMDT_MP_NOTPREFERRED`.";
    }
}

open_enum! {
    /// `D3DKMDT_VIDPN_PRESENT_PATH_SCALING`: scaling of a path.
    pub struct PathScaling(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_VPPS_UNINITIALIZED`.";
        IDENTITY = 1, "`D3DKMDT_VPPS_IDENTITY`.";
        CENTERED = 2, "`D3DKMDT_VPPS_CENTERED`.";
        STRETCHED = 3, "`D3DKMDT_VPPS_STRETCHED`.";
        ASPECTRATIOCENTEREDMAX = 4, "`D3DKMDT_VPPS_ASPECTRATIOCENTEREDMAX`.";
        CUSTOM = 5, "`D3DKMDT_VPPS_CUSTOM`.";
        RESERVED1 = 253, "`D3DKMDT_VPPS_RESERVED1`.";
        UNPINNED = 254, "`D3DKMDT_VPPS_UNPINNED`.";
        NOTSPECIFIED = 255, "`D3DKMDT_VPPS_NOTSPECIFIED`.";
    }
}

open_enum! {
    /// `D3DKMDT_VIDPN_PRESENT_PATH_ROTATION`: rotation of a path.
    pub struct PathRotation(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_VPPR_UNINITIALIZED`.";
        IDENTITY = 1, "`D3DKMDT_VPPR_IDENTITY`.";
        ROTATE90 = 2, "`D3DKMDT_VPPR_ROTATE90`.";
        ROTATE180 = 3, "`D3DKMDT_VPPR_ROTATE180`.";
        ROTATE270 = 4, "`D3DKMDT_VPPR_ROTATE270`.";
        IDENTITY_OFFSET90 = 5, "`D3DKMDT_VPPR_IDENTITY_OFFSET90` (since WDDM 2.0).";
        ROTATE90_OFFSET90 = 6, "`D3DKMDT_VPPR_ROTATE90_OFFSET90` (since WDDM 2.0).";
        ROTATE180_OFFSET90 = 7, "`D3DKMDT_VPPR_ROTATE180_OFFSET90` (since WDDM 2.0).";
        ROTATE270_OFFSET90 = 8, "`D3DKMDT_VPPR_ROTATE270_OFFSET90` (since WDDM 2.0).";
        IDENTITY_OFFSET180 = 9, "`D3DKMDT_VPPR_IDENTITY_OFFSET180` (since WDDM 2.0).";
        ROTATE90_OFFSET180 = 10, "`D3DKMDT_VPPR_ROTATE90_OFFSET180` (since WDDM 2.0).";
        ROTATE180_OFFSET180 = 11, "`D3DKMDT_VPPR_ROTATE180_OFFSET180` (since WDDM 2.0).";
        ROTATE270_OFFSET180 = 12, "`D3DKMDT_VPPR_ROTATE270_OFFSET180` (since WDDM 2.0).";
        IDENTITY_OFFSET270 = 13, "`D3DKMDT_VPPR_IDENTITY_OFFSET270` (since WDDM 2.0).";
        ROTATE90_OFFSET270 = 14, "`D3DKMDT_VPPR_ROTATE90_OFFSET270` (since WDDM 2.0).";
        ROTATE180_OFFSET270 = 15, "`D3DKMDT_VPPR_ROTATE180_OFFSET270` (since WDDM 2.0).";
        ROTATE270_OFFSET270 = 16, "`D3DKMDT_VPPR_ROTATE270_OFFSET270` (since WDDM 2.0).";
        UNPINNED = 254, "`D3DKMDT_VPPR_UNPINNED`.";
        NOTSPECIFIED = 255, "`D3DKMDT_VPPR_NOTSPECIFIED`.";
    }
}

open_enum! {
    /// `D3DKMDT_VIDPN_PRESENT_PATH_IMPORTANCE`: rank of a path among those of a source.
    pub struct PathImportance(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_VPPI_UNINITIALIZED`.";
        PRIMARY = 1, "`D3DKMDT_VPPI_PRIMARY`.";
        SECONDARY = 2, "`D3DKMDT_VPPI_SECONDARY`.";
        TERTIARY = 3, "`D3DKMDT_VPPI_TERTIARY`.";
        QUATERNARY = 4, "`D3DKMDT_VPPI_QUATERNARY`.";
        QUINARY = 5, "`D3DKMDT_VPPI_QUINARY`.";
        SENARY = 6, "`D3DKMDT_VPPI_SENARY`.";
        SEPTENARY = 7, "`D3DKMDT_VPPI_SEPTENARY`.";
        OCTONARY = 8, "`D3DKMDT_VPPI_OCTONARY`.";
        NONARY = 9, "`D3DKMDT_VPPI_NONARY`.";
        DENARY = 10, "`D3DKMDT_VPPI_DENARY`.";
    }
}

open_enum! {
    /// `D3DKMDT_VIDPN_PRESENT_PATH_CONTENT`: what a path shows.
    pub struct PathContent(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_VPPC_UNINITIALIZED`.";
        GRAPHICS = 1, "`D3DKMDT_VPPC_GRAPHICS`.";
        VIDEO = 2, "`D3DKMDT_VPPC_VIDEO`.";
        NOTSPECIFIED = 255, "`D3DKMDT_VPPC_NOTSPECIFIED`.";
    }
}

open_enum! {
    /// `D3DKMDT_VIDPN_PRESENT_PATH_COPYPROTECTION_TYPE`: copy protection of a path.
    pub struct CopyProtectionType(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_VPPMT_UNINITIALIZED`.";
        NOPROTECTION = 1, "`D3DKMDT_VPPMT_NOPROTECTION`.";
        MACROVISION_APSTRIGGER = 2, "`D3DKMDT_VPPMT_MACROVISION_APSTRIGGER`.";
        MACROVISION_FULLSUPPORT = 3, "`D3DKMDT_VPPMT_MACROVISION_FULLSUPPORT`.";
    }
}

open_enum! {
    /// `D3DKMDT_COLOR_BASIS`: what colour values mean.
    pub struct ColorBasis(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_CB_UNINITIALIZED`.";
        INTENSITY = 1, "`D3DKMDT_CB_INTENSITY`.";
        SRGB = 2, "`D3DKMDT_CB_SRGB`.";
        SCRGB = 3, "`D3DKMDT_CB_SCRGB`.";
        YCBCR = 4, "`D3DKMDT_CB_YCBCR`.";
        YPBPR = 5, "`D3DKMDT_CB_YPBPR`.";
    }
}

open_enum! {
    /// `D3DKMDT_PIXEL_VALUE_ACCESS_MODE`: whether pixels are colours or palette entries.
    pub struct PixelValueAccessMode(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_PVAM_UNINITIALIZED`.";
        DIRECT = 1, "`D3DKMDT_PVAM_DIRECT`.";
        PRESETPALETTE = 2, "`D3DKMDT_PVAM_PRESETPALETTE`.";
        SETTABLEPALETTE = 3, "`D3DKMDT_PVAM_SETTABLEPALETTE`.";
    }
}

open_enum! {
    /// `D3DKMDT_VIDEO_SIGNAL_STANDARD`: the standard a signal keeps to.
    pub struct VideoSignalStandard(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_VSS_UNINITIALIZED`.";
        VESA_DMT = 1, "`D3DKMDT_VSS_VESA_DMT`.";
        VESA_GTF = 2, "`D3DKMDT_VSS_VESA_GTF`.";
        VESA_CVT = 3, "`D3DKMDT_VSS_VESA_CVT`.";
        IBM = 4, "`D3DKMDT_VSS_IBM`.";
        APPLE = 5, "`D3DKMDT_VSS_APPLE`.";
        NTSC_M = 6, "`D3DKMDT_VSS_NTSC_M`.";
        NTSC_J = 7, "`D3DKMDT_VSS_NTSC_J`.";
        NTSC_443 = 8, "`D3DKMDT_VSS_NTSC_443`.";
        PAL_B = 9, "`D3DKMDT_VSS_PAL_B`.";
        PAL_B1 = 10, "`D3DKMDT_VSS_PAL_B1`.";
        PAL_G = 11, "`D3DKMDT_VSS_PAL_G`.";
        PAL_H = 12, "`D3DKMDT_VSS_PAL_H`.";
        PAL_I = 13, "`D3DKMDT_VSS_PAL_I`.";
        PAL_D = 14, "`D3DKMDT_VSS_PAL_D`.";
        PAL_N = 15, "`D3DKMDT_VSS_PAL_N`.";
        PAL_NC = 16, "`D3DKMDT_VSS_PAL_NC`.";
        SECAM_B = 17, "`D3DKMDT_VSS_SECAM_B`.";
        SECAM_D = 18, "`D3DKMDT_VSS_SECAM_D`.";
        SECAM_G = 19, "`D3DKMDT_VSS_SECAM_G`.";
        SECAM_H = 20, "`D3DKMDT_VSS_SECAM_H`.";
        SECAM_K = 21, "`D3DKMDT_VSS_SECAM_K`.";
        SECAM_K1 = 22, "`D3DKMDT_VSS_SECAM_K1`.";
        SECAM_L = 23, "`D3DKMDT_VSS_SECAM_L`.";
        SECAM_L1 = 24, "`D3DKMDT_VSS_SECAM_L1`.";
        EIA_861 = 25, "`D3DKMDT_VSS_EIA_861`.";
        EIA_861A = 26, "`D3DKMDT_VSS_EIA_861A`.";
        EIA_861B = 27, "`D3DKMDT_VSS_EIA_861B`.";
        PAL_K = 28, "`D3DKMDT_VSS_PAL_K`.";
        PAL_K1 = 29, "`D3DKMDT_VSS_PAL_K1`.";
        PAL_L = 30, "`D3DKMDT_VSS_PAL_L`.";
        PAL_M = 31, "`D3DKMDT_VSS_PAL_M`.";
        OTHER = 255, "`D3DKMDT_VSS_OTHER`.";
    }
}

open_enum! {
    /// `D3DDDI_VIDEO_SIGNAL_SCANLINE_ORDERING`: progressive or interlaced.
    pub struct ScanLineOrdering(u32) {
        UNINITIALIZED = 0, "`D3DDDI_VSSLO_UNINITIALIZED`.";
        PROGRESSIVE = 1, "`D3DDDI_VSSLO_PROGRESSIVE`.";
        INTERLACED_UPPERFIELDFIRST = 2, "`D3DDDI_VSSLO_INTERLACED_UPPERFIELDFIRST`.";
        INTERLACED_LOWERFIELDFIRST = 3, "`D3DDDI_VSSLO_INTERLACED_LOWERFIELDFIRST`.";
        OTHER = 255, "`D3DDDI_VSSLO_OTHER`.";
    }
}

open_enum! {
    /// `D3DDDI_GAMMARAMP_TYPE`: kind of gamma ramp.
    pub struct GammaRampType(u32) {
        UNINITIALIZED = 0, "`D3DDDI_GAMMARAMP_UNINITIALIZED`.";
        DEFAULT = 1, "`D3DDDI_GAMMARAMP_DEFAULT`.";
        RGB256X3X16 = 2, "`D3DDDI_GAMMARAMP_RGB256x3x16`.";
        DXGI_1 = 3, "`D3DDDI_GAMMARAMP_DXGI_1`.";
        MATRIX_3X4 = 4, "`D3DDDI_GAMMARAMP_MATRIX_3x4` (since WDDM 2.3).";
        MATRIX_V2 = 5, "`D3DDDI_GAMMARAMP_MATRIX_V2` (since WDDM 2.6).";
    }
}

open_enum! {
    /// `D3DKMDT_MONITOR_CONNECTIVITY_CHECKS`: whether a commit minds absent monitors.
    pub struct MonitorConnectivityChecks(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_MCC_UNINITIALIZED`.";
        IGNORE = 1, "`D3DKMDT_MCC_IGNORE`.";
        ENFORCE = 2, "`D3DKMDT_MCC_ENFORCE`.";
    }
}

open_enum! {
    /// `DXGK_RECOMMENDFUNCTIONALVIDPN_REASON`: why a topology is asked for.
    pub struct RecommendReason(u32) {
        UNINITIALIZED = 0, "`DXGK_RFVR_UNINITIALIZED`.";
        HOTKEY = 1, "`DXGK_RFVR_HOTKEY`.";
        USERMODE = 2, "`DXGK_RFVR_USERMODE`.";
        FIRMWARE = 3, "`DXGK_RFVR_FIRMWARE`.";
    }
}

open_enum! {
    /// `D3DKMDT_MONITOR_CAPABILITIES_ORIGIN`: where a monitor mode comes from.
    pub struct MonitorCapabilitiesOrigin(u32) {
        UNINITIALIZED = 0, "`D3DKMDT_MCO_UNINITIALIZED`.";
        DEFAULTMONITORPROFILE = 1, "`D3DKMDT_MCO_DEFAULTMONITORPROFILE`.";
        MONITORDESCRIPTOR = 2, "`D3DKMDT_MCO_MONITORDESCRIPTOR`.";
        MONITORDESCRIPTOR_REGISTRYOVERRIDE = 3, "`D3DKMDT_MCO_MONITORDESCRIPTOR_REGISTRYOVERRIDE`.";
        SPECIFICCAP_REGISTRYOVERRIDE = 4, "`D3DKMDT_MCO_SPECIFICCAP_REGISTRYOVERRIDE`.";
        DRIVER = 5, "`D3DKMDT_MCO_DRIVER`.";
    }
}
