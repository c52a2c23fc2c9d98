//! First-stage paging entries: VT-d Architecture Specification, revision 4.1, chapter 9.7, tables of FS-PML4E to
//! FS-PTE. One layout serves all levels; what differs is said at the field.

use bitfield_struct::bitfield;

/// A first-stage paging entry.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct FirstStageEntry {
    /// Present.
    pub p: bool,
    /// Write. Reads need no bit. Permissions are the AND over all levels.
    pub rw: bool,
    /// User privilege. Requests without PASID have user privilege, so it is set in every entry written here.
    pub us: bool,
    /// Page-level write-through, part of the memory type. Never written here.
    pub pwt: bool,
    /// Page-level cache disable, likewise.
    pub pcd: bool,
    /// Accessed. Hardware sets it in every entry that it uses.
    pub a: bool,
    /// Dirty, in leaves; ignored in entries that lead to tables.
    pub d: bool,
    /// Page size: the entry is a leaf (levels 2 and 3). PAT at level 1, where every entry is a leaf; reserved at
    /// level 4.
    pub ps: bool,
    /// Ignored by hardware (global pages are not supported for I/O).
    pub ignored_8: bool,
    /// Ignored by hardware.
    pub ignored_9: bool,
    /// Extended accessed, where the PASID entry has EAFE; ignored otherwise. Never written here.
    pub ea: bool,
    /// Ignored by hardware.
    pub ignored_11: bool,
    /// Address of the next table or of the page divided by 4096. Bits at and above the host address width are
    /// reserved. In a large leaf, bit 0 of this field is PAT, and the others below the leaf's size are reserved.
    #[bits(40)]
    pub addr: u64,
    /// Ignored by hardware.
    #[bits(11)]
    pub ignored_52: u16,
    /// Execute disable. Ignored here: execute requests are not supported. Never written.
    pub xd: bool,
}
