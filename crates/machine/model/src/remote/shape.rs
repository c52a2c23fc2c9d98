//! What a device elsewhere looks like to the bus.

use dxgk_hw::BarKind;
use serde::{Deserialize, Serialize};

use crate::machine::{BadMachine, assignable};
use crate::pci::{BarShape, Capability, Identity};

const CONFIG_BYTES: usize = 256;
const STATUS: usize = 0x06;
const HAS_LIST: u8 = 1 << 4;
const HEADER_TYPE: usize = 0x0e;
const BARS: usize = 0x10;
const FIRST_CAPABILITY: usize = 0x34;
/// First byte behind the header.
const BEHIND_HEADER: u8 = 0x40;

/// Its configuration space as it was when the run began, and its BARs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RemoteShape {
    /// The first 256 bytes of configuration space.
    pub config: Vec<u8>,
    /// Number and bytes of each BAR. A size that no BAR can have is rounded up.
    pub bars: Vec<(u8, u64)>,
}

/// A device elsewhere that this machine has no place for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadShape {
    /// Too little configuration space.
    #[error("its configuration space has {0} bytes, not 256")]
    NoConfig(usize),
    /// The vendor id of a device that is not there.
    #[error("its vendor id is {0:#06x}, which no device has")]
    NoDevice(u16),
    /// A bridge.
    #[error("its header type is {0}; only type 0 is a device")]
    Bridge(u8),
    /// BARs that are none, or for which there are no addresses.
    #[error("{0}")]
    Bars(BadMachine),
}

impl RemoteShape {
    /// Whether the machine has a place for it; `name` is what an error calls it.
    ///
    /// # Errors
    /// [`BadShape`].
    pub fn check(&self, name: &str) -> Result<(), BadShape> {
        if self.config.len() != CONFIG_BYTES {
            return Err(BadShape::NoConfig(self.config.len()));
        }
        let vendor = self.word(0);
        if vendor == 0 || vendor == 0xffff {
            return Err(BadShape::NoDevice(vendor));
        }
        match self.byte(HEADER_TYPE) & 0x7f {
            0 => assignable(name, &self.bar_shapes()).map_err(BadShape::Bars),
            other => Err(BadShape::Bridge(other)),
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.config.get(at).copied().unwrap_or(0)
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.byte(at), self.byte(at + 1)])
    }

    pub(super) fn identity(&self) -> Identity {
        Identity {
            vendor: self.word(0x00),
            device: self.word(0x02),
            revision: self.byte(0x08),
            class: u32::from_le_bytes([self.byte(0x09), self.byte(0x0a), self.byte(0x0b), 0]),
            subsystem_vendor: self.word(0x2c),
            subsystem: self.word(0x2e),
        }
    }

    /// Ports or memory as the BAR's own bits say; a 64-bit BAR becomes one of 32 bits (our choice: the machine assigns
    /// below 4 GiB).
    pub(super) fn bar_shapes(&self) -> Vec<BarShape> {
        let shape = |&(index, bytes): &(u8, u64)| {
            let bits = self.byte(BARS + 4 * usize::from(index));
            let (kind, least) = match bits & 1 {
                0 => (BarKind::Memory { prefetchable: bits & 8 != 0 }, 16),
                _ => (BarKind::Io, 4),
            };
            let size = bytes.max(least).checked_next_power_of_two().unwrap_or(bytes);
            BarShape { index, kind, size }
        };
        self.bars.iter().map(shape).collect()
    }

    /// The first capability; it, and the list from there on, is the device's own to answer for.
    pub(super) fn first_capability(&self) -> Option<Capability> {
        let at = self.byte(FIRST_CAPABILITY) & !3;
        let listed = self.byte(STATUS) & HAS_LIST != 0 && at >= BEHIND_HEADER;
        listed.then(|| Capability { at, id: self.byte(at.into()), ..Capability::default() })
    }
}
