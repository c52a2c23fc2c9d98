//! The walk of AArch64 tables of either stage (DDI 0487, D8.2 and D8.3), over the bytes in memory.

use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_iopt::smmu::spec::{EventClass, EventCode, Stage1Leaf, Stage2Leaf, TableDescriptor};

use crate::unit::{Below, StructureCache, Tag, Translation};

/// What translations are tagged with: of stage 1 with an ASID too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Space {
    pub vmid: u16,
    pub asid: Option<u16>,
}

impl Tag for Space {
    fn spread(self) -> u64 {
        u64::from(self.vmid) ^ self.asid.map_or(0, |asid| u64::from(asid) << 1 | 1)
    }
}

/// A tree of tables. Levels are counted from the lowest, which is 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tables {
    pub space: Space,
    /// Address of the root table.
    pub root: u64,
    /// log2 of the granule.
    pub granule: u32,
    pub levels: u32,
    /// Bits of input addresses.
    pub input: u32,
    /// Bits of output addresses.
    pub output: u32,
    /// A clear access flag is a fault.
    pub flags_fault: bool,
}

impl Tables {
    const fn entry_shift(&self, level: u32) -> u32 {
        self.granule + (level - 1) * (self.granule - 3)
    }

    /// log2 of the entries of the root; `None` when the levels below translate all bits already.
    pub(super) fn root_index_bits(&self) -> Option<u32> {
        self.input.checked_sub(self.entry_shift(self.levels)).filter(|bits| *bits != 0)
    }

    /// log2 of the entries that the contiguous hint joins.
    const fn contiguous_bits(&self, level: u32) -> u32 {
        match (self.granule, level) {
            (12, _) => 4,
            (14, 1) => 7,
            _ => 5,
        }
    }

    /// Whether a level may have leaves: without the extensions for 52 bits, up to 1 GiB, 32 MiB, 512 MiB.
    const fn has_leaves(&self, level: u32) -> bool {
        level <= if self.granule == 12 { 3 } else { 2 }
    }

    /// Whether the address is within the input's bits.
    pub(super) const fn covers(&self, address: u64) -> bool {
        address >> self.input == 0
    }
}

/// What ended a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stop {
    pub code: EventCode,
    pub class: EventClass,
    /// The descriptor, 0 when it could not be read, its address, and its level.
    pub entry: u64,
    pub entry_at: u64,
    pub level: u8,
}

/// Walks from the lowest table that `structures` knows, or from the root.
pub(super) fn walk(
    memory: &dyn MachineMemory,
    structures: &mut StructureCache<Space>,
    tables: &Tables,
    address: u64,
    write: bool,
) -> Result<Translation, Stop> {
    let first_stage = tables.space.asid.is_some();
    let top = Below { table: tables.root, level: tables.levels as u8, read: true, write: true };
    let start = structures.lookup(tables.space, address).unwrap_or(top);
    let Below { mut table, mut level, read: mut may_read, write: mut may_write } = start;
    loop {
        let nth = u32::from(level);
        let shift = tables.entry_shift(nth);
        let bits = if nth == tables.levels { tables.input - shift } else { tables.granule - 3 };
        let index = address >> shift & ((1 << bits) - 1);
        let entry_at = table + index * 8;
        let mut bytes = [0; 8];
        let fetched = memory.read(PhysAddr::new(entry_at), &mut bytes);
        let raw = u64::from_le_bytes(bytes);
        let stop = |code, class| Stop { code, class, entry: raw, entry_at, level };
        let input = |code| stop(code, EventClass::In);
        if fetched.is_err() {
            return Err(stop(EventCode::F_WALK_EABT, EventClass::Ttd));
        }
        let descriptor = TableDescriptor::from_bits(raw);
        // At the lowest level the second bit says page; elsewhere table.
        let leaf = if level == 1 { descriptor.table() } else { !descriptor.table() };
        if !descriptor.valid() || (level == 1 && !leaf) || (leaf && !tables.has_leaves(nth)) {
            return Err(input(EventCode::F_TRANSLATION));
        }
        let address_bits = descriptor.addr() << 12;
        if address_bits >> tables.output != 0 {
            return Err(input(EventCode::F_ADDR_SIZE));
        }
        if leaf {
            let (flag, readable, writable, contiguous) = if first_stage {
                let leaf = Stage1Leaf::from_bits(raw);
                // Requests are unprivileged.
                let user = leaf.ap_unprivileged();
                (leaf.af(), user, user && !leaf.ap_read_only(), leaf.contiguous())
            } else {
                let leaf = Stage2Leaf::from_bits(raw);
                (leaf.af(), leaf.read(), leaf.write(), leaf.contiguous())
            };
            if !flag && tables.flags_fault {
                return Err(input(EventCode::F_ACCESS));
            }
            may_read &= readable;
            may_write &= writable;
            if !(if write { may_write } else { may_read }) {
                return Err(input(EventCode::F_PERMISSION));
            }
            // One TLB entry for the whole row, as the hint permits.
            let joined = if contiguous { tables.contiguous_bits(nth).min(bits) } else { 0 };
            let shift = shift + joined;
            let base = address_bits & !((1 << shift) - 1);
            let (read, write) = (may_read, may_write);
            return Ok(Translation { base, shift, read, write, dirty: true, entry: raw, entry_at, level });
        }
        if first_stage {
            may_read &= !descriptor.ap_no_unprivileged();
            may_write &= !descriptor.ap_no_unprivileged() && !descriptor.ap_no_write();
        }
        // Bits below the granule are none of the address.
        table = address_bits & !((1 << tables.granule) - 1);
        level -= 1;
        let below = Below { table, level, read: may_read, write: may_write };
        structures.insert(tables.space, address, shift, below);
    }
}
