//! RtlQueryRegistryValues: several registry values by one table of questions.
//!
//! Document: the wdm.h page of the routine; RTL_QUERY_REGISTRY_TABLE in abi.md.

use dxgk_abi::kernel::{RtlQueryRegistryTable, UnicodeString};
use dxgk_abi::{NtStatus, Pointer};
use zerocopy::FromBytes;

use super::memory::{self, LONGEST_TEXT};
use super::objects::Target;
use super::pool_calls;
use super::registry::{KeyId, Registry, SERVICES};
use super::space::lock;
use super::state::Kernel;
use super::structures::Content;
use super::trouble::Outcome;
use crate::call_driver;

/// RTL_REGISTRY_*: what the path is relative to.
const ABSOLUTE: u32 = 0;
const SERVICE: u32 = 1;
const CONTROL: u32 = 2;
const HANDLE: u32 = 0x4000_0000;
/// RTL_REGISTRY_OPTIONAL: a key that is not there is no failure.
const OPTIONAL: u32 = 0x8000_0000;
/// RTL_QUERY_REGISTRY_*: flags of a question.
const SUBKEY: u32 = 1;
const TOP_KEY: u32 = 2;
const REQUIRED: u32 = 4;
const NO_VALUE: u32 = 8;
const DIRECT: u32 = 0x20;
const DELETE: u32 = 0x40;
/// REG_SZ, REG_EXPAND_SZ, REG_MULTI_SZ.
const TEXTS: [u32; 3] = [1, 2, 7];
/// Questions at most in one table; one without an end is damaged.
const MOST_QUESTIONS: u64 = 1024;
/// Tag of what is allocated for a text (our choice).
const TAG: u32 = u32::from_le_bytes(*b"Strg");

fn top_key(kernel: &Kernel, relative: u32, path: u64) -> Outcome<Option<KeyId>> {
    if relative & HANDLE != 0 {
        return Ok(match lock(&kernel.objects).target(path) {
            Some(Target::Key(key)) => Some(key),
            _ => None,
        });
    }
    let text = String::from_utf16_lossy(&memory::read_wide_text(path, LONGEST_TEXT)?);
    let path = match relative & 0xff {
        ABSOLUTE => text,
        SERVICE => format!(r"{SERVICES}\{text}"),
        CONTROL => format!(r"\Registry\Machine\System\CurrentControlSet\Control\{text}"),
        _ => return Ok(None),
    };
    Ok(lock(&kernel.registry).open(Registry::ROOT, &path))
}

/// RtlQueryRegistryValues, RtlQueryRegistryValuesEx.
pub(crate) fn query(
    kernel: &Kernel,
    relative: u32,
    path: u64,
    table: u64,
    context: u64,
    _environment: u64,
) -> Outcome<u32> {
    let Some(top) = top_key(kernel, relative, path)? else {
        let optional = relative & OPTIONAL != 0;
        return Ok(if optional { NtStatus::SUCCESS } else { NtStatus::OBJECT_NAME_NOT_FOUND }.0);
    };
    let mut key = Some(top);
    for index in 0..MOST_QUESTIONS {
        let at = table.wrapping_add(index * size_of::<RtlQueryRegistryTable>() as u64);
        let question: RtlQueryRegistryTable = memory::read(at)?;
        if question.query_routine.is_null() && question.flags & (SUBKEY | DIRECT) == 0 {
            break;
        }
        let name = match question.name.0 {
            0 => String::new(),
            at => String::from_utf16_lossy(&memory::read_wide_text(at, LONGEST_TEXT)?),
        };
        if question.flags & (SUBKEY | TOP_KEY) != 0 {
            key = Some(top);
        }
        if question.flags & SUBKEY != 0 {
            key = lock(&kernel.registry).open(top, &name);
            if key.is_none() && question.flags & REQUIRED != 0 {
                return Ok(NtStatus::OBJECT_NAME_NOT_FOUND.0);
            }
            continue;
        }
        let status = answer(kernel, &question, key, &name, context)?;
        if status != NtStatus::SUCCESS {
            return Ok(status.0);
        }
    }
    Ok(NtStatus::SUCCESS.0)
}

