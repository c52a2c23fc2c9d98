//! Functions of the VidPN and monitor tables, named by their table and themselves.

use crate::display::{MonitorSourceMode, VidPnPresentPath, VidPnSourceMode, VidPnTargetMode};
use crate::status::NtStatus;
use crate::word::{Handle, Pointer};

/// `pfnGetTopology` at 0x8 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnGetTopology = driver_fn!(
    fn(vidpn: Handle, vidpn_topology: *mut Handle, vidpn_topology_interface: *mut Pointer) -> NtStatus
);

/// `pfnAcquireSourceModeSet` at 0x10 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnAcquireSourceModeSet = driver_fn!(
    fn(
        vidpn: Handle,
        vidpn_source_id: u32,
        vidpn_source_mode_set: *mut Handle,
        vidpn_source_mode_set_interface: *mut Pointer,
    ) -> NtStatus
);

/// `pfnReleaseSourceModeSet` at 0x18 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnReleaseSourceModeSet = driver_fn!(fn(vidpn: Handle, vidpn_source_mode_set: Handle) -> NtStatus);

/// `pfnCreateNewSourceModeSet` at 0x20 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnCreateNewSourceModeSet = driver_fn!(
    fn(
        vidpn: Handle,
        vidpn_source_id: u32,
        new_vidpn_source_mode_set: *mut Handle,
        vidpn_source_mode_set_interface: *mut Pointer,
    ) -> NtStatus
);

/// `pfnAssignSourceModeSet` at 0x28 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnAssignSourceModeSet =
    driver_fn!(fn(vidpn: Handle, vidpn_source_id: u32, vidpn_source_mode_set: Handle) -> NtStatus);

/// `pfnAssignMultisamplingMethodSet` at 0x30 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnAssignMultisamplingMethodSet = driver_fn!(
    fn(vidpn: Handle, vidpn_source_id: u32, num_methods: u64, supported_method_set: Pointer) -> NtStatus
);

/// `pfnAcquireTargetModeSet` at 0x38 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnAcquireTargetModeSet = driver_fn!(
    fn(
        vidpn: Handle,
        vidpn_target_id: u32,
        vidpn_target_mode_set: *mut Handle,
        vidpn_target_mode_set_interface: *mut Pointer,
    ) -> NtStatus
);

/// `pfnReleaseTargetModeSet` at 0x40 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnReleaseTargetModeSet = driver_fn!(fn(vidpn: Handle, vidpn_target_mode_set: Handle) -> NtStatus);

/// `pfnCreateNewTargetModeSet` at 0x48 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnCreateNewTargetModeSet = driver_fn!(
    fn(
        vidpn: Handle,
        vidpn_target_id: u32,
        new_vidpn_target_mode_set: *mut Handle,
        vidpn_target_mode_set_interace: *mut Pointer,
    ) -> NtStatus
);

/// `pfnAssignTargetModeSet` at 0x50 of `DXGK_VIDPN_INTERFACE`.
pub type VidPnAssignTargetModeSet =
    driver_fn!(fn(vidpn: Handle, vidpn_target_id: u32, vidpn_target_mode_set: Handle) -> NtStatus);

/// `pfnGetNumPaths` at 0x0 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyGetNumPaths = driver_fn!(fn(vidpn_topology: Handle, num_paths: *mut u64) -> NtStatus);

/// `pfnGetNumPathsFromSource` at 0x8 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyGetNumPathsFromSource =
    driver_fn!(fn(vidpn_topology: Handle, vidpn_source_id: u32, num_paths_from_source: *mut u64) -> NtStatus);

/// `pfnEnumPathTargetsFromSource` at 0x10 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyEnumPathTargetsFromSource = driver_fn!(
    fn(
        vidpn_topology: Handle,
        vidpn_source_id: u32,
        vidpn_present_path_index: u64,
        vidpn_target_id: *mut u32,
    ) -> NtStatus
);

/// `pfnGetPathSourceFromTarget` at 0x18 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyGetPathSourceFromTarget =
    driver_fn!(fn(vid_topology: Handle, vidpn_target_id: u32, vidpn_source_id: *mut u32) -> NtStatus);

/// `pfnAcquirePathInfo` at 0x20 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyAcquirePathInfo = driver_fn!(
    fn(
        vidpn_topology: Handle,
        vidpn_source_id: u32,
        vidpn_target_id: u32,
        vidpn_present_path_info: *mut Pointer,
    ) -> NtStatus
);

/// `pfnAcquireFirstPathInfo` at 0x28 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyAcquireFirstPathInfo =
    driver_fn!(fn(vidpn_topology: Handle, first_vidpn_present_path_info: *mut Pointer) -> NtStatus);

