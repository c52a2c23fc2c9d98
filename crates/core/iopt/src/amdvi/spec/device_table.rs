//! Section 2.2.2: device table entries, 256 bits each, indexed by requester. Each word of 64 bits is a type here, as
//! memory is written in words.

use bitfield_struct::bitfield;

/// Bytes of an entry.
pub const DTE_BYTES: u64 = 32;
/// Words of 64 bits of an entry.
pub const DTE_WORDS: usize = 4;

/// Bits 63:0.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct DteFirst {
    /// Valid: bits 127:1 mean something. Without it requests pass untranslated.
    pub v: bool,
    /// Translation information valid: bits 127:2 (but 63:61's neighbours of interrupts) mean something.
    pub tv: bool,
    /// Reserved, must be 0.
    #[bits(5)]
    pub reserved: u8,
    /// Host access and dirty updates; where EFR[HADSup] is 0, as here, must be 0.
    #[bits(2)]
    pub had: u8,
    /// Paging mode: 0 no tables (the address passes, as IR and IW permit), 1..=6 so many levels, 7 reserved.
    #[bits(3)]
    pub mode: u8,
    /// Address of the root table divided by 4096.
    #[bits(40)]
    pub root: u64,
    /// Page requests.
    pub ppr: bool,
    /// Guest page-request responses with PASID.
    pub gprp: bool,
    /// Guest I/O protection.
    pub giov: bool,
    /// Guest translation.
    pub gv: bool,
    /// Guest levels.
    #[bits(2)]
    pub glx: u8,
    /// Guest CR3 table, bits 14:12.
    #[bits(3)]
    pub gcr3_low: u8,
    /// Reads are permitted. Permissions are the AND over this and all levels.
    pub ir: bool,
    /// Writes are permitted.
    pub iw: bool,
    /// Reserved, must be 0.
    pub reserved_63: bool,
}

/// Bits 127:64.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct DteSecond {
    /// Domain, what cached translations are tagged with.
    pub domain_id: u16,
    /// Guest CR3 table, bits 30:15.
    pub gcr3_middle: u16,
    /// The device has a TLB.
    pub i: bool,
    /// Suppress: after one I/O page fault no more are logged for the device.
    pub se: bool,
    /// Suppress all I/O page faults of the device.
    pub sa: bool,
    /// Port I/O.
    #[bits(2)]
    pub io_ctl: u8,
    /// Cache hint.
    pub cache: bool,
    /// Snoop disable.
    pub sd: bool,
    /// Allow exclusion.
    pub ex: bool,
    /// System management messages.
    #[bits(2)]
    pub sys_mgt: u8,
    /// Secure ATS; reserved where it is not supported.
    pub sats: bool,
    /// Guest CR3 table, bits 51:31.
    #[bits(21)]
    pub gcr3_high: u32,
}

/// Bits 191:128: interrupt remapping. All zero, interrupts pass as they are.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct DteThird {
    /// Interrupt table valid.
    pub iv: bool,
    #[bits(51)]
    pub table: u64,
    /// Reserved, must be 0.
    #[bits(2)]
    pub reserved: u8,
    #[bits(10)]
    pub control: u16,
}

/// Bits 255:192: reserved but for attributes that are off here.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct DteFourth {
    /// Reserved, must be 0.
    pub reserved: u64,
}
