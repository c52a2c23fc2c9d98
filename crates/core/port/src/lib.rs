//! Dxgkrnl outside its memory manager, as far as a display miniport needs it: the life of an adapter.
//!
//! [`Port`] calls the driver through [`Miniport`] in the documented order, chooses the addressing mode
//! ([`mode`]), attaches devices to domains, gives full drivers work for their video memory ([`vidmm`]), and tells the
//! memory manager when to stop answering. It is as pure as
//! the rest of the core: no operating system, no unsafe code; what the driver answers is checked here.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod caps;
mod enable;
mod hot_update;
mod life;
mod memory_claims;
mod miniport;
pub mod mode;
pub mod opt_in;
pub mod vidmm;

pub use enable::{AttachError, Late};
pub use hot_update::SavedForHotUpdate;
pub use life::{AdapterSpec, Halt, LogicalAdapter, Port};
pub use miniport::{
    AdapterIdentity, DdiError, DdiResult, DeviceContext, DriverFacts, Miniport, Restored, Started,
};
