//! Errors are the kernel's status codes.

use dxgk_abi::NtStatus;

/// What every call of this crate returns; the error is what the port driver or the kernel answered.
pub type Result<T> = core::result::Result<T, NtStatus>;

/// Success and information go on, warnings and errors come back.
pub(crate) fn check(status: NtStatus) -> Result<()> {
    if status.is_success() { Ok(()) } else { Err(status) }
}

/// What a DDI returns for a result.
pub(crate) fn status_of(result: Result<()>) -> NtStatus {
    result.err().unwrap_or(NtStatus::SUCCESS)
}
