//! Translation table descriptors of Arm: Arm Architecture Reference Manual, DDI 0487, issue J.a, section D8.3
//! (VMSAv8-64), as the SMMU walks them (SMMUv3 Architecture Specification, IHI 0070, issue F.b, sections 3.3 and
//! 3.4). Without the extensions for 52-bit addresses.

use bitfield_struct::bitfield;

/// A descriptor that leads to a table; any level but the lowest, both stages.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct TableDescriptor {
    /// Valid.
    pub valid: bool,
    /// Set: a table follows. Clear: the descriptor is a block.
    pub table: bool,
    /// Ignored by hardware (the access flag of tables, bit 10, without FEAT_HAFT).
    #[bits(10)]
    pub ignored_2: u16,
    /// Address of the table divided by 4096; bits below the granule are RES0.
    #[bits(36)]
    pub addr: u64,
    /// RES0.
    #[bits(3)]
    pub res0_48: u8,
    /// Ignored by hardware.
    #[bits(8)]
    pub ignored_51: u8,
    /// Stage 1: no privileged execution below. Ignored here. Never written.
    pub pxn_table: bool,
    /// Stage 1: no execution below. Ignored here. Never written.
    pub uxn_table: bool,
    /// Stage 1, APTable bit 0: no unprivileged access below. RES0 at stage 2.
    pub ap_no_unprivileged: bool,
    /// Stage 1, APTable bit 1: no writes below. RES0 at stage 2.
    pub ap_no_write: bool,
    /// Stage 1: the table is in the Non-secure address space. Ignored in Non-secure state.
    pub ns_table: bool,
}

/// A block or page descriptor of stage 1.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Stage1Leaf {
    /// Valid.
    pub valid: bool,
    /// Set in a page descriptor (the lowest level), clear in a block descriptor.
    pub page: bool,
    /// Index into the context descriptor's MAIR. 0 is written here: the unit's driver makes it normal write-back.
    #[bits(3)]
    pub attr_index: u8,
    /// Non-secure; ignored in Non-secure state.
    pub ns: bool,
    /// AP bit 1: unprivileged access. Requests are unprivileged unless the stream table entry says otherwise.
    pub ap_unprivileged: bool,
    /// AP bit 2: read-only.
    pub ap_read_only: bool,
    /// Shareability; inner shareable (0b11) is written here.
    #[bits(2)]
    pub sh: u8,
    /// Access flag: clear, the descriptor faults, unless hardware manages the flag (CD.HA).
    pub af: bool,
    /// Not global: belongs to one ASID. Always set here.
    pub ng: bool,
    /// Address of the block or page divided by 4096; bits below its size are RES0 or have other meanings, and are
    /// ignored here.
    #[bits(36)]
    pub addr: u64,
    /// RES0.
    #[bits(2)]
    pub res0_48: u8,
    /// Guarded page; ignored by an SMMU.
    pub gp: bool,
    /// Dirty bit modifier: with `ap_read_only`, writable and clean, where hardware manages dirty state (CD.HD).
    pub dbm: bool,
    /// Contiguous hint: one of a row of entries that one TLB entry may hold.
    pub contiguous: bool,
    /// No privileged execution. Ignored here. Never written.
    pub pxn: bool,
    /// No execution. Ignored here. Never written.
    pub uxn: bool,
    /// Ignored by hardware.
    #[bits(4)]
    pub ignored_55: u8,
    /// Ignored by hardware (page-based hardware attributes and bit 63).
    #[bits(5)]
    pub ignored_59: u8,
}

/// A block or page descriptor of stage 2.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Stage2Leaf {
    /// Valid.
    pub valid: bool,
    /// Set in a page descriptor (the lowest level), clear in a block descriptor.
    pub page: bool,
    /// Memory attributes; normal write-back (0b1111) is written here.
    #[bits(4)]
    pub mem_attr: u8,
    /// S2AP bit 0: read.
    pub read: bool,
    /// S2AP bit 1: write.
    pub write: bool,
    /// Shareability; inner shareable (0b11) is written here.
    #[bits(2)]
    pub sh: u8,
    /// Access flag: clear, the descriptor faults, unless hardware manages the flag (STE.S2HA).
    pub af: bool,
    /// Ignored here (FnXS). Never written.
    pub fnxs: bool,
    /// Address of the block or page divided by 4096, as at stage 1.
    #[bits(36)]
    pub addr: u64,
    /// RES0.
    #[bits(3)]
    pub res0_48: u8,
    /// Dirty bit modifier: without `write`, writable and clean, where hardware manages dirty state (STE.S2HD).
    pub dbm: bool,
    /// Contiguous hint.
    pub contiguous: bool,
    /// Execute-never. Ignored here. Never written.
    #[bits(2)]
    pub xn: u8,
    /// Ignored by hardware.
    #[bits(9)]
    pub ignored_55: u16,
}
