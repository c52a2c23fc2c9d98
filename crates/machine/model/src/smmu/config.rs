//! What the unit's identification registers say, and the sizes of its caches.

use dxgk_iopt::smmu::spec::{Idr0, Idr1, Idr5, OUTPUT_BITS};

/// Two pages of 64 KiB.
pub(crate) const REGISTER_BYTES: u64 = 0x2_0000;
/// log2 of the most entries of a queue.
pub(super) const QUEUE_BITS: u8 = 19;

/// The make of a unit. Values outside their range are brought into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SmmuConfig {
    /// Sets of the TLB, from 1.
    pub tlb_sets: usize,
    /// Ways of each set, from 1.
    pub tlb_ways: usize,
    /// Entries of the caches of stream table entries and of context descriptors, from 1.
    pub stream_entries: usize,
    /// Entries of the cache of table descriptors; 0 for none.
    pub structure_entries: usize,
    /// Bits of output addresses: 32, 36, 40, 42, 44, 48 or 52, or the next of these. Descriptors hold 48.
    pub output_bits: u32,
    /// Whether there is a stage 1.
    pub stage_1: bool,
    /// Whether there is a stage 2.
    pub stage_2: bool,
    /// Whether stream tables may have two levels.
    pub two_level: bool,
}

impl Default for SmmuConfig {
    /// 64 sets of 4 ways, 64 streams, 32 table descriptors, 44 bits, both stages, two levels.
    fn default() -> Self {
        Self {
            tlb_sets: 64,
            tlb_ways: 4,
            stream_entries: 64,
            structure_entries: 32,
            output_bits: 44,
            stage_1: true,
            stage_2: true,
            two_level: true,
        }
    }
}

impl SmmuConfig {
    pub(super) fn in_range(self) -> Self {
        let output_bits = OUTPUT_BITS.into_iter().find(|bits| *bits >= self.output_bits).unwrap_or(52);
        Self {
            tlb_sets: self.tlb_sets.clamp(1, 1 << 16),
            tlb_ways: self.tlb_ways.clamp(1, 1 << 10),
            stream_entries: self.stream_entries.clamp(1, 1 << 16),
            structure_entries: self.structure_entries.min(1 << 12),
            output_bits,
            ..self
        }
    }

    pub(super) fn idr0(&self) -> Idr0 {
        Idr0::new()
            .with_s1p(self.stage_1)
            .with_s2p(self.stage_2)
            .with_ttf(0b10)
            .with_cohacc(true)
            .with_asid16(true)
            .with_vmid16(true)
            .with_ttendian(0b10)
            .with_stall_model(0b01)
            .with_term_model(true)
            .with_st_level(self.two_level.into())
    }

    pub(super) fn idr1(&self) -> Idr1 {
        Idr1::new().with_sidsize(16).with_eventqs(QUEUE_BITS).with_cmdqs(QUEUE_BITS)
    }

    pub(super) fn idr5(&self) -> Idr5 {
        let oas = OUTPUT_BITS.iter().position(|bits| *bits == self.output_bits).unwrap_or(0);
        Idr5::new().with_oas(oas as u8).with_gran4k(true).with_gran16k(true).with_gran64k(true)
    }
}
