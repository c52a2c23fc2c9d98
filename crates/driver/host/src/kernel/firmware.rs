//! The firmware emulator of hal.dll, and processor-wide switches.
//!
//! The machine has no firmware that could be called: the x86Bios routines refuse.

use dxgk_abi::NtStatus;

use super::state::Kernel;
use super::trouble::Outcome;

/// x86BiosCall: FALSE, nothing was called.
pub(crate) fn call(_kernel: &Kernel, _interrupt: u32, _registers: u64) -> Outcome<u8> {
    Ok(0)
}

/// x86BiosAllocateBuffer.
pub(crate) fn allocate(_kernel: &Kernel, _size: u64, _segment: u64, _offset: u64) -> Outcome<u32> {
    Ok(NtStatus::NOT_SUPPORTED.0)
}

/// x86BiosFreeBuffer.
pub(crate) fn free(_kernel: &Kernel, _segment: u16, _offset: u16) -> Outcome<u32> {
    Ok(NtStatus::NOT_SUPPORTED.0)
}

/// x86BiosReadMemory, x86BiosWriteMemory.
pub(crate) fn access(
    _kernel: &Kernel,
    _segment: u16,
    _offset: u16,
    _buffer: u64,
    _size: u32,
) -> Outcome<u32> {
    Ok(NtStatus::NOT_SUPPORTED.0)
}

/// ExGetFirmwareEnvironmentVariable, ExSetFirmwareEnvironmentVariable: the machine has no UEFI either; what Windows answers on
/// a system started by a BIOS.
pub(crate) fn variable(
    _kernel: &Kernel,
    _name: u64,
    _vendor: u64,
    _value: u64,
    _length: u64,
    _attributes: u64,
) -> Outcome<u32> {
    Ok(NtStatus::NOT_IMPLEMENTED.0)
}

/// KeInvalidateAllCaches: TRUE, done; devices here see memory as the processor does.
pub(crate) fn invalidate_caches(_kernel: &Kernel) -> Outcome<u8> {
    Ok(1)
}

/// KeQueryActiveProcessorCount(Ex), KeQueryMaximumProcessorCount(Ex).
pub(crate) fn processors(_kernel: &Kernel, _affinity_or_group: u64) -> Outcome<u32> {
    Ok(1)
}

/// KeGetCurrentProcessorNumberEx.
pub(crate) fn processor_number(_kernel: &Kernel, out: u64) -> Outcome<u32> {
    if out != 0 {
        super::memory::write(out, &0u32)?;
    }
    Ok(0)
}

/// ExIsProcessorFeaturePresent: what every x86-64 processor has (PF_* of winnt.h): compare-exchange, MMX, SSE, TSC, PAE,
/// SSE2, NX, SSE3, compare-exchange of 16 bytes.
pub(crate) fn has_feature(_kernel: &Kernel, feature: u32) -> Outcome<u8> {
    Ok([2, 3, 6, 8, 9, 10, 12, 13, 14].contains(&feature).into())
}
