//! Devices out of description files: the published examples, driven through their registers.

mod adapters;
mod display;
mod edu;
mod hostile;
mod npu;
mod refused;

use std::sync::Arc;

use dxgk_hw::{PciFunction, Width};
use dxgk_model::{Described, Description, Machine, PciDevice, VtdConfig};

use crate::rig::{DEVICE, Rig};

pub(crate) const NPU: &str = include_str!("../../../../../../docs/devices/npu.toml");
pub(crate) const DISPLAY: &str = include_str!("../../../../../../docs/devices/display.toml");
pub(crate) const EDU: &str = include_str!("../../../../../../docs/devices/edu.toml");
pub(crate) const VIRTIO_GPU: &str = include_str!("../../../../../../docs/devices/virtio-gpu.toml");
pub(crate) const QXL: &str = include_str!("../../../../../../docs/devices/qxl.toml");

/// RAM, events, and the described device behind a unit that lets everything pass.
pub(crate) struct Bench {
    pub(crate) rig: Rig,
    pub(crate) function: Arc<PciDevice>,
}

impl Bench {
    pub(crate) fn new(text: &str) -> Self {
        let description = Description::parse(text).unwrap_or_else(|error| panic!("{error}"));
        Self::of(Described::new(&description).expect("a device"))
    }

    pub(crate) fn of(device: Described) -> Self {
        let rig = Rig::off(VtdConfig::default());
        let machine = Machine::builder(rig.ram.clone(), rig.events.clone())
            .device(DEVICE, "described", Box::new(device))
            .build()
            .expect("machine");
        let function = machine.functions()[0].clone();
        Self { rig, function }
    }

    pub(crate) fn get(&self, offset: u64) -> u64 {
        self.function.read(0, offset, Width::Dword)
    }

    pub(crate) fn put(&self, offset: u64, value: u64) {
        self.function.write(0, offset, Width::Dword, value);
    }
}
