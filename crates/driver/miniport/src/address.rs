//! Two kinds of address that must not be taken for each other.
//!
//! Their own types here, not those of the machine's side of this project, so that a driver needs no allocator and
//! nothing but this crate.

use core::fmt;
use core::marker::PhantomData;

/// A physical address in bytes: where RAM or a device range is. Not what a device may be told, except where a
/// `device_address` of this crate says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhysicalAddress(pub u64);

impl fmt::Display for PhysicalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// An address that the device may use, as long as the mapping lives that it borrows: what to write into the device's
/// registers, in whatever mode the adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceAddress<'m> {
    address: u64,
    mapping: PhantomData<&'m ()>,
}

impl DeviceAddress<'_> {
    /// Only lists of mapped pages make these.
    pub(crate) const fn new(address: u64) -> Self {
        Self { address, mapping: PhantomData }
    }

    /// The number for the register, in bytes. It says nothing any more about how long it holds.
    pub const fn bits(self) -> u64 {
        self.address
    }
}

impl fmt::Display for DeviceAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)
    }
}
