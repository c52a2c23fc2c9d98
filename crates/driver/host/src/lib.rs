//! The low level of the driver host: running a Windows x64 driver's code natively inside a Linux process.
//!
//! * [`layout`]: where things lie; [`image`]: the driver's file becomes code; [`patch`]: changed where it would trap; [`modules`]: whose code an address is.
//! * [`processor`]: the block at `gs`; [`mod@thunk`]: doors from the driver to Rust; [`call`]: from Rust to the driver;
//!   [`fiber`]: its threads; [`mod@stop`]: the way out.
//! * [`trap`]: signals as traps, register windows, guards, ports; [`unwind`]: stack walks; [`guarded`]: the driver's pointers;
//!   [`leaf`]: routines lent to it; [`seh`]: its own exception handlers.
//! * [`sandbox`]: what the process may still do once driver code runs.
//!
//! Driver code is foreign machine code in our address space. By accident it is caught by page protection, traps and guarded
//! copies; on purpose it can do anything to this process, which is why that is a disposable child, sealed before the driver's
//! first instruction, and why its parent believes nothing that it says.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("dxgk-host runs x86-64 drivers on Linux");

pub mod call;
pub mod cost;
pub mod dxgk;
pub mod fiber;
pub mod guarded;
pub mod image;
pub mod kernel;
pub mod launch;
pub mod layout;
pub mod leaf;
pub mod modules;
pub mod patch;
pub mod platform;
pub mod processor;
#[cfg(test)]
mod public_driver;
mod run;
pub mod sandbox;
pub mod seh;
pub mod sink;
pub mod stop;
mod switch;
pub mod thunk;
pub mod trap;
pub mod unwind;

pub use call::{CallOutcome, call_driver};
pub use processor::Processor;
pub use run::Run;
pub use stop::{StopReason, bug_check, stop};
