//! The AMD-Vi unit, with tables and commands written by hand.

mod caches;
mod commands;
mod devices;
mod hostile;
mod rig;
mod walks;
