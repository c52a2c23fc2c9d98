//! Counted strings: copying, comparing, appending, and numbers.
//!
//! Documents: the wdm.h pages of RtlCopyUnicodeString, RtlCompareUnicodeString, RtlEqualUnicodeString,
//! RtlAppendUnicodeToString, RtlIntegerToUnicodeString, RtlUnicodeStringToInteger, RtlUnicodeStringToAnsiString. Without
//! regard to case means by the simple one-to-one upper case of each character, as the kernel's table has it.

use core::cmp::Ordering;

use dxgk_abi::kernel::{AnsiString, UnicodeString};
use dxgk_abi::{NtStatus, Pointer};

use super::memory::{self, LONGEST_TEXT};
use super::pool_calls;
use super::state::Kernel;
use super::trouble::Outcome;

/// Tag of what is allocated for a string (our choice).
const STRING_TAG: u32 = u32::from_le_bytes(*b"Strg");

fn units(at: u64) -> Outcome<(UnicodeString, Vec<u16>)> {
    let string: UnicodeString = memory::read(at)?;
    let units = memory::read_units(string.buffer.0, usize::from(string.length) / 2)?;
    Ok((string, units))
}

fn bytes_of(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// The upper case of one unit, where it is one unit.
pub(super) fn upcase(unit: u16) -> u16 {
    let Some(character) = char::from_u32(unit.into()) else { return unit };
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => u16::try_from(u32::from(upper)).unwrap_or(unit),
        _ => unit,
    }
}

fn folded(units: Vec<u16>, fold: bool) -> Vec<u16> {
    if fold { units.into_iter().map(upcase).collect() } else { units }
}

/// How C tells an order.
pub(super) fn sign(order: Ordering) -> i32 {
    order as i32
}

/// RtlCopyUnicodeString: as much as fits; a null source empties the destination.
pub(crate) fn copy(_kernel: &Kernel, destination: u64, source: u64) -> Outcome<()> {
    let mut to: UnicodeString = memory::read(destination)?;
    let from = if source == 0 { Vec::new() } else { units(source)?.1 };
    let fits = from.get(..usize::from(to.maximum_length) / 2).unwrap_or(&from);
    to.length = (fits.len() * 2) as u16;
    memory::write_bytes(to.buffer.0, &bytes_of(fits))?;
    if to.length + 2 <= to.maximum_length {
        memory::write(to.buffer.0.wrapping_add(to.length.into()), &0u16)?;
    }
    memory::write(destination, &to)
}

/// RtlCompareUnicodeString.
pub(crate) fn compare(_kernel: &Kernel, left: u64, right: u64, fold: u8) -> Outcome<i32> {
    let (left, right) = (units(left)?.1, units(right)?.1);
    Ok(sign(folded(left, fold != 0).cmp(&folded(right, fold != 0))))
}

/// RtlEqualUnicodeString.
pub(crate) fn equal(kernel: &Kernel, left: u64, right: u64, fold: u8) -> Outcome<u8> {
    Ok(u8::from(compare(kernel, left, right, fold)? == 0))
}

/// RtlPrefixUnicodeString: whether `left` begins `right`.
pub(crate) fn is_prefix(_kernel: &Kernel, left: u64, right: u64, fold: u8) -> Outcome<u8> {
    let (left, right) = (units(left)?.1, units(right)?.1);
    Ok(folded(right, fold != 0).starts_with(&folded(left, fold != 0)).into())
}

/// RtlUpcaseUnicodeChar.
pub(crate) fn upcase_character(_kernel: &Kernel, unit: u16) -> Outcome<u32> {
    Ok(upcase(unit).into())
}

fn append(destination: u64, more: &[u16]) -> Outcome<u32> {
    let mut to: UnicodeString = memory::read(destination)?;
    let length = usize::from(to.length) + more.len() * 2;
    if length > usize::from(to.maximum_length) {
        return Ok(NtStatus::BUFFER_TOO_SMALL.0);
    }
    memory::write_bytes(to.buffer.0.wrapping_add(to.length.into()), &bytes_of(more))?;
    to.length = length as u16;
    if length + 2 <= usize::from(to.maximum_length) {
        memory::write(to.buffer.0.wrapping_add(length as u64), &0u16)?;
    }
    memory::write(destination, &to)?;
    Ok(NtStatus::SUCCESS.0)
}

/// RtlAppendUnicodeStringToString.
pub(crate) fn append_string(_kernel: &Kernel, destination: u64, source: u64) -> Outcome<u32> {
    append(destination, &units(source)?.1)
}

