//! Stage 1: what a context descriptor's TTB0 leads to.

use dxgk_hw::{Access, Pfn};

use super::super::{Entry, Fault, Format, Leaf, Malformed, Stop, TableBase, Used};
use super::geometry::{self, Geometry, Granule, MOST_BITS};
use super::spec::{Stage1Leaf, TableDescriptor};
use super::{geometry_answers, shared_options};

/// Stage 1, 48 bits of input address (T0SZ 16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SmmuStage1 {
    geometry: Geometry,
}

shared_options!(SmmuStage1);

impl SmmuStage1 {
    /// With tables and pages of a granule.
    #[must_use]
    pub const fn new(granule: Granule) -> Self {
        Self { geometry: Geometry::new(granule, MOST_BITS, false) }
    }
}

fn table_access(descriptor: TableDescriptor) -> Access {
    match (descriptor.ap_no_unprivileged(), descriptor.ap_no_write()) {
        (true, _) => Access::empty(),
        (false, true) => Access::READ,
        (false, false) => Access::all(),
    }
}

impl Format for SmmuStage1 {
    fn name(&self) -> &'static str {
        match self.geometry.granule {
            Granule::K4 => "smmu-s1-4k",
            Granule::K16 => "smmu-s1-16k",
            Granule::K64 => "smmu-s1-64k",
        }
    }

    geometry_answers!();

    fn expresses(&self, access: Access) -> bool {
        access.contains(Access::READ)
    }

    fn leaf(&self, level: u32, leaf: Leaf, part: u64) -> u64 {
        let writes = leaf.access.contains(Access::WRITE);
        let tracks = self.geometry.tracks;
        let (contiguous, addr) = self.geometry.part(level, leaf, part);
        Stage1Leaf::new()
            .with_valid(true)
            .with_page(level == 1)
            .with_ap_unprivileged(true)
            .with_ap_read_only(!writes || tracks)
            .with_dbm(writes && tracks)
            .with_sh(0b11)
            .with_af(!tracks)
            .with_ng(true)
            .with_addr(addr)
            .with_contiguous(contiguous)
            .into_bits()
    }

    fn with_access(&self, _level: u32, word: u64, access: Access) -> u64 {
        let leaf = Stage1Leaf::from_bits(word);
        let (writes, tracks) = (access.contains(Access::WRITE), self.geometry.tracks);
        let clean = tracks && (!leaf.dbm() || leaf.ap_read_only());
        leaf.with_dbm(writes && tracks).with_ap_read_only(!writes || clean).into_bits()
    }

    fn decode(&self, level: u32, word: u64) -> Entry {
        let table = TableDescriptor::from_bits(word);
        if let Some(entry) = self.geometry.kind(level, table).not_leaf(level, table_access(table)) {
            return entry;
        }
        let leaf = Stage1Leaf::from_bits(word);
        if !leaf.af() && !self.geometry.tracks {
            return Entry::Malformed(Malformed::AccessFlag);
        }
        let writes = !leaf.ap_read_only() || (leaf.dbm() && self.geometry.tracks);
        let access = match (leaf.ap_unprivileged(), writes) {
            (false, _) => Access::empty(),
            (true, false) => Access::READ,
            (true, true) => Access::all(),
        };
        let (frame, shift) = self.geometry.extent(level, leaf.addr(), leaf.contiguous());
        Entry::Leaf(Leaf { frame, shift, access })
    }

    fn misplaced(&self, level: u32, index: u64, word: u64) -> bool {
        let leaf = Stage1Leaf::from_bits(word);
        leaf.contiguous() && self.geometry.misplaced(level, index, leaf.addr())
    }

    fn used(&self, _level: u32, word: u64) -> Option<Used> {
        let leaf = Stage1Leaf::from_bits(word);
        self.geometry.tracks.then(|| Used { accessed: leaf.af(), dirty: leaf.dbm() && !leaf.ap_read_only() })
    }

    fn unused(&self, _level: u32, word: u64) -> u64 {
        let leaf = Stage1Leaf::from_bits(word);
        leaf.with_af(false).with_ap_read_only(leaf.ap_read_only() || leaf.dbm()).into_bits()
    }

    fn table_base(&self) -> Option<TableBase> {
        Some(TableBase { tsz: u64::BITS - self.geometry.input, sl0: None })
    }
}
