//! The first-stage walk (manual 3.6, 9.7), over the bytes in memory. Four levels; requests have user privilege.

use std::sync::atomic::Ordering;

use dxgk_hw::{MachineMemory, Pfn};
use dxgk_iopt::vtd::spec::{FaultReason, FirstStageEntry};

use super::config::VtdConfig;
use super::walk::Stop;
use crate::unit::{Below, StructureCache, Translation};

const LEVELS: u8 = 4;

/// Whether bits 63 to 47 are all alike (3.6).
pub(super) const fn canonical(address: u64) -> bool {
    let upper = (address as i64) >> 47;
    upper == 0 || upper == -1
}

/// Bits of an entry at this level that must be 0.
fn reserved(config: &VtdConfig, level: u8, leaf: bool) -> u64 {
    let beyond_host = !((1u64 << config.host_address_width) - 1) & ((1 << 52) - 1);
    match (level, leaf) {
        // Bit 12 is PAT.
        (2, true) => beyond_host | 0x1f_e000,
        (3, true) => beyond_host | 0x3fff_e000,
        (4.., _) => beyond_host | 1 << 7,
        _ => beyond_host,
    }
}

/// Walks from the lowest table that `structures` knows, or from the root. Entries that are used are marked accessed,
/// and a leaf that is written through dirty.
pub(super) fn walk<T: crate::unit::Tag>(
    memory: &dyn MachineMemory,
    config: &VtdConfig,
    structures: &mut StructureCache<T>,
    (tag, root): (T, u64),
    address: u64,
    write: bool,
) -> Result<Translation, Stop> {
    let top = Below { table: root, level: LEVELS, read: true, write: true };
    let Below { mut table, mut level, write: mut may_write, .. } =
        structures.lookup(tag, address).unwrap_or(top);
    loop {
        let shift = 12 + 9 * (u32::from(level) - 1);
        let index = (address >> shift) as usize & 0x1ff;
        let entry_at = table << 12 | (index as u64) << 3;
        let word = memory.live(Pfn::new(table)).and_then(|words| words.get(index));
        let raw = word.map_or(0, |word| word.load(Ordering::Acquire));
        let stop = |code, absent| Stop { code, absent, entry: raw, entry_at, level };
        let Some(word) = word else {
            let code =
                if level == LEVELS { FaultReason::FS_ROOT_ACCESS } else { FaultReason::FS_ENTRY_ACCESS };
            return Err(stop(code, false));
        };
        let entry = FirstStageEntry::from_bits(raw);
        if !entry.p() {
            return Err(stop(FaultReason::FS_ENTRY_NOT_PRESENT, true));
        }
        let large = (level == 2 || level == 3) && entry.ps();
        let leaf = level == 1 || large;
        // Pages of 2 MiB are always there, those of 1 GiB where CAP_REG.FS1GP says so.
        let too_large = large && level == 3 && !config.large_pages;
        if raw & reserved(config, level, leaf) != 0 || too_large {
            return Err(stop(FaultReason::FS_ENTRY_RESERVED, false));
        }
        if !entry.us() {
            return Err(stop(FaultReason::NO_USER, false));
        }
        may_write &= entry.rw();
        if write && !may_write {
            return Err(stop(FaultReason::SM_NO_WRITE, false));
        }
        let mark = FirstStageEntry::new().with_a(true).with_d(leaf && write).into_bits();
        if raw & mark != mark {
            word.fetch_or(mark, Ordering::AcqRel);
        }
        if leaf {
            let base = entry.addr() << 12 & !((1 << shift) - 1);
            // What is not dirty yet has to be walked again for a write.
            let dirty = entry.d() || write;
            let entry = raw | mark;
            return Ok(Translation {
                base,
                shift,
                read: true,
                write: may_write,
                dirty,
                entry,
                entry_at,
                level,
            });
        }
        table = entry.addr();
        // Level 1 is always a leaf, so this never reaches 0.
        level -= 1;
        structures.insert(tag, address, shift, Below { table, level, read: true, write: may_write });
    }
}
