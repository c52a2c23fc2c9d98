//! BARs and memories.

use dxgk_hw::BarKind;

use super::super::check::{BadDescription, Place};
use super::super::description::{self, BarContent, BarKindName, Description, Undecoded};
use super::super::limits;
use crate::pci::BarShape;

/// A BAR.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Bar {
    pub(in super::super) shape: BarShape,
    pub(in super::super) content: Content,
    /// What reads as nobody's.
    pub(in super::super) undecoded: u64,
}

/// What is behind a BAR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Content {
    Registers,
    /// A memory, by position.
    Ram(usize),
    /// Likewise; it cannot be written.
    Rom(usize),
    Log,
}

/// A memory: where the device's engines see it, if they do, its bytes, and what of them are not zero at power-on.
#[derive(Clone, Debug)]
pub(in super::super) struct MemoryPlan {
    pub(in super::super) address: Option<u64>,
    pub(in super::super) bytes: u64,
    pub(in super::super) data: Vec<description::Data>,
}

/// Checks all BARs and memories.
pub(super) fn plan(description: &Description) -> Result<(Vec<Bar>, Vec<MemoryPlan>), BadDescription> {
    let mut bars: Vec<Bar> = Vec::new();
    let mut memories = Memories::default();
    let mut decoded = 0u64;
    for (index, bar) in description.bar.iter().enumerate() {
        let place = Place::table("bar").index(index);
        let shape = shape(&place, bar)?;
        if bars.iter().any(|other| other.shape.index == bar.index) {
            return Err(place.field("index").bad(format!("there is another BAR {}", bar.index)));
        }
        if bar.kind == BarKindName::Memory {
            decoded = decoded.saturating_add(bar.size);
            place.field("size").require(decoded <= limits::MEMORY_BAR_BYTES, || {
                format!("memory BARs have at most {:#x} bytes together", limits::MEMORY_BAR_BYTES)
            })?;
        }
        let content = match bar.content {
            BarContent::Ram => Content::Ram(memories.add_bar(&place, bar)?),
            BarContent::Rom => Content::Rom(memories.add_bar(&place, bar)?),
            _ if bar.device_address.is_some() => {
                return Err(place.field("device-address").bad("there is no RAM; needs content = \"ram\""));
            }
            _ if !bar.data.is_empty() => {
                let message = "there is no RAM; needs content = \"ram\" or \"rom\"";
                return Err(place.field("data").bad(message));
            }
            BarContent::Registers => Content::Registers,
            BarContent::Log => Content::Log,
        };
        let undecoded = if bar.undecoded == Undecoded::Ones { u64::MAX } else { 0 };
        bars.push(Bar { shape, content, undecoded });
    }
    for (index, memory) in description.memory.iter().enumerate() {
        let place = Place::table("memory").index(index);
        place.require(index < limits::OTHERS, || format!("there are more than {}", limits::OTHERS))?;
        memories.add(&place, "address", Some(memory.address), memory.size)?;
    }
    Ok((bars, memories.all))
}

fn shape(place: &Place, bar: &description::Bar) -> Result<BarShape, BadDescription> {
    place
        .field("index")
        .require(bar.index <= 5, || format!("there is no BAR {}; accepted: 0 to 5", bar.index))?;
    let (kind, range) = match bar.kind {
        BarKindName::Memory => {
            (BarKind::Memory { prefetchable: bar.prefetchable }, 16..=limits::MEMORY_BAR_BYTES)
        }
        BarKindName::Ports => (BarKind::Io, 4..=limits::PORTS),
    };
    place.field("prefetchable").require(!bar.prefetchable || bar.kind == BarKindName::Memory, || {
        "ports are not prefetched; accepted with kind = \"memory\"".to_owned()
    })?;
    place.field("size").require(bar.size.is_power_of_two() && range.contains(&bar.size), || {
        format!(
            "{:#x} is no size; accepted: a power of two, {} to {:#x}",
            bar.size,
            range.start(),
            range.end()
        )
    })?;
    Ok(BarShape { index: bar.index, kind, size: bar.size })
}

#[derive(Default)]
struct Memories {
    all: Vec<MemoryPlan>,
    bytes: u64,
}

impl Memories {
    /// The position of the memory behind a BAR.
    fn add_bar(&mut self, place: &Place, bar: &description::Bar) -> Result<usize, BadDescription> {
        let position = self.add(place, "device-address", bar.device_address, bar.size)?;
        for (index, data) in bar.data.iter().enumerate() {
            let bytes = data.words.len() as u64 * 4;
            let fits = data.offset.checked_add(bytes).is_some_and(|end| end <= bar.size);
            place.field("data").index(index).require(fits, || {
                format!("{bytes:#x} bytes at {:#x} do not fit into {:#x} bytes", data.offset, bar.size)
            })?;
        }
        if let Some(memory) = self.all.get_mut(position) {
            memory.data.clone_from(&bar.data);
        }
        Ok(position)
    }

    /// The position of a new memory that overlaps no other.
    fn add(
        &mut self,
        place: &Place,
        field: &'static str,
        address: Option<u64>,
        bytes: u64,
    ) -> Result<usize, BadDescription> {
        self.bytes = self.bytes.saturating_add(bytes);
        place.field("size").require(bytes > 0 && self.bytes <= limits::MEMORY_BYTES, || {
            format!("memories have at least 1 byte, and at most {:#x} together", limits::MEMORY_BYTES)
        })?;
        if let Some(start) = address {
            let end =
                start.checked_add(bytes).ok_or_else(|| place.field(field).bad("ends beyond 64 bits"))?;
            let overlaps = |other: &MemoryPlan| {
                other.address.is_some_and(|at| at < end && start < at.saturating_add(other.bytes))
            };
            place.field(field).require(!self.all.iter().any(overlaps), || {
                format!("{start:#x} to {:#x} overlaps another memory of the device", end - 1)
            })?;
        }
        self.all.push(MemoryPlan { address, bytes, data: Vec::new() });
        Ok(self.all.len() - 1)
    }
}
