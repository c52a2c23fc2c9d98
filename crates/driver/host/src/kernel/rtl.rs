//! Run-time library routines: counted strings, the version, comparisons of wide text.
//!
//! Documents: the wdm.h pages of RtlInitUnicodeString, RtlInitAnsiString, RtlAnsiStringToUnicodeString,
//! RtlFreeUnicodeString, RtlGetVersion.

use dxgk_abi::kernel::{AnsiString, OsVersionInfoExW, UnicodeString};
use dxgk_abi::{NtStatus, Pointer};
use zerocopy::IntoBytes;

use super::memory::{self, LONGEST_TEXT};
use super::pool_calls;
use super::state::Kernel;
use super::trouble::Outcome;

/// The Windows that drivers are told: Windows 11 22H2, 10.0.22621 (our choice).
pub(super) const BUILD: u32 = 22621;
/// `VER_PLATFORM_WIN32_NT`.
const PLATFORM_NT: u32 = 2;
/// `VER_NT_WORKSTATION`.
const WORKSTATION: u8 = 1;
/// Size of RTL_OSVERSIONINFOW, up to `szCSDVersion`.
const SHORT_VERSION: usize = 276;
/// Tag of the pool that string routines allocate (our choice).
const STRING_TAG: u32 = u32::from_le_bytes(*b"Strg");

/// RtlInitUnicodeString.
pub(crate) fn init_unicode(_kernel: &Kernel, destination: u64, source: u64) -> Outcome<()> {
    let mut string = UnicodeString { buffer: Pointer(source), ..UnicodeString::default() };
    if source != 0 {
        // The page: a longer text is cut to UNICODE_STRING_MAX_BYTES.
        let units = memory::read_wide_text(source, LONGEST_TEXT - 1)?.len();
        string.length = (units * 2) as u16;
        string.maximum_length = string.length + 2;
    }
    memory::write(destination, &string)
}

/// RtlInitAnsiString.
pub(crate) fn init_ansi(_kernel: &Kernel, destination: u64, source: u64) -> Outcome<()> {
    let mut string = AnsiString { buffer: Pointer(source), ..AnsiString::default() };
    if source != 0 {
        string.length = memory::read_text(source, usize::from(u16::MAX) - 1)?.len() as u16;
        string.maximum_length = string.length + 1;
    }
    memory::write(destination, &string)
}

/// RtlAnsiStringToUnicodeString. The code page is Latin-1 (our choice).
pub(crate) fn ansi_to_unicode(kernel: &Kernel, destination: u64, source: u64, allocate: u8) -> Outcome<u32> {
    let ansi: AnsiString = memory::read(source)?;
    let mut text = vec![0u8; usize::from(ansi.length)];
    memory::read_bytes(ansi.buffer.0, &mut text)?;
    let wide: Vec<u8> = text.iter().flat_map(|byte| [*byte, 0]).chain([0, 0]).collect();
    let Ok(bytes) = u16::try_from(wide.len()) else { return Ok(NtStatus(0xC000_00F0).0) };
    let mut unicode: UnicodeString = memory::read(destination)?;
    if allocate != 0 {
        let buffer = pool_calls::allocate_with_tag(kernel, 1, u64::from(bytes), STRING_TAG)?;
        if buffer == 0 {
            return Ok(NtStatus::NO_MEMORY.0);
        }
        unicode.buffer = Pointer(buffer);
        unicode.maximum_length = bytes;
    } else if unicode.maximum_length < bytes {
        return Ok(NtStatus::BUFFER_OVERFLOW.0);
    }
    unicode.length = bytes - 2;
    memory::write_bytes(unicode.buffer.0, &wide)?;
    memory::write(destination, &unicode)?;
    Ok(NtStatus::SUCCESS.0)
}

/// RtlFreeUnicodeString.
pub(crate) fn free_unicode(kernel: &Kernel, string: u64) -> Outcome<()> {
    let unicode: UnicodeString = memory::read(string)?;
    if !unicode.buffer.is_null() {
        pool_calls::free(kernel, unicode.buffer.0)?;
        memory::write(string, &UnicodeString::default())?;
    }
    Ok(())
}

/// RtlGetVersion: fills as much as the caller's size says, one of the two structures.
pub(crate) fn get_version(_kernel: &Kernel, out: u64) -> Outcome<u32> {
    let size: u32 = memory::read(out)?;
    let version = OsVersionInfoExW {
        os_version_info_size: size,
        major_version: 10,
        minor_version: 0,
        build_number: BUILD,
        platform_id: PLATFORM_NT,
        product_type: WORKSTATION,
        ..OsVersionInfoExW::default()
    };
    let bytes = version.as_bytes();
    let filled = if size as usize >= bytes.len() { bytes.len() } else { SHORT_VERSION };
    memory::write_bytes(out, bytes.get(..filled).unwrap_or(bytes))?;
    Ok(NtStatus::SUCCESS.0)
}

/// RtlZeroMemory.
pub(crate) fn zero(_kernel: &Kernel, at: u64, bytes: u64) -> Outcome<()> {
    memory::fill(at, bytes, 0)
}

/// RtlFillMemory.
pub(crate) fn fill(_kernel: &Kernel, at: u64, bytes: u64, byte: u8) -> Outcome<()> {
    memory::fill(at, bytes, byte)
}

/// RtlCompareMemory: bytes that are equal from the start on.
pub(crate) fn compare_memory(_kernel: &Kernel, left: u64, right: u64, bytes: u64) -> Outcome<u64> {
    let (mut one, mut other) = ([0u8; 512], [0u8; 512]);
    let mut done = 0;
    while done < bytes {
        let step = (bytes - done).min(512);
        let (one, other) = (one.get_mut(..step as usize), other.get_mut(..step as usize));
        let (one, other) = (one.unwrap_or_default(), other.unwrap_or_default());
        memory::read_bytes(left.wrapping_add(done), one)?;
        memory::read_bytes(right.wrapping_add(done), other)?;
        if let Some(at) = one.iter().zip(other.iter()).position(|(one, other)| one != other) {
            return Ok(done + at as u64);
        }
        done += step;
    }
    Ok(bytes)
}

/// MmGetSystemRoutineAddress: by name, 0 when there is none.
pub(crate) fn routine_address(kernel: &Kernel, name: u64) -> Outcome<u64> {
    let name = memory::unicode_text(name)?;
    Ok(kernel.resolve("ntoskrnl.exe", &name).map_or(0, |export| export.address))
}
