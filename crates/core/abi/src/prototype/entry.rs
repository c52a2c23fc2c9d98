//! How a driver starts, and the routines it passes to callbacks.

use crate::display::ArgCbPresentDisplayOnlyProgress;
use crate::init::{DriverInitializationData, KmddodInitializationData};
use crate::kernel::{DriverObject, UnicodeString};
use crate::status::NtStatus;
use crate::word::{Boolean, Handle, Pointer};

/// `DxgkInitialize`: a full driver makes itself known from `DriverEntry`.
pub type DxgkInitialize = driver_fn!(
    fn(
        driver_object: *mut DriverObject,
        registry_path: *mut UnicodeString,
        data: *mut DriverInitializationData,
    ) -> NtStatus
);

/// `DxgkInitializeDisplayOnlyDriver`: a display-only driver does so, since WDDM 1.2.
pub type DxgkInitializeDisplayOnlyDriver = driver_fn!(
    fn(
        driver_object: *mut DriverObject,
        registry_path: *mut UnicodeString,
        data: *mut KmddodInitializationData,
    ) -> NtStatus
);

/// `DRIVER_INITIALIZE`: a driver image's entry point.
pub type DriverEntry =
    driver_fn!(fn(driver_object: *mut DriverObject, registry_path: *mut UnicodeString) -> NtStatus);

/// `DXGKCB_PRESENT_DISPLAYONLY_PROGRESS`: the end of an asynchronous present, since WDDM 1.2.
pub type PresentDisplayOnlyProgress =
    driver_fn!(fn(adapter: Handle, arguments: *const ArgCbPresentDisplayOnlyProgress));

/// `KSYNCHRONIZE_ROUTINE`: what `DxgkCbSynchronizeExecution` calls at the interrupt's level.
pub type SynchronizeRoutine = driver_fn!(fn(context: Pointer) -> Boolean);

/// `DXGKDDI_PROTECTED_CALLBACK`: what `DxgkCbExcludeAdapterAccess` calls.
pub type ProtectedCallback = driver_fn!(
    fn(miniport_device_context: Pointer, protected_callback_context: Pointer, protection_status: NtStatus)
);
