//! The walk through host page tables (manual 2.2.3), over the bytes in memory.

use std::sync::atomic::Ordering;

use dxgk_hw::{MachineMemory, Pfn};
use dxgk_iopt::amdvi::spec::{EventCode, EventFlags, HardwareError, PageTableEntry};

use super::config::AmdviConfig;
use crate::unit::{Below, StructureCache, Translation};

/// Values of Next Level that mean a leaf: of the level's own size, and of the size that its address says.
const OWN_SIZE: u8 = 0;
const ENCODED_SIZE: u8 = 7;

/// What ended a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stop {
    pub code: EventCode,
    /// PR, PE, RZ and the type of a hardware error; who asked for what is added by the caller.
    pub flags: EventFlags,
    /// The entry, 0 when it could not be read.
    pub entry: u64,
    /// Its address.
    pub entry_at: u64,
    /// Its level, 1 = leaf table, 0 = device table.
    pub level: u8,
}

impl Stop {
    /// Nothing is there.
    pub(super) const fn absent(&self) -> bool {
        self.code.0 == EventCode::IO_PAGE_FAULT.0 && !self.flags.pr()
    }

    /// That there is no page, as a unit with NpCache keeps it.
    pub(super) const fn as_translation(&self) -> Translation {
        let Self { entry, entry_at, level, .. } = *self;
        Translation { base: 0, shift: 12, read: false, write: false, dirty: true, entry, entry_at, level }
    }
}

/// A tree of tables.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    pub domain: u16,
    /// Frame of the root table.
    pub root: u64,
    pub levels: u8,
}

/// log2 of the bytes that an entry at `level` covers.
const fn span(level: u8) -> u32 {
    12 + 9 * (level as u32 - 1)
}

/// Whether the address has bits at or above `shift`.
const fn reaches(address: u64, shift: u32) -> bool {
    shift < u64::BITS && address >> shift != 0
}

/// Walks from the lowest table that `structures` knows, or from the root.
pub(super) fn walk(
    memory: &dyn MachineMemory,
    config: &AmdviConfig,
    structures: &mut StructureCache<u16>,
    tables: Tables,
    address: u64,
    write: bool,
) -> Result<Translation, Stop> {
    let top = Below { table: tables.root, level: tables.levels, read: true, write: true };
    let start = structures.lookup(tables.domain, address).unwrap_or(top);
    let Below { mut table, mut level, read: mut may_read, write: mut may_write } = start;
    loop {
        // A table of level 6 has fewer entries: the address ends there.
        let index = (address >> span(level)) & 0x1ff;
        let entry_at = table << 12 | index << 3;
        let raw = load(memory, config, table, index as usize);
        let stop = |code, flags| Stop { code, flags, entry: raw.unwrap_or(0), entry_at, level };
        let fault = |flags| stop(EventCode::IO_PAGE_FAULT, flags);
        let Some(raw) = raw else {
            let kind = HardwareError::MasterAbort as u8;
            return Err(stop(EventCode::PAGE_TAB_HARDWARE_ERROR, EventFlags::new().with_kind(kind)));
        };
        let entry = PageTableEntry::from_bits(raw);
        if !entry.pr() {
            return Err(fault(EventFlags::new()));
        }
        let present = EventFlags::new().with_pr(true);
        let next = entry.next_level();
        let leaf = next == OWN_SIZE || next == ENCODED_SIZE;
        if entry.reserved_52() != 0 || (!leaf && (entry.u() || entry.fc())) {
            return Err(fault(present.with_rz(true)));
        }
        may_read &= entry.ir();
        may_write &= entry.iw();
        let permitted = if write { may_write } else { may_read };
        if leaf {
            // RZ clear: a size that the level does not have.
            let shift = leaf_shift(level, entry).ok_or_else(|| fault(present))?;
            if !permitted {
                return Err(fault(present.with_pe(true)));
            }
            let base = entry.addr() << 12 & !((1 << shift) - 1);
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
        // RZ clear: a level that is not below this one.
        if next >= level {
            return Err(fault(present));
        }
        if !permitted {
            return Err(fault(present.with_pe(true)));
        }
        // Levels in between are skipped, and the tables have nothing where their part of the address is not 0.
        let skipped = address & ((1u64 << span(level)) - 1);
        if reaches(skipped, span(next) + 9) {
            return Err(fault(EventFlags::new()));
        }
        let covers = span(next) + 9;
        (table, level) = (entry.addr(), next);
        let below = Below { table, level, read: may_read, write: may_write };
        structures.insert(tables.domain, address, covers, below);
    }
}

/// log2 of a leaf's size, if the level can have it.
fn leaf_shift(level: u8, entry: PageTableEntry) -> Option<u32> {
    let own = span(level);
    if level >= 6 {
        return None;
    }
    if entry.next_level() == OWN_SIZE {
        return Some(own);
    }
    // The lowest zero of the address says the size, as in invalidations.
    let shift = 12 + entry.addr().trailing_ones() + 1;
    (shift > own && shift < own + 9 && shift <= 52).then_some(shift)
}

/// Reads an entry. `None` when the table is no memory.
fn load(memory: &dyn MachineMemory, config: &AmdviConfig, frame: u64, index: usize) -> Option<u64> {
    if frame >> (config.host_address_width - 12) != 0 {
        return None;
    }
    memory.live(Pfn::new(frame))?.get(index).map(|word| word.load(Ordering::Acquire))
}

/// Whether the address is within what so many levels translate.
pub(super) const fn covers(levels: u8, address: u64) -> bool {
    !reaches(address, span(levels) + 9)
}
