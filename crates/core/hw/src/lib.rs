//! What the memory manager, the IOMMU drivers and the hardware say to each other: address types and traits,
//! nothing that acts.
//!
//! The types keep the field's commonest mistake from compiling: a physical address (where RAM is) and a
//! logical address (what a device puts on the bus) are different types with no conversion between them. The
//! traits are the seams at which a piece can be replaced: software hardware, QEMU, VFIO below; a Windows
//! driver's process, a test, another kernel above.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod addr;
mod clock;
mod dma;
mod domain;
mod driver;
mod memory;
mod pci;
mod registers;
mod store;

pub use addr::{CpuVa, GpuVa, LogicalAddr, LogicalPage, PAGE_SHIFT, PAGE_SIZE, Pfn, PhysAddr};
pub use clock::Clock;
pub use dma::{DmaError, DmaPort};
pub use domain::{Access, Attachment, DomainId, DomainOps, IommuUnit, MapError, UnitError};
pub use driver::{AdlShape, BadAddress, CacheType, DriverMemory, NoRoom, RegisterWindow, ViewOwner};
pub use memory::{FrameSource, MachineMemory, NotRam, PageRun, RamRange, total_pages};
pub use pci::{Bar, BarKind, PciFunction, RequesterId, Width};
pub use registers::Registers;
pub use store::{Lost, PageSlot, PageStore};
