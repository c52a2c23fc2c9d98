//! Chapter 5: stream table entries and context descriptors, 512 bits each. Each word of 64 bits that is used is a type
//! here; the others are 0.

use bitfield_struct::bitfield;

/// Bytes of a stream table entry.
pub const STE_BYTES: u64 = 64;
/// Words of 64 bits of a stream table entry.
pub const STE_WORDS: usize = 8;
/// Bytes of a context descriptor.
pub const CD_BYTES: u64 = 64;
/// log2 of a granule by value of CD.TG0 and STE.S2TG; the last is reserved.
pub const GRANULES: [Option<u32>; 4] = [Some(12), Some(16), Some(14), None];

/// A descriptor of the first level of a two-level stream table (5.1).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct L1StreamDescriptor {
    /// 0: nothing is here. Else the second level has 2^(span - 1) entries.
    #[bits(5)]
    pub span: u8,
    __: bool,
    /// Address of the second level divided by 64.
    #[bits(46)]
    pub l2ptr: u64,
    #[bits(12)]
    __: u16,
}

/// Values of STE.Config. An open enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamConfig(pub u8);

impl StreamConfig {
    /// Requests are aborted, and nothing is recorded.
    pub const ABORT: Self = Self(0b000);
    /// Requests pass.
    pub const BYPASS: Self = Self(0b100);
    /// Through stage 1.
    pub const STAGE_1: Self = Self(0b101);
    /// Through stage 2.
    pub const STAGE_2: Self = Self(0b110);
    /// Through both.
    pub const NESTED: Self = Self(0b111);

    /// From the field's three bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b111)
    }

    /// The field's three bits.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self.0 & 0b111
    }
}

/// Bits 63:0 of a stream table entry (5.2).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct SteFirst {
    /// Valid. Without it requests are aborted, and C_BAD_STE is recorded.
    pub v: bool,
    /// What becomes of requests.
    #[bits(3)]
    pub config: StreamConfig,
    /// Format of the table of context descriptors; with `s1cdmax` 0 there is one descriptor.
    #[bits(2)]
    pub s1fmt: u8,
    /// Address of the context descriptor divided by 64.
    #[bits(46)]
    pub s1contextptr: u64,
    #[bits(7)]
    __: u8,
    /// log2 of the context descriptors.
    #[bits(5)]
    pub s1cdmax: u8,
}

/// Bits 127:64 of a stream table entry (5.2). Attributes of memory and of requests are not modelled, and written so that
/// requests keep theirs.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct SteSecond {
    #[bits(2)]
    pub s1dss: u8,
    /// Inner, then outer cacheability, and shareability of context descriptors.
    #[bits(6)]
    pub s1c: u8,
    #[bits(36)]
    pub others: u64,
    /// Shareability of the output: 1 as it came in.
    #[bits(2)]
    pub shcfg: u8,
    #[bits(18)]
    pub others_high: u32,
}

/// Bits 191:128 of a stream table entry (5.2).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct SteThird {
    /// What stage 2 translations are tagged with; stage 1's too.
    pub s2vmid: u16,
    #[bits(16)]
    __: u16,
    /// 64 minus the bits of input.
    #[bits(6)]
    pub s2t0sz: u8,
    /// Start level, as it is encoded for the granule.
    #[bits(2)]
    pub s2sl0: u8,
    /// Cacheability and shareability of walks.
    #[bits(6)]
    pub s2walk: u8,
    /// Granule, see [`GRANULES`].
    #[bits(2)]
    pub s2tg: u8,
    /// Bits of output, see [`OUTPUT_BITS`](super::OUTPUT_BITS).
    #[bits(3)]
    pub s2ps: u8,
    /// AArch64 tables.
    pub s2aa64: bool,
    /// Big-endian tables.
    pub s2endi: bool,
    /// Access flag faults are off.
    pub s2affd: bool,
    #[bits(3)]
    pub s2others: u8,
    /// Stall.
    pub s2s: bool,
    /// Record faults.
    pub s2r: bool,
    #[bits(5)]
    __: u8,
}

/// Bits 255:192 of a stream table entry (S2TTB), and 127:64 of a context descriptor (TTB0).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct TableAddress {
    #[bits(4)]
    __: u8,
    /// Address of the root table divided by 16.
    #[bits(48)]
    pub ttb: u64,
    #[bits(12)]
    __: u16,
}

/// Bits 63:0 of a context descriptor (5.4).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct CdFirst {
    /// 64 minus the bits of input.
    #[bits(6)]
    pub t0sz: u8,
    /// Granule, see [`GRANULES`].
    #[bits(2)]
    pub tg0: u8,
    /// Cacheability and shareability of walks.
    #[bits(6)]
    pub walk: u8,
    /// Walks from TTB0 are off.
    pub epd0: bool,
    /// Big-endian tables.
    pub endi: bool,
    #[bits(14)]
    pub upper: u16,
    /// Walks from TTB1 are off.
    pub epd1: bool,
    /// Valid.
    pub v: bool,
    /// Bits of output, see [`OUTPUT_BITS`](super::OUTPUT_BITS).
    #[bits(3)]
    pub ips: u8,
    /// Access flag faults are off.
    pub affd: bool,
    #[bits(5)]
    pub permissions: u8,
    /// AArch64 tables.
    pub aa64: bool,
    /// Hardware manages dirty state, and the access flag.
    #[bits(2)]
    pub httu: u8,
    /// Stall.
    pub s: bool,
    /// Record faults.
    pub r: bool,
    /// Terminated requests are aborted.
    pub a: bool,
    /// The ASID is not shared with processors.
    pub aset: bool,
    /// What translations are tagged with.
    pub asid: u16,
}
