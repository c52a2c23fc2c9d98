//! The functions that cross the driver boundary: types of the slots of the tables.
//!
//! An alias has the name of the slot's function. A pointer to a structure that this crate does not describe is a
//! [`Pointer`](crate::word::Pointer). All are `unsafe` to call: the other side believes its arguments.

mod callback;
mod display;
mod entry;
mod interrupt;
mod life;
mod memory;
mod memory_callback;
mod power;
mod submission;
mod vidpn;

pub use callback::*;
pub use display::*;
pub use entry::*;
pub use interrupt::*;
pub use life::*;
pub use memory::*;
pub use memory_callback::*;
pub use power::*;
pub use submission::*;
pub use vidpn::*;
