//! `DriverEntry`: the table of DDIs.

use core::ffi::c_void;

use dxgk_abi::NtStatus;
use dxgk_abi::init::DriverInitializationData;
use dxgk_abi::table::Table;

use super::displib::dxgk_initialize;
use super::entry;
use super::object::UnicodeString;
use crate::miniport::Declared;
use crate::status::{Result, status_of};

/// DDIs that a full driver must have an entry for and that a driver without segments, sources and children is never
/// asked to do: answered with `STATUS_NOT_SUPPORTED`.
const REFUSED: [&str; 39] = [
    "DxgkDdiDispatchIoRequest",
    "DxgkDdiQueryChildStatus",
    "DxgkDdiQueryDeviceDescriptor",
    "DxgkDdiNotifyAcpiEvent",
    "DxgkDdiQueryInterface",
    "DxgkDdiCreateDevice",
    "DxgkDdiDestroyDevice",
    "DxgkDdiCreateAllocation",
    "DxgkDdiDestroyAllocation",
    "DxgkDdiDescribeAllocation",
    "DxgkDdiGetStandardAllocationDriverData",
    "DxgkDdiOpenAllocation",
    "DxgkDdiCloseAllocation",
    "DxgkDdiCreateContext",
    "DxgkDdiDestroyContext",
    "DxgkDdiRender",
    "DxgkDdiPresent",
    "DxgkDdiPatch",
    "DxgkDdiSubmitCommand",
    "DxgkDdiPreemptCommand",
    "DxgkDdiBuildPagingBuffer",
    "DxgkDdiQueryCurrentFence",
    "DxgkDdiResetFromTimeout",
    "DxgkDdiRestartFromTimeout",
    "DxgkDdiEscape",
    "DxgkDdiCollectDbgInfo",
    "DxgkDdiControlInterrupt",
    "DxgkDdiGetScanLine",
    "DxgkDdiSetPalette",
    "DxgkDdiSetPointerPosition",
    "DxgkDdiSetPointerShape",
    "DxgkDdiIsSupportedVidPn",
    "DxgkDdiRecommendFunctionalVidPn",
    "DxgkDdiEnumVidPnCofuncModality",
    "DxgkDdiSetVidPnSourceAddress",
    "DxgkDdiSetVidPnSourceVisibility",
    "DxgkDdiCommitVidPn",
    "DxgkDdiUpdateActiveVidPnPresentPath",
    "DxgkDdiRecommendMonitorModes",
];

/// The address of an entry as a table's slot.
macro_rules! slot {
    ($function:expr) => {
        ($function as *const ()).expose_provenance() as u64
    };
}

/// The driver's table.
fn initialization_data<M: Declared>() -> DriverInitializationData {
    let mut data = DriverInitializationData {
        version: M::INTERFACE_VERSION,
        add_device: slot!(entry::add_device::<M>),
        start_device: slot!(entry::start_device::<M>),
        stop_device: slot!(entry::stop_device::<M>),
        remove_device: slot!(entry::remove_device::<M>),
        interrupt_routine: slot!(entry::interrupt_routine::<M>),
        dpc_routine: slot!(entry::dpc_routine::<M>),
        query_child_relations: slot!(entry::query_child_relations::<M>),
        set_power_state: slot!(entry::set_power_state::<M>),
        reset_device: slot!(entry::reset_device),
        unload: slot!(entry::unload::<M>),
        control_etw_logging: slot!(entry::control_etw_logging),
        query_adapter_info: slot!(entry::query_adapter_info::<M>),
        begin_exclusive_access: slot!(entry::begin_exclusive_access::<M>),
        end_exclusive_access: slot!(entry::end_exclusive_access::<M>),
        ..DriverInitializationData::default()
    };
    if M::LINKS {
        data.link_device = slot!(entry::link_device::<M>);
    }
    for name in REFUSED {
        if let Some(slot) = DriverInitializationData::find(name) {
            data.set_slot(slot.offset, slot!(entry::not_supported));
        }
    }
    data
}

/// What `DriverEntry` does.
///
/// # Safety
/// The arguments are those that the system passed to `DriverEntry`, and this is that call.
unsafe fn enter<M: Declared>(
    driver: *mut c_void,
    registry_path: *const UnicodeString<'static>,
) -> Result<()> {
    if driver.is_null() || registry_path.is_null() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    // SAFETY: not null, and the system's string lives over the call.
    let path = unsafe { &*registry_path };
    // SAFETY: the system's string is what it says it is; the text is copied at once.
    let text = unsafe { path.text() }.unwrap_or_default();
    // SAFETY: this is `DriverEntry`.
    unsafe { M::driver().remember(text) }?;
    let mut data = initialization_data::<M>();
    // SAFETY: the system's arguments are passed on, and every slot of the table holds the entry of its DDI.
    unsafe { dxgk_initialize(driver, registry_path, &mut data) }
}

abi_entries! {
    /// A driver's entry point; [`crate::declare_miniport!`] gives it its name and its place.
    ///
    /// # Safety
    /// Called by the system's loader, with a `DRIVER_OBJECT` and the `UNICODE_STRING` of the service key.
    pub fn driver_entry[M: Declared](driver: *mut c_void, registry_path: *const c_void) -> NtStatus {
        // SAFETY: the loader's arguments, in the loader's call.
        status_of(unsafe { enter::<M>(driver, registry_path.cast()) })
    }
}
