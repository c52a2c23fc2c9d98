//! Kernel objects and structures that a miniport sees (wdm.h, ntddk.h, winnt.h).
//!
//! Only members that the public headers show; `_gap` fields cover those that nothing here uses. Structures that are
//! opaque in every public header (`KTHREAD`, `EPROCESS`, `KINTERRUPT`, `IO_WORKITEM`) have no type here.

mod dma;
mod exception;
mod io;
mod memory;
mod processor;
mod registry;
mod string;
mod sync;

pub use dma::*;
pub use exception::*;
pub use io::*;
pub use memory::*;
pub use processor::*;
pub use registry::*;
pub use string::*;
pub use sync::*;
