//! The tables with which a driver makes itself known.

mod dod;
mod full;

pub use dod::KmddodInitializationData;
pub use full::DriverInitializationData;
