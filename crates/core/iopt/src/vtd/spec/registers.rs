//! Chapter 11.4: memory-mapped registers.

use bitfield_struct::bitfield;

/// Byte offsets of the registers from the unit's base (table "Memory-mapped Registers").
pub mod offset {
    /// Version, 32 bits (11.4.1).
    pub const VER: u64 = 0x00;
    /// Capability, 64 bits (11.4.2).
    pub const CAP: u64 = 0x08;
    /// Extended capability, 64 bits (11.4.3).
    pub const ECAP: u64 = 0x10;
    /// Global command, 32 bits, write only (11.4.4.1).
    pub const GCMD: u64 = 0x18;
    /// Global status, 32 bits (11.4.4.2).
    pub const GSTS: u64 = 0x1c;
    /// Root table address, 64 bits (11.4.5).
    pub const RTADDR: u64 = 0x20;
    /// Context command, 64 bits: register-based invalidation, which is not defined further here (11.4.6).
    pub const CCMD: u64 = 0x28;
    /// Fault status, 32 bits, some bits write-1-to-clear (11.4.7.1).
    pub const FSTS: u64 = 0x34;
    /// Fault event control, 32 bits (11.4.7.2).
    pub const FECTL: u64 = 0x38;
    /// Fault event data, 32 bits (11.4.7.3).
    pub const FEDATA: u64 = 0x3c;
    /// Fault event address, 32 bits (11.4.7.4).
    pub const FEADDR: u64 = 0x40;
    /// Fault event upper address, 32 bits (11.4.7.5).
    pub const FEUADDR: u64 = 0x44;
    /// Protected memory enable, 32 bits (11.4.8.1).
    pub const PMEN: u64 = 0x64;
    /// Invalidation queue head, 64 bits, read only (11.4.9.1).
    pub const IQH: u64 = 0x80;
    /// Invalidation queue tail, 64 bits (11.4.9.2).
    pub const IQT: u64 = 0x88;
    /// Invalidation queue address, 64 bits (11.4.9.3).
    pub const IQA: u64 = 0x90;
    /// Invalidation completion status, 32 bits (11.4.9.4).
    pub const ICS: u64 = 0x9c;
    /// Invalidation event control, 32 bits (11.4.9.5).
    pub const IECTL: u64 = 0xa0;
    /// Invalidation queue error record, 64 bits (11.4.9.9).
    pub const IQERCD: u64 = 0xb0;
    /// Interrupt remapping table address, 64 bits (11.4.10.1).
    pub const IRTA: u64 = 0xb8;
}

/// VER_REG: the architecture version that the unit follows.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct Version {
    /// Minor version.
    #[bits(4)]
    pub min: u8,
    /// Major version.
    #[bits(4)]
    pub max: u8,
    #[bits(24)]
    __: u32,
}

/// CAP_REG.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Capability {
    /// Number of domains: 2^(4 + 2 * nd); 7 is reserved.
    #[bits(3)]
    pub nd: u8,
    /// Was: advanced fault logging, gone since revision 3. Ignored.
    pub afl: bool,
    /// Software must flush the unit's write buffer after changing structures that it may have read.
    pub rwbf: bool,
    /// Protected low memory region.
    pub plmr: bool,
    /// Protected high memory region.
    pub phmr: bool,
    /// Caching mode: absent and faulting entries may be cached, so making one present needs an invalidation.
    pub cm: bool,
    /// Supported adjusted guest address widths: bit 1 three levels (39 bits), bit 2 four (48), bit 3 five (57).
    #[bits(5)]
    pub sagaw: u8,
    #[bits(3)]
    __: u8,
    /// Maximum guest address width, in bits, less one.
    #[bits(6)]
    pub mgaw: u8,
    /// Zero-length reads pass on write-only pages.
    pub zlr: bool,
    /// Deprecated; reads as 0.
    pub isoch: bool,
    /// Offset of the first fault record, in 16-byte units from the unit's base.
    #[bits(10)]
    pub fro: u16,
    /// Second-stage large pages: bit 0 for 2 MiB, bit 1 for 1 GiB; the others are reserved.
    #[bits(4)]
    pub sslps: u8,
    __: bool,
    /// Page-selective invalidation within a domain.
    pub psi: bool,
    /// Number of fault records, less one.
    pub nfr: u8,
    /// Maximum address mask value of a page-selective invalidation (log2 of pages).
    #[bits(6)]
    pub mamv: u8,
    /// Writes are drained on an invalidation that asks for it.
    pub dwd: bool,
    /// Reads are drained likewise.
    pub drd: bool,
    /// First-stage 1 GiB pages.
    pub fs1gp: bool,
    #[bits(2)]
    __: u8,
    /// Posted interrupts.
    pub pi: bool,
    /// First-stage five-level paging.
    pub fs5lp: bool,
    /// Enhanced commands.
    pub ecmds: bool,
    /// Enhanced SIRTP: setting the interrupt table pointer invalidates.
    pub esirtps: bool,
    /// Enhanced SRTP: setting the root table pointer invalidates.
    pub esrtps: bool,
}

