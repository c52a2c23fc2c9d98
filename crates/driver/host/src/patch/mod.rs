//! Changing a driver's code as it is loaded, so that what Linux would make a trap, or refuse, is done at full speed.
//!
//! [`shared_data`]: loads at the fixed address of KUSER_SHARED_DATA go to a page of ours. `level`: moves of cr8 become accesses
//! to the block at `gs`. What is found only when it executes (an address that is computed, a move where nothing can be
//! rewritten safely) still traps, and is counted in [`crate::trap::TrapCounts`].

pub(crate) mod detour;
pub(crate) mod level;
pub mod shared_data;

/// What was changed in an image.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Patches {
    /// Constants in code that were addresses in KUSER_SHARED_DATA.
    pub shared_data: u32,
    /// Moves of cr8 that were rewritten.
    pub level: u32,
    /// Moves of cr8 that were found and left to the trap, because rewriting them might change what the driver does.
    pub level_left: u32,
}
