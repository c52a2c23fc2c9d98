//! QEMU as hardware: an IOMMU and a DMA-capable PCI device that this project did not write.
//!
//! QEMU is started without any guest code and driven through its *qtest* socket (QEMU documentation, "QTest Device
//! Emulation Testing Framework"): registers, I/O ports and guest memory are read and written from outside. Guest
//! RAM is a plain shared file, so page tables built here are put there with ordinary file I/O and walked by QEMU's
//! own VT-d, and the frames that its `edu` device reached are read back the same way. Nothing is mapped, so this
//! crate needs no unsafe code.
//!
//! It is a witness: it shares no page-table or IOMMU code with the rest of the workspace, and its register and
//! entry definitions are its own, written from the manuals.
//!
//! - [`find_qemu`] says which QEMU there is, [`Qemu::start`] runs it.
//! - [`Qemu::config_read`] and its neighbours reach PCI configuration space through ports 0xCF8/0xCFC.
//! - [`Edu`] lets QEMU's edu device do DMA.
//! - [`Vtd`] brings up QEMU's VT-d in legacy mode, switches a device from table to table, and reads fault records.

mod edu;
mod error;
mod find;
mod machine;
mod pci;
mod qtest;
mod ram;
mod rom;
mod vtd;
mod watchdog;

pub use edu::{Direction, Edu};
pub use error::QemuError;
pub use find::{Installed, QEMU_VARIABLE, find_qemu};
pub use machine::{Options, Qemu};
pub use ram::GuestRam;
pub use vtd::{ContextEntry, FaultLog, FaultRecord, Invalidation, Placement, Vtd};
