//! Stage 2: what a stream table entry's S2TTB leads to.

use dxgk_hw::{Access, Pfn};

use super::super::{Entry, Fault, Format, Leaf, Malformed, Stop, TableBase, Used};
use super::geometry::{self, Geometry, Granule, MOST_BITS};
use super::spec::{Stage2Leaf, TableDescriptor};
use super::{geometry_answers, shared_options};

/// Bits of input address unless told otherwise (S2T0SZ 20): the most that units with 44 bits of output take.
const USUAL_BITS: u32 = 44;

/// Stage 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SmmuStage2 {
    geometry: Geometry,
}

shared_options!(SmmuStage2);

impl SmmuStage2 {
    /// With tables and pages of a granule, 44 bits of input address, and a root of one table.
    #[must_use]
    pub const fn new(granule: Granule) -> Self {
        Self { geometry: Geometry::new(granule, USUAL_BITS, false) }
    }

    /// With `bits` bits of input address, 32..=48. If `concatenated`, the root is up to 16 tables in a row wherever
    /// that saves a level (DDI 0487, D8.2.2); other numbers of bits are taken to the nearest of these.
    #[must_use]
    pub const fn with_input_bits(granule: Granule, bits: u32, concatenated: bool) -> Self {
        let bits = if bits < 32 {
            32
        } else if bits > MOST_BITS {
            MOST_BITS
        } else {
            bits
        };
        Self { geometry: Geometry::new(granule, bits, concatenated) }
    }

    /// S2SL0: how the start level is written (IHI 0070, section 5.2).
    const fn start_level(&self) -> u32 {
        match self.geometry.granule {
            Granule::K4 => self.geometry.levels - 2,
            Granule::K16 | Granule::K64 => self.geometry.levels - 1,
        }
    }
}

impl Format for SmmuStage2 {
    fn name(&self) -> &'static str {
        match self.geometry.granule {
            Granule::K4 => "smmu-s2-4k",
            Granule::K16 => "smmu-s2-16k",
            Granule::K64 => "smmu-s2-64k",
        }
    }

    geometry_answers!();

    fn expresses(&self, access: Access) -> bool {
        !access.is_empty()
    }

    fn leaf(&self, level: u32, leaf: Leaf, part: u64) -> u64 {
        let writes = leaf.access.contains(Access::WRITE);
        let tracks = self.geometry.tracks;
        let (contiguous, addr) = self.geometry.part(level, leaf, part);
        Stage2Leaf::new()
            .with_valid(true)
            .with_page(level == 1)
            .with_mem_attr(0b1111)
            .with_read(leaf.access.contains(Access::READ))
            .with_write(writes && !tracks)
            .with_dbm(writes && tracks)
            .with_sh(0b11)
            .with_af(!tracks)
            .with_addr(addr)
            .with_contiguous(contiguous)
            .into_bits()
    }

    fn with_access(&self, _level: u32, word: u64, access: Access) -> u64 {
        let leaf = Stage2Leaf::from_bits(word);
        let (writes, tracks) = (access.contains(Access::WRITE), self.geometry.tracks);
        let clean = tracks && (!leaf.dbm() || !leaf.write());
        leaf.with_read(access.contains(Access::READ))
            .with_dbm(writes && tracks)
            .with_write(writes && !clean)
            .into_bits()
    }

    fn decode(&self, level: u32, word: u64) -> Entry {
        // Table descriptors have no permissions at stage 2.
        let kind = self.geometry.kind(level, TableDescriptor::from_bits(word));
        if let Some(entry) = kind.not_leaf(level, Access::all()) {
            return entry;
        }
        let leaf = Stage2Leaf::from_bits(word);
        if !leaf.af() && !self.geometry.tracks {
            return Entry::Malformed(Malformed::AccessFlag);
        }
        let mut access = Access::empty();
        access.set(Access::READ, leaf.read());
        access.set(Access::WRITE, leaf.write() || (leaf.dbm() && self.geometry.tracks));
        let (frame, shift) = self.geometry.extent(level, leaf.addr(), leaf.contiguous());
        Entry::Leaf(Leaf { frame, shift, access })
    }

    fn misplaced(&self, level: u32, index: u64, word: u64) -> bool {
        let leaf = Stage2Leaf::from_bits(word);
        leaf.contiguous() && self.geometry.misplaced(level, index, leaf.addr())
    }

    fn used(&self, _level: u32, word: u64) -> Option<Used> {
        let leaf = Stage2Leaf::from_bits(word);
        self.geometry.tracks.then(|| Used { accessed: leaf.af(), dirty: leaf.dbm() && leaf.write() })
    }

    fn unused(&self, _level: u32, word: u64) -> u64 {
        let leaf = Stage2Leaf::from_bits(word);
        leaf.with_af(false).with_write(leaf.write() && !leaf.dbm()).into_bits()
    }

    fn table_base(&self) -> Option<TableBase> {
        Some(TableBase { tsz: u64::BITS - self.geometry.input, sl0: Some(self.start_level()) })
    }
}
