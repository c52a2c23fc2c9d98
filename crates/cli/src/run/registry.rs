//! The registry that the driver finds: its service, what the user put there, and what the bus driver says of its devices.

use std::sync::Arc;

use dxgk_host::kernel::DeviceKeys;
use dxgk_host::kernel::registry::{KeyId, Registry, SERVICES, text_bytes};
use dxgk_hw::{PciFunction, Width};
use dxgk_port::opt_in::{Circumstances, OptIn, Release, Standing};

use super::config::{RegistryEntry, RegistryValue, RunConfig};

/// The driver's service, whatever its file is called (our choice).
pub(super) const SERVICE: &str = "dxgkdriver";
/// `REG_MULTI_SZ`.
const REG_MULTI_SZ: u32 = 7;

fn service_key() -> String {
    format!(r"{SERVICES}\{SERVICE}")
}

/// The key of what is known of a device, by its number in the machine.
fn device_key(number: usize) -> String {
    // The first has the name that it has alone.
    let suffix = if number == 0 { String::new() } else { number.to_string() };
    format!(r"{}\Device{suffix}", service_key())
}

/// The keys of the machine's devices.
pub(super) fn device_keys(devices: usize) -> Vec<DeviceKeys> {
    (0..devices).map(|number| DeviceKeys { hardware: device_key(number), software: service_key() }).collect()
}

/// All of it.
pub(super) fn fill(config: &RunConfig, functions: &[Arc<dyn PciFunction>]) -> Registry {
    let mut registry = Registry::default();
    let service = service_key();
    registry.create(&format!(r"{service}\Parameters"));
    for (number, function) in functions.iter().enumerate() {
        let device = registry.create(&device_key(number));
        describe(&mut registry, device, function.as_ref(), number);
    }
    for entry in &config.registry {
        let (below, name) = entry.name.rsplit_once('\\').unwrap_or(("", &entry.name));
        let key =
            registry.create(&if below.is_empty() { service.clone() } else { format!(r"{service}\{below}") });
        match &entry.value {
            RegistryValue::Dword(value) => registry.set_dword(key, name, *value),
            RegistryValue::String(text) => registry.set_text(key, name, text),
        }
    }
    registry
}

/// What the values that `--registry` sets say of remapping, to the Windows that drivers are told. Of several devices
/// the first speaks for all; they are built in, and a run is what Windows calls DMA verification (our choice).
pub(super) fn opt_in(config: &RunConfig) -> Standing {
    let dword = |name: &str| {
        let of_name = |entry: &&RegistryEntry| entry.name.eq_ignore_ascii_case(name);
        config.registry.iter().rev().find(of_name).and_then(|entry| match entry.value {
            RegistryValue::Dword(value) => Some(value),
            RegistryValue::String(_) => None,
        })
    };
    let values = OptIn {
        compatible: dword(r"Parameters\DmaRemappingCompatible"),
        supported: dword(r"Device\DMA Management\RemappingSupported"),
        flags: dword(r"Device\DMA Management\RemappingFlags"),
    };
    values.standing(Release::Windows11, Circumstances { external: false, verified: true })
}

/// What the bus driver would have said of the device: IoGetDeviceProperty answers from here.
fn describe(registry: &mut Registry, key: KeyId, function: &dyn PciFunction, number: usize) {
    let id = |offset: u16| function.config_read(offset, Width::Word);
    // "Identifiers for PCI devices": the subsystem before its vendor.
    let hardware = format!(
        r"PCI\VEN_{:04X}&DEV_{:04X}&SUBSYS_{:04X}{:04X}&REV_{:02X}",
        id(0x00),
        id(0x02),
        id(0x2e),
        id(0x2c),
        function.config_read(0x08, Width::Byte)
    );
    // A list of texts ends with an empty one.
    let list = [text_bytes(&hardware), text_bytes("")].concat();
    let requester = function.requester();
    let (bus, device, function_number) = (requester.bus(), requester.devfn() >> 3, requester.devfn() & 7);
    registry.set(key, "HardwareID", REG_MULTI_SZ, list);
    registry.set_text(key, "DeviceDesc", function.name());
    registry.set_text(key, "Class", "Display");
    registry.set_text(key, "ClassGUID", "{4d36e968-e325-11ce-bfc1-08002be10318}");
    registry.set_text(key, "Driver", &format!(r"{{4d36e968-e325-11ce-bfc1-08002be10318}}\{number:04}"));
    let place = format!("PCI bus {bus}, device {device}, function {function_number}");
    registry.set_text(key, "LocationInformation", &place);
    registry.set_dword(key, "BusNumber", bus.into());
    // The device's number above, the function's below.
    registry.set_dword(key, "Address", u32::from(device) << 16 | u32::from(function_number));
}
