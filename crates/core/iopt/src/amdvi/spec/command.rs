//! Section 2.4: commands, 128 bits each, two words.

use bitfield_struct::bitfield;

/// Bytes of a command.
pub const COMMAND_BYTES: u64 = 16;

/// Command opcodes: bits 63:60 of the first word. An open enumeration: any value may be met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opcode(pub u8);

impl Opcode {
    /// COMPLETION_WAIT (2.4.1).
    pub const COMPLETION_WAIT: Self = Self(0x1);
    /// INVALIDATE_DEVTAB_ENTRY (2.4.2).
    pub const INVALIDATE_DEVTAB_ENTRY: Self = Self(0x2);
    /// INVALIDATE_IOMMU_PAGES (2.4.3).
    pub const INVALIDATE_IOMMU_PAGES: Self = Self(0x3);
    /// INVALIDATE_IOTLB_PAGES, of device TLBs (2.4.4).
    pub const INVALIDATE_IOTLB_PAGES: Self = Self(0x4);
    /// INVALIDATE_INTERRUPT_TABLE (2.4.5).
    pub const INVALIDATE_INTERRUPT_TABLE: Self = Self(0x5);
    /// PREFETCH_IOMMU_PAGES (2.4.6).
    pub const PREFETCH_IOMMU_PAGES: Self = Self(0x6);
    /// COMPLETE_PPR_REQUEST (2.4.7).
    pub const COMPLETE_PPR_REQUEST: Self = Self(0x7);
    /// INVALIDATE_IOMMU_ALL (2.4.8). Its other bits are reserved.
    pub const INVALIDATE_IOMMU_ALL: Self = Self(0x8);

    /// The opcode of a command by its first word.
    #[must_use]
    pub const fn of(first: u64) -> Self {
        Self((first >> 60) as u8)
    }

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
}

/// First word of COMPLETION_WAIT. The second is the 64 bits that are stored.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct CompletionWait {
    /// Store: write the second word to `address`.
    pub s: bool,
    /// Interrupt.
    pub i: bool,
    /// Flush queue: later commands wait for all before.
    pub f: bool,
    /// Store address divided by 8.
    #[bits(49)]
    pub address: u64,
    /// Reserved, must be 0.
    pub reserved: u8,
    /// [`Opcode::COMPLETION_WAIT`].
    #[bits(4)]
    pub opcode: Opcode,
}

/// First word of INVALIDATE_DEVTAB_ENTRY. The second is reserved.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct InvalidateDevtabEntry {
    /// Whose entry.
    pub device_id: u16,
    /// Reserved, must be 0.
    #[bits(44)]
    pub reserved: u64,
    /// [`Opcode::INVALIDATE_DEVTAB_ENTRY`].
    #[bits(4)]
    pub opcode: Opcode,
}

/// First word of INVALIDATE_IOMMU_PAGES. The second word is [`page_block`] or [`all_pages`].
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct InvalidateIommuPages {
    /// PASID, of guest translations; otherwise 0.
    #[bits(20)]
    pub pasid: u32,
    /// Reserved, must be 0.
    #[bits(12)]
    pub reserved: u16,
    /// Whose translations.
    pub domain_id: u16,
    /// Reserved, must be 0.
    #[bits(12)]
    pub reserved_48: u16,
    /// [`Opcode::INVALIDATE_IOMMU_PAGES`].
    #[bits(4)]
    pub opcode: Opcode,
}

/// Second word of INVALIDATE_IOMMU_PAGES, bit 0, S: more than one page, the size is in the address.
const S: u64 = 1 << 0;
/// Bit 1, PDE: cached directory entries of the range too.
const PDE: u64 = 1 << 1;

/// The second word of INVALIDATE_IOMMU_PAGES for the 2^`order` pages from page number `first` on, which is a
/// multiple of as much: below the lowest zero bit of the address, from bit 12 up, all bits are ones. `tables` asks
/// for directory entries too.
#[must_use]
pub const fn page_block(first: u64, order: u32, tables: bool) -> u64 {
    let pde = if tables { PDE } else { 0 };
    if order == 0 {
        return first << 12 | pde;
    }
    if order >= 52 {
        return all_pages();
    }
    let ones = (1u64 << (order - 1)) - 1;
    (first | ones) << 12 | S | pde
}

/// The second word of INVALIDATE_IOMMU_PAGES for everything of a domain.
#[must_use]
pub const fn all_pages() -> u64 {
    0x7fff_ffff_ffff_f000 | S | PDE
}
