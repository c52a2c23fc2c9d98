//! Entry points of power.

use crate::life::{DevicePowerState, PowerAction};
use crate::status::NtStatus;
use crate::word::{Guid, Handle, Pointer};

/// `DxgkDdiSetPowerState`: 0x58 of the full table and 0x58 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiSetPowerState = driver_fn!(
    fn(
        miniport_device_context: Pointer,
        device_uid: u32,
        device_power_state: DevicePowerState,
        action_type: PowerAction,
    ) -> NtStatus
);

/// `DxgkDdiSetPowerComponentFState`: 0x238 of the full table and 0x130 of the display-only table, at
/// `DISPATCH_LEVEL` or below, since WDDM 1.2.
pub type DxgkDdiSetPowerComponentFState =
    driver_fn!(fn(driver_context: Handle, component_index: u32, f_state: u32) -> NtStatus);

/// `DxgkDdiSetPowerPState`: 0x2a0 of the full table, at `PASSIVE_LEVEL`, since WDDM 1.3.
pub type DxgkDdiSetPowerPState = driver_fn!(
    fn(driver_context: Handle, component_index: u32, requested_component_p_state: u32) -> NtStatus
);

/// `DxgkDdiPowerRuntimeControlRequest`: 0x280 of the full table and 0x138 of the display-only table, at
/// `DISPATCH_LEVEL` or below, since WDDM 1.2.
pub type DxgkDdiPowerRuntimeControlRequest = driver_fn!(
    fn(
        driver_context: Handle,
        power_control_code: *const Guid,
        in_buffer: Pointer,
        in_buffer_size: u64,
        out_buffer: Pointer,
        out_buffer_size: u64,
        bytes_returned: *mut u64,
    ) -> NtStatus
);

/// `DxgkDdiPowerRuntimeSetDeviceHandle`: 0x328 of the full table and 0x148 of the display-only table, at
/// `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiPowerRuntimeSetDeviceHandle =
    driver_fn!(fn(driver_context: Handle, po_device_handle: Handle) -> NtStatus);

/// `DxgkDdiSetStablePowerState`: 0x330 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiSetStablePowerState = driver_fn!(fn(adapter: Handle, args: Pointer));
