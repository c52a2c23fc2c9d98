//! DxgkInitialize and its kin: what a driver's displib is led to.

use dxgk_abi::init::{DriverInitializationData, KmddodInitializationData};
use dxgk_abi::version::{driver_initialization_data_size, kmddod_initialization_data_size};
use dxgk_abi::{InterfaceVersion, NtStatus};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::state::{PortState, Registration};
use crate::kernel::{self, PortEntries};
use crate::{guarded, thunk};

/// Reads a table of the length that its own Version has; members that version lacks stay zero.
fn read_table<T: FromBytes + IntoBytes + FromZeros>(
    at: u64,
    bytes: impl Fn(InterfaceVersion) -> Option<usize>,
) -> Result<T, NtStatus> {
    let version: u32 = guarded::read_struct(at).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    if version < InterfaceVersion::VISTA_SP1.0 {
        return Err(NtStatus::REVISION_MISMATCH);
    }
    let bytes = bytes(InterfaceVersion(version)).ok_or(NtStatus::REVISION_MISMATCH)?;
    let mut table = T::new_zeroed();
    let head = table.as_mut_bytes().get_mut(..bytes).ok_or(NtStatus::REVISION_MISMATCH)?;
    guarded::read(at, head).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    Ok(table)
}

fn register(driver: u64, path: u64, registration: Result<Registration, NtStatus>) -> u32 {
    let Some(port) = kernel::current().and_then(|kernel| kernel.port::<PortState>()) else {
        return NtStatus::DEVICE_NOT_READY.0;
    };
    if driver == 0 || path == 0 {
        return NtStatus::INVALID_PARAMETER.0;
    }
    match registration {
        Ok(registration) => match port.registration.set(registration) {
            Ok(()) => NtStatus::SUCCESS.0,
            // One driver, one table: our choice, the page does not speak of a second call.
            Err(_) => NtStatus::INVALID_DEVICE_STATE.0,
        },
        Err(status) => status.0,
    }
}

fn initialize(driver: u64, path: u64, table: u64) -> u32 {
    let read = read_table::<DriverInitializationData>(table, driver_initialization_data_size);
    register(driver, path, read.map(|table| Registration::Full(Box::new(table))))
}

fn initialize_display_only(driver: u64, path: u64, table: u64) -> u32 {
    let read = read_table::<KmddodInitializationData>(table, kmddod_initialization_data_size);
    register(driver, path, read.map(|table| Registration::DisplayOnly(Box::new(table))))
}

fn uninitialize(_driver: u64) -> u32 {
    NtStatus::SUCCESS.0
}

thunk! {
    fn entry_initialize(driver: u64, path: u64, table: u64) -> u32 => initialize;
    fn entry_initialize_display_only(driver: u64, path: u64, table: u64) -> u32 => initialize_display_only;
    fn entry_uninitialize(driver: u64) -> u32 => uninitialize;
}

/// The entry points that displib asks the port for.
#[must_use]
pub fn port_entries() -> PortEntries {
    PortEntries {
        initialize: entry_initialize as *const () as u64,
        initialize_display_only: entry_initialize_display_only as *const () as u64,
        uninitialize: entry_uninitialize as *const () as u64,
    }
}
