//! A safe API over `DXGKRNL_INTERFACE` for people who write WDDM display miniports in Rust.
//!
//! No standard library, no allocator. The same driver becomes a Windows `.sys`, and links into a Linux process that
//! plays the kernel: [`declare_miniport!`] makes both.
//!
//! * A driver implements [`Miniport`]. At the start it gets an [`Adapter`]; what it maps and allocates borrows the
//!   adapter and is undone when dropped, in the right order, before the stop returns.
//! * Memory that works in every mode: [`PhysicalMemory`], with [`CpuView`]s for the processor and [`Adl`]s for the
//!   device. For isolation alone: [`MdlPages`], and [`MdlMapping`] of a [`PoolMdl`].
//! * A device address is a type of its own ([`DeviceAddress`]) that borrows the mapping it belongs to; a
//!   [`PhysicalAddress`] does not convert into one.
//! * Errors are the port driver's and the kernel's status codes.
//!
//! Sources: the DDI reference for `d3dkmddi.h`, `dispmprt.h` and `wdm.h`, and the topics "IOMMU-based GPU isolation"
//! and "IOMMU DMA remapping". Every unsafe operation is in the private module `raw`.

#![no_std]

#[cfg(test)]
extern crate std;

mod adapter;
mod address;
mod adl;
mod contiguous;
mod device;
mod log;
mod miniport;
pub mod misuse;
mod pages;
mod physical;
mod pool;
mod query;
mod raw;
mod register;
mod registry;
mod resources;
mod save_area;
mod shared;
mod status;
mod text;
mod unopened;

pub use dxgk_abi as abi;

pub use adapter::Adapter;
pub use address::{DeviceAddress, PhysicalAddress};
pub use adl::Adl;
pub use contiguous::ContiguousMemory;
pub use device::DeviceInformation;
pub use log::{print, stall};
#[cfg(not(windows))]
pub use miniport::LinkedImage;
pub use miniport::{Declared, Link, Miniport, PhysicalDevice, PowerChange};
pub use pages::{MdlMapping, MdlPages, PagesView};
pub use physical::{CpuView, PhysicalMemory, Placement};
pub use pool::{NonPagedPool, PoolMdl};
pub use query::{Answer, Query};
pub use raw::context::Driver;
#[cfg(not(windows))]
pub use raw::import::{IMPORTS, Import};
pub use raw::init::driver_entry;
pub use raw::memory::{Memory, Word};
pub use register::{RegisterCache, RegisterMap};
pub use registry::RegistryKey;
pub use resources::{Resource, ResourceList, Resources};
pub use save_area::{PinnedSaveArea, SavePiece};
pub use shared::SharedBuffer;
pub use status::Result;
#[doc(hidden)]
pub use text::units;
pub use unopened::{AdapterMemory, UnopenedMemory};
