//! A function without registers: for drivers that have no device, or reach theirs by other ways.

use dxgk_hw::Width;

use crate::pci::{BarShape, Bus, Device, Identity};

/// No BARs, no DMA, no interrupt; configuration space only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoRegisters;

impl Device for NoRegisters {
    /// A display controller of QEMU's vendor id that no real device has (our choice).
    fn identity(&self) -> Identity {
        Identity {
            vendor: 0x1234,
            device: 0xffff,
            revision: 0,
            class: 0x0003_8000,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
        }
    }

    fn bars(&self) -> Vec<BarShape> {
        Vec::new()
    }

    fn read(&mut self, _bar: u8, _offset: u64, _width: Width, _bus: &Bus<'_>) -> u64 {
        u64::MAX
    }

    fn write(&mut self, _bar: u8, _offset: u64, _width: Width, _value: u64, _bus: &Bus<'_>) {}

    fn advance(&mut self, _now: u64, _bus: &Bus<'_>) {}

    fn interrupt(&self) -> bool {
        false
    }
}
