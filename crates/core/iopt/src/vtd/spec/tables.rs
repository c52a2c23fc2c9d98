//! Chapter 9.1 and 9.3: root and context entries of legacy mode. Both are 128 bits, 256 of them a page; each
//! word of 64 bits is a type here, as memory is written in words.

use bitfield_struct::bitfield;

/// Bits 63:0 of a root entry (9.1), indexed by bus number. Bits 127:64 are reserved and must be 0.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct RootEntryLow {
    /// Present.
    pub p: bool,
    /// Reserved, must be 0.
    #[bits(11)]
    pub reserved: u16,
    /// Context table address divided by 4096.
    #[bits(52)]
    pub ctp: u64,
}

/// Values of a context entry's TT field (9.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum TranslationType {
    /// Untranslated requests go through the second stage; translated and translation requests are blocked.
    Untranslated = 0b00,
    /// As above, and translated requests pass (device TLBs).
    DeviceTlb = 0b01,
    /// Untranslated requests pass through with their address unchanged.
    PassThrough = 0b10,
    /// Reserved.
    Reserved = 0b11,
}

impl TranslationType {
    /// From the field's two bits; higher bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::Untranslated,
            0b01 => Self::DeviceTlb,
            0b10 => Self::PassThrough,
            _ => Self::Reserved,
        }
    }

    /// The field's two bits.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self as u8
    }
}

/// Bits 63:0 of a context entry (9.3), indexed by device and function.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct ContextEntryLow {
    /// Present.
    pub p: bool,
    /// Fault processing disable: faults of this function are neither recorded nor reported.
    pub fpd: bool,
    /// Translation type.
    #[bits(2)]
    pub tt: TranslationType,
    /// Reserved, must be 0.
    #[bits(8)]
    pub reserved: u8,
    /// Second-stage root table address divided by 4096; ignored with pass-through.
    #[bits(52)]
    pub ssptptr: u64,
}

/// Values of a context entry's AW field (9.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum AddressWidth {
    /// 39 bits, three levels (SAGAW bit 1).
    Bits39 = 1,
    /// 48 bits, four levels (SAGAW bit 2).
    Bits48 = 2,
    /// 57 bits, five levels (SAGAW bit 3).
    Bits57 = 3,
    /// Any of the reserved values (0 and 4..=7); written as 0.
    Reserved = 0,
}

impl AddressWidth {
    /// From the field's three bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits {
            1 => Self::Bits39,
            2 => Self::Bits48,
            3 => Self::Bits57,
            _ => Self::Reserved,
        }
    }

    /// The field's three bits.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self as u8
    }

    /// Levels of the tables, or `None` for a reserved value.
    #[must_use]
    pub const fn levels(self) -> Option<u32> {
        match self {
            Self::Bits39 => Some(3),
            Self::Bits48 => Some(4),
            Self::Bits57 => Some(5),
            Self::Reserved => None,
        }
    }

    /// Whether CAP_REG.SAGAW has the width.
    #[must_use]
    pub const fn in_sagaw(self, sagaw: u8) -> bool {
        match self {
            Self::Reserved => false,
            width => sagaw >> (width as u8) & 1 == 1,
        }
    }
}

/// Bits 127:64 of a context entry (9.3).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct ContextEntryHigh {
    /// Address width.
    #[bits(3)]
    pub aw: AddressWidth,
    /// Ignored by hardware.
    #[bits(4)]
    pub ignored: u8,
    /// Reserved, must be 0.
    pub reserved: bool,
    /// Domain identifier.
    pub did: u16,
    /// Reserved, must be 0.
    #[bits(40)]
    pub reserved_high: u64,
}
