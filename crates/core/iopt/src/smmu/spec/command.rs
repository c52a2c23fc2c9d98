//! Chapter 4: commands, 128 bits each, two words.

use bitfield_struct::bitfield;

/// Bytes of a command.
pub const COMMAND_BYTES: u64 = 16;

/// Opcodes: bits 7:0 of the first word. An open enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opcode(pub u8);

impl Opcode {
    /// CMD_CFGI_STE.
    pub const CFGI_STE: Self = Self(0x03);
    /// CMD_CFGI_STE_RANGE; with [`RANGE_ALL`] it is CMD_CFGI_ALL.
    pub const CFGI_STE_RANGE: Self = Self(0x04);
    /// CMD_CFGI_CD.
    pub const CFGI_CD: Self = Self(0x05);
    /// CMD_CFGI_CD_ALL.
    pub const CFGI_CD_ALL: Self = Self(0x06);
    /// CMD_TLBI_NH_ALL.
    pub const TLBI_NH_ALL: Self = Self(0x10);
    /// CMD_TLBI_NH_ASID.
    pub const TLBI_NH_ASID: Self = Self(0x11);
    /// CMD_TLBI_NH_VA.
    pub const TLBI_NH_VA: Self = Self(0x12);
    /// CMD_TLBI_S12_VMALL.
    pub const TLBI_S12_VMALL: Self = Self(0x28);
    /// CMD_TLBI_S2_IPA.
    pub const TLBI_S2_IPA: Self = Self(0x2a);
    /// CMD_TLBI_NSNH_ALL.
    pub const TLBI_NSNH_ALL: Self = Self(0x30);
    /// CMD_SYNC.
    pub const SYNC: Self = Self(0x46);

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
}

/// Second word of CMD_CFGI_STE_RANGE: all streams.
pub const RANGE_ALL: u64 = 31;

/// First word of the CMD_CFGI commands. The second is Leaf (bit 0) or Range (bits 4:0).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct StreamCommand {
    /// Opcode.
    #[bits(8)]
    pub opcode: Opcode,
    #[bits(4)]
    __: u8,
    /// SubstreamID.
    #[bits(20)]
    pub ssid: u32,
    /// StreamID.
    pub sid: u32,
}

/// First word of the CMD_TLBI commands.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct TlbCommand {
    /// Opcode.
    #[bits(8)]
    pub opcode: Opcode,
    #[bits(24)]
    __: u32,
    /// VMID.
    pub vmid: u16,
    /// ASID, of the commands that have one.
    pub asid: u16,
}

/// Second word of CMD_TLBI_NH_VA and CMD_TLBI_S2_IPA; 0 in the others.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct TlbOperand {
    /// Only leaves were changed.
    pub leaf: bool,
    #[bits(11)]
    __: u16,
    /// Address divided by 4096.
    #[bits(52)]
    pub address: u64,
}

/// First word of CMD_SYNC.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct SyncCommand {
    /// [`Opcode::SYNC`].
    #[bits(8)]
    pub opcode: Opcode,
    #[bits(4)]
    __: u8,
    /// Signal on completion: 0 none.
    #[bits(2)]
    pub cs: u8,
    #[bits(50)]
    pub msi: u64,
}
