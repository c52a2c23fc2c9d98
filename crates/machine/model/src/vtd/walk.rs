//! The second-stage walk (manual 3.7, 9.8), over the bytes in memory.

use std::sync::atomic::Ordering;

use dxgk_hw::{MachineMemory, Pfn};
use dxgk_iopt::vtd::spec::{FaultReason, SecondStageEntry};

use super::config::VtdConfig;
use super::space::Space;
use crate::unit::{Below, StructureCache, Translation};

/// A table entry that ended a walk, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stop {
    /// The manual's reason.
    pub code: FaultReason,
    /// Whether the entry was not present, which the manual's reason does not tell from a missing permission.
    pub absent: bool,
    /// The entry, 0 when it could not be read.
    pub entry: u64,
    /// Its address.
    pub entry_at: u64,
    /// Its level, 1 = leaf table, 0 = root or context table.
    pub level: u8,
}

impl Stop {
    /// That there is no page, as the IOTLB keeps it in caching mode (6.1).
    pub(super) const fn as_translation(&self) -> Translation {
        let Self { entry, entry_at, level, .. } = *self;
        Translation { base: 0, shift: 12, read: false, write: false, dirty: true, entry, entry_at, level }
    }
}

/// Reads an entry of a table: words `index * words` and on of the frame. `None` when the frame is not RAM.
pub(super) fn load(memory: &dyn MachineMemory, frame: u64, index: usize) -> Option<u64> {
    memory.live(Pfn::new(frame))?.get(index).map(|word| word.load(Ordering::Acquire))
}

/// Bits of an entry at this level that must be 0 for the unit not to refuse it.
fn reserved(config: &VtdConfig, level: u8, leaf: bool) -> u64 {
    let beyond_host = !((1u64 << config.host_address_width) - 1) & ((1 << 52) - 1);
    // Bit 11 is Snoop where ECAP_REG.SC is set, which it is not; bit 62 has been reserved since revision 3.
    let always = beyond_host | 1 << 11 | 1 << 62;
    match (level, leaf) {
        (2, true) => always | 0x1f_f000,
        (3, true) => always | 0x3fff_f000,
        (1..=3, _) => always,
        // Page Size has no meaning above level 3.
        _ => always | 1 << 7,
    }
}

/// A tree of tables.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    pub space: Space,
    /// Frame of the root table.
    pub root: u64,
    pub levels: u8,
}

/// Walks from the lowest table that `structures` knows, or from the root. The input address is already known to fit
/// the levels.
pub(super) fn walk(
    memory: &dyn MachineMemory,
    config: &VtdConfig,
    structures: &mut StructureCache<Space>,
    tables: Tables,
    address: u64,
    write: bool,
) -> Result<Translation, Stop> {
    let top = Below { table: tables.root, level: tables.levels, read: true, write: true };
    let start = structures.lookup(tables.space, address).unwrap_or(top);
    let Below { mut table, mut level, read: mut may_read, write: mut may_write } = start;
    loop {
        let shift = 12 + 9 * (u32::from(level) - 1);
        let index = (address >> shift) as usize & 0x1ff;
        let entry_at = table << 12 | (index as u64) << 3;
        let raw = load(memory, table, index);
        let stop = |code, absent| Stop { code, absent, entry: raw.unwrap_or(0), entry_at, level };
        let Some(raw) = raw else { return Err(stop(FaultReason::PAGING_ENTRY_ACCESS, false)) };
        let entry = SecondStageEntry::from_bits(raw);
        let denied = if write { FaultReason::NO_WRITE } else { FaultReason::NO_READ };
        if !entry.r() && !entry.w() {
            return Err(stop(denied, true));
        }
        let large = (level == 2 || level == 3) && entry.ps();
        let leaf = level == 1 || large;
        if raw & reserved(config, level, leaf) != 0 || (large && !config.large_pages) {
            return Err(stop(FaultReason::PAGING_ENTRY_RESERVED, false));
        }
        may_read &= entry.r();
        may_write &= entry.w();
        if !(if write { may_write } else { may_read }) {
            return Err(stop(denied, false));
        }
        if leaf {
            let base = entry.addr() << 12;
            return Ok(Translation {
                base,
                shift,
                read: may_read,
                write: may_write,
                dirty: true,
                entry: raw,
                entry_at,
                level,
            });
        }
        table = entry.addr();
        // Level 1 is always a leaf, so this never reaches 0.
        level -= 1;
        let below = Below { table, level, read: may_read, write: may_write };
        structures.insert(tables.space, address, shift, below);
    }
}
