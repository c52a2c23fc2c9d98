//! PCI functions: configuration space around a device.

mod config;
mod device;
mod function;
mod presence;

pub use device::{BarShape, Bus, Capability, Device, Identity, Outside};
pub(crate) use function::Parts;
pub use function::PciDevice;
pub(crate) use presence::Presence;
