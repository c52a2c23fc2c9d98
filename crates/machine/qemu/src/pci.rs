//! PCI configuration space through ports 0xCF8 and 0xCFC.
//!
//! Source: PCI Local Bus Specification 3.0, sections 3.2.2.3.2 (configuration mechanism #1), 6.1 (header) and
//! 6.2.5.1 (base address registers).

use std::fmt;

use crate::error::QemuError;
use crate::machine::Qemu;

const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;

/// Bit of the Command register: the function answers to memory addresses.
const MEMORY_SPACE: u16 = 1 << 1;
/// Bit of the Command register: the function may do DMA.
const BUS_MASTER: u16 = 1 << 2;

/// A PCI function's place: bus, device, function. As a number, it is the source-id of its DMA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PciAddress {
    bus: u8,
    device: u8,
    function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{}", self.bus, self.device, self.function)
    }
}

impl PciAddress {
    /// The function at `bus`, `device` (0 to 31), `function` (0 to 7); nothing for larger numbers.
    #[must_use]
    pub const fn new(bus: u8, device: u8, function: u8) -> Option<Self> {
        if device < 32 && function < 8 { Some(Self { bus, device, function }) } else { None }
    }

    /// The bus number.
    #[must_use]
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// Device and function in one byte: the index into a VT-d context table.
    #[must_use]
    pub const fn devfn(self) -> u8 {
        (self.device << 3) | self.function
    }

    /// The 16-bit requester id that the IOMMU sees.
    #[must_use]
    pub const fn source_id(self) -> u16 {
        ((self.bus as u16) << 8) | self.devfn() as u16
    }

    /// Reads the 32-bit word of configuration space that holds byte `register`.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn config_read(self, qemu: &Qemu, register: u8) -> Result<u32, QemuError> {
        self.select(qemu, register)?;
        qemu.inl(CONFIG_DATA)
    }

    /// Writes the 32-bit word of configuration space that holds byte `register`.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn config_write(self, qemu: &Qemu, register: u8, value: u32) -> Result<(), QemuError> {
        self.select(qemu, register)?;
        qemu.outl(CONFIG_DATA, value)
    }

    fn select(self, qemu: &Qemu, register: u8) -> Result<(), QemuError> {
        let address = (1 << 31) | (u32::from(self.source_id()) << 8) | u32::from(register & 0xfc);
        qemu.outl(CONFIG_ADDRESS, address)
    }

    /// Vendor id in the low, device id in the high half; all ones where there is no function.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn identity(self, qemu: &Qemu) -> Result<u32, QemuError> {
        self.config_read(qemu, 0)
    }

    /// Gives memory BAR `index` (0 to 5) the 32-bit address `physical` and returns the BAR's size in bytes, as the
    /// function reports it; 0 if it has no such BAR.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn assign_bar(self, qemu: &Qemu, index: u8, physical: u32) -> Result<u64, QemuError> {
        let register = 0x10 + 4 * index.min(5);
        self.config_write(qemu, register, u32::MAX)?;
        let mask = self.config_read(qemu, register)? & !0xf;
        self.config_write(qemu, register, physical)?;
        Ok(if mask == 0 { 0 } else { u64::from(!mask) + 1 })
    }

    /// Lets the function answer to memory addresses and do DMA.
    ///
    /// # Errors
    /// As [`Qemu::ask`].
    pub fn enable(self, qemu: &Qemu) -> Result<(), QemuError> {
        // The upper half is Status, whose bits are cleared by writing ones: zeros leave it alone.
        let command = self.config_read(qemu, 4)? & 0xffff;
        self.config_write(qemu, 4, command | u32::from(MEMORY_SPACE | BUS_MASTER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_id_is_bus_device_function() {
        let edu = PciAddress::new(0, 3, 0).unwrap();
        assert_eq!((edu.source_id(), edu.devfn()), (0x18, 0x18));
        assert_eq!(PciAddress::new(0xab, 31, 7).unwrap().source_id(), 0xabff);
        assert_eq!(PciAddress::new(0, 32, 0), None);
        assert_eq!(PciAddress::new(0, 0, 8), None);
    }
}
