//! Dxgkrnl's face to the driver: initialization, the table of callbacks, and the driver's own table called back.
//!
//! Each callback is one thunk in `callbacks`: arguments are copied in, checked for readability, handed to the memory
//! manager, results copied out, and the one conversion to NTSTATUS made. What happened is recorded on entry and return.

mod callbacks;
mod ddi;
mod device_information;
mod devices;
mod handle_data;
mod initialize;
mod interface;
mod interrupts;
mod isolation;
mod mdl_state;
mod miniport;
mod state;
#[cfg(test)]
mod tests;

pub use devices::{DeviceWindows, Devices};
pub use initialize::port_entries;
pub use miniport::LoadedMiniport;
pub use state::{PortState, PostDisplay, Settings};
