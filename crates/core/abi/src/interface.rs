//! `DXGKRNL_INTERFACE`: the table of callbacks that the port driver hands to `DxgkDdiStartDevice`.

use crate::version::InterfaceVersion;
use crate::word::Handle;

table! {
    /// The callbacks, as of WDDM 3.1; a driver copies as many bytes as its own version has.
    "DXGKRNL_INTERFACE" [576]
    pub struct DxgkrnlInterface {
        header {
            0x000 => size: u32, "`Size`: bytes of the table.";
            0x004 => version: InterfaceVersion, "`Version`: the interface version offered.";
            0x008 => device_handle: Handle, "`DeviceHandle`: what the driver passes back in most callbacks.";
        }
        slots {
            0x010 => eval_acpi_method, "DxgkCbEvalAcpiMethod", VISTA;
            0x018 => get_device_information, "DxgkCbGetDeviceInformation", VISTA;
            0x020 => indicate_child_status, "DxgkCbIndicateChildStatus", VISTA;
            0x028 => map_memory, "DxgkCbMapMemory", VISTA;
            0x030 => queue_dpc, "DxgkCbQueueDpc", VISTA;
            0x038 => query_services, "DxgkCbQueryServices", VISTA;
            0x040 => read_device_space, "DxgkCbReadDeviceSpace", VISTA;
            0x048 => synchronize_execution, "DxgkCbSynchronizeExecution", VISTA;
            0x050 => unmap_memory, "DxgkCbUnmapMemory", VISTA;
            0x058 => write_device_space, "DxgkCbWriteDeviceSpace", VISTA;
            0x060 => is_device_present, "DxgkCbIsDevicePresent", VISTA;
            0x068 => get_handle_data, "DxgkCbGetHandleData", VISTA;
            0x070 => get_handle_parent, "DxgkCbGetHandleParent", VISTA;
            0x078 => enum_handle_children, "DxgkCbEnumHandleChildren", VISTA;
            0x080 => notify_interrupt, "DxgkCbNotifyInterrupt", VISTA;
            0x088 => notify_dpc, "DxgkCbNotifyDpc", VISTA;
            0x090 => query_vidpn_interface, "DxgkCbQueryVidPnInterface", VISTA;
            0x098 => query_monitor_interface, "DxgkCbQueryMonitorInterface", VISTA;
            0x0a0 => get_capture_address, "DxgkCbGetCaptureAddress", VISTA;
            0x0a8 => log_etw_event, "DxgkCbLogEtwEvent", VISTA;
            0x0b0 => exclude_adapter_access, "DxgkCbExcludeAdapterAccess", VISTA;
            0x0b8 => create_context_allocation, "DxgkCbCreateContextAllocation", WIN8;
            0x0c0 => destroy_context_allocation, "DxgkCbDestroyContextAllocation", WIN8;
            0x0c8 => set_power_component_active, "DxgkCbSetPowerComponentActive", WIN8;
            0x0d0 => set_power_component_idle, "DxgkCbSetPowerComponentIdle", WIN8;
            0x0d8 => acquire_post_display_ownership, "DxgkCbAcquirePostDisplayOwnership", WIN8;
            0x0e0 => power_runtime_control_request, "DxgkCbPowerRuntimeControlRequest", WIN8;
            0x0e8 => set_power_component_latency, "DxgkCbSetPowerComponentLatency", WIN8;
            0x0f0 => set_power_component_residency, "DxgkCbSetPowerComponentResidency", WIN8;
            0x0f8 => complete_fstate_transition, "DxgkCbCompleteFStateTransition", WIN8;
            0x100 => complete_pstate_transition, "DxgkCbCompletePStateTransition", WDDM1_3;
            0x108 => map_context_allocation, "DxgkCbMapContextAllocation", WDDM2_0;
            0x110 => update_context_allocation, "DxgkCbUpdateContextAllocation", WDDM2_0;
            0x118 => reserve_gpu_virtual_address_range, "DxgkCbReserveGpuVirtualAddressRange", WDDM2_0;
            0x120 => acquire_handle_data, "DxgkCbAcquireHandleData", WDDM2_0;
            0x128 => release_handle_data, "DxgkCbReleaseHandleData", WDDM2_0;
            0x130 => hardware_content_protection_teardown, "DxgkCbHardwareContentProtectionTeardown", WDDM2_0;
            0x138 => multiplane_overlay_disabled, "DxgkCbMultiPlaneOverlayDisabled", WDDM2_1;
            0x140 => mitigated_range_update, "DxgkCbMitigatedRangeUpdate", WDDM2_1;
            0x148 => invalidate_hw_context, "DxgkCbInvalidateHwContext", WDDM2_2;
            0x150 => indicate_connector_change, "DxgkCbIndicateConnectorChange", WDDM2_2;
            0x158 => unblock_uefi_frame_buffer_ranges, "DxgkCbUnblockUEFIFrameBufferRanges", WDDM2_2;
            0x160 => acquire_post_display_ownership2, "DxgkCbAcquirePostDisplayOwnership2", WDDM2_2;
            0x168 => set_protected_session_status, "DxgkCbSetProtectedSessionStatus", WDDM2_3;
            0x170 => allocate_contiguous_memory, "DxgkCbAllocateContiguousMemory", WDDM2_4;
            0x178 => free_contiguous_memory, "DxgkCbFreeContiguousMemory", WDDM2_4;
            0x180 => allocate_pages_for_mdl, "DxgkCbAllocatePagesForMdl", WDDM2_4;
            0x188 => free_pages_from_mdl, "DxgkCbFreePagesFromMdl", WDDM2_4;
            0x190 => pin_frame_buffer_for_save, "DxgkCbPinFrameBufferForSave", WDDM2_4;
            0x198 => unpin_frame_buffer_for_save, "DxgkCbUnpinFrameBufferForSave", WDDM2_4;
            0x1a0 => map_frame_buffer_pointer, "DxgkCbMapFrameBufferPointer", WDDM2_4;
            0x1a8 => unmap_frame_buffer_pointer, "DxgkCbUnmapFrameBufferPointer", WDDM2_4;
            0x1b0 => map_mdl_to_iommu, "DxgkCbMapMdlToIoMmu", WDDM2_4;
            0x1b8 => unmap_mdl_from_iommu, "DxgkCbUnmapMdlFromIoMmu", WDDM2_4;
            0x1c0 => report_diagnostic, "DxgkCbReportDiagnostic", WDDM2_4;
            0x1c8 => signal_event, "DxgkCbSignalEvent", WDDM2_5;
            0x1d0 => is_feature_enabled, "DxgkCbIsFeatureEnabled", WDDM2_6;
            0x1d8 => save_memory_for_hot_update, "DxgkCbSaveMemoryForHotUpdate", WDDM2_6;
            0x1e0 => notify_cursor_support_change, "DxgkCbNotifyCursorSupportChange", WDDM2_8;
            0x1e8 => query_feature_support, "DxgkCbQueryFeatureSupport", WDDM2_9;
            0x1f0 => create_physical_memory_object, "DxgkCbCreatePhysicalMemoryObject", WDDM2_9;
            0x1f8 => destroy_physical_memory_object, "DxgkCbDestroyPhysicalMemoryObject", WDDM2_9;
            0x200 => map_physical_memory, "DxgkCbMapPhysicalMemory", WDDM2_9;
            0x208 => unmap_physical_memory, "DxgkCbUnmapPhysicalMemory", WDDM2_9;
            0x210 => allocate_adl, "DxgkCbAllocateAdl", WDDM2_9;
            0x218 => free_adl, "DxgkCbFreeAdl", WDDM2_9;
            0x220 => open_physical_memory_object, "DxgkCbOpenPhysicalMemoryObject", WDDM2_9;
            0x228 => close_physical_memory_object, "DxgkCbClosePhysicalMemoryObject", WDDM2_9;
            0x230 => pin_frame_buffer_for_save2, "DxgkCbPinFrameBufferForSave2", WDDM2_9;
            0x238 => disconnect_doorbell, "DxgkCbDisconnectDoorbell", WDDM3_1;
        }
    }
}
