//! The C runtime routines that the kernel exports: texts, and formatting into buffers.
//!
//! Document: the Microsoft C runtime reference. Reading stops at [`LONGEST_TEXT`] characters.

use super::format;
use super::memory::{self, LONGEST_TEXT};
use super::state::Kernel;
use super::strings::sign;
use super::trouble::Outcome;
use crate::thunk::VaList;

/// What the formatting routines return when the text does not fit.
const TRUNCATED: i32 = -1;

fn text(at: u64) -> Outcome<Vec<u8>> {
    memory::read_text(at, LONGEST_TEXT)
}

fn wide(at: u64) -> Outcome<Vec<u16>> {
    memory::read_wide_text(at, LONGEST_TEXT)
}

fn bytes_of(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// strlen.
pub(crate) fn length(_kernel: &Kernel, at: u64) -> Outcome<u64> {
    Ok(text(at)?.len() as u64)
}

/// strnlen.
pub(crate) fn length_within(_kernel: &Kernel, at: u64, most: u64) -> Outcome<u64> {
    Ok(memory::read_text(at, most.min(LONGEST_TEXT as u64) as usize)?.len() as u64)
}

/// wcslen.
pub(crate) fn wide_length(_kernel: &Kernel, at: u64) -> Outcome<u64> {
    Ok(wide(at)?.len() as u64)
}

/// wcsnlen.
pub(crate) fn wide_length_within(_kernel: &Kernel, at: u64, most: u64) -> Outcome<u64> {
    Ok(memory::read_wide_text(at, most.min(LONGEST_TEXT as u64) as usize)?.len() as u64)
}

/// strcmp.
pub(crate) fn compare(_kernel: &Kernel, left: u64, right: u64) -> Outcome<i32> {
    Ok(sign(text(left)?.cmp(&text(right)?)))
}

/// strncmp.
pub(crate) fn compare_within(_kernel: &Kernel, left: u64, right: u64, most: u64) -> Outcome<i32> {
    let most = most.min(LONGEST_TEXT as u64) as usize;
    Ok(sign(memory::read_text(left, most)?.cmp(&memory::read_text(right, most)?)))
}

/// _stricmp.
pub(crate) fn compare_folded(_kernel: &Kernel, left: u64, right: u64) -> Outcome<i32> {
    Ok(sign(text(left)?.to_ascii_lowercase().cmp(&text(right)?.to_ascii_lowercase())))
}

/// _strnicmp.
pub(crate) fn compare_folded_within(_kernel: &Kernel, left: u64, right: u64, most: u64) -> Outcome<i32> {
    let most = most.min(LONGEST_TEXT as u64) as usize;
    let fold = |at| Ok(memory::read_text(at, most)?.to_ascii_lowercase());
    Ok(sign(fold(left)?.cmp(&fold(right)?)))
}

/// wcscmp.
pub(crate) fn compare_wide(_kernel: &Kernel, left: u64, right: u64) -> Outcome<i32> {
    Ok(sign(wide(left)?.cmp(&wide(right)?)))
}

/// wcsncmp.
pub(crate) fn compare_wide_within(_kernel: &Kernel, left: u64, right: u64, most: u64) -> Outcome<i32> {
    let most = most.min(LONGEST_TEXT as u64) as usize;
    Ok(sign(memory::read_wide_text(left, most)?.cmp(&memory::read_wide_text(right, most)?)))
}

fn lower(units: &[u16]) -> Vec<u16> {
    let letters = u16::from(b'A')..=u16::from(b'Z');
    units.iter().map(|unit| if letters.contains(unit) { unit + 32 } else { *unit }).collect()
}

/// _wcsicmp.
pub(crate) fn compare_wide_folded(_kernel: &Kernel, left: u64, right: u64) -> Outcome<i32> {
    Ok(sign(lower(&wide(left)?).cmp(&lower(&wide(right)?))))
}

/// _wcsnicmp.
pub(crate) fn compare_wide_folded_within(_kernel: &Kernel, left: u64, right: u64, most: u64) -> Outcome<i32> {
    let most = most.min(LONGEST_TEXT as u64) as usize;
    let fold = |at| Ok(lower(&memory::read_wide_text(at, most)?));
    Ok(sign(fold(left)?.cmp(&fold(right)?)))
}

/// strcpy.
pub(crate) fn copy(_kernel: &Kernel, to: u64, from: u64) -> Outcome<u64> {
    let mut bytes = text(from)?;
    bytes.push(0);
    memory::write_bytes(to, &bytes)?;
    Ok(to)
}

/// strncpy: filled with zeroes up to `count`, without a terminator when there is no room for one.
pub(crate) fn copy_within(_kernel: &Kernel, to: u64, from: u64, count: u64) -> Outcome<u64> {
    let bytes = memory::read_text(from, count.min(LONGEST_TEXT as u64) as usize)?;
    memory::write_bytes(to, &bytes)?;
    let used = bytes.len() as u64;
    memory::fill(to.wrapping_add(used), count.saturating_sub(used), 0)?;
    Ok(to)
}

/// strcat.
pub(crate) fn append(kernel: &Kernel, to: u64, from: u64) -> Outcome<u64> {
    let used = text(to)?.len() as u64;
    copy(kernel, to.wrapping_add(used), from)?;
    Ok(to)
}

/// wcscpy.
pub(crate) fn copy_wide(_kernel: &Kernel, to: u64, from: u64) -> Outcome<u64> {
    let mut units = wide(from)?;
    units.push(0);
    memory::write_bytes(to, &bytes_of(&units))?;
    Ok(to)
}

/// wcsncpy.
pub(crate) fn copy_wide_within(_kernel: &Kernel, to: u64, from: u64, count: u64) -> Outcome<u64> {
    let units = memory::read_wide_text(from, count.min(LONGEST_TEXT as u64) as usize)?;
    memory::write_bytes(to, &bytes_of(&units))?;
    let used = units.len() as u64;
    memory::fill(to.wrapping_add(used * 2), count.saturating_sub(used).saturating_mul(2), 0)?;
    Ok(to)
}

/// wcscat.
pub(crate) fn append_wide(kernel: &Kernel, to: u64, from: u64) -> Outcome<u64> {
    let used = wide(to)?.len() as u64;
    copy_wide(kernel, to.wrapping_add(used * 2), from)?;
    Ok(to)
}

fn place(found: Option<usize>, at: u64, size: u64) -> u64 {
    found.map_or(0, |index| at.wrapping_add(index as u64 * size))
}

/// strchr: the terminator can be looked for too.
pub(crate) fn find(_kernel: &Kernel, at: u64, wanted: i32) -> Outcome<u64> {
    let found = text(at)?.into_iter().chain([0]).position(|byte| byte == wanted as u8);
    Ok(place(found, at, 1))
}

/// strrchr.
pub(crate) fn find_last(_kernel: &Kernel, at: u64, wanted: i32) -> Outcome<u64> {
    let mut bytes = text(at)?;
    bytes.push(0);
    Ok(place(bytes.iter().rposition(|byte| *byte == wanted as u8), at, 1))
}

/// wcschr.
pub(crate) fn find_wide(_kernel: &Kernel, at: u64, wanted: u16) -> Outcome<u64> {
    Ok(place(wide(at)?.into_iter().chain([0]).position(|unit| unit == wanted), at, 2))
}

/// wcsrchr.
pub(crate) fn find_last_wide(_kernel: &Kernel, at: u64, wanted: u16) -> Outcome<u64> {
    let mut units = wide(at)?;
    units.push(0);
    Ok(place(units.iter().rposition(|unit| *unit == wanted), at, 2))
}

fn position<T: PartialEq>(text: &[T], wanted: &[T]) -> Option<usize> {
    if wanted.is_empty() { Some(0) } else { text.windows(wanted.len()).position(|part| part == wanted) }
}

/// strstr.
pub(crate) fn find_text(_kernel: &Kernel, at: u64, wanted: u64) -> Outcome<u64> {
    Ok(place(position(&text(at)?, &text(wanted)?), at, 1))
}

/// wcsstr.
pub(crate) fn find_wide_text(_kernel: &Kernel, at: u64, wanted: u64) -> Outcome<u64> {
    Ok(place(position(&wide(at)?, &wide(wanted)?), at, 2))
}

/// tolower, toupper.
pub(crate) fn to_lower(_kernel: &Kernel, character: i32) -> Outcome<i32> {
    Ok(u8::try_from(character).map_or(character, |byte| byte.to_ascii_lowercase().into()))
}

/// toupper.
pub(crate) fn to_upper(_kernel: &Kernel, character: i32) -> Outcome<i32> {
    Ok(u8::try_from(character).map_or(character, |byte| byte.to_ascii_uppercase().into()))
}

/// Puts a formatted text into a buffer of `count` characters: terminated when there is room for that; -1 when it is cut.
fn put(out: u64, count: u64, text: &str, wide: bool) -> Outcome<i32> {
    let size = if wide { 2 } else { 1 };
    let characters: Vec<u16> = text.encode_utf16().collect();
    let whole = characters.len() as u64 <= count;
    let fits = characters.get(..count.min(characters.len() as u64) as usize).unwrap_or(&characters);
    let bytes = if wide {
        bytes_of(fits)
    } else {
        fits.iter().map(|unit| u8::try_from(*unit).unwrap_or(b'?')).collect()
    };
    memory::write_bytes(out, &bytes)?;
    if (characters.len() as u64) < count {
        memory::fill(out.wrapping_add(characters.len() as u64 * size), size, 0)?;
    }
    Ok(if whole { characters.len() as i32 } else { TRUNCATED })
}

fn print(out: u64, count: u64, text: u64, mut list: VaList) -> Outcome<i32> {
    let line = format::format(&self::text(text)?, &mut || list.next_slot().unwrap_or(0))?;
    put(out, count, &line, false)
}

fn print_wide(out: u64, count: u64, text: u64, mut list: VaList) -> Outcome<i32> {
    let line = format::format_wide(&wide(text)?, &mut || list.next_slot().unwrap_or(0))?;
    put(out, count, &line, true)
}

/// _vsnprintf.
pub(crate) fn v_print(_kernel: &Kernel, out: u64, count: u64, text: u64, list: u64) -> Outcome<i32> {
    print(out, count, text, VaList::at(list))
}

/// _vsnwprintf.
pub(crate) fn v_print_wide(_kernel: &Kernel, out: u64, count: u64, text: u64, list: u64) -> Outcome<i32> {
    print_wide(out, count, text, VaList::at(list))
}

/// _snprintf.
pub(crate) fn s_print(_kernel: &Kernel, out: u64, count: u64, text: u64, list: VaList) -> Outcome<i32> {
    print(out, count, text, list)
}

/// _snwprintf.
pub(crate) fn s_print_wide(_kernel: &Kernel, out: u64, count: u64, text: u64, list: VaList) -> Outcome<i32> {
    print_wide(out, count, text, list)
}

/// sprintf, swprintf without a count: as long as the text is (bounded by what a format gives).
pub(crate) fn s_print_unbounded(_kernel: &Kernel, out: u64, text: u64, list: VaList) -> Outcome<i32> {
    print(out, u64::MAX, text, list)
}

/// swprintf.
pub(crate) fn s_print_wide_unbounded(_kernel: &Kernel, out: u64, text: u64, list: VaList) -> Outcome<i32> {
    print_wide(out, u64::MAX, text, list)
}

/// memchr.
pub(crate) fn find_byte(_kernel: &Kernel, at: u64, wanted: i32, count: u64) -> Outcome<u64> {
    let mut byte = [0u8];
    for index in 0..count {
        let place = at.wrapping_add(index);
        memory::read_bytes(place, &mut byte)?;
        if byte == [wanted as u8] {
            return Ok(place);
        }
    }
    Ok(0)
}
