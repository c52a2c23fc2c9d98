//! The tables of functions that describe a video present network and monitors.
//!
//! The port hands them out; the driver calls through them. Their prototypes are in [`crate::prototype`].

open_enum! {
    /// `DXGK_VIDPN_INTERFACE_VERSION`: of [`VidPnInterface`].
    pub struct VidPnInterfaceVersion(u32) {
        UNINITIALIZED = 0, "`DXGK_VIDPN_INTERFACE_VERSION_UNINITIALIZED`.";
        V1 = 1, "`DXGK_VIDPN_INTERFACE_VERSION_V1`.";
        V2 = 2, "`DXGK_VIDPN_INTERFACE_VERSION_V2` (since WDDM 2.9).";
    }
}

open_enum! {
    /// `DXGK_MONITOR_INTERFACE_VERSION`: of [`MonitorInterface`].
    pub struct MonitorInterfaceVersion(u32) {
        UNINITIALIZED = 0, "`DXGK_MONITOR_INTERFACE_VERSION_UNINITIALIZED`.";
        V1 = 1, "`DXGK_MONITOR_INTERFACE_VERSION_V1`.";
        V2 = 2, "`DXGK_MONITOR_INTERFACE_VERSION_V2`.";
    }
}

table! {
    /// Functions of a video present network.
    "DXGK_VIDPN_INTERFACE" [88]
    pub struct VidPnInterface {
        header {
            0 => version: VidPnInterfaceVersion, "`Version`.";
            4 => _pad0: [u8; 4], "Padding.";
        }
        slots {
            8 => get_topology, "pfnGetTopology", VISTA;
            16 => acquire_source_mode_set, "pfnAcquireSourceModeSet", VISTA;
            24 => release_source_mode_set, "pfnReleaseSourceModeSet", VISTA;
            32 => create_new_source_mode_set, "pfnCreateNewSourceModeSet", VISTA;
            40 => assign_source_mode_set, "pfnAssignSourceModeSet", VISTA;
            48 => assign_multisampling_method_set, "pfnAssignMultisamplingMethodSet", VISTA;
            56 => acquire_target_mode_set, "pfnAcquireTargetModeSet", VISTA;
            64 => release_target_mode_set, "pfnReleaseTargetModeSet", VISTA;
            72 => create_new_target_mode_set, "pfnCreateNewTargetModeSet", VISTA;
            80 => assign_target_mode_set, "pfnAssignTargetModeSet", VISTA;
        }
    }
}

table! {
    /// Functions of a topology: its paths.
    "DXGK_VIDPNTOPOLOGY_INTERFACE" [96]
    pub struct VidPnTopologyInterface {
        header {
        }
        slots {
            0 => get_num_paths, "pfnGetNumPaths", VISTA;
            8 => get_num_paths_from_source, "pfnGetNumPathsFromSource", VISTA;
            16 => enum_path_targets_from_source, "pfnEnumPathTargetsFromSource", VISTA;
            24 => get_path_source_from_target, "pfnGetPathSourceFromTarget", VISTA;
            32 => acquire_path_info, "pfnAcquirePathInfo", VISTA;
            40 => acquire_first_path_info, "pfnAcquireFirstPathInfo", VISTA;
            48 => acquire_next_path_info, "pfnAcquireNextPathInfo", VISTA;
            56 => update_path_support_info, "pfnUpdatePathSupportInfo", VISTA;
            64 => release_path_info, "pfnReleasePathInfo", VISTA;
            72 => create_new_path_info, "pfnCreateNewPathInfo", VISTA;
            80 => add_path, "pfnAddPath", VISTA;
            88 => remove_path, "pfnRemovePath", VISTA;
        }
    }
}

table! {
    /// Functions of a source's mode set.
    "DXGK_VIDPNSOURCEMODESET_INTERFACE" [64]
    pub struct VidPnSourceModeSetInterface {
        header {
        }
        slots {
            0 => get_num_modes, "pfnGetNumModes", VISTA;
            8 => acquire_first_mode_info, "pfnAcquireFirstModeInfo", VISTA;
            16 => acquire_next_mode_info, "pfnAcquireNextModeInfo", VISTA;
            24 => acquire_pinned_mode_info, "pfnAcquirePinnedModeInfo", VISTA;
            32 => release_mode_info, "pfnReleaseModeInfo", VISTA;
            40 => create_new_mode_info, "pfnCreateNewModeInfo", VISTA;
            48 => add_mode, "pfnAddMode", VISTA;
            56 => pin_mode, "pfnPinMode", VISTA;
        }
    }
}