/// `pfnAcquireNextPathInfo` at 0x30 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyAcquireNextPathInfo = driver_fn!(
    fn(
        vidpn_topology: Handle,
        vidpn_present_path_info: *const VidPnPresentPath,
        next_vidpn_present_path_info: *mut Pointer,
    ) -> NtStatus
);

/// `pfnUpdatePathSupportInfo` at 0x38 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyUpdatePathSupportInfo =
    driver_fn!(fn(vidpn_topology: Handle, vidpn_present_path_info: *const VidPnPresentPath) -> NtStatus);

/// `pfnReleasePathInfo` at 0x40 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyReleasePathInfo =
    driver_fn!(fn(vidpn_topology: Handle, vidpn_present_path_info: *const VidPnPresentPath) -> NtStatus);

/// `pfnCreateNewPathInfo` at 0x48 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyCreateNewPathInfo =
    driver_fn!(fn(vidpn_topology: Handle, new_vidpn_present_path_info: *mut Pointer) -> NtStatus);

/// `pfnAddPath` at 0x50 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyAddPath =
    driver_fn!(fn(vidpn_topology: Handle, vidpn_present_path: *mut VidPnPresentPath) -> NtStatus);

/// `pfnRemovePath` at 0x58 of `DXGK_VIDPNTOPOLOGY_INTERFACE`.
pub type VidPnTopologyRemovePath =
    driver_fn!(fn(vidpn_topology: Handle, vidpn_source_id: u32, vidpn_target_id: u32) -> NtStatus);

/// `pfnGetNumModes` at 0x0 of `DXGK_VIDPNSOURCEMODESET_INTERFACE`.
pub type VidPnSourceModeSetGetNumModes =
    driver_fn!(fn(vidpn_source_mode_set: Handle, num_source_modes: *mut u64) -> NtStatus);

/// `pfnAcquireFirstModeInfo` at 0x8 of `DXGK_VIDPNSOURCEMODESET_INTERFACE`.
pub type VidPnSourceModeSetAcquireFirstModeInfo =
    driver_fn!(fn(vidpn_source_mode_set: Handle, first_vidpn_source_mode_info: *mut Pointer) -> NtStatus);

/// `pfnAcquireNextModeInfo` at 0x10 of `DXGK_VIDPNSOURCEMODESET_INTERFACE`.
pub type VidPnSourceModeSetAcquireNextModeInfo = driver_fn!(
    fn(
        vidpn_source_mode_set: Handle,
        vidpn_source_mode_info: *const VidPnSourceMode,
        next_vidpn_source_mode_info: *mut Pointer,
    ) -> NtStatus
);

/// `pfnAcquirePinnedModeInfo` at 0x18 of `DXGK_VIDPNSOURCEMODESET_INTERFACE`.
pub type VidPnSourceModeSetAcquirePinnedModeInfo =
    driver_fn!(fn(vidpn_source_mode_set: Handle, pinned_vidpn_source_mode_info: *mut Pointer) -> NtStatus);

/// `pfnReleaseModeInfo` at 0x20 of `DXGK_VIDPNSOURCEMODESET_INTERFACE`.
pub type VidPnSourceModeSetReleaseModeInfo =
    driver_fn!(fn(vidpn_source_mode_set: Handle, vidpn_source_mode_info: *const VidPnSourceMode) -> NtStatus);

/// `pfnCreateNewModeInfo` at 0x28 of `DXGK_VIDPNSOURCEMODESET_INTERFACE`.
pub type VidPnSourceModeSetCreateNewModeInfo =
    driver_fn!(fn(vidpn_source_mode_set: Handle, new_vidpn_source_mode_info: *mut Pointer) -> NtStatus);

/// `pfnAddMode` at 0x30 of `DXGK_VIDPNSOURCEMODESET_INTERFACE`.
pub type VidPnSourceModeSetAddMode =
    driver_fn!(fn(vidpn_source_mode_set: Handle, vidpn_source_mode_info: *mut VidPnSourceMode) -> NtStatus);

/// `pfnPinMode` at 0x38 of `DXGK_VIDPNSOURCEMODESET_INTERFACE`.
pub type VidPnSourceModeSetPinMode =
    driver_fn!(fn(vidpn_source_mode_set: Handle, vidpn_source_mode_id: u32) -> NtStatus);

/// `pfnGetNumModes` at 0x0 of `DXGK_VIDPNTARGETMODESET_INTERFACE`.
pub type VidPnTargetModeSetGetNumModes =
    driver_fn!(fn(vidpn_target_mode_set: Handle, num_target_modes: *mut u64) -> NtStatus);

