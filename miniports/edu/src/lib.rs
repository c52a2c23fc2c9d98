//! The sample miniport, for the `edu` device (1234:11e8): checks that it lives, moves patterned data both ways by DMA,
//! compares, and stops cleanly.
//!
//! Two values under the driver's service key (or its `Parameters` subkey) choose what it shows:
//!
//! * `MemoryApi`, a DWORD: 29 (the default) uses physical memory objects, views and address descriptor lists, and claims
//!   DMA remapping and isolation; 24 uses pages and MDL maps of WDDM 2.4, and claims isolation alone;
//!   20 is a driver from before both, which gives its device physical addresses of nonpaged pool, and claims nothing.
//! * `Demo`, a string: one of [`DEMOS`]; the driver then breaks that one rule, once.
//!
//! What the device would forget is saved before the power goes, and restored and compared when it is back: 24 and 29 alike,
//! through the save area, in whichever way it can be had.
//!
//! A round of work runs at the start, and another at every return to D0. A demo waits for the first round after the start:
//! an adapter in isolation mode is attached to its domain only then. When none comes, the stop makes one.

#![no_std]

mod answers;
mod demo;
mod device;
mod driver;
mod legacy;
mod linking;
mod pattern;
mod save;
mod settings;
mod work;

pub use demo::{DEMOS, Demo, Ending};
pub use driver::Edu;
pub use settings::MemoryApi;

dxgk_miniport::declare_miniport!(Edu, "edu.sys");
