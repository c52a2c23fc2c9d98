//! Chapters 9.2 and 9.4 to 9.6: the structures of scalable mode. A root entry is two [`RootEntryLow`]s, for devices 0
//! to 15 and 16 to 31, each with a table of 128 context entries. Each word of 64 bits is a type here.
//!
//! [`RootEntryLow`]: super::RootEntryLow

use bitfield_struct::bitfield;

/// Words of 64 bits of a context entry.
pub const SCALABLE_CONTEXT_WORDS: usize = 4;
/// Words of 64 bits of a PASID-table entry.
pub const PASID_ENTRY_WORDS: usize = 8;
/// Entries of a PASID table.
pub const PASID_TABLE_ENTRIES: u32 = 64;

/// Bits 63:0 of a context entry (9.4). Bits 255:128 are reserved and must be 0.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct ScalableContextLow {
    /// Present.
    pub p: bool,
    /// Fault processing disable: faults of this function are neither recorded nor reported.
    pub fpd: bool,
    /// Device TLB; reserved where ECAP_REG.DT is 0.
    pub dte: bool,
    /// Requests with PASID are allowed; reserved where ECAP_REG.PASID is 0.
    pub paside: bool,
    /// Page requests; reserved where ECAP_REG.PRS is 0.
    pub pre: bool,
    /// Reserved, must be 0.
    #[bits(4)]
    pub reserved: u8,
    /// PASID directory size: 2^(pdts + 7) entries.
    #[bits(3)]
    pub pdts: u8,
    /// PASID directory address divided by 4096.
    #[bits(52)]
    pub pasiddirptr: u64,
}

/// Bits 127:64 of a context entry (9.4).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct ScalableContextHigh {
    /// The PASID of requests without one; where ECAP_REG.RPS is 0 it is 0, and this is reserved.
    #[bits(20)]
    pub rid_pasid: u32,
    /// Privilege of requests without PASID; reserved here.
    pub rid_priv: bool,
    /// Reserved, must be 0.
    #[bits(43)]
    pub reserved: u64,
}

/// A PASID-directory entry (9.5).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct PasidDirectoryEntry {
    /// Present.
    pub p: bool,
    /// Fault processing disable.
    pub fpd: bool,
    /// Reserved, must be 0.
    #[bits(10)]
    pub reserved: u16,
    /// PASID table address divided by 4096.
    #[bits(52)]
    pub smptblptr: u64,
}

/// Values of a PASID-table entry's PGTT field. An open enumeration: any value may be met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasidTranslationType(pub u8);

impl PasidTranslationType {
    /// Through the first stage.
    pub const FIRST_STAGE: Self = Self(0b001);
    /// Through the second stage.
    pub const SECOND_STAGE: Self = Self(0b010);
    /// Through the first, and that through the second.
    pub const NESTED: Self = Self(0b011);
    /// Unchanged.
    pub const PASS_THROUGH: Self = Self(0b100);

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

/// Bits 63:0 of a PASID-table entry (9.6).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct PasidEntryFirst {
    /// Present.
    pub p: bool,
    /// Fault processing disable.
    pub fpd: bool,
    /// Address width of the second stage, as in a context entry of legacy mode.
    #[bits(3)]
    pub aw: super::AddressWidth,
    /// Reserved, must be 0.
    pub reserved: bool,
    /// Translation type.
    #[bits(3)]
    pub pgtt: PasidTranslationType,
    /// Accessed and dirty flags of the second stage; reserved where ECAP_REG.SSADS is 0.
    pub ssade: bool,
    /// Reserved, must be 0.
    #[bits(2)]
    pub reserved_10: u8,
    /// Second-stage root table address divided by 4096.
    #[bits(52)]
    pub ssptptr: u64,
}

/// Bits 127:64 of a PASID-table entry (9.6).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct PasidEntrySecond {
    /// Domain identifier.
    pub did: u16,
    /// Reserved, must be 0.
    #[bits(7)]
    pub reserved: u8,
    /// Page walks snoop.
    pub pwsnp: bool,
    /// Accesses snoop; reserved where ECAP_REG.SC is 0.
    pub pgsnp: bool,
    /// Memory types, which are not used here.
    #[bits(2)]
    pub memory_type: u8,
    /// Reserved, must be 0.
    #[bits(5)]
    pub reserved_91: u8,
    /// Page attribute table; ignored without memory types.
    pub pat: u32,
}

/// Bits 191:128 of a PASID-table entry (9.6). Bits 511:192 are reserved here and must be 0.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct PasidEntryThird {
    /// Supervisor requests; reserved where ECAP_REG.SRS is 0.
    pub sre: bool,
    /// Reserved, must be 0.
    pub reserved: bool,
    /// First-stage paging mode: 0 four levels, 1 five.
    #[bits(2)]
    pub fspm: u8,
    /// Write protect, of supervisor requests.
    pub wpe: bool,
    /// Ignored by hardware.
    #[bits(2)]
    pub ignored: u8,
    /// Extended accessed flag; reserved where ECAP_REG.EAFS is 0.
    pub eafe: bool,
    /// Reserved, must be 0.
    #[bits(4)]
    pub reserved_8: u8,
    /// First-stage root table address divided by 4096.
    #[bits(52)]
    pub fsptptr: u64,
}
