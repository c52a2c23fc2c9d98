//! Entry points of submission.

use crate::status::NtStatus;
use crate::submit::{ArgPreemptCommand, ArgQueryCurrentFence, ArgSubmitCommand};
use crate::word::{Handle, Pointer};

/// `DxgkDdiCreateDevice`: 0x90 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiCreateDevice = driver_fn!(fn(adapter: Handle, create_device: Pointer) -> NtStatus);

/// `DxgkDdiDestroyDevice`: 0x190 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiDestroyDevice = driver_fn!(fn(device: Handle) -> NtStatus);

/// `DxgkDdiCreateContext`: 0x1d0 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiCreateContext = driver_fn!(fn(device: Handle, create_context: Pointer) -> NtStatus);

/// `DxgkDdiDestroyContext`: 0x1d8 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiDestroyContext = driver_fn!(fn(context: Handle) -> NtStatus);

/// `DxgkDdiRender`: 0x1a8 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiRender = driver_fn!(fn(context: Handle, render: Pointer) -> NtStatus);

/// `DxgkDdiRenderKm`: 0x220 of the full table, at `PASSIVE_LEVEL`, since WDDM 1.1.
pub type DxgkDdiRenderKm = driver_fn!(fn(context: Handle, render: Pointer) -> NtStatus);

/// `DxgkDdiRenderGdi`: 0x2c8 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiRenderGdi = driver_fn!(fn(context: Handle, render_gdi: Pointer) -> NtStatus);

/// `DxgkDdiPresent`: 0x1b0 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiPresent = driver_fn!(fn(context: Handle, present: Pointer) -> NtStatus);

/// `DxgkDdiPatch`: 0xc8 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiPatch = driver_fn!(fn(adapter: Handle, patch: Pointer) -> NtStatus);

/// `DxgkDdiSubmitCommand`: 0xd0 of the full table, at `DISPATCH_LEVEL`.
pub type DxgkDdiSubmitCommand =
    driver_fn!(fn(adapter: Handle, submit_command: *const ArgSubmitCommand) -> NtStatus);

/// `DxgkDdiSubmitCommandVirtual`: 0x2d0 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiSubmitCommandVirtual = driver_fn!(fn(adapter: Handle, submit_command: Pointer) -> NtStatus);

/// `DxgkDdiPreemptCommand`: 0xd8 of the full table, at `DISPATCH_LEVEL`.
pub type DxgkDdiPreemptCommand =
    driver_fn!(fn(adapter: Handle, preempt_command: *const ArgPreemptCommand) -> NtStatus);

/// `DxgkDdiCancelCommand`: 0x270 of the full table, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkDdiCancelCommand = driver_fn!(fn(adapter: Handle, cancel_command: Pointer) -> NtStatus);

/// `DxgkDdiQueryCurrentFence`: 0x120 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiQueryCurrentFence =
    driver_fn!(fn(adapter: Handle, current_fence: *mut ArgQueryCurrentFence) -> NtStatus);

/// `DxgkDdiGetNodeMetadata`: 0x298 of the full table, at `PASSIVE_LEVEL`, since WDDM 1.3.
pub type DxgkDdiGetNodeMetadata = driver_fn!(
    fn(adapter: Handle, node_ordinal_and_adapter_index: u32, get_node_metadata: Pointer) -> NtStatus
);

/// `DxgkDdiCalibrateGpuClock`: 0x2b8 of the full table, at `DISPATCH_LEVEL` or below, since WDDM 1.3.
pub type DxgkDdiCalibrateGpuClock = driver_fn!(
    fn(adapter: Handle, node_ordinal: u32, engine_ordinal: u32, clock_calibration: Pointer) -> NtStatus
);

/// `DxgkDdiFormatHistoryBuffer`: 0x2c0 of the full table, at `DISPATCH_LEVEL`, since WDDM 1.3.
pub type DxgkDdiFormatHistoryBuffer = driver_fn!(fn(context: Handle, format_data: Pointer) -> NtStatus);

/// `DxgkDdiCreateHwContext`: 0x370 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiCreateHwContext = driver_fn!(fn(device: Handle, create_context: Pointer) -> NtStatus);

/// `DxgkDdiDestroyHwContext`: 0x378 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiDestroyHwContext = driver_fn!(fn(hw_context: Handle) -> NtStatus);

/// `DxgkDdiCreateHwQueue`: 0x380 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiCreateHwQueue = driver_fn!(fn(hw_context: Handle, create_hw_queue: Pointer) -> NtStatus);

/// `DxgkDdiDestroyHwQueue`: 0x388 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiDestroyHwQueue = driver_fn!(fn(hw_queue: Handle) -> NtStatus);

