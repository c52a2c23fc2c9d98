//! Where a machine's RAM is: `4G`, `2G@0,2G@4G`, `1G@0,1G@1T`, `2G@0:node0,2G@4G:node1`.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use dxgk_hw::{PAGE_SIZE, PhysAddr, RamRange};

/// Addresses that are never RAM: device registers, the IOMMU's registers and the firmware are here, as on a PC.
pub const DEVICE_HOLE: Range<u64> = 0xc000_0000..0x1_0000_0000;

/// RAM of a layout without addresses that goes below the device hole, as QEMU's q35 has it; the rest starts at 4 GiB.
const LOW_RAM: u64 = 2 << 30;

/// Highest end of RAM: the widest host address that VT-d can translate to.
const HIGHEST_END: u64 = 1 << 52;

/// A text that is no layout; what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{problem}; accepted: a size (4G), or ranges SIZE@START[:nodeN] separated by commas (2G@0,2G@4G:node1), with the \
     suffixes K, M, G, T"
)]
pub struct BadLayout {
    problem: String,
}

fn bad<T>(problem: String) -> Result<T, BadLayout> {
    Err(BadLayout { problem })
}

/// The ranges of RAM that a machine has: ascending, disjoint, whole pages, at least one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RamLayout {
    ranges: Vec<RamRange>,
}

impl RamLayout {
    /// Checks ranges; they may come in any order.
    ///
    /// # Errors
    /// [`BadLayout`] when there is none, one is empty, not page-aligned, beyond 2^52, inside [`DEVICE_HOLE`], or
    /// two overlap.
    pub fn new(mut ranges: Vec<RamRange>) -> Result<Self, BadLayout> {
        if ranges.is_empty() {
            return bad("no RAM at all".to_owned());
        }
        ranges.sort_by_key(|range| range.start);
        let mut end_so_far = 0;
        for range in &ranges {
            let start = range.start.get();
            if range.bytes == 0 {
                return bad(format!("the RAM range at {start:#x} is empty"));
            }
            if !start.is_multiple_of(PAGE_SIZE) || !range.bytes.is_multiple_of(PAGE_SIZE) {
                return bad(format!("the RAM range at {start:#x} is not made of whole 4 KiB pages"));
            }
            let Some(end) = start.checked_add(range.bytes).filter(|end| *end <= HIGHEST_END) else {
                return bad(format!("the RAM range at {start:#x} ends beyond 2^52"));
            };
            if start < DEVICE_HOLE.end && end > DEVICE_HOLE.start {
                return bad(format!(
                    "the RAM range {start:#x}..{end:#x} covers the addresses of device registers ({:#x}..{:#x})",
                    DEVICE_HOLE.start, DEVICE_HOLE.end
                ));
            }
            if start < end_so_far {
                return bad(format!("the RAM range at {start:#x} overlaps the one before it"));
            }
            end_so_far = end;
        }
        Ok(Self { ranges })
    }

    /// The ranges, ascending and disjoint.
    #[must_use]
    pub fn ranges(&self) -> &[RamRange] {
        &self.ranges
    }

    /// Bytes of RAM in all.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.ranges.iter().map(|range| range.bytes).sum()
    }

    /// The address of the last byte of RAM.
    #[must_use]
    pub fn highest_physical_address(&self) -> PhysAddr {
        let last = self.ranges.last().map_or(0, |range| range.start.get() + (range.bytes - 1));
        PhysAddr::new(last)
    }

    /// `bytes` of RAM as a PC has it: up to 2 GiB from 0, the rest from 4 GiB (our choice, after QEMU's q35; the
    /// legacy hole below 1 MiB is left out).
    fn pc(bytes: u64) -> Vec<RamRange> {
        let low = RamRange { start: PhysAddr::new(0), bytes: bytes.min(LOW_RAM), node: 0 };
        let high = bytes - low.bytes;
        let high = RamRange { start: PhysAddr::new(DEVICE_HOLE.end), bytes: high, node: 0 };
        if high.bytes == 0 { vec![low] } else { vec![low, high] }
    }
}

impl FromStr for RamLayout {
    type Err = BadLayout;

    fn from_str(text: &str) -> Result<Self, BadLayout> {
        let text = text.trim();
        if !text.contains(['@', ',', ':']) {
            let bytes = size(text)?;
            return Self::new(Self::pc(bytes));
        }
        Self::new(text.split(',').map(range).collect::<Result<_, _>>()?)
    }
}

fn range(text: &str) -> Result<RamRange, BadLayout> {
    let text = text.trim();
    let Some((bytes, place)) = text.split_once('@') else {
        return bad(format!("the RAM range '{text}' says no address"));
    };
    let (start, node) = match place.split_once(':') {
        None => (place, 0),
        Some((start, node)) => match node.strip_prefix("node").map(u32::from_str) {
            Some(Ok(node)) => (start, node),
            _ => return bad(format!("'{node}' is no NUMA node")),
        },
    };
    Ok(RamRange { start: PhysAddr::new(size(start)?), bytes: size(bytes)?, node })
}

/// A decimal or `0x` number with an optional K, M, G or T (powers of 1024; either case).
fn size(text: &str) -> Result<u64, BadLayout> {
    let (digits, shift) = match text.char_indices().next_back() {
        Some((at, 'K' | 'k')) => (&text[..at], 10),
        Some((at, 'M' | 'm')) => (&text[..at], 20),
        Some((at, 'G' | 'g')) => (&text[..at], 30),
        Some((at, 'T' | 't')) => (&text[..at], 40),
        _ => (text, 0),
    };
    let signed = digits.starts_with('+') || digits.starts_with("0x+");
    let number = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => u64::from_str(digits),
    };
    match number {
        Ok(number) if !signed => {
            number.checked_mul(1 << shift).map_or_else(|| bad(format!("'{text}' is larger than 64 bits")), Ok)
        }
        _ => bad(format!("'{text}' is no size or address")),
    }
}

/// A number with the largest suffix that divides it.
fn write_size(f: &mut fmt::Formatter<'_>, bytes: u64) -> fmt::Result {
    for (shift, suffix) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
        if bytes != 0 && bytes.is_multiple_of(1 << shift) {
            return write!(f, "{}{suffix}", bytes >> shift);
        }
    }
    write!(f, "{bytes}")
}

impl fmt::Display for RamLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges.iter().enumerate() {
            if index != 0 {
                f.write_str(",")?;
            }
            write_size(f, range.bytes)?;
            f.write_str("@")?;
            write_size(f, range.start.get())?;
            if range.node != 0 {
                write!(f, ":node{}", range.node)?;
            }
        }
        Ok(())
    }
}
