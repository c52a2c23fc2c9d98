//! Entry points of interrupts and resets.

use crate::interrupt::{ArgControlInterrupt2, InterruptType};
use crate::status::NtStatus;
use crate::word::{Boolean, Handle, Pointer};

/// `DxgkDdiInterruptRoutine`: 0x30 of the full table and 0x30 of the display-only table, at a device level.
pub type DxgkDdiInterruptRoutine =
    driver_fn!(fn(miniport_device_context: Pointer, message_number: u32) -> Boolean);

/// `DxgkDdiDpcRoutine`: 0x38 of the full table and 0x38 of the display-only table, at `DISPATCH_LEVEL`.
pub type DxgkDdiDpcRoutine = driver_fn!(fn(miniport_device_context: Pointer));

/// `DxgkDdiControlInterrupt`: 0x180 of the full table and 0x128 of the display-only table, at `PASSIVE_LEVEL`.
pub type DxgkDdiControlInterrupt =
    driver_fn!(fn(adapter: Handle, interrupt_type: InterruptType, enable_interrupt: Boolean) -> NtStatus);

/// `DxgkDdiControlInterrupt2`: 0x2a8 of the full table, at `PASSIVE_LEVEL`, since WDDM 1.3.
pub type DxgkDdiControlInterrupt2 =
    driver_fn!(fn(adapter: Handle, interrupt_control: ArgControlInterrupt2) -> NtStatus);

/// `DxgkDdiControlInterrupt3`: 0x4c8 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.7.
pub type DxgkDdiControlInterrupt3 = driver_fn!(fn(adapter: Handle, interrupt_control: Pointer) -> NtStatus);

/// `DxgkDdiResetFromTimeout`: 0x100 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiResetFromTimeout = driver_fn!(fn(adapter: Handle) -> NtStatus);

/// `DxgkDdiRestartFromTimeout`: 0x108 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiRestartFromTimeout = driver_fn!(fn(adapter: Handle) -> NtStatus);

/// `DxgkDdiQueryDependentEngineGroup`: 0x240 of the full table, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkDdiQueryDependentEngineGroup =
    driver_fn!(fn(adapter: Handle, query_dependent_engine_group: Pointer) -> NtStatus);

/// `DxgkDdiQueryEngineStatus`: 0x248 of the full table, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkDdiQueryEngineStatus = driver_fn!(fn(adapter: Handle, query_engine_status: Pointer) -> NtStatus);

/// `DxgkDdiResetEngine`: 0x250 of the full table, at `PASSIVE_LEVEL`, since WDDM 1.2.
pub type DxgkDdiResetEngine = driver_fn!(fn(adapter: Handle, reset_engine: Pointer) -> NtStatus);

/// `DxgkDdiResetHwEngine`: 0x3a0 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.2.
pub type DxgkDdiResetHwEngine = driver_fn!(fn(adapter: Handle, reset_hw_engine: Pointer) -> NtStatus);

/// `DxgkDdiResumeHwEngine`: 0x478 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.4.
pub type DxgkDdiResumeHwEngine = driver_fn!(fn(adapter: Handle, resume_hw_engine: Pointer) -> NtStatus);
