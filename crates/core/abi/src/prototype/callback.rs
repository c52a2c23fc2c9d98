//! The callbacks that are not about memory.
//!
//! IRQLs are those the headers state; the documentation may say otherwise.

use crate::callback::{ArgCbEnumHandleChildren, ArgCbGetHandleData, ArgCbReleaseHandleData};
use crate::display::{ChildStatus, MonitorInterfaceVersion, VidPnInterfaceVersion};
use crate::interrupt::ArgCbNotifyInterruptData;
use crate::kernel::Interface;
use crate::life::{DisplayInformation, DisplayOwnershipFlags, Services};
use crate::status::NtStatus;
use crate::word::{Boolean, Guid, Handle, Pointer};

/// `DxgkCbEvalAcpiMethod` at 0x10 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbEvalAcpiMethod = driver_fn!(
    fn(
        device_handle: Handle,
        device_uid: u32,
        acpi_input_buffer: Pointer,
        acpi_input_size: u32,
        acpi_output_buffer: Pointer,
        acpi_output_size: u32,
    ) -> NtStatus
);

/// `DxgkCbIndicateChildStatus` at 0x20 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below.
pub type DxgkCbIndicateChildStatus =
    driver_fn!(fn(device_handle: Handle, child_status: *mut ChildStatus) -> NtStatus);

/// `DxgkCbQueueDpc` at 0x30 of `DXGKRNL_INTERFACE`.
pub type DxgkCbQueueDpc = driver_fn!(fn(device_handle: Handle) -> Boolean);

/// `DxgkCbQueryServices` at 0x38 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbQueryServices =
    driver_fn!(fn(device_handle: Handle, services_type: Services, interface: *mut Interface) -> NtStatus);

/// `DxgkCbReadDeviceSpace` at 0x40 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbReadDeviceSpace = driver_fn!(
    fn(
        device_handle: Handle,
        data_type: u32,
        buffer: Pointer,
        offset: u32,
        length: u32,
        bytes_read: *mut u32,
    ) -> NtStatus
);

/// `DxgkCbSynchronizeExecution` at 0x48 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below.
pub type DxgkCbSynchronizeExecution = driver_fn!(
    fn(
        device_handle: Handle,
        synchronize_routine: Pointer,
        context: Pointer,
        message_number: u32,
        return_value: *mut Boolean,
    ) -> NtStatus
);

/// `DxgkCbWriteDeviceSpace` at 0x58 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbWriteDeviceSpace = driver_fn!(
    fn(
        device_handle: Handle,
        data_type: u32,
        buffer: Pointer,
        offset: u32,
        length: u32,
        bytes_written: *mut u32,
    ) -> NtStatus
);

/// `DxgkCbIsDevicePresent` at 0x60 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbIsDevicePresent = driver_fn!(
    fn(device_handle: Handle, device_presence_parameters: Pointer, device_present: *mut Boolean) -> NtStatus
);

/// `DxgkCbGetHandleData` at 0x68 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbGetHandleData = driver_fn!(fn(arguments: *const ArgCbGetHandleData) -> Pointer);

/// `DxgkCbGetHandleParent` at 0x70 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbGetHandleParent = driver_fn!(fn(allocation: u32) -> u32);

/// `DxgkCbEnumHandleChildren` at 0x78 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbEnumHandleChildren = driver_fn!(fn(arguments: *const ArgCbEnumHandleChildren) -> u32);

/// `DxgkCbNotifyInterrupt` at 0x80 of `DXGKRNL_INTERFACE`, at a device level.
pub type DxgkCbNotifyInterrupt = driver_fn!(fn(adapter: Handle, arguments: *mut ArgCbNotifyInterruptData));

/// `DxgkCbNotifyDpc` at 0x88 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL`.
pub type DxgkCbNotifyDpc = driver_fn!(fn(adapter: Handle));

