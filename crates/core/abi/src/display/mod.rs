//! What a display-only driver and the port pass each other.

mod child;
mod format;
mod mode;
mod present;
mod tables;
mod vidpn;

pub use child::*;
pub use format::*;
pub use mode::*;
pub use present::*;
pub use tables::*;
pub use vidpn::*;

/// `D3DDDI_ID_UNINITIALIZED`: no source or target.
pub const ID_UNINITIALIZED: u32 = 0xFFFF_FFFF;

/// `D3DDDI_ID_ANY`: any source or target.
pub const ID_ANY: u32 = 0xFFFF_FFFE;

/// `D3DDDI_ID_ALL`: all sources or targets.
pub const ID_ALL: u32 = 0xFFFF_FFFD;
