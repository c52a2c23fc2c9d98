//! What the port driver knows about the device.

use dxgk_abi::life::DeviceInfo;

use crate::address::PhysicalAddress;
use crate::resources::ResourceList;

/// The answer of `DxgkCbGetDeviceInformation`.
#[derive(Clone, Copy, Debug)]
pub struct DeviceInformation<'a> {
    info: DeviceInfo,
    resources: &'a [u8],
}

impl<'a> DeviceInformation<'a> {
    pub(crate) fn new(info: DeviceInfo, resources: &'a [u8]) -> Self {
        Self { info, resources }
    }

    /// Ranges, ports and interrupts that the system assigned to the device, as the processor sees them.
    pub fn resources(&self) -> ResourceList<'a> {
        ResourceList::new(self.resources)
    }

    /// Bytes of RAM in the machine.
    pub fn system_memory_size(&self) -> u64 {
        self.info.system_memory_size
    }

    /// The highest physical address of RAM.
    pub fn highest_physical_address(&self) -> PhysicalAddress {
        PhysicalAddress(self.info.highest_physical_address)
    }
}
