//! `--iommu-unit`: the model's hardware and the driver for it.

use std::sync::Arc;

use clap::ValueEnum;
use dxgk_hw::{FrameSource, IommuUnit, MachineMemory, UnitError};
use dxgk_iommu::amdvi::AmdviUnit;
use dxgk_iommu::smmu::SmmuUnit;
use dxgk_iommu::vtd::{Mode, VtdUnit};
use dxgk_iopt::{AmdV1, Granule, SmmuStage1};
use dxgk_model::{AmdviConfig, Machine, SmmuConfig, UnitConfig, VtdConfig};
use serde::{Deserialize, Serialize};

/// Which hardware enforces isolation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum IommuUnitChoice {
    /// Intel VT-d, legacy mode
    Vtd,
    /// Intel VT-d, scalable mode
    VtdScalable,
    /// AMD-Vi
    Amdvi,
    /// Arm SMMUv3, stage 1
    Smmuv3,
}

const AMDVI_FORMAT: AmdV1 = AmdV1::MODE_4;
const SMMU_FORMAT: SmmuStage1 = SmmuStage1::new(Granule::K4);

type Lock = parking_lot::RawMutex;

impl IommuUnitChoice {
    /// As written on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Vtd => "vtd",
            Self::VtdScalable => "vtd-scalable",
            Self::Amdvi => "amdvi",
            Self::Smmuv3 => "smmuv3",
        }
    }

    /// The model's unit.
    pub(crate) fn model(self) -> UnitConfig {
        match self {
            Self::Vtd | Self::VtdScalable => VtdConfig::default().into(),
            Self::Amdvi => AmdviConfig::default().into(),
            Self::Smmuv3 => SmmuConfig::default().into(),
        }
    }

    /// Takes the unit of `machine` over, with every requester blocked.
    pub(crate) fn start(
        self,
        machine: &Machine,
        memory: Arc<dyn MachineMemory>,
        frames: Arc<dyn FrameSource>,
    ) -> Result<Arc<dyn IommuUnit>, UnitError> {
        let registers = Arc::clone(machine.unit());
        Ok(match self {
            Self::Vtd => Arc::new(VtdUnit::<Lock>::start(registers, memory, frames, Mode::Legacy)?),
            Self::VtdScalable => Arc::new(VtdUnit::<Lock>::start(registers, memory, frames, Mode::Scalable)?),
            Self::Smmuv3 => Arc::new(SmmuUnit::<Lock>::start(registers, memory, frames, SMMU_FORMAT)?),
            Self::Amdvi => {
                let caches_absent = AmdviConfig::default().caches_absent;
                Arc::new(AmdviUnit::<Lock>::start(registers, memory, frames, AMDVI_FORMAT, caches_absent)?)
            }
        })
    }
}