/// RtlAppendUnicodeToString.
pub(crate) fn append_text(_kernel: &Kernel, destination: u64, source: u64) -> Outcome<u32> {
    let more = if source == 0 { Vec::new() } else { memory::read_wide_text(source, LONGEST_TEXT)? };
    append(destination, &more)
}

/// RtlIntegerToUnicodeString; a base of 0 counts as 10.
pub(crate) fn from_integer(_kernel: &Kernel, value: u32, base: u32, destination: u64) -> Outcome<u32> {
    let text = match base {
        0 | 10 => value.to_string(),
        2 => format!("{value:b}"),
        8 => format!("{value:o}"),
        16 => format!("{value:X}"),
        _ => return Ok(NtStatus::INVALID_PARAMETER.0),
    };
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut to: UnicodeString = memory::read(destination)?;
    if units.len() * 2 > usize::from(to.maximum_length) {
        return Ok(NtStatus::BUFFER_OVERFLOW.0);
    }
    to.length = 0;
    memory::write(destination, &to)?;
    append(destination, &units)
}

/// RtlUnicodeStringToInteger: blanks, a sign, `0x`, `0o` or `0b` where no base is given, then digits; what follows is ignored.
pub(crate) fn to_integer(_kernel: &Kernel, source: u64, base: u32, out: u64) -> Outcome<u32> {
    let text = memory::unicode_text(source)?;
    let text = text.trim_start_matches(|character: char| character <= ' ');
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match (base, text.get(..2)) {
        (0, Some("0x")) => (16, text.get(2..)),
        (0, Some("0o")) => (8, text.get(2..)),
        (0, Some("0b")) => (2, text.get(2..)),
        (0, _) => (10, Some(text)),
        (2 | 8 | 10 | 16, _) => (base, Some(text)),
        _ => return Ok(NtStatus::INVALID_PARAMETER.0),
    };
    let digits = digits.unwrap_or_default().chars().map_while(|digit| digit.to_digit(base));
    let value = digits.fold(0u32, |value, digit| value.wrapping_mul(base).wrapping_add(digit));
    memory::write(out, &if negative { value.wrapping_neg() } else { value })?;
    Ok(NtStatus::SUCCESS.0)
}

/// RtlUnicodeStringToAnsiString. The code page is Latin-1, what it lacks becomes `?` (our choice).
pub(crate) fn to_ansi(kernel: &Kernel, destination: u64, source: u64, allocate: u8) -> Outcome<u32> {
    let (_, units) = units(source)?;
    let narrow = units.iter().map(|unit| u8::try_from(*unit).unwrap_or(b'?'));
    let text: Vec<u8> = narrow.chain([0]).collect();
    let Ok(bytes) = u16::try_from(text.len()) else { return Ok(NtStatus::INVALID_PARAMETER_2.0) };
    let mut to: AnsiString = memory::read(destination)?;
    if allocate != 0 {
        let buffer = pool_calls::allocate_with_tag(kernel, 1, bytes.into(), STRING_TAG)?;
        if buffer == 0 {
            return Ok(NtStatus::NO_MEMORY.0);
        }
        to.buffer = Pointer(buffer);
        to.maximum_length = bytes;
    } else if to.maximum_length < bytes {
        return Ok(NtStatus::BUFFER_OVERFLOW.0);
    }
    to.length = bytes - 1;
    memory::write_bytes(to.buffer.0, &text)?;
    memory::write(destination, &to)?;
    Ok(NtStatus::SUCCESS.0)
}

fn ansi(at: u64, fold: bool) -> Outcome<Vec<u8>> {
    let string: AnsiString = memory::read(at)?;
    let mut text = vec![0; usize::from(string.length)];
    memory::read_bytes(string.buffer.0, &mut text)?;
    if fold {
        text.make_ascii_uppercase();
    }
    Ok(text)
}

/// RtlCompareString.
pub(crate) fn compare_ansi(_kernel: &Kernel, left: u64, right: u64, fold: u8) -> Outcome<i32> {
    Ok(sign(ansi(left, fold != 0)?.cmp(&ansi(right, fold != 0)?)))
}

/// RtlEqualString.
pub(crate) fn equal_ansi(kernel: &Kernel, left: u64, right: u64, fold: u8) -> Outcome<u8> {
    Ok(u8::from(compare_ansi(kernel, left, right, fold)? == 0))
}
