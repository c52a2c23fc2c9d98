//! Event tracing and WMI: there is no trace session, so every registration succeeds and nothing is enabled.
//!
//! Documents: the wdm.h pages of EtwRegister and its kin, IoWMIRegistrationControl.

use dxgk_abi::NtStatus;

use super::memory;
use super::state::Kernel;
use super::trouble::Outcome;

/// The handle that every provider gets; not 0, which drivers take for "not registered".
const REGISTRATION: u64 = 1;

/// EtwRegister.
pub(crate) fn register(
    _kernel: &Kernel,
    _provider: u64,
    _callback: u64,
    _context: u64,
    out: u64,
) -> Outcome<u32> {
    memory::write(out, &REGISTRATION)?;
    Ok(NtStatus::SUCCESS.0)
}

/// EtwUnregister.
pub(crate) fn unregister(_kernel: &Kernel, _handle: u64) -> Outcome<u32> {
    Ok(NtStatus::SUCCESS.0)
}

/// EtwWrite, EtwWriteTransfer, EtwSetInformation, EtwWriteEx: what is left of their arguments makes no difference.
pub(crate) fn write(_kernel: &Kernel, _handle: u64) -> Outcome<u32> {
    Ok(NtStatus::SUCCESS.0)
}

/// EtwEventEnabled, EtwProviderEnabled: FALSE.
pub(crate) fn is_enabled(_kernel: &Kernel, _handle: u64) -> Outcome<u8> {
    Ok(0)
}

/// IoWMIRegistrationControl.
pub(crate) fn register_wmi(_kernel: &Kernel, _device: u64, _action: u32) -> Outcome<u32> {
    Ok(NtStatus::SUCCESS.0)
}
