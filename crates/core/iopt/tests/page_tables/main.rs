//! I/O page tables: what every format must do, written once, and what the algorithm must do in each of them.

#[macro_use]
mod every_format;
mod broken;
mod formats;
mod levels;
#[path = "../memory/mod.rs"]
mod memory;
mod random;
mod tables;
mod used;
mod words;
