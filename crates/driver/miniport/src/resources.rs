//! The device's translated resources: `CM_RESOURCE_LIST`, packed, read from bytes.
//!
//! A list is a count and that many buses' lists; each has its own count of 20-byte descriptors. What does not fit
//! the bytes ends the list; nothing here trusts a count.

use dxgk_abi::resources::{CmInterruptFlags, CmPartialResourceDescriptor, CmResourceType};
use zerocopy::FromBytes;

use crate::address::PhysicalAddress;

/// Bytes of the list's head: the number of buses.
pub(crate) const HEAD: usize = 4;
/// Bytes before a bus's descriptors: kind, number, version, revision, count.
pub(crate) const BUS_HEAD: usize = 16;
/// Bytes of a descriptor.
pub(crate) const DESCRIPTOR: usize = size_of::<CmPartialResourceDescriptor>();

/// One resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// Device memory.
    Memory {
        /// Where it starts.
        start: PhysicalAddress,
        /// Bytes.
        length: u64,
    },
    /// I/O ports.
    Port {
        /// The first port.
        start: u64,
        /// Ports.
        length: u32,
    },
    /// An interrupt.
    Interrupt {
        /// `u.Interrupt.Level`.
        level: u32,
        /// `u.Interrupt.Vector`.
        vector: u32,
        /// Signalled by a message, not by a line.
        message: bool,
    },
    /// Something else: its `CM_RESOURCE_TYPE`.
    Other(u8),
}

/// The list. Iterating gives the resources of all buses in order.
#[derive(Clone, Copy, Debug)]
pub struct ResourceList<'a> {
    bytes: &'a [u8],
}

impl<'a> ResourceList<'a> {
    /// A list over the bytes of a `CM_RESOURCE_LIST`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The resources in order.
    pub fn iter(&self) -> Resources<'a> {
        let buses = word(self.bytes, 0).unwrap_or(0);
        Resources { rest: self.bytes.get(HEAD..).unwrap_or_default(), buses, descriptors: 0 }
    }

    /// The memory ranges in order: a PCI device's memory BARs.
    pub fn memory(&self) -> impl Iterator<Item = (PhysicalAddress, u64)> + use<'a> {
        self.iter().filter_map(|resource| match resource {
            Resource::Memory { start, length } => Some((start, length)),
            _ => None,
        })
    }
}

impl<'a> IntoIterator for ResourceList<'a> {
    type Item = Resource;
    type IntoIter = Resources<'a>;

    fn into_iter(self) -> Resources<'a> {
        self.iter()
    }
}

/// The resources of a [`ResourceList`].
#[derive(Clone, Debug)]
pub struct Resources<'a> {
    rest: &'a [u8],
    buses: u32,
    descriptors: u32,
}

impl Iterator for Resources<'_> {
    type Item = Resource;

    fn next(&mut self) -> Option<Resource> {
        while self.descriptors == 0 {
            self.buses = self.buses.checked_sub(1)?;
            let head = self.rest.get(..BUS_HEAD)?;
            self.descriptors = word(head, BUS_HEAD - 4)?;
            self.rest = self.rest.get(BUS_HEAD..)?;
        }
        self.descriptors -= 1;
        let Ok((descriptor, rest)) = CmPartialResourceDescriptor::read_from_prefix(self.rest) else {
            // Cut off: the end, for good.
            (self.rest, self.buses, self.descriptors) = (&[], 0, 0);
            return None;
        };
        self.rest = rest;
        Some(resource(descriptor))
    }
}

/// A little-endian word at a byte offset.
pub(crate) fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// A descriptor in this crate's words.
fn resource(descriptor: CmPartialResourceDescriptor) -> Resource {
    match descriptor.kind {
        CmResourceType::MEMORY | CmResourceType::MEMORY_LARGE => match descriptor.range_length() {
            Some(length) => Resource::Memory { start: PhysicalAddress(descriptor.start), length },
            None => Resource::Other(descriptor.kind.0),
        },
        CmResourceType::PORT => Resource::Port { start: descriptor.start, length: descriptor.length },
        kind => match descriptor.as_interrupt() {
            Some(interrupt) => Resource::Interrupt {
                level: interrupt.level,
                vector: interrupt.vector,
                message: CmInterruptFlags(descriptor.flags).contains(CmInterruptFlags::MESSAGE),
            },
            None => Resource::Other(kind.0),
        },
    }
}
