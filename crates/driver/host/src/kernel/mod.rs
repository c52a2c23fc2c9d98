//! The kernel as a driver imports it: ntoskrnl.exe and hal.dll.
//!
//! [`Kernel`] is the state of one run; [`table`] lists what drivers can import, with one line for each export: its prototype,
//! the function here that serves it, and its highest level. A serving function takes the kernel and the arguments and returns
//! an `Outcome`: a value for the driver, or what Windows would do instead of returning (stop, or raise an exception). It holds
//! no lock when it returns, so that the run can be ended there.
//!
//! * memory: [`space`] (addresses, and what is mapped), `views` (whose views they are, and pages that are not there), [`address_map`] (what stands behind), `pool`, `lookaside`, `mdl`,
//!   `page_list`, `mm`, `structures`, `driver_memory` (the memory manager's view);
//! * objects: `objects` (reference counts, handles), `device`, `thread`, [`registry`], `io`, `driver_object`;
//! * order: `dispatcher` (who waits for what), `sync`, `mutex`, `fast_mutex`, `level`, `dpc`, `timer`, `work`, `clock`;
//! * text: `format`, `print`, `rtl`, `strings`, `crt`;
//! * what is not there: `file`, `firmware`, `tracing`, and `stubs` for every other name.

pub mod address_map;
mod clock;
mod crt;
mod data;
mod device;
mod device_property;
mod dispatcher;
mod dpc;
mod driver_memory;
mod driver_object;
mod exceptions;
mod exports;
mod fast_mutex;
mod file;
mod firmware;
mod format;
mod io;
mod level;
mod lists;
mod lookaside;
mod mdl;
mod memory;
mod mm;
mod mutex;
mod objects;
mod page_list;
mod pool;
mod pool_calls;
mod print;
pub mod ram;
pub mod registry;
mod registry_calls;
mod registry_query;
mod rtl;
pub mod space;
mod state;
mod stops;
mod strings;
mod structures;
mod stubs;
mod sync;
pub mod table;
#[cfg(test)]
mod tests;
mod thread;
mod time;
mod timer;
mod tracing;
mod trouble;
mod views;
mod work;

pub use clock::HUNDREDS_PER_BOUNDARY;
pub use driver_object::{DriverEntryArguments, DriverImage};
pub use io::PortEntries;
pub use pool::PoolKind;
pub use ram::{IoSpace, Pager, PoolPages, RamFile};
pub use registry::Registry;
pub use space::Space;
pub use state::{
    DeviceKeys, FIRST_OBJECT, Installed, Kernel, KernelParts, LevelLowered, TimePassing, current,
};
pub use stubs::MissingStubs;
pub use table::{Export, ExportKind, is_exported};
pub use time::SYSTEM_TIME_AT_START;
