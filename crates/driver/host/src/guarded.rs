//! Reading and writing at addresses that the driver gave, which may be anything.
//!
//! The copy happens in one leaf routine whose faults the trap handler turns into an error return. Register windows, guard
//! pages, released views and non-canonical addresses all fault, so all of them are errors here, without side effects on
//! devices. What does not fault is copied: the driver shares our address space, so an address of ours is readable too, and
//! callers that know where a pointer may point must check that themselves.
#![expect(unsafe_code, reason = "copies from and to addresses that may fault")]

use std::arch::naked_asm;

use zerocopy::{FromBytes, IntoBytes};

/// The address range is not accessible as a whole; part of it may have been copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{bytes:#x} bytes at {address:#x} are not accessible")]
pub struct Inaccessible {
    /// First address of the range.
    pub address: u64,
    /// Bytes of the range.
    pub bytes: u64,
}

const COPY_BYTES: u64 = 48;

/// Copies `count` bytes; 0 on success, 1 when an address faulted.
///
/// # Safety
/// Whichever of the ranges does not come from the driver must be valid for `count` bytes. The trap handlers must be installed.
#[unsafe(naked)]
unsafe extern "sysv64" fn copy(to: u64, from: u64, count: u64) -> u64 {
    naked_asm!(
        "2: xor eax, eax",
        "cmp rdx, 8",
        "jne 3f",
        "mov rcx, [rsi]",
        "mov [rdi], rcx",
        "ret",
        "3: mov rcx, rdx",
        "rep movsb",
        "ret",
        // Pads to COPY_BYTES, by which the trap handler knows this routine.
        ".skip 48 - (. - 2b), 0xCC",
    )
}

/// Where the trap handler sends a faulted [`copy`]: the stack is as it was at entry.
#[unsafe(naked)]
extern "sysv64" fn faulted() {
    naked_asm!("mov eax, 1", "ret")
}

/// If `rip` is in the copy routine, where to go on instead.
pub(crate) fn recovery(rip: u64) -> Option<u64> {
    let start = copy as *const () as u64;
    (rip >= start && rip - start < COPY_BYTES).then_some(faulted as *const () as u64)
}

fn checked(address: u64, bytes: usize) -> Result<u64, Inaccessible> {
    let bytes = bytes as u64;
    match address.checked_add(bytes) {
        Some(_) => Ok(bytes),
        None => Err(Inaccessible { address, bytes }),
    }
}

/// Copies from `address` to `into`.
pub fn read(address: u64, into: &mut [u8]) -> Result<(), Inaccessible> {
    let bytes = checked(address, into.len())?;
    crate::trap::install();
    // SAFETY: `into` is valid for its length; faults at `address` are caught by the handlers just made sure of.
    let result = unsafe { copy(into.as_mut_ptr() as u64, address, bytes) };
    if result == 0 { Ok(()) } else { Err(Inaccessible { address, bytes }) }
}

/// Copies `from` to `address`. The target must be the driver's to have written: a write into memory of this program is not noticed.
pub fn write(address: u64, from: &[u8]) -> Result<(), Inaccessible> {
    let bytes = checked(address, from.len())?;
    crate::trap::install();
    // SAFETY: `from` is valid for its length; faults at `address` are caught. That the address is the driver's to write is the
    // upper layer's check, as documented.
    let result = unsafe { copy(address, from.as_ptr() as u64, bytes) };
    if result == 0 { Ok(()) } else { Err(Inaccessible { address, bytes }) }
}

/// Reads a structure at `address`, which need not be aligned.
pub fn read_struct<T: FromBytes + IntoBytes>(address: u64) -> Result<T, Inaccessible> {
    let mut value = T::new_zeroed();
    read(address, value.as_mut_bytes())?;
    Ok(value)
}

/// Writes a structure to `address`, which need not be aligned.
pub fn write_struct<T: IntoBytes + zerocopy::Immutable>(address: u64, value: &T) -> Result<(), Inaccessible> {
    write(address, value.as_bytes())
}

/// Reads `into.len()` little-endian words; used for page-frame arrays.
pub fn read_words(address: u64, into: &mut [u64]) -> Result<(), Inaccessible> {
    read(address, into.as_mut_bytes())
}
