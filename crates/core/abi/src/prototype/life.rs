//! Entry points of an adapter's life, and its questions.

use crate::display::{ChildContainerId, ChildDescriptor, ChildStatus, DeviceDescriptor};
use crate::interface::DxgkrnlInterface;
use crate::kernel::DeviceObject;
use crate::life::{
    DisplayInformation, EventType, LinkedDevice, PreStartInfo, QueryInterface, StartInfo, SurpriseRemovalType,
};
use crate::query::ArgQueryAdapterInfo;
use crate::status::NtStatus;
use crate::word::{Boolean, Handle, Pointer};

/// `DxgkDdiAddDevice`: 0x8 of the full table and 0x8 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiAddDevice = driver_fn!(
    fn(physical_device_object: *mut DeviceObject, miniport_device_context: *mut Pointer) -> NtStatus
);

/// `DxgkDdiStartDevice`: 0x10 of the full table and 0x10 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiStartDevice = driver_fn!(
    fn(
        miniport_device_context: Pointer,
        dxgk_start_info: *mut StartInfo,
        dxgk_interface: *mut DxgkrnlInterface,
        number_of_video_present_sources: *mut u32,
        number_of_children: *mut u32,
    ) -> NtStatus
);

/// `DxgkDdiStopDevice`: 0x18 of the full table and 0x18 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiStopDevice = driver_fn!(fn(miniport_device_context: Pointer) -> NtStatus);

/// `DxgkDdiRemoveDevice`: 0x20 of the full table and 0x20 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiRemoveDevice = driver_fn!(fn(miniport_device_context: Pointer) -> NtStatus);

/// `DxgkDdiUnload`: 0x70 of the full table and 0x70 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiUnload = driver_fn!(fn());

/// `DxgkDdiResetDevice`: 0x68 of the full table and 0x68 of the display-only table.
pub type DxgkDdiResetDevice = driver_fn!(fn(miniport_device_context: Pointer));

/// `DxgkDdiQueryInterface`: 0x78 of the full table and 0x78 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiQueryInterface =
    driver_fn!(fn(miniport_device_context: Pointer, query_interface: *mut QueryInterface) -> NtStatus);

/// `DxgkDdiDispatchIoRequest`: 0x28 of the full table and 0x28 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiDispatchIoRequest = driver_fn!(
    fn(miniport_device_context: Pointer, vidpn_source_id: u32, video_request_packet: Pointer) -> NtStatus
);

/// `DxgkDdiQueryChildRelations`: 0x40 of the full table and 0x40 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiQueryChildRelations = driver_fn!(
    fn(
        miniport_device_context: Pointer,
        child_relations: *mut ChildDescriptor,
        child_relations_size: u32,
    ) -> NtStatus
);

/// `DxgkDdiQueryChildStatus`: 0x48 of the full table and 0x48 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiQueryChildStatus = driver_fn!(
    fn(
        miniport_device_context: Pointer,
        child_status: *mut ChildStatus,
        non_destructive_only: Boolean,
    ) -> NtStatus
);

/// `DxgkDdiQueryDeviceDescriptor`: 0x50 of the full table and 0x50 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiQueryDeviceDescriptor = driver_fn!(
    fn(
        miniport_device_context: Pointer,
        child_uid: u32,
        device_descriptor: *mut DeviceDescriptor,
    ) -> NtStatus
);

/// `DxgkDdiGetChildContainerId`: 0x278 of the full table and 0x120 of the display-only table, at
/// `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkDdiGetChildContainerId = driver_fn!(
    fn(miniport_device_context: Pointer, child_uid: u32, container_id: *mut ChildContainerId) -> NtStatus
);

/// `DxgkDdiNotifyAcpiEvent`: 0x60 of the full table and 0x60 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiNotifyAcpiEvent = driver_fn!(
    fn(
        miniport_device_context: Pointer,
        event_type: EventType,
        event: u32,
        argument: Pointer,
        acpi_flags: *mut u32,
    ) -> NtStatus
);

/// `DxgkDdiNotifySurpriseRemoval`: 0x290 of the full table and 0x140 of the display-only table, at
/// `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkDdiNotifySurpriseRemoval =
    driver_fn!(fn(miniport_device_context: Pointer, removal_type: SurpriseRemovalType) -> NtStatus);

/// `DxgkDdiLinkDevice`: 0x1e0 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiLinkDevice = driver_fn!(
    fn(
        physical_device_object: *mut DeviceObject,
        miniport_device_context: Pointer,
        linked_device: *mut LinkedDevice,
    ) -> NtStatus
);

/// `DxgkDdiStopDeviceAndReleasePostDisplayOwnership`: 0x258 of the full table and 0x108 of the display-only
/// table, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkDdiStopDeviceAndReleasePostDisplayOwnership = driver_fn!(
    fn(miniport_device_context: Pointer, target_id: u32, display_info: *mut DisplayInformation) -> NtStatus
);

/// `DxgkDdiControlEtwLogging`: 0x80 of the full table and 0x80 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiControlEtwLogging = driver_fn!(fn(enable: Boolean, flags: u32, level: u8));

/// `DxgkDdiExchangePreStartInfo`: 0x3f0 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiExchangePreStartInfo =
    driver_fn!(fn(adapter: Handle, pre_start_info: *mut PreStartInfo) -> NtStatus);

/// `DxgkDdiQueryAdapterInfo`: 0x88 of the full table and 0x88 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiQueryAdapterInfo =
    driver_fn!(fn(adapter: Handle, query_adapter_info: *const ArgQueryAdapterInfo) -> NtStatus);

/// `DxgkDdiEscape`: 0x110 of the full table and 0xa8 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiEscape = driver_fn!(fn(adapter: Handle, escape: Pointer) -> NtStatus);

/// `DxgkDdiCollectDbgInfo`: 0x118 of the full table and 0xb0 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiCollectDbgInfo = driver_fn!(fn(adapter: Handle, collect_dbg_info: Pointer) -> NtStatus);
