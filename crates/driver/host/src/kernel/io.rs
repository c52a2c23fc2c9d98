//! The I/O manager, as much of it as a driver needs to find the graphics port driver.
//!
//! Drivers link a small library (displib) that loads and opens `\Device\DxgKrnl` and asks for an entry point by an internal
//! control request; the sequence and the codes are from public descriptions of that library. Structures: abi.md, "Kernel
//! objects the DxgkInitialize path touches".

use dxgk_abi::kernel::{IoStackLocation, IoStatusBlock, Irp, MajorFunction};
use dxgk_abi::{NtStatus, Pointer};

use super::memory;
use super::registry::SERVICES;
use super::space::lock;
use super::state::{DeviceKeys, Kernel};
use super::structures::Content;
use super::sync;
use super::trouble::{Outcome, Trouble};

/// The name that displib opens.
const GRAPHICS_DEVICE: &str = r"\Device\DxgKrnl";
/// The service that displib loads.
const GRAPHICS_SERVICE: &str = "DXGKrnl";
/// `IO_TYPE_IRP` (wdm.h).
const IO_TYPE_IRP: i16 = 6;
const IRP_BYTES: u64 = size_of::<Irp>() as u64;
const LOCATION_BYTES: u64 = size_of::<IoStackLocation>() as u64;

/// `Parameters.Read.ByteOffset` in an IO_STACK_LOCATION.
const BYTE_OFFSET: u64 = 24;

/// Control codes of the graphics device. Each answers with one address through `Irp->UserBuffer` (METHOD_NEITHER).
mod code {
    pub(super) const INITIALIZE_OLD: u32 = 0x23_003F;
    pub(super) const INITIALIZE: u32 = 0x23_0047;
    pub(super) const INITIALIZE_DISPLAY_ONLY: u32 = 0x23_0043;
    pub(super) const UNINITIALIZE: u32 = 0x23_004B;
}

/// Addresses of the port driver's entry points, callable by the driver; 0 for one that there is not.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct PortEntries {
    /// `DxgkInitialize(DriverObject, RegistryPath, DRIVER_INITIALIZATION_DATA*)`.
    pub initialize: u64,
    /// `DxgkInitializeDisplayOnlyDriver(DriverObject, RegistryPath, KMDDOD_INITIALIZATION_DATA*)`.
    pub initialize_display_only: u64,
    /// `DxgkUnInitialize(DriverObject)`.
    pub uninitialize: u64,
}

fn service_of(path: &str) -> Option<&str> {
    let head = path.get(..SERVICES.len())?;
    head.eq_ignore_ascii_case(SERVICES)
        .then(|| path.get(SERVICES.len()..).unwrap_or_default().trim_start_matches('\\'))
}

/// ZwLoadDriver: only the graphics port driver is there, and it is loaded.
pub(crate) fn load_driver(_kernel: &Kernel, service: u64) -> Outcome<u32> {
    let path = memory::unicode_text(service)?;
    let found = service_of(&path).is_some_and(|name| name.eq_ignore_ascii_case(GRAPHICS_SERVICE));
    Ok(if found { NtStatus::SUCCESS } else { NtStatus::OBJECT_NAME_NOT_FOUND }.0)
}

/// ZwUnloadDriver.
pub(crate) fn unload_driver(kernel: &Kernel, service: u64) -> Outcome<u32> {
    load_driver(kernel, service)
}

/// IoGetDeviceObjectPointer: the caller gets a reference to the file object.
pub(crate) fn device_object_pointer(
    kernel: &Kernel,
    name: u64,
    _access: u32,
    file: u64,
    device: u64,
) -> Outcome<u32> {
    if !memory::unicode_text(name)?.eq_ignore_ascii_case(GRAPHICS_DEVICE) {
        return Ok(NtStatus::OBJECT_NAME_NOT_FOUND.0);
    }
    let made = {
        let mut structures = lock(&kernel.structures);
        lock(&kernel.objects).add_file(&mut structures, kernel.graphics_device)?
    };
    let Some(made) = made else { return Ok(NtStatus::INSUFFICIENT_RESOURCES.0) };
    memory::write(file, &made)?;
    memory::write(device, &kernel.graphics_device)?;
    Ok(NtStatus::SUCCESS.0)
}

/// IoBuildDeviceIoControlRequest: an IRP with its one stack location filled in; 0 when memory is short.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn build_control_request(
    kernel: &Kernel,
    code: u32,
    device: u64,
    input: u64,
    input_length: u32,
    output: u64,
    output_length: u32,
    internal: u8,
    event: u64,
    status: u64,
) -> Outcome<u64> {
    let internal = internal != 0;
    let location = IoStackLocation {
        major_function: if internal {
            MajorFunction::INTERNAL_DEVICE_CONTROL
        } else {
            MajorFunction::DEVICE_CONTROL
        },
        output_buffer_length: output_length,
        input_buffer_length: input_length,
        io_control_code: code,
        type3_input_buffer: Pointer(input),
        device_object: Pointer(device),
        ..IoStackLocation::default()
    };
    build(kernel, location, output, event, status)
}

