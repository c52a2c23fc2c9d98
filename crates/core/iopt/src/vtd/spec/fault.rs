//! Chapter 11.4.7.6 and 7.1.3: fault records and the reasons in them. A record is 128 bits, at
//! 16 * (CAP_REG.FRO + n) from the unit's base.

use bitfield_struct::bitfield;

/// Bits 63:0 of a fault record.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct FaultRecordLow {
    #[bits(12)]
    __: u16,
    /// Fault info: the logical address of the request divided by 4096.
    #[bits(52)]
    pub fi: u64,
}

/// Bits 127:64 of a fault record. Writing `f` as 1 clears it and frees the record.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct FaultRecord {
    /// Source identifier.
    pub sid: u16,
    #[bits(12)]
    __: u16,
    /// Type, bit 2; with `t1`: 00 write, 01 (t1 set) read, 10 page request, 11 atomic.
    pub t2: bool,
    /// Privilege mode requested.
    pub privileged: bool,
    /// Execute permission requested.
    pub exe: bool,
    /// A PASID is present in `pv`.
    pub pp: bool,
    /// Fault reason, see [`FaultReason`].
    pub fr: u8,
    /// PASID value.
    #[bits(20)]
    pub pv: u32,
    /// Address type: 00 untranslated.
    #[bits(2)]
    pub at: u8,
    /// Type, bit 1: the request was a read.
    pub t1: bool,
    /// Fault: the record is filled.
    pub f: bool,
}

/// Fault reasons (7.1.3, table of fault conditions). Any byte may be met: an open enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FaultReason(pub u8);

impl FaultReason {
    /// The root entry is not present.
    pub const ROOT_NOT_PRESENT: Self = Self(0x1);
    /// The context entry is not present.
    pub const CONTEXT_NOT_PRESENT: Self = Self(0x2);
    /// The context entry is programmed in a way that the unit does not support.
    pub const CONTEXT_INVALID: Self = Self(0x3);
    /// The address is beyond the width that the context entry or the unit has.
    pub const ADDRESS_BEYOND_WIDTH: Self = Self(0x4);
    /// A write met a paging entry without write permission.
    pub const NO_WRITE: Self = Self(0x5);
    /// A read met a paging entry without read permission.
    pub const NO_READ: Self = Self(0x6);
    /// A paging entry led to an address that cannot be accessed.
    pub const PAGING_ENTRY_ACCESS: Self = Self(0x7);
    /// The root table cannot be accessed.
    pub const ROOT_TABLE_ACCESS: Self = Self(0x8);
    /// The context table cannot be accessed.
    pub const CONTEXT_TABLE_ACCESS: Self = Self(0x9);
    /// A reserved field of a present root entry is set.
    pub const ROOT_RESERVED: Self = Self(0xa);
    /// A reserved field of a present context entry is set.
    pub const CONTEXT_RESERVED: Self = Self(0xb);
    /// A reserved field of a present paging entry is set.
    pub const PAGING_ENTRY_RESERVED: Self = Self(0xc);
    /// The context entry's translation type blocks this kind of request.
    pub const TRANSLATION_TYPE_BLOCKS: Self = Self(0xd);

    /// Scalable mode: the root table cannot be accessed.
    pub const SM_ROOT_ACCESS: Self = Self(0x38);
    /// The half of the root entry is not present.
    pub const SM_ROOT_NOT_PRESENT: Self = Self(0x39);
    /// A reserved field of a present root entry is set.
    pub const SM_ROOT_RESERVED: Self = Self(0x3a);
    /// The context table cannot be accessed.
    pub const SM_CONTEXT_ACCESS: Self = Self(0x40);
    /// The context entry is not present.
    pub const SM_CONTEXT_NOT_PRESENT: Self = Self(0x41);
    /// A reserved field of a present context entry is set.
    pub const SM_CONTEXT_RESERVED: Self = Self(0x42);
    /// RID_PASID is beyond the PASID directory.
    pub const SM_RID_PASID: Self = Self(0x48);
    /// The PASID directory cannot be accessed.
    pub const PASID_DIRECTORY_ACCESS: Self = Self(0x50);
    /// The PASID-directory entry is not present.
    pub const PASID_DIRECTORY_NOT_PRESENT: Self = Self(0x51);
    /// A reserved field of a present PASID-directory entry is set.
    pub const PASID_DIRECTORY_RESERVED: Self = Self(0x52);
    /// The PASID table cannot be accessed.
    pub const PASID_TABLE_ACCESS: Self = Self(0x58);
    /// The PASID-table entry is not present.
    pub const PASID_ENTRY_NOT_PRESENT: Self = Self(0x59);
    /// A reserved field of a present PASID-table entry is set.
    pub const PASID_ENTRY_RESERVED: Self = Self(0x5a);
    /// The PASID-table entry is programmed in a way that the unit does not support.
    pub const PASID_ENTRY_INVALID: Self = Self(0x5b);
    /// A first-stage table cannot be accessed.
    pub const FS_ENTRY_ACCESS: Self = Self(0x70);
    /// A first-stage entry is not present.
    pub const FS_ENTRY_NOT_PRESENT: Self = Self(0x71);
    /// A reserved field of a present first-stage entry is set.
    pub const FS_ENTRY_RESERVED: Self = Self(0x72);
    /// The first stage's root table cannot be accessed.
    pub const FS_ROOT_ACCESS: Self = Self(0x73);
    /// Scalable mode: a second-stage table cannot be accessed.
    pub const SS_ENTRY_ACCESS: Self = Self(0x78);
    /// A second-stage entry permits neither reads nor writes.
    pub const SS_ENTRY_NOT_PRESENT: Self = Self(0x79);
    /// A reserved field of a present second-stage entry is set.
    pub const SS_ENTRY_RESERVED: Self = Self(0x7a);
    /// The address is not canonical, in the first stage.
    pub const NOT_CANONICAL: Self = Self(0x80);
    /// A request of user privilege met a first-stage entry without user permission.
    pub const NO_USER: Self = Self(0x81);
    /// The address is beyond the width that the second stage has.
    pub const SM_ADDRESS_BEYOND_WIDTH: Self = Self(0x84);
    /// Scalable mode: no write permission.
    pub const SM_NO_WRITE: Self = Self(0x85);
    /// Scalable mode: no read permission.
    pub const SM_NO_READ: Self = Self(0x86);
}
