//! `KMDDOD_INITIALIZATION_DATA`: the entry points of a display-only driver.

use crate::version::InterfaceVersion;

table! {
    /// What a display-only driver passes to `DxgkInitializeDisplayOnlyDriver`, since WDDM 1.2, as of 3.1.
    ///
    /// A driver passes as many bytes as its own version has.
    "KMDDOD_INITIALIZATION_DATA" [336]
    pub struct KmddodInitializationData {
        header {
            0x000 => version: InterfaceVersion, "`Version`: what the driver was compiled for.";
            0x004 => _pad0: [u8; 4], "Padding.";
        }
        slots {
            0x008 => add_device, "DxgkDdiAddDevice", WIN8;
            0x010 => start_device, "DxgkDdiStartDevice", WIN8;
            0x018 => stop_device, "DxgkDdiStopDevice", WIN8;
            0x020 => remove_device, "DxgkDdiRemoveDevice", WIN8;
            0x028 => dispatch_io_request, "DxgkDdiDispatchIoRequest", WIN8;
            0x030 => interrupt_routine, "DxgkDdiInterruptRoutine", WIN8;
            0x038 => dpc_routine, "DxgkDdiDpcRoutine", WIN8;
            0x040 => query_child_relations, "DxgkDdiQueryChildRelations", WIN8;
            0x048 => query_child_status, "DxgkDdiQueryChildStatus", WIN8;
            0x050 => query_device_descriptor, "DxgkDdiQueryDeviceDescriptor", WIN8;
            0x058 => set_power_state, "DxgkDdiSetPowerState", WIN8;
            0x060 => notify_acpi_event, "DxgkDdiNotifyAcpiEvent", WIN8;
            0x068 => reset_device, "DxgkDdiResetDevice", WIN8;
            0x070 => unload, "DxgkDdiUnload", WIN8;
            0x078 => query_interface, "DxgkDdiQueryInterface", WIN8;
            0x080 => control_etw_logging, "DxgkDdiControlEtwLogging", WIN8;
            0x088 => query_adapter_info, "DxgkDdiQueryAdapterInfo", WIN8;
            0x090 => set_palette, "DxgkDdiSetPalette", WIN8;
            0x098 => set_pointer_position, "DxgkDdiSetPointerPosition", WIN8;
            0x0a0 => set_pointer_shape, "DxgkDdiSetPointerShape", WIN8;
            0x0a8 => escape, "DxgkDdiEscape", WIN8;
            0x0b0 => collect_dbg_info, "DxgkDdiCollectDbgInfo", WIN8;
            0x0b8 => is_supported_vidpn, "DxgkDdiIsSupportedVidPn", WIN8;
            0x0c0 => recommend_functional_vidpn, "DxgkDdiRecommendFunctionalVidPn", WIN8;
            0x0c8 => enum_vidpn_cofunc_modality, "DxgkDdiEnumVidPnCofuncModality", WIN8;
            0x0d0 => set_vidpn_source_visibility, "DxgkDdiSetVidPnSourceVisibility", WIN8;
            0x0d8 => commit_vidpn, "DxgkDdiCommitVidPn", WIN8;
            0x0e0 => update_active_vidpn_present_path, "DxgkDdiUpdateActiveVidPnPresentPath", WIN8;
            0x0e8 => recommend_monitor_modes, "DxgkDdiRecommendMonitorModes", WIN8;
            0x0f0 => get_scan_line, "DxgkDdiGetScanLine", WIN8;
            0x0f8 => query_vidpn_hw_capability, "DxgkDdiQueryVidPnHWCapability", WIN8;
            0x100 => present_display_only, "DxgkDdiPresentDisplayOnly", WIN8;
            0x108 => stop_device_and_release_post_display_ownership, "DxgkDdiStopDeviceAndReleasePostDisplayOwnership", WIN8;
            0x110 => system_display_enable, "DxgkDdiSystemDisplayEnable", WIN8;
            0x118 => system_display_write, "DxgkDdiSystemDisplayWrite", WIN8;
            0x120 => get_child_container_id, "DxgkDdiGetChildContainerId", WIN8;
            0x128 => control_interrupt, "DxgkDdiControlInterrupt", WIN8;
            0x130 => set_power_component_fstate, "DxgkDdiSetPowerComponentFState", WIN8;
            0x138 => power_runtime_control_request, "DxgkDdiPowerRuntimeControlRequest", WIN8;
            0x140 => notify_surprise_removal, "DxgkDdiNotifySurpriseRemoval", WIN8;
            0x148 => power_runtime_set_device_handle, "DxgkDdiPowerRuntimeSetDeviceHandle", WDDM2_0;
        }
    }
}
