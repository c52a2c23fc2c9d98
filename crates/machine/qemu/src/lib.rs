//! QEMU as hardware: an IOMMU and a DMA-capable PCI device that this project did not write.
//!
//! QEMU is started without any guest code and driven through its *qtest* socket (QEMU documentation, "QTest Device
//! Emulation Testing Framework"): registers, I/O ports and guest memory are read and written from outside. Guest
//! RAM is a plain shared file, so page tables built here are put there with ordinary file I/O and walked by QEMU's
//! own IOMMU, and the frames that its `edu` device reached are read back the same way. Or the RAM is one that this
//! process has mapped ([`Options::with_unit`]): then a driver of this project runs its tables and queues in it.
//!
//! It is a witness: it shares no page-table or IOMMU code with the rest of the workspace, and its register and
//! entry definitions are its own, written from the manuals.
//!
//! - [`find_qemu`] says which QEMU there is, [`Qemu::start`] runs it.
//! - [`Qemu::config_read`] and its neighbours reach PCI configuration space through ports 0xCF8/0xCFC.
//! - [`Edu`] lets QEMU's edu device do DMA.
//! - [`UnitModel`] names QEMU's IOMMUs, [`RegisterWindow`] reaches their registers for a driver.
//! - [`Vtd`] brings up QEMU's VT-d in legacy mode, switches a device from table to table, and reads fault records.

mod board;
mod edu;
mod error;
mod find;
mod machine;
mod pci;
mod qtest;
mod ram;
mod registers;
mod rom;
mod vtd;
mod watchdog;

pub use board::{Architecture, Board, UnitModel};
pub use edu::{Direction, Edu};
pub use error::QemuError;
pub use find::{Installed, find_qemu};
pub use machine::{Options, Qemu};
pub use ram::GuestRam;
pub use registers::RegisterWindow;
pub use vtd::{ContextEntry, FaultLog, FaultRecord, Invalidation, Placement, Vtd};
