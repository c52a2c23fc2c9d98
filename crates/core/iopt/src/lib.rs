//! I/O page tables in machine memory: formats, and one algorithm over all of them.
//!
//! A [`Format`] is what a manual says of entries, nothing more. [`Table`] maps, unmaps, walks and explains over
//! any format. Memory is reached through `dxgk-hw`'s traits only, so the tables stand in a model's RAM, in a
//! virtual machine's, or in a file, and whoever walks them (a unit, QEMU) sees the same bytes.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod amdvi;
#[cfg(test)]
mod effort;
pub mod format;
mod map;
mod pending;
mod runs;
pub mod smmu;
mod split;
mod table;
mod unmap;
mod used;
pub mod vtd;
mod walk;
mod words;

pub use format::{
    AmdV1, Entry, Fault, Format, Granule, Leaf, MAX_LEVELS, Malformed, SmmuStage1, SmmuStage2, Stop,
    TableBase, Used, VtdFirstStage, VtdSecondStage,
};
pub use pending::Pending;
pub use runs::RunCursor;
pub use split::Broken;
pub use table::{PartialLeaf, Table};
pub use walk::{Outcome, Step, Visit, Walk};
pub use words::Store;
