//! Page-table entries of AMD-Vi: AMD I/O Virtualization Technology (IOMMU) Specification, document 48882, revision
//! 3.10, section 2.2.3 (I/O page tables for host translations), figures of the PDE and the PTE.

use bitfield_struct::bitfield;

/// Next Level: the entry is a leaf of the level's own size.
pub const LEAF: u8 = 0;
/// Next Level: the entry is a leaf whose size stands in its address (table of page size encodings).
pub const SIZED_LEAF: u8 = 7;

/// An entry of any level. Next Level tells a directory entry (1..=6) from a translation (0 and 7).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct PageTableEntry {
    /// Present.
    pub pr: bool,
    /// Ignored by hardware.
    #[bits(4)]
    pub ignored_1: u8,
    /// Accessed; written by hardware where the device table entry has HAD.
    pub a: bool,
    /// Dirty, in leaves, likewise; ignored in directory entries.
    pub d: bool,
    /// Ignored by hardware.
    #[bits(2)]
    pub ignored_7: u8,
    /// Next Level: the level of the table that follows, or [`LEAF`] or [`SIZED_LEAF`].
    #[bits(3)]
    pub next_level: u8,
    /// Address of the next table or of the page divided by 4096. With [`SIZED_LEAF`] the low bits are ones, as many
    /// as say the size, and a zero above them.
    #[bits(40)]
    pub addr: u64,
    /// Reserved.
    #[bits(7)]
    pub reserved_52: u8,
    /// In leaves: the U bit of the answer to a translation request of a device TLB; reserved in directory entries.
    /// Never written here.
    pub u: bool,
    /// In leaves: force coherent; reserved in directory entries. Never written here.
    pub fc: bool,
    /// Read. Permissions are the AND over all levels.
    pub ir: bool,
    /// Write.
    pub iw: bool,
    /// Ignored by hardware.
    pub ignored_63: bool,
}
