//! The registry as drivers call it: ZwOpenKey, ZwCreateKey, ZwQueryValueKey, ZwSetValueKey, IoOpenDeviceRegistryKey.
//!
//! Documents: the wdm.h pages of these routines. Buffer sizes follow ZwQueryValueKey: too small for the fixed part is
//! STATUS_BUFFER_TOO_SMALL and nothing is written; too small for the rest is STATUS_BUFFER_OVERFLOW with as much as fits;
//! `*ResultLength` says the whole need in both.

use dxgk_abi::NtStatus;
use dxgk_abi::kernel::{KeyValueInformationClass, ObjectAttributes};

use super::memory;
use super::objects::Target;
use super::registry::{KeyId, Registry, Value};
use super::space::lock;
use super::state::Kernel;
use super::trouble::Outcome;

/// Longest value that a driver may set, in bytes (our choice; Windows: available memory).
const LONGEST_VALUE: u32 = 1 << 20;
/// `REG_CREATED_NEW_KEY`, `REG_OPENED_EXISTING_KEY`.
const CREATED: u32 = 1;
const OPENED: u32 = 2;

fn key_of(kernel: &Kernel, handle: u64) -> Result<KeyId, NtStatus> {
    match lock(&kernel.objects).target(handle) {
        Some(Target::Key(key)) => Ok(key),
        Some(Target::Object(_)) => Err(NtStatus::OBJECT_TYPE_MISMATCH),
        None => Err(NtStatus::INVALID_HANDLE),
    }
}

/// Where a name in object attributes starts from, and the name.
fn named(kernel: &Kernel, attributes: u64) -> Outcome<Result<(KeyId, String), NtStatus>> {
    let attributes: ObjectAttributes = memory::read(attributes)?;
    if attributes.length != size_of::<ObjectAttributes>() as u32 || attributes.object_name.is_null() {
        return Ok(Err(NtStatus::INVALID_PARAMETER));
    }
    let name = memory::unicode_text(attributes.object_name.0)?;
    if attributes.root_directory.is_null() {
        let absolute = name.starts_with('\\');
        return Ok(if absolute { Ok((Registry::ROOT, name)) } else { Err(NtStatus::OBJECT_NAME_INVALID) });
    }
    Ok(key_of(kernel, attributes.root_directory.0).map(|root| (root, name)))
}

/// ZwOpenKey.
pub(crate) fn open_key(kernel: &Kernel, handle: u64, _access: u32, attributes: u64) -> Outcome<u32> {
    let status = match named(kernel, attributes)? {
        Err(status) => status,
        Ok((from, name)) => match lock(&kernel.registry).open(from, &name) {
            None => NtStatus::OBJECT_NAME_NOT_FOUND,
            Some(key) => {
                let opened = lock(&kernel.objects).open(Target::Key(key));
                memory::write(handle, &opened)?;
                NtStatus::SUCCESS
            }
        },
    };
    Ok(status.0)
}

/// ZwCreateKey.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn create_key(
    kernel: &Kernel,
    handle: u64,
    _access: u32,
    attributes: u64,
    _title: u32,
    _class: u64,
    _options: u32,
    disposition: u64,
) -> Outcome<u32> {
    let (from, name) = match named(kernel, attributes)? {
        Ok(found) => found,
        Err(status) => return Ok(status.0),
    };
    let (key, made) = lock(&kernel.registry).create_below(from, &name);
    let opened = lock(&kernel.objects).open(Target::Key(key));
    memory::write(handle, &opened)?;
    if disposition != 0 {
        memory::write(disposition, &if made { CREATED } else { OPENED })?;
    }
    Ok(NtStatus::SUCCESS.0)
}

