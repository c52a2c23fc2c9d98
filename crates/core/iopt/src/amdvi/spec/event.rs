//! Section 2.5: event log entries, 128 bits each: a head, and an address.

use bitfield_struct::bitfield;

/// Bytes of an entry.
pub const EVENT_BYTES: u64 = 16;

/// Event codes. An open enumeration: any value may be met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventCode(pub u8);

impl EventCode {
    /// ILLEGAL_DEV_TABLE_ENTRY (2.5.2).
    pub const ILLEGAL_DEV_TABLE_ENTRY: Self = Self(0x1);
    /// IO_PAGE_FAULT (2.5.3).
    pub const IO_PAGE_FAULT: Self = Self(0x2);
    /// DEV_TAB_HARDWARE_ERROR (2.5.4).
    pub const DEV_TAB_HARDWARE_ERROR: Self = Self(0x3);
    /// PAGE_TAB_HARDWARE_ERROR (2.5.5).
    pub const PAGE_TAB_HARDWARE_ERROR: Self = Self(0x4);
    /// ILLEGAL_COMMAND_ERROR (2.5.6).
    pub const ILLEGAL_COMMAND_ERROR: Self = Self(0x5);
    /// COMMAND_HARDWARE_ERROR (2.5.7).
    pub const COMMAND_HARDWARE_ERROR: Self = Self(0x6);
    /// IOTLB_INV_TIMEOUT (2.5.8).
    pub const IOTLB_INV_TIMEOUT: Self = Self(0x7);
    /// INVALID_DEVICE_REQUEST (2.5.9).
    pub const INVALID_DEVICE_REQUEST: Self = Self(0x8);

    /// From the field's four bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0xf)
    }

    /// The field's four bits.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self.0 & 0xf
    }

    /// The manual's name.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ILLEGAL_DEV_TABLE_ENTRY => "ILLEGAL_DEV_TABLE_ENTRY",
            Self::IO_PAGE_FAULT => "IO_PAGE_FAULT",
            Self::DEV_TAB_HARDWARE_ERROR => "DEV_TAB_HARDWARE_ERROR",
            Self::PAGE_TAB_HARDWARE_ERROR => "PAGE_TAB_HARDWARE_ERROR",
            Self::ILLEGAL_COMMAND_ERROR => "ILLEGAL_COMMAND_ERROR",
            Self::COMMAND_HARDWARE_ERROR => "COMMAND_HARDWARE_ERROR",
            Self::IOTLB_INV_TIMEOUT => "IOTLB_INV_TIMEOUT",
            Self::INVALID_DEVICE_REQUEST => "INVALID_DEVICE_REQUEST",
            _ => return None,
        })
    }
}

/// What the type field of the hardware errors says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum HardwareError {
    /// Nobody answered.
    MasterAbort = 0b01,
    /// Refused.
    TargetAbort = 0b10,
    /// Data error.
    DataError = 0b11,
}

/// Bits 59:48 of a head. Not every event has every flag; those that it does not have are 0.
#[bitfield(u16)]
#[derive(PartialEq, Eq)]
pub struct EventFlags {
    /// Guest address.
    pub gn: bool,
    /// No-execute.
    pub nx: bool,
    /// User.
    pub us: bool,
    /// Interrupt request.
    pub i: bool,
    /// Present: the entry that ended the walk was.
    pub pr: bool,
    /// Write.
    pub rw: bool,
    /// Permission: the levels together do not permit it. Meaningless where `pr` is 0.
    pub pe: bool,
    /// Reserved bits are set (1), or a level or mode is illegal (0).
    pub rz: bool,
    /// Translation request of a device TLB.
    pub tr: bool,
    /// Type of a hardware error, see [`HardwareError`].
    #[bits(2)]
    pub kind: u8,
    __: bool,
    #[bits(4)]
    __: u8,
}

/// The first word of an entry. The second is an address: of the request (page faults, illegal device table entries),
/// of the table or command in memory (errors of theirs).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct EventHead {
    /// Whose request; 0 for command errors.
    pub device_id: u16,
    /// PASID, bits 19:16.
    #[bits(4)]
    pub pasid_high: u8,
    #[bits(12)]
    __: u16,
    /// Domain, or PASID bits 15:0.
    pub domain_id: u16,
    /// See [`EventFlags`].
    #[bits(12)]
    pub flags: u16,
    /// Event code.
    #[bits(4)]
    pub code: EventCode,
}
