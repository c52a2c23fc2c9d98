//! Chapter 7: event records, 256 bits each, four words. The third is the input address; the fourth is not used here.

use bitfield_struct::bitfield;

/// Bytes of a record.
pub const EVENT_BYTES: u64 = 32;

/// Event numbers. An open enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventCode(pub u8);

impl EventCode {
    /// The stream table does not cover the StreamID.
    pub const C_BAD_STREAMID: Self = Self(0x02);
    /// The stream table entry could not be read.
    pub const F_STE_FETCH: Self = Self(0x03);
    /// The stream table entry is not valid, or not legal.
    pub const C_BAD_STE: Self = Self(0x04);
    /// The context descriptor could not be read.
    pub const F_CD_FETCH: Self = Self(0x09);
    /// The context descriptor is not valid, or not legal.
    pub const C_BAD_CD: Self = Self(0x0a);
    /// A table could not be read.
    pub const F_WALK_EABT: Self = Self(0x0b);
    /// Nothing is mapped there, or the address is beyond the input's bits.
    pub const F_TRANSLATION: Self = Self(0x10);
    /// An address is beyond the output's bits.
    pub const F_ADDR_SIZE: Self = Self(0x11);
    /// The access flag is clear.
    pub const F_ACCESS: Self = Self(0x12);
    /// Not permitted.
    pub const F_PERMISSION: Self = Self(0x13);

    /// From the field's eight bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The field's eight bits.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self.0
    }

    /// The manual's name.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::C_BAD_STREAMID => "C_BAD_STREAMID",
            Self::F_STE_FETCH => "F_STE_FETCH",
            Self::C_BAD_STE => "C_BAD_STE",
            Self::F_CD_FETCH => "F_CD_FETCH",
            Self::C_BAD_CD => "C_BAD_CD",
            Self::F_WALK_EABT => "F_WALK_EABT",
            Self::F_TRANSLATION => "F_TRANSLATION",
            Self::F_ADDR_SIZE => "F_ADDR_SIZE",
            Self::F_ACCESS => "F_ACCESS",
            Self::F_PERMISSION => "F_PERMISSION",
            _ => return None,
        })
    }
}

/// What was being done when a translation fault came about: EventSecond.CLASS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum EventClass {
    /// A context descriptor was being read.
    Cd = 0,
    /// A table was being read.
    Ttd = 1,
    /// The input address was being translated.
    In = 2,
}

/// First word of a record.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct EventFirst {
    /// Event number.
    #[bits(8)]
    pub code: EventCode,
    #[bits(3)]
    __: u8,
    /// There is a SubstreamID.
    pub ssv: bool,
    /// SubstreamID.
    #[bits(20)]
    pub ssid: u32,
    /// StreamID.
    pub sid: u32,
}

/// Second word of a record of a translation fault; 0 in configuration errors.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct EventSecond {
    /// Stall tag.
    pub stag: u16,
    #[bits(15)]
    __: u16,
    /// The request stalls.
    pub stall: bool,
    __: bool,
    /// Privileged.
    pub pnu: bool,
    /// Instruction.
    pub ind: bool,
    /// Read, not write.
    pub rnw: bool,
    #[bits(3)]
    __: u8,
    /// Of stage 2.
    pub s2: bool,
    /// See [`EventClass`].
    #[bits(2)]
    pub class: u8,
    #[bits(22)]
    __: u32,
}
