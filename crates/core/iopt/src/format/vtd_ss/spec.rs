//! Second-stage paging entries: VT-d Architecture Specification, revision 4.1, chapter 9.8, tables of SS-PML5E
//! to SS-PTE. One layout serves all levels; what differs is said at the field.

use bitfield_struct::bitfield;

/// A second-stage paging entry. It is present when `r` or `w` is set (where execute requests are not supported,
/// as here, `x` does not make an entry present).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct SecondStageEntry {
    /// Read. Permissions are the AND over all levels.
    pub r: bool,
    /// Write.
    pub w: bool,
    /// Execute. Ignored where ECAP_REG.ERS is 0; never written here.
    pub x: bool,
    /// Extended memory type of a leaf; ignored in legacy mode. Never written here.
    #[bits(3)]
    pub emt: u8,
    /// Ignore PAT, with `emt`. Never written here.
    pub ipat: bool,
    /// Page size: the entry is a leaf (levels 2 and 3). Ignored at level 1, where every entry is a leaf;
    /// reserved at levels 4 and 5.
    pub ps: bool,
    /// Accessed. Written by hardware in scalable mode only; ignored in legacy mode.
    pub a: bool,
    /// Dirty, likewise.
    pub d: bool,
    /// Ignored by hardware.
    pub ignored_10: bool,
    /// Snoop, in leaves where ECAP_REG.SC is 1; reserved otherwise. Never written here.
    pub snp: bool,
    /// Address of the next table or of the page divided by 4096. Bits at and above the host address width are
    /// reserved; in a leaf, bits below the leaf's size too.
    #[bits(40)]
    pub addr: u64,
    /// Ignored by hardware.
    #[bits(10)]
    pub ignored_52: u16,
    /// Was: transient mapping, for device TLBs; reserved since. Never written here.
    pub reserved_62: bool,
    /// Ignored by hardware.
    pub ignored_63: bool,
}
