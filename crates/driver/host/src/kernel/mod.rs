//! The kernel as a driver imports it: ntoskrnl.exe and hal.dll.
//!
//! [`Kernel`] is the state of one run; [`table`] lists what drivers can import, with one line for each export: its prototype,
//! the function here that serves it, and its highest level. A serving function takes the kernel and the arguments and returns
//! an `Outcome`: a value for the driver, or what Windows would do instead of returning (stop, or raise an exception). It holds
//! no lock when it returns, so that the run can be ended there.
//!
//! * memory: [`space`] (addresses, and what is mapped), [`address_map`] (what stands behind), `pool`, `mdl`, `mm`,
//!   `structures`, `driver_memory` (the memory manager's view);
//! * objects: `objects` (reference counts, handles), `sync`, `thread`, [`registry`], `io`, `driver_object`;
//! * text: `format`, `print`, `rtl`.

pub mod address_map;
mod clock;
mod data;
mod driver_memory;
mod driver_object;
mod format;
mod io;
mod mdl;
mod memory;
mod mm;
mod objects;
mod pool;
mod pool_calls;
mod print;
pub mod ram;
pub mod registry;
mod registry_calls;
mod rtl;
pub mod space;
mod state;
mod stops;
mod structures;
mod sync;
pub mod table;
#[cfg(test)]
mod tests;
mod thread;
mod trouble;

pub use clock::HUNDREDS_PER_BOUNDARY;
pub use driver_object::{DriverEntryArguments, DriverImage};
pub use io::PortEntries;
pub use ram::{IoSpace, PoolPages, RamFile};
pub use registry::Registry;
pub use space::Space;
pub use state::{
    DeviceKeys, FIRST_OBJECT, Installed, Kernel, KernelParts, LevelLowered, TimePassing, current,
};
pub use table::{Export, ExportKind};
