//! Software hardware: a machine whose IOMMU says no.
//!
//! - [`VtdUnit`], [`AmdviUnit`] and [`SmmuUnit`] are IOMMUs: registers, queues, fault records, a page walk of their own over the
//!   bytes in memory, and caches **that really go stale**: what they hold stays in use until an invalidation covers
//!   it, so a driver (of the unit, or of a device) that forgets one is found out.
//! - [`PciDevice`] wraps a [`Device`] in configuration space, BARs and a bus-master switch. [`Edu`] is a device,
//!   register-compatible with QEMU's; a [`Described`] one is what a file says, the inside of a
//!   [`Remote`] one is in another process.
//! - [`Machine`] puts memory, unit and devices together.
//!
//! This crate is a witness. It takes bit definitions from `dxgk-iopt`, never an algorithm, and knows nothing of the
//! memory manager: it walks what stands in memory, as hardware does.

#![forbid(unsafe_code)]

mod amdvi;
pub mod described;
mod edu;
mod machine;
mod none;
mod pci;
mod port;
mod remote;
mod smmu;
mod unit;
mod vtd;

pub use amdvi::{AmdviConfig, AmdviUnit};
pub use described::{Described, Description};
pub use edu::{DMA_LATENCY, Edu};
pub use machine::{BadMachine, Machine, MachineBuilder};
pub use none::NoRegisters;
pub use pci::{BarShape, Bus, Capability, Device, Identity, Outside, PciDevice};
pub use port::RequesterPort;
pub use remote::{BadShape, Remote, RemoteShape};
pub use smmu::{SmmuConfig, SmmuUnit};
pub use unit::UnitConfig;
pub use vtd::{VtdConfig, VtdUnit};
