//! What DriverEntry is given: a driver object and the path of the service key.

use dxgk_abi::Pointer;
use dxgk_abi::kernel::{DriverExtension, DriverObject, UnicodeString};
use dxgk_hw::NoRoom;

use super::memory;
use super::registry::SERVICES;
use super::space::lock;
use super::state::Kernel;
use super::structures::Content;
use super::trouble::Outcome;

/// `IO_TYPE_DRIVER` (wdm.h).
const IO_TYPE_DRIVER: i16 = 4;

/// The two arguments of DriverEntry, as addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DriverEntryArguments {
    /// `DRIVER_OBJECT*`.
    pub driver_object: u64,
    /// `UNICODE_STRING*`: the absolute path of the service key.
    pub registry_path: u64,
}

/// The driver's image, as the driver object describes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DriverImage {
    /// First address.
    pub base: u64,
    /// Bytes.
    pub bytes: u32,
    /// The entry point.
    pub entry: u64,
}

impl Kernel {
    /// Lays out a driver object for `image` and the path of the service key of `service` (a name without backslashes).
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn add_driver(&self, service: &str, image: DriverImage) -> Result<DriverEntryArguments, NoRoom> {
        lock(&self.registry).create(&format!(r"{SERVICES}\{service}"));
        self.lay_out_driver(service, image).ok().flatten().ok_or(NoRoom)
    }

    /// Text as a UNICODE_STRING in driver memory; the address of the descriptor.
    fn place_text(&self, text: &str) -> Outcome<Option<(u64, UnicodeString)>> {
        let bytes: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let head = size_of::<UnicodeString>() as u64;
        let Some(at) = lock(&self.structures).allocate(head + bytes.len() as u64, Content::Buffer)? else {
            return Ok(None);
        };
        let string = UnicodeString {
            length: (bytes.len() - 2) as u16,
            maximum_length: bytes.len() as u16,
            buffer: Pointer(at + head),
            ..UnicodeString::default()
        };
        memory::write(at, &string)?;
        memory::write_bytes(at + head, &bytes)?;
        Ok(Some((at, string)))
    }

    fn lay_out_driver(&self, service: &str, image: DriverImage) -> Outcome<Option<DriverEntryArguments>> {
        let Some((registry_path, _)) = self.place_text(&format!(r"{SERVICES}\{service}"))? else {
            return Ok(None);
        };
        let Some((_, driver_name)) = self.place_text(&format!(r"\Driver\{service}"))? else {
            return Ok(None);
        };
        let Some((_, service_key_name)) = self.place_text(service)? else { return Ok(None) };
        let allocate = |bytes: usize| lock(&self.structures).allocate(bytes as u64, Content::Object);
        let Some(driver_object) = allocate(size_of::<DriverObject>())? else { return Ok(None) };
        let Some(extension) = allocate(size_of::<DriverExtension>())? else { return Ok(None) };
        let object = DriverObject {
            kind: IO_TYPE_DRIVER,
            size: size_of::<DriverObject>() as i16,
            driver_start: Pointer(image.base),
            driver_size: image.bytes,
            driver_extension: Pointer(extension),
            driver_name,
            driver_init: Pointer(image.entry),
            ..DriverObject::default()
        };
        let extension_content = DriverExtension {
            driver_object: Pointer(driver_object),
            service_key_name,
            ..DriverExtension::default()
        };
        memory::write(driver_object, &object)?;
        memory::write(extension, &extension_content)?;
        Ok(Some(DriverEntryArguments { driver_object, registry_path }))
    }
}
