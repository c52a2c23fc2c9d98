//! PCI configuration space, through ports 0xCF8 and 0xCFC where a machine has them, else through its memory window.
//!
//! Source: PCI Local Bus Specification 3.0, sections 3.2.2.3.2 (configuration mechanism #1), 6.1 (header) and
//! 6.2.5.1 (base address registers); PCI Express Base Specification 4.0, section 7.2.2 (enhanced configuration
//! access mechanism).

use dxgk_hw::{PhysAddr, RequesterId};

use crate::error::QemuError;
use crate::machine::Qemu;

const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;

/// Byte offset of the Command register, and of Status in the upper half of the same word.
const COMMAND: u8 = 0x04;
/// Command bit 1: the function answers to memory addresses.
const MEMORY_SPACE: u32 = 1 << 1;
/// Command bit 2: the function may do DMA.
const BUS_MASTER: u32 = 1 << 2;
/// Byte offset of BAR 0.
const BASE_ADDRESS: u8 = 0x10;

impl Qemu {
    /// Reads the 32-bit word of `function`'s configuration space that holds byte `register`.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn config_read(&self, function: RequesterId, register: u8) -> Result<u32, QemuError> {
        if let Some(at) = self.enhanced(function, register) {
            return self.readl(at);
        }
        self.outl(CONFIG_ADDRESS, config_address(function, register))?;
        self.inl(CONFIG_DATA)
    }

    /// Writes the 32-bit word of `function`'s configuration space that holds byte `register`.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn config_write(&self, function: RequesterId, register: u8, value: u32) -> Result<(), QemuError> {
        if let Some(at) = self.enhanced(function, register) {
            return self.writel(at, value);
        }
        self.outl(CONFIG_ADDRESS, config_address(function, register))?;
        self.outl(CONFIG_DATA, value)
    }

    /// The address of a configuration word, on machines that map them.
    fn enhanced(&self, function: RequesterId, register: u8) -> Option<PhysAddr> {
        let window = self.board().extended_configuration()?;
        Some(PhysAddr::new(window + (u64::from(function.0) << 12) + u64::from(register & 0xfc)))
    }

    /// Vendor id in the low, device id in the high half; all ones where there is no function.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn pci_identity(&self, function: RequesterId) -> Result<u32, QemuError> {
        self.config_read(function, 0)
    }

    /// Gives the 32-bit memory BAR `index` (0 to 5; larger numbers mean 5) the address `base` and returns the BAR's
    /// size in bytes as the function reports it; 0 if it has no such BAR.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn assign_memory_bar(&self, function: RequesterId, index: u8, base: u32) -> Result<u64, QemuError> {
        let register = BASE_ADDRESS + 4 * index.min(5);
        self.config_write(function, register, u32::MAX)?;
        let mask = self.config_read(function, register)? & !0xf;
        self.config_write(function, register, base)?;
        Ok(if mask == 0 { 0 } else { u64::from(!mask) + 1 })
    }

    /// Lets the function answer to memory addresses and do DMA.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn enable_pci(&self, function: RequesterId) -> Result<(), QemuError> {
        // Status bits are cleared by writing ones: zeros leave them alone.
        let command = self.config_read(function, COMMAND)? & 0xffff;
        self.config_write(function, COMMAND, command | MEMORY_SPACE | BUS_MASTER)
    }
}

fn config_address(function: RequesterId, register: u8) -> u32 {
    (1 << 31) | (u32::from(function.0) << 8) | u32::from(register & 0xfc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_word_names_bus_device_function_and_a_whole_word() {
        assert_eq!(config_address(RequesterId::new(0, 3, 0), 0x13), 0x8000_1810);
        assert_eq!(config_address(RequesterId::new(0xab, 31, 7), 0), 0x80ab_ff00);
    }
}
