//! Files: there is no file system.
//!
//! Documents: the wdm.h pages of ZwCreateFile, ZwReadFile, ZwWriteFile. A driver that looks for its file is told that it is not
//! there, which it has to live with on Windows too.

use dxgk_abi::NtStatus;
use dxgk_abi::kernel::IoStatusBlock;

use super::memory;
use super::state::Kernel;
use super::trouble::Outcome;

fn refuse(block: u64, status: NtStatus) -> Outcome<u32> {
    if block != 0 {
        memory::write(block, &IoStatusBlock { status_or_pointer: status.0.into(), information: 0 })?;
    }
    Ok(status.0)
}

/// ZwCreateFile, and ZwOpenFile, whose first four arguments are the same.
pub(crate) fn open(
    _kernel: &Kernel,
    handle: u64,
    _access: u32,
    _attributes: u64,
    block: u64,
) -> Outcome<u32> {
    memory::write(handle, &0u64)?;
    refuse(block, NtStatus::OBJECT_NAME_NOT_FOUND)
}

/// ZwReadFile, ZwWriteFile: no handle is one of a file.
pub(crate) fn transfer(
    _kernel: &Kernel,
    _handle: u64,
    _event: u64,
    _routine: u64,
    _context: u64,
    block: u64,
) -> Outcome<u32> {
    refuse(block, NtStatus::INVALID_HANDLE)
}

/// ZwQueryInformationFile, ZwSetInformationFile.
pub(crate) fn information(_kernel: &Kernel, _handle: u64, block: u64) -> Outcome<u32> {
    refuse(block, NtStatus::INVALID_HANDLE)
}
