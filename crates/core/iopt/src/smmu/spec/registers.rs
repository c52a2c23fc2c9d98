//! Chapter 6: registers of the Non-secure interface.

use bitfield_struct::bitfield;

/// Byte offsets from the unit's base. The second page begins at 0x10000.
pub mod offset {
    /// SMMU_IDR0, 32 bits.
    pub const IDR0: u64 = 0x00;
    /// SMMU_IDR1, 32 bits.
    pub const IDR1: u64 = 0x04;
    /// SMMU_IDR5, 32 bits.
    pub const IDR5: u64 = 0x14;
    /// SMMU_AIDR, 32 bits.
    pub const AIDR: u64 = 0x1c;
    /// SMMU_CR0, 32 bits.
    pub const CR0: u64 = 0x20;
    /// SMMU_CR0ACK, 32 bits.
    pub const CR0ACK: u64 = 0x24;
    /// SMMU_CR1, 32 bits.
    pub const CR1: u64 = 0x28;
    /// SMMU_CR2, 32 bits.
    pub const CR2: u64 = 0x2c;
    /// SMMU_GBPA, 32 bits.
    pub const GBPA: u64 = 0x44;
    /// SMMU_GERROR, 32 bits.
    pub const GERROR: u64 = 0x60;
    /// SMMU_GERRORN, 32 bits.
    pub const GERRORN: u64 = 0x64;
    /// SMMU_STRTAB_BASE, 64 bits.
    pub const STRTAB_BASE: u64 = 0x80;
    /// SMMU_STRTAB_BASE_CFG, 32 bits.
    pub const STRTAB_BASE_CFG: u64 = 0x88;
    /// SMMU_CMDQ_BASE, 64 bits.
    pub const CMDQ_BASE: u64 = 0x90;
    /// SMMU_CMDQ_PROD, 32 bits.
    pub const CMDQ_PROD: u64 = 0x98;
    /// SMMU_CMDQ_CONS, 32 bits.
    pub const CMDQ_CONS: u64 = 0x9c;
    /// SMMU_EVENTQ_BASE, 64 bits.
    pub const EVENTQ_BASE: u64 = 0xa0;
    /// SMMU_EVENTQ_PROD, 32 bits, in the second page.
    pub const EVENTQ_PROD: u64 = 0x1_00a8;
    /// SMMU_EVENTQ_CONS, 32 bits, in the second page.
    pub const EVENTQ_CONS: u64 = 0x1_00ac;
}

/// SMMU_IDR0.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Idr0 {
    /// Stage 2.
    pub s2p: bool,
    /// Stage 1.
    pub s1p: bool,
    /// Table formats: bit 1 for AArch64's.
    #[bits(2)]
    pub ttf: u8,
    /// The unit's own accesses are coherent.
    pub cohacc: bool,
    #[bits(7)]
    __: u8,
    /// ASIDs of 16 bits instead of 8.
    pub asid16: bool,
    #[bits(5)]
    __: u8,
    /// VMIDs of 16 bits instead of 8.
    pub vmid16: bool,
    #[bits(2)]
    __: u8,
    /// Byte order of tables: 2 little-endian only.
    #[bits(2)]
    pub ttendian: u8,
    __: bool,
    /// Stalls: 0 supported, 1 not, 2 mandatory.
    #[bits(2)]
    pub stall_model: u8,
    /// Terminated requests are always aborted.
    pub term_model: bool,
    /// Stream tables: 0 linear, 1 two-level too.
    #[bits(2)]
    pub st_level: u8,
    #[bits(3)]
    __: u8,
}

/// SMMU_IDR1.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Idr1 {
    /// Bits of a StreamID.
    #[bits(6)]
    pub sidsize: u8,
    /// Bits of a SubstreamID.
    #[bits(5)]
    pub ssidsize: u8,
    #[bits(5)]
    __: u8,
    /// log2 of the most entries of the event queue.
    #[bits(5)]
    pub eventqs: u8,
    /// log2 of the most entries of the command queue.
    #[bits(5)]
    pub cmdqs: u8,
    #[bits(3)]
    __: u8,
    /// Queue bases are fixed.
    pub queues_preset: bool,
    /// Stream table bases are fixed.
    pub tables_preset: bool,
    __: bool,
}

/// Bits of output addresses by value of Idr5.OAS, CD.IPS and STE.S2PS.
pub const OUTPUT_BITS: [u32; 7] = [32, 36, 40, 42, 44, 48, 52];

/// SMMU_IDR5.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Idr5 {
    /// Output address size, see [`OUTPUT_BITS`].
    #[bits(3)]
    pub oas: u8,
    __: bool,
    /// Granule of 4 KiB.
    pub gran4k: bool,
    /// Granule of 16 KiB.
    pub gran16k: bool,
    /// Granule of 64 KiB.
    pub gran64k: bool,
    #[bits(25)]
    __: u32,
}

/// SMMU_CR0 and SMMU_CR0ACK.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Control0 {
    /// Translation on.
    pub smmuen: bool,
    /// Page request queue on.
    pub priqen: bool,
    /// Event queue on.
    pub eventqen: bool,
    /// Command queue on.
    pub cmdqen: bool,
    #[bits(28)]
    __: u32,
}

/// SMMU_GERROR: an error is active while its bit differs from the one in SMMU_GERRORN.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct GlobalError {
    /// A command could not be executed; SMMU_CMDQ_CONS.ERR says why.
    pub cmdq_err: bool,
    __: bool,
    /// The event queue is no memory.
    pub eventq_abt_err: bool,
    #[bits(29)]
    __: u32,
}

/// Values of SMMU_CMDQ_CONS.ERR, bits 30:24.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommandQueueError(pub u8);

impl CommandQueueError {
    /// No error.
    pub const NONE: Self = Self(0);
    /// CERROR_ILL: the command is illegal.
    pub const ILLEGAL: Self = Self(1);
    /// CERROR_ABT: the command could not be read.
    pub const ABORT: Self = Self(2);
}

/// SMMU_CMDQ_BASE and SMMU_EVENTQ_BASE.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct QueueBase {
    /// log2 of the entries.
    #[bits(5)]
    pub log2size: u8,
    /// Address divided by 32.
    #[bits(47)]
    pub addr: u64,
    #[bits(10)]
    __: u16,
    /// Read- or write-allocate hint.
    pub ra: bool,
    __: bool,
}

/// SMMU_STRTAB_BASE.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct StreamTableBase {
    #[bits(6)]
    __: u8,
    /// Address divided by 64.
    #[bits(46)]
    pub addr: u64,
    #[bits(10)]
    __: u16,
    /// Read-allocate hint.
    pub ra: bool,
    __: bool,
}

/// SMMU_STRTAB_BASE_CFG.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct StreamTableConfig {
    /// log2 of the streams that the table covers.
    #[bits(6)]
    pub log2size: u8,
    /// Of a two-level table: StreamID bits that index the second level: 6, 8 or 10.
    #[bits(5)]
    pub split: u8,
    #[bits(5)]
    __: u8,
    /// 0 linear, 1 two-level.
    #[bits(2)]
    pub fmt: u8,
    #[bits(14)]
    __: u32,
}
