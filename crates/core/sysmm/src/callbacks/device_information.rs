//! What DxgkCbGetDeviceInformation says about memory.

use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{MachineMemory, PhysAddr};

use super::Caller;
use crate::SysMm;
use crate::error::CallError;
use crate::platform::Platform;

/// The two memory fields of DXGK_DEVICE_INFO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceMemory {
    /// `SystemMemorySize`: installed RAM in bytes.
    pub system_memory_size: u64,
    /// `HighestPhysicalAddress`: the last byte of installed RAM.
    pub highest_physical_address: PhysAddr,
}

impl<P: Platform> SysMm<P> {
    /// Installed RAM in bytes, and the address of its last byte.
    #[must_use]
    pub fn installed_memory(&self) -> DeviceMemory {
        let ranges = self.platform.memory().ranges();
        let end = ranges.iter().map(|range| range.start.get().saturating_add(range.bytes)).max().unwrap_or(0);
        DeviceMemory {
            system_memory_size: ranges.iter().map(|range| range.bytes).sum(),
            highest_physical_address: PhysAddr::new(end.saturating_sub(1)),
        }
    }

    /// DxgkCbGetDeviceInformation, as far as it concerns memory.
    ///
    /// # Errors
    /// STATUS_INVALID_PARAMETER for a handle that is no adapter's (the callback's page names this status);
    /// STATUS_DEVICE_NOT_READY after the stop.
    pub fn get_device_information(
        &self,
        _caller: &Caller,
        device: Handle,
    ) -> Result<DeviceMemory, CallError> {
        match self.records.lock().place(device) {
            Ok(_) => Ok(self.installed_memory()),
            Err(CallError::Status(NtStatus::INVALID_HANDLE)) => Err(NtStatus::INVALID_PARAMETER.into()),
            Err(other) => Err(other),
        }
    }
}
