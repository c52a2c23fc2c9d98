//! Optional features and memory across a driver update (WDDM 2.6 and 2.9).

use crate::word::{Boolean, Handle, Pointer};

layout! {
    /// Argument of `DxgkCbQueryFeatureSupport`, since WDDM 2.9.
    "DXGKARGCB_QUERYFEATURESUPPORT" [24]
    pub struct ArgCbQueryFeatureSupport {
        0 => device_handle: Handle, "In, `DeviceHandle`: from `DXGKRNL_INTERFACE`.";
        8 => feature_id: u32, "In, `FeatureId`: a `DXGK_FEATURE_ID`.";
        12 => driver_support_state: u32, "In, `DriverSupportState`: how finished the driver's support is.";
        16 => enabled: Boolean, "Out, `Enabled`: whether the system wants the feature used.";
        17 => _pad0: [u8; 7], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkCbSaveMemoryForHotUpdate`, since WDDM 2.6.
    "DXGKARGCB_SAVEMEMORYFORHOTUPDATE" [56]
    pub struct ArgCbSaveMemoryForHotUpdate {
        0 => num_data_memory_ranges: u32, "In, `NumDataMemoryRanges`: entries at `data_memory_ranges`.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => data_memory_ranges: Pointer, "In, `pDataMemoryRanges`: array of [`KsrMemoryRange`].";
        16 => data_mdl: Pointer, "In, `pDataMdl`: the same memory as an MDL.";
        24 => data_size: u32, "In, `DataSize`: bytes at `data`.";
        28 => _pad1: [u8; 4], "Padding.";
        32 => data: Pointer, "In, `pData`.";
        40 => meta_data_size: u32, "In, `MetaDataSize`: bytes at `meta_data`.";
        44 => _pad2: [u8; 4], "Padding.";
        48 => meta_data: Pointer, "In, `pMetaData`.";
    }
}

layout! {
    /// A range kept across a driver update, since WDDM 2.6. How the word encodes it is in no public header.
    "DXGK_KSR_MEMORY_RANGE" [8]
    pub struct KsrMemoryRange {
        0 => memory_range_desc: u64, "`MemoryRangeDesc`: the range, in an undocumented encoding.";
    }
}
