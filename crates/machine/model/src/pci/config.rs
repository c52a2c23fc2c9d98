//! A type 0 configuration header (PCI Local Bus 3.0, 6.1): 256 bytes, and of each bit whether software may change
//! it. The sizing protocol of BARs falls out of that: bits below a BAR's size cannot be changed.

use dxgk_hw::{Bar, BarKind, PhysAddr, Width};

use super::device::{BarShape, Capability, Identity};

const COMMAND: usize = 0x04;
const STATUS: usize = 0x06;
const BARS: usize = 0x10;
const CAPABILITIES: usize = 0x34;
/// First byte behind the header.
pub(super) const BEHIND_HEADER: u16 = 0x40;

/// Command bits: ports, memory, bus master, interrupt disable.
const PORTS: u16 = 1 << 0;
const MEMORY: u16 = 1 << 1;
const BUS_MASTER: u16 = 1 << 2;
const NO_INTERRUPT: u16 = 1 << 10;
/// Status bits: the interrupt line is asserted; there is a list of capabilities.
const INTERRUPT: u8 = 1 << 3;
const HAS_LIST: u8 = 1 << 4;

pub(super) struct ConfigSpace {
    bytes: [u8; 256],
    writable: [u8; 256],
    shapes: Vec<BarShape>,
}

impl ConfigSpace {
    pub(super) fn new(identity: &Identity, bars: &[BarShape], capabilities: &[Capability]) -> Self {
        let mut space = Self { bytes: [0; 256], writable: [0; 256], shapes: bars.to_vec() };
        space.set(0x00, &identity.vendor.to_le_bytes());
        space.set(0x02, &identity.device.to_le_bytes());
        space.set(0x08, &[identity.revision]);
        space.set(0x09, identity.class.to_le_bytes().get(..3).unwrap_or_default());
        space.set(0x2c, &identity.subsystem_vendor.to_le_bytes());
        space.set(0x2e, &identity.subsystem.to_le_bytes());
        // INTA.
        space.set(0x3d, &[1]);
        space.allow(COMMAND, &(PORTS | MEMORY | BUS_MASTER | NO_INTERRUPT).to_le_bytes());
        space.allow(0x0c, &[0xff]);
        space.allow(0x3c, &[0xff]);
        for shape in bars {
            let at = BARS + 4 * usize::from(shape.index);
            let kind: u32 = match shape.kind {
                BarKind::Io => 0b01,
                BarKind::Memory { prefetchable } => u32::from(prefetchable) << 3,
            };
            space.set(at, &kind.to_le_bytes());
            space.allow(at, &(!(shape.size.wrapping_sub(1)) as u32).to_le_bytes());
        }
        space.list(capabilities);
        space
    }

    /// Links the capabilities.
    fn list(&mut self, capabilities: &[Capability]) {
        let mut link = CAPABILITIES;
        for capability in capabilities {
            let at = usize::from(capability.at);
            self.set(STATUS, &[HAS_LIST]);
            self.set(link, &[capability.at]);
            self.set(at, &[capability.id, 0]);
            self.set(at + 2, &capability.body);
            self.allow(at + 2, &capability.writable);
            link = at + 1;
        }
    }

    fn set(&mut self, at: usize, bytes: &[u8]) {
        self.bytes.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn allow(&mut self, at: usize, mask: &[u8]) {
        self.writable.iter_mut().skip(at).zip(mask).for_each(|(to, from)| *to = *from);
    }

    fn range(offset: u16, width: Width) -> Option<std::ops::Range<usize>> {
        let (start, bytes) = (usize::from(offset), width.bytes() as usize);
        (start.is_multiple_of(bytes) && bytes <= 4 && start + bytes <= 256).then_some(start..start + bytes)
    }

    pub(super) fn read(&self, offset: u16, width: Width, interrupt: bool) -> u64 {
        let Some(range) = Self::range(offset, width) else { return width.mask() };
        range.rev().fold(0, |value, at| {
            let byte = self.bytes.get(at).copied().unwrap_or(0xff);
            let byte = if at == STATUS && interrupt { byte | INTERRUPT } else { byte };
            value << 8 | u64::from(byte)
        })
    }

    pub(super) fn write(&mut self, offset: u16, width: Width, value: u64) {
        let Some(range) = Self::range(offset, width) else { return };
        for (at, new) in range.zip(value.to_le_bytes()) {
            let mask = self.writable.get(at).copied().unwrap_or(0);
            if let Some(byte) = self.bytes.get_mut(at) {
                *byte = *byte & !mask | new & mask;
            }
        }
    }

    /// Whether an access is one that configuration space answers: naturally aligned, of up to 4 bytes, and inside.
    pub(super) fn answers(offset: u16, width: Width) -> bool {
        Self::range(offset, width).is_some()
    }

    /// Whether a write at `offset` changes the command register.
    pub(super) fn is_command(offset: u16) -> bool {
        usize::from(offset) & !3 == COMMAND && usize::from(offset) < STATUS
    }

    fn command(&self) -> u16 {
        self.read(COMMAND as u16, Width::Word, false) as u16
    }

    pub(super) fn bus_master(&self) -> bool {
        self.command() & BUS_MASTER != 0
    }

    pub(super) fn interrupt_enabled(&self) -> bool {
        self.command() & NO_INTERRUPT == 0
    }

    /// Whether the function answers for BARs of this kind.
    pub(super) fn decodes(&self, kind: BarKind) -> bool {
        let bit = match kind {
            BarKind::Io => PORTS,
            BarKind::Memory { .. } => MEMORY,
        };
        self.command() & bit != 0
    }

    /// What firmware and the bus driver do before a driver starts: BARs assigned, decoding and bus mastering on.
    pub(super) fn assign(&mut self, bases: &[(u8, u32)], interrupt_line: u8) {
        for (index, base) in bases {
            self.write(BARS as u16 + 4 * u16::from(*index), Width::Dword, u64::from(*base));
        }
        self.write(0x3c, Width::Byte, u64::from(interrupt_line));
        self.write(COMMAND as u16, Width::Word, u64::from(PORTS | MEMORY | BUS_MASTER));
    }

    /// The BARs where they are now.
    pub(super) fn bars(&self) -> Vec<Bar> {
        let bar = |shape: &BarShape| {
            let raw = self.read(BARS as u16 + 4 * u16::from(shape.index), Width::Dword, false);
            let flags = if shape.kind == BarKind::Io { 0b11 } else { 0b1111 };
            let base = PhysAddr::new(raw & !flags);
            Bar { index: shape.index, kind: shape.kind, base, size: shape.size }
        };
        self.shapes.iter().map(bar).collect()
    }
}