table! {
    /// Functions of a target's mode set.
    "DXGK_VIDPNTARGETMODESET_INTERFACE" [64]
    pub struct VidPnTargetModeSetInterface {
        header {
        }
        slots {
            0 => get_num_modes, "pfnGetNumModes", VISTA;
            8 => acquire_first_mode_info, "pfnAcquireFirstModeInfo", VISTA;
            16 => acquire_next_mode_info, "pfnAcquireNextModeInfo", VISTA;
            24 => acquire_pinned_mode_info, "pfnAcquirePinnedModeInfo", VISTA;
            32 => release_mode_info, "pfnReleaseModeInfo", VISTA;
            40 => create_new_mode_info, "pfnCreateNewModeInfo", VISTA;
            48 => add_mode, "pfnAddMode", VISTA;
            56 => pin_mode, "pfnPinMode", VISTA;
        }
    }
}

table! {
    /// Functions of the monitors.
    "DXGK_MONITOR_INTERFACE" [40]
    pub struct MonitorInterface {
        header {
            0 => version: MonitorInterfaceVersion, "`Version`.";
            4 => _pad0: [u8; 4], "Padding.";
        }
        slots {
            8 => acquire_monitor_source_mode_set, "pfnAcquireMonitorSourceModeSet", VISTA;
            16 => release_monitor_source_mode_set, "pfnReleaseMonitorSourceModeSet", VISTA;
            24 => get_monitor_frequency_range_set, "pfnGetMonitorFrequencyRangeSet", VISTA;
            32 => get_monitor_descriptor_set, "pfnGetMonitorDescriptorSet", VISTA;
        }
    }
}

table! {
    /// Functions of a monitor's mode set.
    "DXGK_MONITORSOURCEMODESET_INTERFACE" [56]
    pub struct MonitorSourceModeSetInterface {
        header {
        }
        slots {
            0 => get_num_modes, "pfnGetNumModes", VISTA;
            8 => acquire_preferred_mode_info, "pfnAcquirePreferredModeInfo", VISTA;
            16 => acquire_first_mode_info, "pfnAcquireFirstModeInfo", VISTA;
            24 => acquire_next_mode_info, "pfnAcquireNextModeInfo", VISTA;
            32 => create_new_mode_info, "pfnCreateNewModeInfo", VISTA;
            40 => add_mode, "pfnAddMode", VISTA;
            48 => release_mode_info, "pfnReleaseModeInfo", VISTA;
        }
    }
}

table! {
    /// Functions of a monitor's frequency ranges.
    "DXGK_MONITORFREQUENCYRANGESET_INTERFACE" [32]
    pub struct MonitorFrequencyRangeSetInterface {
        header {
        }
        slots {
            0 => get_num_frequency_ranges, "pfnGetNumFrequencyRanges", VISTA;
            8 => acquire_first_frequency_range_info, "pfnAcquireFirstFrequencyRangeInfo", VISTA;
            16 => acquire_next_frequency_range_info, "pfnAcquireNextFrequencyRangeInfo", VISTA;
            24 => release_frequency_range_info, "pfnReleaseFrequencyRangeInfo", VISTA;
        }
    }
}

table! {
    /// Functions of a monitor's descriptors.
    "DXGK_MONITORDESCRIPTORSET_INTERFACE" [32]
    pub struct MonitorDescriptorSetInterface {
        header {
        }
        slots {
            0 => get_num_descriptors, "pfnGetNumDescriptors", VISTA;
            8 => acquire_first_descriptor_info, "pfnAcquireFirstDescriptorInfo", VISTA;
            16 => acquire_next_descriptor_info, "pfnAcquireNextDescriptorInfo", VISTA;
            24 => release_descriptor_info, "pfnReleaseDescriptorInfo", VISTA;
        }
    }
}
