//! Device objects, events and names that a driver makes, and what leads from one object to another.
//!
//! Documents: the wdm.h pages of IoCreateDevice, IoDeleteDevice, IoCreateSymbolicLink, IoCreateNotificationEvent,
//! IoGetRelatedDeviceObject, ObReferenceObjectByPointer.

use dxgk_abi::kernel::{DeviceObject, DriverObject, FileObject};
use dxgk_abi::{NtStatus, Pointer};

use super::memory;
use super::objects::{Kind, Target};
use super::space::lock;
use super::state::Kernel;
use super::trouble::Outcome;

/// `DO_DEVICE_INITIALIZING` (wdm.h).
const DEVICE_INITIALIZING: u32 = 0x80;
/// `DO_EXCLUSIVE`.
const EXCLUSIVE: u32 = 8;
/// Longest chain of a driver's devices that is followed (our choice).
const LONGEST_CHAIN: usize = 4096;
/// `DeviceObject` in a DRIVER_OBJECT, and `NextDevice` in a DEVICE_OBJECT.
const FIRST_DEVICE: u64 = 8;
const NEXT_DEVICE: u64 = 16;

/// A name as the object manager compares it; `None` for an absent or empty one.
fn name_at(at: u64) -> Outcome<Option<String>> {
    if at == 0 {
        return Ok(None);
    }
    Ok(Some(memory::unicode_text(at)?.to_lowercase()).filter(|name| !name.is_empty()))
}

/// IoCreateDevice: a device with an extension of zeroes, first in the driver's chain.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn create(
    kernel: &Kernel,
    driver: u64,
    extension: u32,
    name: u64,
    kind: u32,
    characteristics: u32,
    exclusive: u8,
    out: u64,
) -> Outcome<u32> {
    let name = name_at(name)?;
    if name.as_ref().is_some_and(|name| lock(&kernel.names).contains_key(name)) {
        return Ok(NtStatus::OBJECT_NAME_COLLISION.0);
    }
    let mut owner: DriverObject = memory::read(driver)?;
    let made = {
        let mut structures = lock(&kernel.structures);
        lock(&kernel.objects).add_device_with(&mut structures, extension.into())?
    };
    let Some(at) = made else { return Ok(NtStatus::INSUFFICIENT_RESOURCES.0) };
    let mut device: DeviceObject = memory::read(at)?;
    device.driver_object = Pointer(driver);
    device.next_device = owner.device_object;
    device.flags = DEVICE_INITIALIZING | if exclusive != 0 { EXCLUSIVE } else { 0 };
    device.characteristics = characteristics;
    device.device_type = kind;
    memory::write(at, &device)?;
    owner.device_object = Pointer(at);
    memory::write(driver, &owner)?;
    if let Some(name) = name {
        lock(&kernel.names).insert(name, at);
    }
    memory::write(out, &at)?;
    Ok(NtStatus::SUCCESS.0)
}

/// IoDeleteDevice.
pub(crate) fn delete(kernel: &Kernel, at: u64) -> Outcome<()> {
    let device: DeviceObject = memory::read(at)?;
    let mut link = device.driver_object.0.wrapping_add(FIRST_DEVICE);
    for _ in 0..LONGEST_CHAIN {
        let next: u64 = memory::read(link)?;
        if next == at {
            memory::write(link, &device.next_device)?;
            break;
        }
        if next == 0 {
            break;
        }
        link = next.wrapping_add(NEXT_DEVICE);
    }
    lock(&kernel.names).retain(|_, object| *object != at);
    let mut structures = lock(&kernel.structures);
    lock(&kernel.objects).dereference(&mut structures, at).map(drop)
}

/// IoCreateSymbolicLink. The target need not be there.
pub(crate) fn create_link(kernel: &Kernel, name: u64, target: u64) -> Outcome<u32> {
    let (Some(name), Some(target)) = (name_at(name)?, name_at(target)?) else {
        return Ok(NtStatus::OBJECT_NAME_INVALID.0);
    };
    let mut names = lock(&kernel.names);
    if names.contains_key(&name) {
        return Ok(NtStatus::OBJECT_NAME_COLLISION.0);
    }
    let object = names.get(&target).copied().unwrap_or(0);
    names.insert(name, object);
    Ok(NtStatus::SUCCESS.0)
}

/// IoDeleteSymbolicLink.
pub(crate) fn delete_link(kernel: &Kernel, name: u64) -> Outcome<u32> {
    let removed = name_at(name)?.and_then(|name| lock(&kernel.names).remove(&name));
    Ok(if removed.is_some() { NtStatus::SUCCESS } else { NtStatus::OBJECT_NAME_NOT_FOUND }.0)
}

/// IoCreateNotificationEvent (kind 0) and IoCreateSynchronizationEvent (1): opens the event of that name, or makes it, signaled.
fn named_event(kernel: &Kernel, name: u64, kind: u8, handle: u64) -> Outcome<u64> {
    let name = name_at(name)?;
    let known = name.as_ref().and_then(|name| lock(&kernel.names).get(name).copied());
    let event = match known {
        Some(event) if lock(&kernel.objects).kind(event) != Some(Kind::Event) => return Ok(0),
        Some(event) => {
            lock(&kernel.objects).reference(event)?;
            event
        }
        None => {
            let mut structures = lock(&kernel.structures);
            let made = lock(&kernel.objects).add_event(&mut structures, kind)?;
            let Some(event) = made else { return Ok(0) };
            if let Some(name) = name {
                lock(&kernel.names).insert(name, event);
            }
            event
        }
    };
    let opened = lock(&kernel.objects).open(Target::Object(event));
    memory::write(handle, &opened)?;
    Ok(event)
}

/// IoCreateNotificationEvent.
pub(crate) fn notification_event(kernel: &Kernel, name: u64, handle: u64) -> Outcome<u64> {
    named_event(kernel, name, 0, handle)
}

/// IoCreateSynchronizationEvent.
pub(crate) fn synchronization_event(kernel: &Kernel, name: u64, handle: u64) -> Outcome<u64> {
    named_event(kernel, name, 1, handle)
}

/// IoGetRelatedDeviceObject: nothing is attached to anything here.
pub(crate) fn of_file(_kernel: &Kernel, file: u64) -> Outcome<u64> {
    Ok(memory::read::<FileObject>(file)?.device_object.0)
}

/// IoGetAttachedDeviceReference, IoGetAttachedDevice's referencing form: the device itself, referenced.
pub(crate) fn attached_reference(kernel: &Kernel, device: u64) -> Outcome<u64> {
    lock(&kernel.objects).reference(device)?;
    Ok(device)
}

/// ObReferenceObjectByPointer.
pub(crate) fn reference_by_pointer(
    kernel: &Kernel,
    object: u64,
    _access: u32,
    kind: u64,
    _mode: u8,
) -> Outcome<u32> {
    let known = lock(&kernel.objects).kind(object);
    if kind != 0 && known.is_some_and(|known| kernel.data.object_type(known.type_name()) != Some(kind)) {
        return Ok(NtStatus::OBJECT_TYPE_MISMATCH.0);
    }
    lock(&kernel.objects).reference(object)?;
    Ok(NtStatus::SUCCESS.0)
}
