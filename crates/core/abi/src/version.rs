//! Interface versions, and how long the tables are in each.

use core::fmt;
use core::str::FromStr;

open_enum! {
    /// `DXGKDDI_INTERFACE_VERSION`: what a miniport was compiled for, and what the port driver offers.
    pub struct InterfaceVersion(u32) {
        VISTA = 0x1052, "`DXGKDDI_INTERFACE_VERSION_VISTA`: WDDM 1.0.";
        VISTA_SP1 = 0x1053, "`DXGKDDI_INTERFACE_VERSION_VISTA_SP1`: WDDM 1.0, service pack 1.";
        WIN7 = 0x2005, "`DXGKDDI_INTERFACE_VERSION_WIN7`: WDDM 1.1.";
        WIN8 = 0x300E, "`DXGKDDI_INTERFACE_VERSION_WIN8`: WDDM 1.2.";
        WDDM1_3 = 0x4002, "`DXGKDDI_INTERFACE_VERSION_WDDM1_3`.";
        WDDM1_3_PATH_INDEPENDENT_ROTATION = 0x4003, "`DXGKDDI_INTERFACE_VERSION_WDDM1_3_PATH_INDEPENDENT_ROTATION`.";
        WDDM2_0 = 0x5023, "`DXGKDDI_INTERFACE_VERSION_WDDM2_0`.";
        WDDM2_1 = 0x6003, "`DXGKDDI_INTERFACE_VERSION_WDDM2_1`.";
        WDDM2_1_5 = 0x6010, "`DXGKDDI_INTERFACE_VERSION_WDDM2_1_5`.";
        WDDM2_1_6 = 0x6011, "`DXGKDDI_INTERFACE_VERSION_WDDM2_1_6`.";
        WDDM2_2 = 0x700A, "`DXGKDDI_INTERFACE_VERSION_WDDM2_2`.";
        WDDM2_3 = 0x8001, "`DXGKDDI_INTERFACE_VERSION_WDDM2_3`.";
        WDDM2_4 = 0x9006, "`DXGKDDI_INTERFACE_VERSION_WDDM2_4`.";
        WDDM2_5 = 0xA00B, "`DXGKDDI_INTERFACE_VERSION_WDDM2_5`.";
        WDDM2_6 = 0xB004, "`DXGKDDI_INTERFACE_VERSION_WDDM2_6`.";
        WDDM2_7 = 0xC004, "`DXGKDDI_INTERFACE_VERSION_WDDM2_7`.";
        WDDM2_8 = 0xD001, "`DXGKDDI_INTERFACE_VERSION_WDDM2_8`.";
        WDDM2_9 = 0xE003, "`DXGKDDI_INTERFACE_VERSION_WDDM2_9`.";
        WDDM3_0 = 0xF003, "`DXGKDDI_INTERFACE_VERSION_WDDM3_0`.";
        WDDM3_1 = 0x1_0004, "`DXGKDDI_INTERFACE_VERSION_WDDM3_1`: the newest whose layout is confirmed.";
    }
}

/// Every version with the number people say, oldest first.
const NUMBERS: [(InterfaceVersion, &str); 20] = [
    (InterfaceVersion::VISTA, "1.0"),
    (InterfaceVersion::VISTA_SP1, "1.0-sp1"),
    (InterfaceVersion::WIN7, "1.1"),
    (InterfaceVersion::WIN8, "1.2"),
    (InterfaceVersion::WDDM1_3, "1.3"),
    (InterfaceVersion::WDDM1_3_PATH_INDEPENDENT_ROTATION, "1.3-rotation"),
    (InterfaceVersion::WDDM2_0, "2.0"),
    (InterfaceVersion::WDDM2_1, "2.1"),
    (InterfaceVersion::WDDM2_1_5, "2.1.5"),
    (InterfaceVersion::WDDM2_1_6, "2.1.6"),
    (InterfaceVersion::WDDM2_2, "2.2"),
    (InterfaceVersion::WDDM2_3, "2.3"),
    (InterfaceVersion::WDDM2_4, "2.4"),
    (InterfaceVersion::WDDM2_5, "2.5"),
    (InterfaceVersion::WDDM2_6, "2.6"),
    (InterfaceVersion::WDDM2_7, "2.7"),
    (InterfaceVersion::WDDM2_8, "2.8"),
    (InterfaceVersion::WDDM2_9, "2.9"),
    (InterfaceVersion::WDDM3_0, "3.0"),
    (InterfaceVersion::WDDM3_1, "3.1"),
];

/// How long the structures are, in bytes, when compiled for one interface version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// `DXGKRNL_INTERFACE`.
    pub interface: usize,
    /// `DRIVER_INITIALIZATION_DATA`.
    pub driver_initialization_data: usize,
    /// `KMDDOD_INITIALIZATION_DATA`; nothing before WDDM 1.2, which brought it.
    pub kmddod_initialization_data: Option<usize>,
    /// `DXGKARG_BUILDPAGINGBUFFER`.
    pub build_paging_buffer: usize,
    /// `DXGK_DRIVERCAPS`.
    pub driver_caps: usize,
    /// `DXGK_START_INFO`.
    pub start_info: usize,
}