/// `DxgkCbQueryVidPnInterface` at 0x90 of `DXGKRNL_INTERFACE`, at `APC_LEVEL` or below.
pub type DxgkCbQueryVidPnInterface = driver_fn!(
    fn(
        vidpn: Handle,
        vidpn_interface_version: VidPnInterfaceVersion,
        vidpn_interface: *mut Pointer,
    ) -> NtStatus
);

/// `DxgkCbQueryMonitorInterface` at 0x98 of `DXGKRNL_INTERFACE`, at `APC_LEVEL` or below.
pub type DxgkCbQueryMonitorInterface = driver_fn!(
    fn(
        adapter: Handle,
        monitor_interface_version: MonitorInterfaceVersion,
        monitor_interface: *mut Pointer,
    ) -> NtStatus
);

/// `DxgkCbGetCaptureAddress` at 0xa0 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbGetCaptureAddress = driver_fn!(fn(arguments: Pointer) -> NtStatus);

/// `DxgkCbLogEtwEvent` at 0xa8 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`.
pub type DxgkCbLogEtwEvent =
    driver_fn!(fn(event_guid: *const Guid, kind: u8, event_buffer_size: u16, event_buffer: Pointer));

/// `DxgkCbCreateContextAllocation` at 0xb8 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkCbCreateContextAllocation = driver_fn!(fn(arguments: Pointer) -> NtStatus);

/// `DxgkCbDestroyContextAllocation` at 0xc0 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkCbDestroyContextAllocation = driver_fn!(fn(adapter: Handle, allocation: Handle) -> NtStatus);

/// `DxgkCbSetPowerComponentActive` at 0xc8 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkCbSetPowerComponentActive = driver_fn!(fn(adapter: Handle, component_index: u32));

/// `DxgkCbSetPowerComponentIdle` at 0xd0 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since WDDM 1.2.
pub type DxgkCbSetPowerComponentIdle = driver_fn!(fn(adapter: Handle, component_index: u32));

/// `DxgkCbAcquirePostDisplayOwnership` at 0xd8 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkCbAcquirePostDisplayOwnership =
    driver_fn!(fn(device_handle: Handle, display_info: *mut DisplayInformation) -> NtStatus);

/// `DxgkCbPowerRuntimeControlRequest` at 0xe0 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since WDDM 1.2.
pub type DxgkCbPowerRuntimeControlRequest = driver_fn!(
    fn(
        adapter: Handle,
        power_control_code: *const Guid,
        in_buffer: Pointer,
        in_buffer_size: u64,
        out_buffer: Pointer,
        out_buffer_size: u64,
        bytes_returned: *mut u64,
    ) -> NtStatus
);

/// `DxgkCbSetPowerComponentLatency` at 0xe8 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since WDDM 1.2.
pub type DxgkCbSetPowerComponentLatency = driver_fn!(fn(adapter: Handle, component_index: u32, latency: u64));

/// `DxgkCbSetPowerComponentResidency` at 0xf0 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since WDDM 1.2.
pub type DxgkCbSetPowerComponentResidency =
    driver_fn!(fn(adapter: Handle, component_index: u32, residency: u64));

/// `DxgkCbCompleteFStateTransition` at 0xf8 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since WDDM 1.2.
pub type DxgkCbCompleteFStateTransition = driver_fn!(fn(adapter: Handle, component_index: u32));

/// `DxgkCbCompletePStateTransition` at 0x100 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since WDDM 1.3.
pub type DxgkCbCompletePStateTransition =
    driver_fn!(fn(adapter: Handle, component_index: u32, completed_p_state: u32));

/// `DxgkCbMapContextAllocation` at 0x108 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkCbMapContextAllocation = driver_fn!(fn(adapter: Handle, args: Pointer) -> u64);

/// `DxgkCbUpdateContextAllocation` at 0x110 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkCbUpdateContextAllocation = driver_fn!(fn(adapter: Handle, args: Pointer) -> NtStatus);

/// `DxgkCbReserveGpuVirtualAddressRange` at 0x118 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkCbReserveGpuVirtualAddressRange = driver_fn!(fn(adapter: Handle, args: Pointer) -> NtStatus);