/// `pfnAcquireFirstModeInfo` at 0x8 of `DXGK_VIDPNTARGETMODESET_INTERFACE`.
pub type VidPnTargetModeSetAcquireFirstModeInfo =
    driver_fn!(fn(vidpn_target_mode_set: Handle, first_vidpn_target_mode_info: *mut Pointer) -> NtStatus);

/// `pfnAcquireNextModeInfo` at 0x10 of `DXGK_VIDPNTARGETMODESET_INTERFACE`.
pub type VidPnTargetModeSetAcquireNextModeInfo = driver_fn!(
    fn(
        vidpn_target_mode_set: Handle,
        vidpn_target_mode_info: *const VidPnTargetMode,
        next_vidpn_target_mode_info: *mut Pointer,
    ) -> NtStatus
);

/// `pfnAcquirePinnedModeInfo` at 0x18 of `DXGK_VIDPNTARGETMODESET_INTERFACE`.
pub type VidPnTargetModeSetAcquirePinnedModeInfo =
    driver_fn!(fn(vidpn_target_mode_set: Handle, pinned_vidpn_target_mode_info: *mut Pointer) -> NtStatus);

/// `pfnReleaseModeInfo` at 0x20 of `DXGK_VIDPNTARGETMODESET_INTERFACE`.
pub type VidPnTargetModeSetReleaseModeInfo =
    driver_fn!(fn(vidpn_target_mode_set: Handle, vidpn_target_mode_info: *const VidPnTargetMode) -> NtStatus);

/// `pfnCreateNewModeInfo` at 0x28 of `DXGK_VIDPNTARGETMODESET_INTERFACE`.
pub type VidPnTargetModeSetCreateNewModeInfo =
    driver_fn!(fn(vidpn_target_mode_set: Handle, new_vidpn_target_mode_info: *mut Pointer) -> NtStatus);

/// `pfnAddMode` at 0x30 of `DXGK_VIDPNTARGETMODESET_INTERFACE`.
pub type VidPnTargetModeSetAddMode =
    driver_fn!(fn(vidpn_target_mode_set: Handle, vidpn_target_mode_info: *mut VidPnTargetMode) -> NtStatus);

/// `pfnPinMode` at 0x38 of `DXGK_VIDPNTARGETMODESET_INTERFACE`.
pub type VidPnTargetModeSetPinMode =
    driver_fn!(fn(vidpn_target_mode_set: Handle, vidpn_target_mode_id: u32) -> NtStatus);

/// `pfnAcquireMonitorSourceModeSet` at 0x8 of `DXGK_MONITOR_INTERFACE`.
pub type MonitorAcquireMonitorSourceModeSet = driver_fn!(
    fn(
        adapter: Handle,
        video_present_target_id: u32,
        monitor_source_mode_set: *mut Handle,
        monitor_source_mode_set_interface: *mut Pointer,
    ) -> NtStatus
);

/// `pfnReleaseMonitorSourceModeSet` at 0x10 of `DXGK_MONITOR_INTERFACE`.
pub type MonitorReleaseMonitorSourceModeSet =
    driver_fn!(fn(adapter: Handle, monitor_source_mode_set: Handle) -> NtStatus);

/// `pfnGetMonitorFrequencyRangeSet` at 0x18 of `DXGK_MONITOR_INTERFACE`.
pub type MonitorGetMonitorFrequencyRangeSet = driver_fn!(
    fn(
        adapter: Handle,
        video_present_target_id: u32,
        monitor_frequency_range_set: *mut Handle,
        monitor_frequency_range_set_interface: *mut Pointer,
    ) -> NtStatus
);

/// `pfnGetMonitorDescriptorSet` at 0x20 of `DXGK_MONITOR_INTERFACE`.
pub type MonitorGetMonitorDescriptorSet = driver_fn!(
    fn(
        adapter: Handle,
        video_present_target_id: u32,
        monitor_descriptor_set: *mut Handle,
        monitor_descriptor_set_interface: *mut Pointer,
    ) -> NtStatus
);

/// `pfnGetNumModes` at 0x0 of `DXGK_MONITORSOURCEMODESET_INTERFACE`.
pub type MonitorSourceModeSetGetNumModes =
    driver_fn!(fn(monitor_source_mode_set: Handle, num_monitor_source_modes: *mut u64) -> NtStatus);

/// `pfnAcquirePreferredModeInfo` at 0x8 of `DXGK_MONITORSOURCEMODESET_INTERFACE`.
pub type MonitorSourceModeSetAcquirePreferredModeInfo =
    driver_fn!(fn(monitor_source_mode_set: Handle, first_monitor_source_mode_info: *mut Pointer) -> NtStatus);

