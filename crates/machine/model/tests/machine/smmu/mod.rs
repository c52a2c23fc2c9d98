//! The SMMUv3, with tables and commands written by hand.

mod caches;
mod commands;
mod hostile;
mod rig;
mod streams;
mod walks;
