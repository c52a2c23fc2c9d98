//! I/O page tables in machine memory.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod format;
pub mod vtd;