/// ECAP_REG.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct ExtendedCapability {
    /// The unit's walks snoop the processor's caches.
    pub c: bool,
    /// Queued invalidation.
    pub qi: bool,
    /// Device TLBs.
    pub dt: bool,
    /// Interrupt remapping.
    pub ir: bool,
    /// Extended interrupt mode.
    pub eim: bool,
    __: bool,
    /// Pass-through as a context entry's translation type.
    pub pt: bool,
    /// Snoop control: bit 11 of a second-stage leaf is defined; otherwise it is reserved.
    pub sc: bool,
    /// Offset of the IOTLB registers, in 16-byte units from the unit's base.
    #[bits(10)]
    pub iro: u16,
    #[bits(2)]
    __: u8,
    /// Maximum handle mask of an interrupt-entry-cache invalidation.
    #[bits(4)]
    pub mhmv: u8,
    #[bits(2)]
    __: u8,
    /// Nested translation.
    pub nest: bool,
    #[bits(2)]
    __: u8,
    /// Page requests.
    pub prs: bool,
    /// Execute requests.
    pub ers: bool,
    /// Supervisor requests.
    pub srs: bool,
    __: bool,
    /// No write flag in device-TLB translation requests.
    pub nwfs: bool,
    /// Extended accessed flag.
    pub eafs: bool,
    /// PASID size supported, in bits, less one.
    #[bits(5)]
    pub pss: u8,
    /// Process address space identifiers.
    pub pasid: bool,
    /// Device-TLB invalidation throttle.
    pub dit: bool,
    /// Page-request draining.
    pub pds: bool,
    /// Scalable mode.
    pub smts: bool,
    /// Virtual commands.
    pub vcs: bool,
    /// Second-stage accessed and dirty flags.
    pub ssads: bool,
    /// Second-stage translation in scalable mode.
    pub ssts: bool,
    /// First-stage translation in scalable mode.
    pub fsts: bool,
    /// Scalable-mode page-walk coherency.
    pub smpwcs: bool,
    /// RID-PASID.
    pub rps: bool,
    #[bits(14)]
    __: u16,
}

/// GCMD_REG. One bit is changed per write, and the next only once the status register shows it.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct GlobalCommand {
    #[bits(23)]
    __: u32,
    /// Compatibility-format interrupts.
    pub cfi: bool,
    /// Set interrupt remapping table pointer (one shot).
    pub sirtp: bool,
    /// Interrupt remapping enable.
    pub ire: bool,
    /// Queued invalidation enable.
    pub qie: bool,
    /// Write buffer flush (one shot).
    pub wbf: bool,
    /// Was: enable advanced fault logging.
    pub eafl: bool,
    /// Was: set fault log (one shot).
    pub sfl: bool,
    /// Set root table pointer (one shot).
    pub srtp: bool,
    /// Translation enable.
    pub te: bool,
}

/// Bits of GSTS_REG that a write of GCMD_REG must carry over: all but those of the one-shot commands (11.4.4.1).
pub const GCMD_KEEP: u32 = 0x96ff_ffff;

/// GSTS_REG: the same positions, as acknowledged.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct GlobalStatus {
    #[bits(23)]
    __: u32,
    /// Compatibility-format interrupts pass.
    pub cfis: bool,
    /// Interrupt remapping table pointer is set.
    pub irtps: bool,
    /// Interrupt remapping is on.
    pub ires: bool,
    /// The invalidation queue is on.
    pub qies: bool,
    /// A write buffer flush is going on.
    pub wbfs: bool,
    /// Was: advanced fault logging is on.
    pub afls: bool,
    /// Was: fault log pointer is set.
    pub fls: bool,
    /// Root table pointer is set.
    pub rtps: bool,
    /// Translation is on.
    pub tes: bool,
}

/// Values of RTADDR_REG.TTM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TranslationTableMode {
    /// Legacy mode: root and context entries of 128 bits.
    Legacy = 0b00,
    /// Scalable mode.
    Scalable = 0b01,
    /// Reserved.
    Reserved = 0b10,
    /// Abort-DMA mode.
    Abort = 0b11,
}

impl TranslationTableMode {
    /// From the field's two bits; higher bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::Legacy,
            0b01 => Self::Scalable,
            0b10 => Self::Reserved,
            _ => Self::Abort,
        }
    }

    /// The field's two bits.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self as u8
    }
}

/// RTADDR_REG.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct RootTableAddress {
    #[bits(10)]
    __: u16,
    /// Translation table mode.
    #[bits(2)]
    pub ttm: TranslationTableMode,
    /// Root table address divided by 4096.
    #[bits(52)]
    pub rta: u64,
}

/// FSTS_REG. Bits 0 and 4..=6 are cleared by writing 1; `ppf` and `fri` follow the records.
#[bitfield(u32)]
#[derive(PartialEq, Eq)]
pub struct FaultStatus {
    /// Primary fault overflow: a fault found no free record.
    pub pfo: bool,
    /// Primary pending fault: some record is filled.
    pub ppf: bool,
    #[bits(2)]
    __: u8,
    /// Invalidation queue error: the descriptor at the head could not be fetched or is not legal.
    pub iqe: bool,
    /// Invalidation completion error.
    pub ice: bool,
    /// Invalidation time-out error.
    pub ite: bool,
    __: bool,
    /// Index of the first pending record.
    pub fri: u8,
    #[bits(16)]
    __: u16,
}

/// IQH_REG and IQT_REG, with descriptors of 128 bits.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct QueueIndex {
    #[bits(4)]
    __: u8,
    /// Index of a descriptor.
    #[bits(15)]
    pub index: u16,
    #[bits(45)]
    __: u64,
}

/// IQA_REG.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct InvalidationQueueAddress {
    /// Size: 2^qs pages.
    #[bits(3)]
    pub qs: u8,
    #[bits(8)]
    __: u8,
    /// Descriptor width: 0 for 128 bits, 1 for 256.
    pub dw: bool,
    /// Address of the queue divided by 4096.
    #[bits(52)]
    pub iqa: u64,
}
