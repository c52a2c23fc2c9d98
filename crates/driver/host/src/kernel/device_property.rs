//! IoGetDeviceProperty.
//!
//! Document: the wdm.h page. The answers lie in the device's own registry key, as Windows keeps them in the enumerator's:
//! the host sets them up before the driver starts, and what is not there is not known.

use dxgk_abi::NtStatus;
use dxgk_abi::kernel::DeviceRegistryProperty;

use super::memory;
use super::registry::{Registry, text_bytes};
use super::space::lock;
use super::state::Kernel;
use super::trouble::Outcome;

/// `PCIBus` (INTERFACE_TYPE).
const PCI_BUS: u32 = 5;
/// GUID_BUS_TYPE_PCI (wdmguid.h), as it lies in memory.
const BUS_TYPE_PCI: [u8; 16] =
    [0xb0, 0xdf, 0xeb, 0xc8, 0x10, 0xb5, 0xd0, 0x11, 0x80, 0xe5, 0x00, 0xa0, 0xc9, 0x25, 0x42, 0xe3];

/// Under which name the enumerator's key holds a property.
fn value_name(property: DeviceRegistryProperty) -> Option<&'static str> {
    Some(match property {
        DeviceRegistryProperty::DEVICE_DESCRIPTION => "DeviceDesc",
        DeviceRegistryProperty::HARDWARE_ID => "HardwareID",
        DeviceRegistryProperty::COMPATIBLE_I_DS => "CompatibleIDs",
        DeviceRegistryProperty::CLASS_NAME => "Class",
        DeviceRegistryProperty::CLASS_GUID => "ClassGUID",
        DeviceRegistryProperty::DRIVER_KEY_NAME => "Driver",
        DeviceRegistryProperty::MANUFACTURER => "Mfg",
        DeviceRegistryProperty::FRIENDLY_NAME => "FriendlyName",
        DeviceRegistryProperty::LOCATION_INFORMATION => "LocationInformation",
        DeviceRegistryProperty(14) => "BusNumber",
        DeviceRegistryProperty(16) => "Address",
        DeviceRegistryProperty(17) => "UINumber",
        DeviceRegistryProperty(22) => "ContainerID",
        _ => return None,
    })
}

fn content(kernel: &Kernel, device: u64, property: DeviceRegistryProperty) -> Option<Vec<u8>> {
    let keys = lock(&kernel.devices).get(&device).cloned()?;
    match property {
        DeviceRegistryProperty::LEGACY_BUS_TYPE => return Some(PCI_BUS.to_le_bytes().to_vec()),
        DeviceRegistryProperty::BUS_TYPE_GUID => return Some(BUS_TYPE_PCI.to_vec()),
        DeviceRegistryProperty(15) => return Some(text_bytes("PCI")),
        // Names are given in the order in which the devices were made (our choice).
        DeviceRegistryProperty::PHYSICAL_DEVICE_OBJECT_NAME => {
            let number = lock(&kernel.devices).keys().position(|at| *at == device)?;
            return Some(text_bytes(&format!(r"\Device\NTPNP_PCI{number:04}")));
        }
        _ => {}
    }
    let registry = lock(&kernel.registry);
    let key = registry.open(Registry::ROOT, &keys.hardware)?;
    registry.value(key, value_name(property)?).map(|value| value.data.clone())
}

/// IoGetDeviceProperty.
pub(crate) fn get(
    kernel: &Kernel,
    device: u64,
    property: u32,
    length: u32,
    out: u64,
    needed: u64,
) -> Outcome<u32> {
    if !lock(&kernel.devices).contains_key(&device) {
        return Ok(NtStatus::INVALID_DEVICE_REQUEST.0);
    }
    let Some(bytes) = content(kernel, device, DeviceRegistryProperty(property)) else {
        memory::write(needed, &0u32)?;
        return Ok(NtStatus::OBJECT_NAME_NOT_FOUND.0);
    };
    memory::write(needed, &(bytes.len() as u32))?;
    if (length as usize) < bytes.len() {
        return Ok(NtStatus::BUFFER_TOO_SMALL.0);
    }
    memory::write_bytes(out, &bytes)?;
    Ok(NtStatus::SUCCESS.0)
}
