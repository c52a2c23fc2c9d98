//! What a run is: everything that the child process needs to know, and nothing that it could be told otherwise.

use std::path::PathBuf;

use clap::ValueEnum;
use dxgk_model::Description;
use serde::{Deserialize, Serialize};

use super::unit::IommuUnitChoice;
use crate::scenario::Scenario;

/// The configuration of a run, handed to the child as JSON.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct RunConfig {
    /// The driver's file; nothing for the built-in sample.
    pub(crate) driver: Option<PathBuf>,
    pub(crate) device: DeviceChoice,
    /// Physical adapters in each logical adapter, linked when there are several.
    pub(crate) adapters: u32,
    /// Logical adapters beside each other.
    pub(crate) logical_adapters: u32,
    pub(crate) iommu: Iommu,
    pub(crate) force_iommu: bool,
    pub(crate) iommu_unit: IommuUnitChoice,
    pub(crate) logical_base: LogicalBase,
    /// As written on the command line; checked there.
    pub(crate) ram: String,
    pub(crate) ram_bytes: u64,
    pub(crate) highest_visible_address: Option<u64>,
    /// Interface version offered (`DXGKDDI_INTERFACE_VERSION`).
    pub(crate) wddm: u32,
    pub(crate) registry: Vec<RegistryEntry>,
    pub(crate) iommu_flags: u32,
    pub(crate) seed: u64,
    pub(crate) strictness: Strictness,
    pub(crate) pool: PoolForm,
    pub(crate) missing: Missing,
    pub(crate) stacks: Stacks,
    pub(crate) timeout_seconds: u64,
    /// What happens to the adapters.
    pub(crate) scenario: Scenario,
}

/// `--device`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DeviceChoice {
    /// QEMU's educational device, 1234:11e8.
    Edu,
    /// A function without registers.
    None,
    /// A device model in another process.
    VfioUser {
        /// Where it listens.
        socket: PathBuf,
    },
    /// What a file describes.
    File {
        /// The file, as written on the command line.
        path: PathBuf,
        /// What it says; read and checked before the child starts.
        description: Box<Description>,
    },
}

impl DeviceChoice {
    /// As written on the command line.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Edu => "edu".to_owned(),
            Self::None => "none".to_owned(),
            Self::VfioUser { socket } => format!("vfio-user:{}", socket.display()),
            Self::File { path, .. } => path.display().to_string(),
        }
    }
}

/// `--iommu`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Iommu {
    Auto,
    Remapping,
    Isolation,
    Off,
}

/// `--logical-base`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogicalBase {
    /// Addresses that are no RAM of the machine, so that a physical address given by mistake faults
    Safe,
    /// From 0 up
    Windows,
}

/// `--strictness`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Strictness {
    /// Record and go on
    Report,
    /// Stop where Windows would
    Windows,
}

/// `--pool`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PoolForm {
    /// Small blocks share pages; an overrun is found when the block is freed
    Fast,
    /// Every block has pages of its own: an overrun, and any use after the free, faults at once
    Special,
}

/// `--missing`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Missing {
    /// A driver that imports what is not there is not loaded
    Fail,
    /// Its missing imports fail with STATUS_NOT_SUPPORTED when they are called, and say so in the log
    Stub,
}

/// `--stacks`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stacks {
    /// At every event that can have one
    All,
    /// At failures, doorbells, allocations and maps, the first 64 that are alike
    Few,
    /// Nowhere
    None,
}

/// A value under the driver's service key; the name may lead through subkeys (`Parameters\Name`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct RegistryEntry {
    pub(crate) name: String,
    pub(crate) value: RegistryValue,
}

/// A registry value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum RegistryValue {
    /// REG_DWORD.
    Dword(u32),
    /// REG_SZ.
    String(String),
}