fn answer(
    kernel: &Kernel,
    question: &RtlQueryRegistryTable,
    key: Option<KeyId>,
    name: &str,
    context: u64,
) -> Outcome<NtStatus> {
    if question.flags & NO_VALUE != 0 {
        return Ok(call(question, 0, 0, 0, context));
    }
    let found = key.and_then(|key| lock(&kernel.registry).value(key, name).cloned());
    let (kind, data) = match found {
        Some(value) => (value.kind, value.data),
        None if question.flags & REQUIRED != 0 => return Ok(NtStatus::OBJECT_NAME_NOT_FOUND),
        None if question.default_type == 0 => return Ok(NtStatus::SUCCESS),
        None => (question.default_type, default_of(question)?),
    };
    let status = if question.flags & DIRECT != 0 {
        store(kernel, question.entry_context.0, kind, &data)?
    } else {
        let Some(at) = lock(&kernel.structures).allocate(data.len().max(1) as u64, Content::Buffer)? else {
            return Ok(NtStatus::INSUFFICIENT_RESOURCES);
        };
        memory::write_bytes(at, &data)?;
        let status = call(question, kind, at, data.len() as u64, context);
        lock(&kernel.structures).release(at, Content::Buffer);
        status
    };
    if let Some(key) = key.filter(|_| question.flags & DELETE != 0 && status == NtStatus::SUCCESS) {
        lock(&kernel.registry).delete(key, name);
    }
    Ok(status)
}

fn default_of(question: &RtlQueryRegistryTable) -> Outcome<Vec<u8>> {
    let at = question.default_data.0;
    if at == 0 {
        return Ok(Vec::new());
    }
    if question.default_length == 0 && TEXTS.contains(&question.default_type) {
        let units = memory::read_wide_text(at, LONGEST_TEXT)?;
        return Ok(units.into_iter().chain([0]).flat_map(u16::to_le_bytes).collect());
    }
    // A number without a length is a DWORD.
    let length = if question.default_length == 0 { 4 } else { question.default_length };
    let mut data = vec![0; (length as usize).min(LONGEST_TEXT)];
    memory::read_bytes(at, &mut data)?;
    Ok(data)
}

/// The driver's routine: name, type, data, length, context, entry context. From inside of a callback a stopped call does not
/// come back.
fn call(question: &RtlQueryRegistryTable, kind: u32, data: u64, length: u64, context: u64) -> NtStatus {
    let arguments = [question.name.0, kind.into(), data, length, context, question.entry_context.0];
    let returned = call_driver(question.query_routine.0, &arguments).returned();
    NtStatus(returned.unwrap_or(0) as u32)
}

/// RTL_QUERY_REGISTRY_DIRECT: a text into a UNICODE_STRING (whose buffer is allocated when it has none), up to four bytes as
/// they are, anything longer behind a length that says how it is wanted.
fn store(kernel: &Kernel, at: u64, kind: u32, data: &[u8]) -> Outcome<NtStatus> {
    if TEXTS.contains(&kind) {
        let mut string: UnicodeString = memory::read(at)?;
        let Ok(bytes) = u16::try_from(data.len()) else { return Ok(NtStatus::BUFFER_TOO_SMALL) };
        if string.buffer.is_null() {
            string.buffer = Pointer(pool_calls::allocate_with_tag(kernel, 1, bytes.into(), TAG)?);
            if string.buffer.is_null() {
                return Ok(NtStatus::NO_MEMORY);
            }
            string.maximum_length = bytes;
        } else if string.maximum_length < bytes {
            return Ok(NtStatus::BUFFER_TOO_SMALL);
        }
        memory::write_bytes(string.buffer.0, data)?;
        string.length = bytes.saturating_sub(2);
        memory::write(at, &string)?;
        return Ok(NtStatus::SUCCESS);
    }
    if data.len() <= 4 {
        memory::write_bytes(at, data)?;
        return Ok(NtStatus::SUCCESS);
    }
    let mut head = [0u8; 4];
    memory::read_bytes(at, &mut head)?;
    let wanted = i32::read_from_bytes(&head).unwrap_or(0);
    if (wanted.unsigned_abs() as usize) < data.len() {
        return Ok(NtStatus::BUFFER_TOO_SMALL);
    }
    if wanted < 0 {
        memory::write_bytes(at, data)?;
    } else {
        memory::write(at, &[data.len() as u32, kind])?;
        memory::write_bytes(at.wrapping_add(8), data)?;
    }
    Ok(NtStatus::SUCCESS)
}