/// `DxgkDdiSubmitCommandToHwQueue`: 0x390 of the full table, at `DISPATCH_LEVEL` or below, since WDDM 2.2.
pub type DxgkDdiSubmitCommandToHwQueue =
    driver_fn!(fn(adapter: Handle, submit_command_to_hw_queue: Pointer) -> NtStatus);

/// `DxgkDdiSwitchToHwContextList`: 0x398 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiSwitchToHwContextList = driver_fn!(fn(adapter: Handle, hw_context_list: Pointer) -> NtStatus);

/// `DxgkDdiPresentToHwQueue`: 0x488 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.5.
pub type DxgkDdiPresentToHwQueue = driver_fn!(fn(hw_queue: Handle, present: Pointer) -> NtStatus);

/// `DxgkDdiSignalMonitoredFence`: 0x480 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.5.
pub type DxgkDdiSignalMonitoredFence =
    driver_fn!(fn(context: Handle, signal_monitored_fence: Pointer) -> NtStatus);

/// `DxgkDdiValidateSubmitCommand`: 0x490 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.5.
pub type DxgkDdiValidateSubmitCommand = driver_fn!(fn(context: Handle, args: Pointer) -> NtStatus);

/// `DxgkDdiSetSchedulingLogBuffer`: 0x420 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.4.
pub type DxgkDdiSetSchedulingLogBuffer =
    driver_fn!(fn(adapter: Handle, set_scheduling_log_buffer: Pointer) -> NtStatus);

/// `DxgkDdiSetupPriorityBands`: 0x428 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.4.
pub type DxgkDdiSetupPriorityBands =
    driver_fn!(fn(adapter: Handle, setup_priority_bands: Pointer) -> NtStatus);

/// `DxgkDdiSuspendContext`: 0x440 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.4.
pub type DxgkDdiSuspendContext = driver_fn!(fn(adapter: Handle, suspend_context: Pointer) -> NtStatus);

/// `DxgkDdiResumeContext`: 0x448 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.4.
pub type DxgkDdiResumeContext = driver_fn!(fn(adapter: Handle, resume_context: Pointer) -> NtStatus);

/// `DxgkDdiCreateNativeFence`: 0x510 of the full table, at `PASSIVE_LEVEL`, since WDDM 3.1.
pub type DxgkDdiCreateNativeFence = driver_fn!(fn(adapter: Handle, create_native_fence: Pointer) -> NtStatus);

/// `DxgkDdiDestroyNativeFence`: 0x518 of the full table, at `PASSIVE_LEVEL`, since WDDM 3.1.
pub type DxgkDdiDestroyNativeFence = driver_fn!(fn(native_fence: Handle) -> NtStatus);

/// `DxgkDdiUpdateMonitoredValues`: 0x520 of the full table, at `DISPATCH_LEVEL`, since WDDM 3.1.
pub type DxgkDdiUpdateMonitoredValues = driver_fn!(fn(update_monitored_values: Pointer) -> NtStatus);

/// `DxgkDdiNotifyCurrentValueUpdates`: 0x528 of the full table, at `DISPATCH_LEVEL`, since WDDM 3.1.
pub type DxgkDdiNotifyCurrentValueUpdates = driver_fn!(fn(notify_current_value_updates: Pointer) -> NtStatus);

/// `DxgkDdiCreateDoorbell`: 0x530 of the full table, at `PASSIVE_LEVEL`, since WDDM 3.1.
pub type DxgkDdiCreateDoorbell = driver_fn!(fn(args: Pointer) -> NtStatus);

/// `DxgkDdiConnectDoorbell`: 0x538 of the full table, at `PASSIVE_LEVEL`, since WDDM 3.1.
pub type DxgkDdiConnectDoorbell = driver_fn!(fn(args: Pointer) -> NtStatus);

/// `DxgkDdiDisconnectDoorbell`: 0x540 of the full table, at `PASSIVE_LEVEL`, since WDDM 3.1.
pub type DxgkDdiDisconnectDoorbell = driver_fn!(fn(args: Pointer) -> NtStatus);

/// `DxgkDdiDestroyDoorbell`: 0x548 of the full table, at `PASSIVE_LEVEL`, since WDDM 3.1.
pub type DxgkDdiDestroyDoorbell = driver_fn!(fn(args: Pointer) -> NtStatus);

/// `DxgkDdiNotifyWorkSubmission`: 0x550 of the full table, at `PASSIVE_LEVEL`, since WDDM 3.1.
pub type DxgkDdiNotifyWorkSubmission = driver_fn!(fn(args: Pointer) -> NtStatus);

/// `DxgkDdiFlushHwQueue`: 0x558 of the full table, at `PASSIVE_LEVEL`, since WDDM 3.1.
pub type DxgkDdiFlushHwQueue = driver_fn!(fn(args: Pointer) -> NtStatus);
