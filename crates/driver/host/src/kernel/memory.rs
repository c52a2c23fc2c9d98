//! Reading and writing the driver's memory on its behalf, never through a reference.
//!
//! A driver's pointer may lead anywhere, so every access goes through the low level's guarded copies and comes back as
//! [`Trouble::Fault`] where Windows would take an access violation inside the routine.

use dxgk_abi::kernel::UnicodeString;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::trouble::{Outcome, Trouble};
use crate::guarded;

/// Copies `out.len()` bytes from `address`.
pub(crate) fn read_bytes(address: u64, out: &mut [u8]) -> Outcome<()> {
    guarded::read(address, out).map_err(|_| Trouble::Fault { address, write: false })
}

/// Copies `bytes` to `address`.
pub(crate) fn write_bytes(address: u64, bytes: &[u8]) -> Outcome<()> {
    guarded::write(address, bytes).map_err(|_| Trouble::Fault { address, write: true })
}

/// Reads a structure.
pub(crate) fn read<T: FromBytes + IntoBytes>(address: u64) -> Outcome<T> {
    let mut value = T::new_zeroed();
    read_bytes(address, value.as_mut_bytes())?;
    Ok(value)
}

/// Writes a structure.
pub(crate) fn write<T: IntoBytes + Immutable>(address: u64, value: &T) -> Outcome<()> {
    write_bytes(address, value.as_bytes())
}

/// Writes `bytes` times `byte` from `address` on.
pub(crate) fn fill(address: u64, bytes: u64, byte: u8) -> Outcome<()> {
    let pattern = [byte; 4096];
    let mut done = 0;
    while done < bytes {
        let step = (bytes - done).min(pattern.len() as u64);
        write_bytes(address.wrapping_add(done), pattern.get(..step as usize).unwrap_or_default())?;
        done += step;
    }
    Ok(())
}

/// The offset of the first of `bytes` bytes from `address` on that is not `byte`.
pub(crate) fn first_other(address: u64, bytes: u64, byte: u8) -> Outcome<Option<u64>> {
    let mut piece = [0u8; 4096];
    let mut done = 0;
    while done < bytes {
        let step = (bytes - done).min(piece.len() as u64);
        let part = piece.get_mut(..step as usize).unwrap_or_default();
        read_bytes(address.wrapping_add(done), part)?;
        if let Some(at) = part.iter().position(|found| *found != byte) {
            return Ok(Some(done + at as u64));
        }
        done += step;
    }
    Ok(None)
}

/// Reads UTF-16 of `units` units.
pub(crate) fn read_units(address: u64, units: usize) -> Outcome<Vec<u16>> {
    let mut bytes = vec![0u8; units * 2];
    read_bytes(address, &mut bytes)?;
    Ok(bytes
        .chunks_exact(2)
        .map(|pair| pair.iter().rev().fold(0u16, |word, byte| word << 8 | u16::from(*byte)))
        .collect())
}

/// Longest text that a routine here follows to its end; a text without one is cut (our choice).
pub(crate) const LONGEST_TEXT: usize = 32 * 1024;

/// The bytes of a NUL-terminated text, without the NUL, `limit` at most.
pub(crate) fn read_text(address: u64, limit: usize) -> Outcome<Vec<u8>> {
    let mut text = Vec::new();
    while text.len() < limit {
        let at = address.wrapping_add(text.len() as u64);
        // Never across a page border in one step: the text may end right before a page that is not there.
        let step = (4096 - (at % 4096) as usize).min(64).min(limit - text.len());
        let mut piece = [0u8; 64];
        let part = piece.get_mut(..step).unwrap_or_default();
        read_bytes(at, part)?;
        if let Some(end) = part.iter().position(|byte| *byte == 0) {
            text.extend_from_slice(part.get(..end).unwrap_or_default());
            break;
        }
        text.extend_from_slice(part);
    }
    Ok(text)
}

/// The units of a NUL-terminated UTF-16 text, without the NUL, `limit` at most.
pub(crate) fn read_wide_text(address: u64, limit: usize) -> Outcome<Vec<u16>> {
    let mut text = Vec::new();
    while text.len() < limit {
        let unit: u16 = read(address.wrapping_add(text.len() as u64 * 2))?;
        if unit == 0 {
            break;
        }
        text.push(unit);
    }
    Ok(text)
}

/// The text of the `UNICODE_STRING` at `address`; unpaired surrogates become U+FFFD.
pub(crate) fn unicode_text(address: u64) -> Outcome<String> {
    let string: UnicodeString = read(address)?;
    let units = read_units(string.buffer.0, usize::from(string.length) / 2)?;
    Ok(String::from_utf16_lossy(&units))
}