/// The fixed part (with the bytes that must fit) and the rest of what ZwQueryValueKey writes.
fn lay_out(class: KeyValueInformationClass, value: &Value) -> Option<(usize, Vec<u8>)> {
    let name: Vec<u8> = value.name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = |bytes: &[u8]| (bytes.len() as u32).to_le_bytes();
    let head = |words: &[[u8; 4]]| words.concat();
    let kind = value.kind.to_le_bytes();
    let title = [0; 4];
    match class {
        KeyValueInformationClass::BASIC_INFORMATION => {
            Some((12, [head(&[title, kind, length(&name)]), name].concat()))
        }
        KeyValueInformationClass::PARTIAL_INFORMATION => {
            Some((12, [head(&[title, kind, length(&value.data)]), value.data.clone()].concat()))
        }
        KeyValueInformationClass::FULL_INFORMATION => {
            // The data starts at the next multiple of 8 behind the name (our choice; the offset says where).
            let offset = (20 + name.len()).next_multiple_of(8);
            let fixed =
                head(&[title, kind, (offset as u32).to_le_bytes(), length(&value.data), length(&name)]);
            let mut all = [fixed, name].concat();
            all.resize(offset, 0);
            all.extend_from_slice(&value.data);
            Some((20, all))
        }
        _ => None,
    }
}

/// ZwQueryValueKey.
pub(crate) fn query_value(
    kernel: &Kernel,
    handle: u64,
    name: u64,
    class: u32,
    out: u64,
    length: u32,
    result_length: u64,
) -> Outcome<u32> {
    let key = match key_of(kernel, handle) {
        Ok(key) => key,
        Err(status) => return Ok(status.0),
    };
    let name = memory::unicode_text(name)?;
    let Some(value) = lock(&kernel.registry).value(key, &name).cloned() else {
        return Ok(NtStatus::OBJECT_NAME_NOT_FOUND.0);
    };
    let Some((fixed, bytes)) = lay_out(KeyValueInformationClass(class), &value) else {
        return Ok(NtStatus::INVALID_PARAMETER.0);
    };
    memory::write(result_length, &(bytes.len() as u32))?;
    let length = length as usize;
    if length < fixed {
        return Ok(NtStatus::BUFFER_TOO_SMALL.0);
    }
    memory::write_bytes(out, bytes.get(..length).unwrap_or(&bytes))?;
    let status = if length < bytes.len() { NtStatus::BUFFER_OVERFLOW } else { NtStatus::SUCCESS };
    Ok(status.0)
}

/// ZwSetValueKey.
pub(crate) fn set_value(
    kernel: &Kernel,
    handle: u64,
    name: u64,
    _title: u32,
    kind: u32,
    data: u64,
    bytes: u32,
) -> Outcome<u32> {
    let key = match key_of(kernel, handle) {
        Ok(key) => key,
        Err(status) => return Ok(status.0),
    };
    if bytes > LONGEST_VALUE {
        return Ok(NtStatus::INSUFFICIENT_RESOURCES.0);
    }
    let name = memory::unicode_text(name)?;
    let mut content = vec![0; bytes as usize];
    memory::read_bytes(data, &mut content)?;
    lock(&kernel.registry).set(key, &name, kind, content);
    Ok(NtStatus::SUCCESS.0)
}

/// ZwDeleteValueKey.
pub(crate) fn delete_value(kernel: &Kernel, handle: u64, name: u64) -> Outcome<u32> {
    let key = match key_of(kernel, handle) {
        Ok(key) => key,
        Err(status) => return Ok(status.0),
    };
    let name = memory::unicode_text(name)?;
    let deleted = lock(&kernel.registry).delete(key, &name);
    Ok(if deleted { NtStatus::SUCCESS } else { NtStatus::OBJECT_NAME_NOT_FOUND }.0)
}

/// ZwClose: any handle.
pub(crate) fn close(kernel: &Kernel, handle: u64) -> Outcome<u32> {
    let mut structures = lock(&kernel.structures);
    let status = lock(&kernel.objects).close(&mut structures, handle)?;
    Ok(status.0)
}

/// IoOpenDeviceRegistryKey: `kind` 1 is the device's hardware key, 2 its driver's (software) key.
pub(crate) fn open_device_key(
    kernel: &Kernel,
    device: u64,
    kind: u32,
    _access: u32,
    handle: u64,
) -> Outcome<u32> {
    let Some(keys) = lock(&kernel.devices).get(&device).cloned() else {
        return Ok(NtStatus::INVALID_DEVICE_REQUEST.0);
    };
    let path = match kind & 0xff {
        1 => keys.hardware,
        2 => keys.software,
        _ => return Ok(NtStatus::INVALID_PARAMETER.0),
    };
    let key = lock(&kernel.registry).create(&path);
    let opened = lock(&kernel.objects).open(Target::Key(key));
    memory::write(handle, &opened)?;
    Ok(NtStatus::SUCCESS.0)
}