/// One row: from this version on, until the next row's.
const fn row(
    version: InterfaceVersion,
    [interface, full, display_only, paging, caps, start]: [usize; 6],
) -> (InterfaceVersion, Sizes) {
    let sizes = Sizes {
        interface,
        driver_initialization_data: full,
        kmddod_initialization_data: if display_only == 0 { None } else { Some(display_only) },
        build_paging_buffer: paging,
        driver_caps: caps,
        start_info: start,
    };
    (version, sizes)
}

const SIZES: [(InterfaceVersion, Sizes); 16] = [
    row(InterfaceVersion::VISTA, [184, 496, 0, 304, 336, 20]),
    row(InterfaceVersion::WIN7, [184, 568, 0, 304, 528, 20]),
    row(InterfaceVersion::WIN8, [256, 664, 328, 304, 544, 28]),
    row(InterfaceVersion::WDDM1_3, [264, 712, 328, 304, 552, 28]),
    row(InterfaceVersion::WDDM2_0, [312, 832, 336, 320, 576, 28]),
    row(InterfaceVersion::WDDM2_1, [328, 880, 336, 320, 576, 28]),
    row(InterfaceVersion::WDDM2_2, [360, 1032, 336, 320, 576, 28]),
    row(InterfaceVersion::WDDM2_3, [368, 1056, 336, 320, 576, 28]),
    row(InterfaceVersion::WDDM2_4, [456, 1152, 336, 320, 584, 28]),
    row(InterfaceVersion::WDDM2_5, [464, 1192, 336, 320, 584, 28]),
    row(InterfaceVersion::WDDM2_6, [480, 1224, 336, 320, 584, 28]),
    row(InterfaceVersion::WDDM2_7, [480, 1232, 336, 320, 584, 28]),
    row(InterfaceVersion::WDDM2_8, [488, 1232, 336, 320, 584, 28]),
    row(InterfaceVersion::WDDM2_9, [568, 1264, 336, 320, 592, 28]),
    row(InterfaceVersion::WDDM3_0, [568, 1296, 336, 320, 592, 28]),
    row(InterfaceVersion::WDDM3_1, [576, 1376, 336, 320, 592, 28]),
];

impl InterfaceVersion {
    /// The newest version whose layout this crate knows.
    pub const LATEST: Self = Self::WDDM3_1;

    /// The number people say ("2.4"), or nothing for a version without one.
    pub fn number(self) -> Option<&'static str> {
        NUMBERS.iter().find(|(version, _)| *version == self).map(|(_, number)| *number)
    }

    /// The structures' lengths for this version. A number between two known versions has the older one's, a number
    /// above the newest the newest one's (versions only append); nothing for a number below the first.
    pub fn sizes(self) -> Option<Sizes> {
        SIZES.iter().rev().find(|(version, _)| *version <= self).map(|(_, sizes)| *sizes)
    }
}

/// Bytes of `DXGKRNL_INTERFACE` in a version; nothing below the first version.
pub fn interface_size(version: InterfaceVersion) -> Option<usize> {
    version.sizes().map(|sizes| sizes.interface)
}

/// Bytes of `DRIVER_INITIALIZATION_DATA` in a version; nothing below the first version.
pub fn driver_initialization_data_size(version: InterfaceVersion) -> Option<usize> {
    version.sizes().map(|sizes| sizes.driver_initialization_data)
}

/// Bytes of `KMDDOD_INITIALIZATION_DATA` in a version; nothing before WDDM 1.2.
pub fn kmddod_initialization_data_size(version: InterfaceVersion) -> Option<usize> {
    version.sizes().and_then(|sizes| sizes.kmddod_initialization_data)
}

/// Bytes of `DXGK_DRIVERCAPS` in a version; nothing below the first version.
pub fn driver_caps_size(version: InterfaceVersion) -> Option<usize> {
    version.sizes().map(|sizes| sizes.driver_caps)
}

/// Bytes of `DXGK_START_INFO` in a version; nothing below the first version.
pub fn start_info_size(version: InterfaceVersion) -> Option<usize> {
    version.sizes().map(|sizes| sizes.start_info)
}

impl fmt::Display for InterfaceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number() {
            Some(number) => write!(f, "WDDM {number}"),
            None => write!(f, "interface version {:#x}", self.0),
        }
    }
}

/// The text names no interface version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownVersion;

impl fmt::Display for UnknownVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a WDDM version; known are 1.0 to 1.3, 2.0 to 2.9, 3.0 and 3.1")
    }
}

impl core::error::Error for UnknownVersion {}

impl FromStr for InterfaceVersion {
    type Err = UnknownVersion;

    /// Reads "3.1" or "WDDM 3.1".
    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        let text = text.trim();
        let number = match text.split_at_checked(4) {
            Some((word, rest)) if word.eq_ignore_ascii_case("wddm") => rest.trim_start(),
            _ => text,
        };
        NUMBERS
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(number))
            .map(|(version, _)| *version)
            .ok_or(UnknownVersion)
    }
}