/// `pfnAcquireFirstModeInfo` at 0x10 of `DXGK_MONITORSOURCEMODESET_INTERFACE`.
pub type MonitorSourceModeSetAcquireFirstModeInfo =
    driver_fn!(fn(monitor_source_mode_set: Handle, first_monitor_source_mode_info: *mut Pointer) -> NtStatus);

/// `pfnAcquireNextModeInfo` at 0x18 of `DXGK_MONITORSOURCEMODESET_INTERFACE`.
pub type MonitorSourceModeSetAcquireNextModeInfo = driver_fn!(
    fn(
        monitor_source_mode_set: Handle,
        monitor_source_mode_info: *const MonitorSourceMode,
        next_monitor_source_mode_info: *mut Pointer,
    ) -> NtStatus
);

/// `pfnCreateNewModeInfo` at 0x20 of `DXGK_MONITORSOURCEMODESET_INTERFACE`.
pub type MonitorSourceModeSetCreateNewModeInfo =
    driver_fn!(fn(monitor_source_mode_set: Handle, new_monitor_source_mode_info: *mut Pointer) -> NtStatus);

/// `pfnAddMode` at 0x28 of `DXGK_MONITORSOURCEMODESET_INTERFACE`.
pub type MonitorSourceModeSetAddMode = driver_fn!(
    fn(monitor_source_mode_set: Handle, monitor_source_mode_info: *mut MonitorSourceMode) -> NtStatus
);

/// `pfnReleaseModeInfo` at 0x30 of `DXGK_MONITORSOURCEMODESET_INTERFACE`.
pub type MonitorSourceModeSetReleaseModeInfo = driver_fn!(
    fn(monitor_source_mode_set: Handle, monitor_source_mode_info: *const MonitorSourceMode) -> NtStatus
);

/// `pfnGetNumFrequencyRanges` at 0x0 of `DXGK_MONITORFREQUENCYRANGESET_INTERFACE`.
pub type MonitorFrequencyRangeSetGetNumFrequencyRanges =
    driver_fn!(fn(monitor_frequency_range_set: Handle, num_monitor_frequency_ranges: *mut u64) -> NtStatus);

/// `pfnAcquireFirstFrequencyRangeInfo` at 0x8 of `DXGK_MONITORFREQUENCYRANGESET_INTERFACE`.
pub type MonitorFrequencyRangeSetAcquireFirstFrequencyRangeInfo = driver_fn!(
    fn(monitor_frequency_range_set: Handle, first_monitor_frequency_range_info: *mut Pointer) -> NtStatus
);

/// `pfnAcquireNextFrequencyRangeInfo` at 0x10 of `DXGK_MONITORFREQUENCYRANGESET_INTERFACE`.
pub type MonitorFrequencyRangeSetAcquireNextFrequencyRangeInfo = driver_fn!(
    fn(
        monitor_frequency_range_set: Handle,
        monitor_frequency_range_info: Pointer,
        next_monitor_frequency_range_info: *mut Pointer,
    ) -> NtStatus
);

/// `pfnReleaseFrequencyRangeInfo` at 0x18 of `DXGK_MONITORFREQUENCYRANGESET_INTERFACE`.
pub type MonitorFrequencyRangeSetReleaseFrequencyRangeInfo =
    driver_fn!(fn(monitor_frequency_range_set: Handle, monitor_frequency_range_info: Pointer) -> NtStatus);

/// `pfnGetNumDescriptors` at 0x0 of `DXGK_MONITORDESCRIPTORSET_INTERFACE`.
pub type MonitorDescriptorSetGetNumDescriptors =
    driver_fn!(fn(monitor_descriptor_set: Handle, num_monitor_descriptors: *mut u64) -> NtStatus);

/// `pfnAcquireFirstDescriptorInfo` at 0x8 of `DXGK_MONITORDESCRIPTORSET_INTERFACE`.
pub type MonitorDescriptorSetAcquireFirstDescriptorInfo =
    driver_fn!(fn(monitor_descriptor_set: Handle, first_monitor_descriptor_info: *mut Pointer) -> NtStatus);

/// `pfnAcquireNextDescriptorInfo` at 0x10 of `DXGK_MONITORDESCRIPTORSET_INTERFACE`.
pub type MonitorDescriptorSetAcquireNextDescriptorInfo = driver_fn!(
    fn(
        monitor_descriptor_set: Handle,
        monitor_descriptor_info: Pointer,
        next_monitor_descriptor_info: *mut Pointer,
    ) -> NtStatus
);

/// `pfnReleaseDescriptorInfo` at 0x18 of `DXGK_MONITORDESCRIPTORSET_INTERFACE`.
pub type MonitorDescriptorSetReleaseDescriptorInfo =
    driver_fn!(fn(monitor_descriptor_set: Handle, monitor_descriptor_info: Pointer) -> NtStatus);