/// `DxgkCbAcquireHandleData` at 0x120 of `DXGKRNL_INTERFACE`, at `APC_LEVEL` or below, since WDDM 2.0.
pub type DxgkCbAcquireHandleData =
    driver_fn!(fn(arguments: *const ArgCbGetHandleData, arguments2: *mut Handle) -> Pointer);

/// `DxgkCbReleaseHandleData` at 0x128 of `DXGKRNL_INTERFACE`, at `APC_LEVEL` or below, since WDDM 2.0.
pub type DxgkCbReleaseHandleData = driver_fn!(fn(arguments: ArgCbReleaseHandleData));

/// `DxgkCbHardwareContentProtectionTeardown` at 0x130 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below,
/// since WDDM 2.0.
pub type DxgkCbHardwareContentProtectionTeardown = driver_fn!(fn(adapter: Handle, flags: u32));

/// `DxgkCbMultiPlaneOverlayDisabled` at 0x138 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since WDDM 2.1.
pub type DxgkCbMultiPlaneOverlayDisabled = driver_fn!(fn(adapter: Handle, vidpn_source_id: u32));

/// `DxgkCbMitigatedRangeUpdate` at 0x140 of `DXGKRNL_INTERFACE`, since WDDM 2.1.
pub type DxgkCbMitigatedRangeUpdate = driver_fn!(fn(adapter: Handle, virtual_function_index: u32));

/// `DxgkCbInvalidateHwContext` at 0x148 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkCbInvalidateHwContext = driver_fn!(fn(arguments: Pointer) -> NtStatus);

/// `DxgkCbIndicateConnectorChange` at 0x150 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since WDDM 2.2.
pub type DxgkCbIndicateConnectorChange = driver_fn!(fn(adapter: Handle) -> NtStatus);

/// `DxgkCbUnblockUEFIFrameBufferRanges` at 0x158 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since
/// WDDM 2.2.
pub type DxgkCbUnblockUEFIFrameBufferRanges =
    driver_fn!(fn(adapter: Handle, segment_memory_state: Pointer) -> NtStatus);

/// `DxgkCbAcquirePostDisplayOwnership2` at 0x160 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkCbAcquirePostDisplayOwnership2 = driver_fn!(
    fn(
        device_handle: Handle,
        display_info: *mut DisplayInformation,
        flags: *mut DisplayOwnershipFlags,
    ) -> NtStatus
);

/// `DxgkCbSetProtectedSessionStatus` at 0x168 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 2.3.
pub type DxgkCbSetProtectedSessionStatus = driver_fn!(fn(protected_session_status: Pointer) -> NtStatus);

/// `DxgkCbReportDiagnostic` at 0x1c0 of `DXGKRNL_INTERFACE`, at `DISPATCH_LEVEL` or below, since WDDM 2.4.
pub type DxgkCbReportDiagnostic = driver_fn!(fn(device_handle: Handle, diagnostic: Pointer) -> NtStatus);

/// `DxgkCbSignalEvent` at 0x1c8 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 2.5.
pub type DxgkCbSignalEvent = driver_fn!(fn(arguments: Pointer) -> NtStatus);

/// `DxgkCbIsFeatureEnabled` at 0x1d0 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 2.6.
pub type DxgkCbIsFeatureEnabled = driver_fn!(fn(arguments: Pointer) -> NtStatus);

/// `DxgkCbNotifyCursorSupportChange` at 0x1e0 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 2.8.
pub type DxgkCbNotifyCursorSupportChange = driver_fn!(fn(args: Pointer) -> NtStatus);

/// `DxgkCbDisconnectDoorbell` at 0x238 of `DXGKRNL_INTERFACE`, at `PASSIVE_LEVEL`, since WDDM 3.1.
pub type DxgkCbDisconnectDoorbell = driver_fn!(fn(args: Pointer) -> NtStatus);
