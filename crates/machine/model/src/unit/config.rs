//! Which unit a machine has.

use std::sync::Arc;

use dxgk_hw::{MachineMemory, PhysAddr, Registers};

use super::Unit;
use crate::amdvi::{self, AmdviConfig, AmdviUnit};
use crate::smmu::{self, SmmuConfig, SmmuUnit};
use crate::vtd::{VtdConfig, VtdUnit};

/// A unit and its make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnitConfig {
    /// Intel VT-d.
    Vtd(VtdConfig),
    /// AMD-Vi.
    Amdvi(AmdviConfig),
    /// Arm SMMUv3.
    Smmu(SmmuConfig),
}

impl Default for UnitConfig {
    fn default() -> Self {
        Self::Vtd(VtdConfig::default())
    }
}

impl From<VtdConfig> for UnitConfig {
    fn from(config: VtdConfig) -> Self {
        Self::Vtd(config)
    }
}

impl From<AmdviConfig> for UnitConfig {
    fn from(config: AmdviConfig) -> Self {
        Self::Amdvi(config)
    }
}

impl From<SmmuConfig> for UnitConfig {
    fn from(config: SmmuConfig) -> Self {
        Self::Smmu(config)
    }
}

impl UnitConfig {
    /// Where the registers are, and how many bytes of them: as on QEMU's q35, and for Arm's, which no PC has, where
    /// there is room.
    pub(crate) const fn window(&self) -> (PhysAddr, u64) {
        match self {
            Self::Vtd(_) => (PhysAddr::new(0xfed9_0000), 0x1000),
            Self::Amdvi(_) => (PhysAddr::new(0xfed8_0000), amdvi::REGISTER_BYTES),
            Self::Smmu(_) => (PhysAddr::new(0xfea0_0000), smmu::REGISTER_BYTES),
        }
    }

    /// The unit, able to reach host addresses of at least `width` bits; twice, once for each of its sides.
    pub(crate) fn build(
        self,
        width: u32,
        memory: &Arc<dyn MachineMemory>,
    ) -> (Arc<dyn Unit>, Arc<dyn Registers>) {
        match self {
            Self::Vtd(config) => {
                let host_address_width = config.host_address_width.max(width);
                let config = VtdConfig { host_address_width, ..config };
                both(Arc::new(VtdUnit::new(config, Arc::clone(memory))))
            }
            Self::Amdvi(config) => {
                let host_address_width = config.host_address_width.max(width);
                let config = AmdviConfig { host_address_width, ..config };
                both(Arc::new(AmdviUnit::new(config, Arc::clone(memory))))
            }
            Self::Smmu(config) => {
                let config = SmmuConfig { output_bits: config.output_bits.max(width), ..config };
                both(Arc::new(SmmuUnit::new(config, Arc::clone(memory))))
            }
        }
    }
}

fn both<U: Unit + 'static>(unit: Arc<U>) -> (Arc<dyn Unit>, Arc<dyn Registers>) {
    (Arc::clone(&unit) as _, unit)
}
