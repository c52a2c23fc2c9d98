//! Changing a driver's code as it is loaded, so that what Linux would make a trap, or refuse, is done at full speed.
//!
//! [`shared_data`]: loads at the fixed address of KUSER_SHARED_DATA go to a page of ours. What is found only when it executes
//! (an address that is computed) still traps, and is counted in [`crate::trap::TrapCounts`].

pub mod shared_data;

/// What was changed in an image.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Patches {
    /// Constants in code that were addresses in KUSER_SHARED_DATA.
    pub shared_data: u32,
}