/// IoBuildSynchronousFsdRequest. Length and offset of a read or write lie where those of a control request do.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn build_transfer_request(
    kernel: &Kernel,
    major: u32,
    device: u64,
    buffer: u64,
    length: u32,
    offset: u64,
    event: u64,
    status: u64,
) -> Outcome<u64> {
    let start: u64 = if offset == 0 { 0 } else { memory::read(offset)? };
    let location = IoStackLocation {
        major_function: MajorFunction(major as u8),
        output_buffer_length: length,
        device_object: Pointer(device),
        ..IoStackLocation::default()
    };
    let at = build(kernel, location, buffer, event, status)?;
    if at != 0 {
        memory::write(at + IRP_BYTES + BYTE_OFFSET, &start)?;
    }
    Ok(at)
}

fn build(kernel: &Kernel, location: IoStackLocation, buffer: u64, event: u64, status: u64) -> Outcome<u64> {
    let Some(at) = lock(&kernel.structures).allocate(IRP_BYTES + LOCATION_BYTES, Content::Request)? else {
        return Ok(0);
    };
    let packet = Irp {
        kind: IO_TYPE_IRP,
        size: (IRP_BYTES + LOCATION_BYTES) as u16,
        stack_count: 1,
        // One beyond the last: the next location is the one below.
        current_location: 2,
        current_stack_location: Pointer(at + IRP_BYTES + LOCATION_BYTES),
        user_iosb: Pointer(status),
        user_event: Pointer(event),
        user_buffer: Pointer(buffer),
        ..Irp::default()
    };
    memory::write(at, &packet)?;
    memory::write(at + IRP_BYTES, &location)?;
    Ok(at)
}

/// IofCallDriver: hands a request to a device; only the graphics device answers.
pub(crate) fn call_driver(kernel: &Kernel, device: u64, request: u64) -> Outcome<u32> {
    let mut packet: Irp = memory::read(request)?;
    if packet.current_location <= 1 {
        // "Bug Check 0x35": no stack location is left.
        let parameters = [request, 0, 0, 0];
        return Err(Trouble::BugCheck { code: dxgk_abi::BugCheck(0x35), parameters });
    }
    packet.current_location -= 1;
    packet.current_stack_location.0 = packet.current_stack_location.0.wrapping_sub(LOCATION_BYTES);
    memory::write(request, &packet)?;
    let location: IoStackLocation = memory::read(packet.current_stack_location.0)?;
    let (status, information) = answer(kernel, device, &packet, &location)?;
    complete(kernel, request, &packet, status, information)
}

fn answer(
    kernel: &Kernel,
    device: u64,
    packet: &Irp,
    location: &IoStackLocation,
) -> Outcome<(NtStatus, u64)> {
    if device != kernel.graphics_device || location.major_function != MajorFunction::INTERNAL_DEVICE_CONTROL {
        return Ok((NtStatus::INVALID_DEVICE_REQUEST, 0));
    }
    let entries = kernel.entries.get().copied().unwrap_or_default();
    let entry = match location.io_control_code {
        code::INITIALIZE_OLD | code::INITIALIZE => entries.initialize,
        code::INITIALIZE_DISPLAY_ONLY => entries.initialize_display_only,
        code::UNINITIALIZE => entries.uninitialize,
        _ => 0,
    };
    if entry == 0 {
        return Ok((NtStatus::INVALID_DEVICE_REQUEST, 0));
    }
    if location.output_buffer_length < 8 {
        return Ok((NtStatus::BUFFER_TOO_SMALL, 0));
    }
    memory::write(packet.user_buffer.0, &entry)?;
    Ok((NtStatus::SUCCESS, 8))
}

/// Completes a request at once: status block, event, and the request itself is freed.
fn complete(kernel: &Kernel, request: u64, packet: &Irp, status: NtStatus, information: u64) -> Outcome<u32> {
    let block = IoStatusBlock { status_or_pointer: u64::from(status.0), information };
    if !packet.user_iosb.is_null() {
        memory::write(packet.user_iosb.0, &block)?;
    }
    if !packet.user_event.is_null() {
        sync::set_event(kernel, packet.user_event.0, 0, 0)?;
    }
    lock(&kernel.structures).release(request, Content::Request);
    Ok(status.0)
}

impl Kernel {
    /// A physical device object for the driver's AddDevice; `None` when the host has no room.
    pub fn add_physical_device(&self, keys: DeviceKeys) -> Option<u64> {
        let mut structures = lock(&self.structures);
        let device = lock(&self.objects).add_device(&mut structures).ok().flatten()?;
        lock(&self.devices).insert(device, keys);
        Some(device)
    }
}
