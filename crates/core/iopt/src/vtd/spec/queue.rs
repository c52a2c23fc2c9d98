//! Chapter 6.5.2: descriptors of the invalidation queue, in their 128-bit form. Each is two words; where the
//! second is not shown here it is reserved and must be 0.

use bitfield_struct::bitfield;

/// Bytes of a descriptor when IQA_REG.DW is 0.
pub const DESCRIPTOR_BYTES: u64 = 16;

/// Bytes of a descriptor when IQA_REG.DW is 1, as scalable mode wants it. Those defined here have zeros in their
/// upper half.
pub const WIDE_DESCRIPTOR_BYTES: u64 = 32;

/// Descriptor types: bits 3:0 of the first word (bits 11:9 extend them and are 0 for these).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum DescriptorType {
    /// Context-cache invalidate (6.5.2.1).
    ContextCache = 1,
    /// IOTLB invalidate (6.5.2.3).
    Iotlb = 2,
    /// Device-TLB invalidate (6.5.2.5).
    DeviceTlb = 3,
    /// Interrupt-entry-cache invalidate (6.5.2.7).
    InterruptEntryCache = 4,
    /// Invalidation wait (6.5.2.8).
    Wait = 5,
    /// PASID-based IOTLB invalidate (6.5.2.4).
    PasidIotlb = 6,
    /// PASID-cache invalidate (6.5.2.2).
    PasidCache = 7,
}

impl DescriptorType {
    /// The type of a descriptor by its first word, or `None` when it is none of these.
    #[must_use]
    pub const fn of(first: u64) -> Option<Self> {
        match (first & 0xf, first >> 9 & 0b111) {
            (1, 0) => Some(Self::ContextCache),
            (2, 0) => Some(Self::Iotlb),
            (3, 0) => Some(Self::DeviceTlb),
            (4, 0) => Some(Self::InterruptEntryCache),
            (5, 0) => Some(Self::Wait),
            (6, 0) => Some(Self::PasidIotlb),
            (7, 0) => Some(Self::PasidCache),
            _ => None,
        }
    }
}

/// Values of the G field: how much a descriptor invalidates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Granularity {
    /// Reserved.
    Reserved = 0b00,
    /// Everything.
    Global = 0b01,
    /// What belongs to a domain.
    Domain = 0b10,
    /// A device (context cache), or pages within a domain (IOTLB).
    Selective = 0b11,
}

impl Granularity {
    /// From the field's two bits; higher bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::Reserved,
            0b01 => Self::Global,
            0b10 => Self::Domain,
            _ => Self::Selective,
        }
    }

    /// The field's two bits.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self as u8
    }
}

/// First word of a context-cache invalidate descriptor (6.5.2.1).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct ContextCacheInvalidate {
    /// [`DescriptorType::ContextCache`].
    #[bits(4)]
    pub kind: u8,
    /// Global, domain, or device.
    #[bits(2)]
    pub g: Granularity,
    /// Reserved, must be 0.
    #[bits(10)]
    pub reserved: u16,
    /// Domain identifier.
    pub did: u16,
    /// Source identifier, for device granularity.
    pub sid: u16,
    /// Function mask: how many low bits of the function number are masked, as a code.
    #[bits(2)]
    pub fm: u8,
    /// Reserved, must be 0.
    #[bits(14)]
    pub reserved_high: u16,
}

/// First word of an IOTLB invalidate descriptor (6.5.2.3).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct IotlbInvalidate {
    /// [`DescriptorType::Iotlb`].
    #[bits(4)]
    pub kind: u8,
    /// Global, domain, or pages.
    #[bits(2)]
    pub g: Granularity,
    /// Drain writes.
    pub dw: bool,
    /// Drain reads.
    pub dr: bool,
    /// Reserved, must be 0.
    pub reserved: u8,
    /// Domain identifier.
    pub did: u16,
    /// Reserved, must be 0.
    pub reserved_high: u32,
}

/// Second word of an IOTLB invalidate descriptor (6.5.2.3); used with page granularity only.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct IotlbInvalidateAddress {
    /// Address mask: 2^am pages, naturally aligned; at most CAP_REG.MAMV.
    #[bits(6)]
    pub am: u8,
    /// Invalidation hint: only leaf entries were changed, paging-structure caches may stay.
    pub ih: bool,
    /// Reserved, must be 0.
    #[bits(5)]
    pub reserved: u8,
    /// Logical address divided by 4096.
    #[bits(52)]
    pub addr: u64,
}

/// Values of a PASID-cache invalidate descriptor's G field. An open enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasidCacheGranularity(pub u8);

impl PasidCacheGranularity {
    /// What belongs to a domain.
    pub const DOMAIN: Self = Self(0b00);
    /// A PASID within a domain.
    pub const PASID: Self = Self(0b01);
    /// Everything.
    pub const GLOBAL: Self = Self(0b11);

    /// From the field's two bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b11)
    }

    /// The field's two bits.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self.0 & 0b11
    }
}

/// First word of a PASID-cache invalidate descriptor (6.5.2.2).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct PasidCacheInvalidate {
    /// [`DescriptorType::PasidCache`].
    #[bits(4)]
    pub kind: u8,
    /// How much.
    #[bits(2)]
    pub g: PasidCacheGranularity,
    /// Reserved, must be 0.
    #[bits(10)]
    pub reserved: u16,
    /// Domain identifier.
    pub did: u16,
    /// PASID.
    #[bits(20)]
    pub pasid: u32,
    /// Reserved, must be 0.
    #[bits(12)]
    pub reserved_high: u16,
}

/// Values of a PASID-based IOTLB invalidate descriptor's G field. An open enumeration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PasidIotlbGranularity(pub u8);

impl PasidIotlbGranularity {
    /// All of a PASID within a domain.
    pub const PASID: Self = Self(0b10);
    /// Pages of it.
    pub const PAGES: Self = Self(0b11);

    /// From the field's two bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b11)
    }

    /// The field's two bits.
    #[must_use]
    pub const fn into_bits(self) -> u8 {
        self.0 & 0b11
    }
}

/// First word of a PASID-based IOTLB invalidate descriptor (6.5.2.4), which is about the first stage. The second is an
/// [`IotlbInvalidateAddress`].
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct PasidIotlbInvalidate {
    /// [`DescriptorType::PasidIotlb`].
    #[bits(4)]
    pub kind: u8,
    /// How much.
    #[bits(2)]
    pub g: PasidIotlbGranularity,
    /// Reserved, must be 0.
    #[bits(10)]
    pub reserved: u16,
    /// Domain identifier.
    pub did: u16,
    /// PASID.
    #[bits(20)]
    pub pasid: u32,
    /// Reserved, must be 0.
    #[bits(12)]
    pub reserved_high: u16,
}

/// First word of an invalidation wait descriptor (6.5.2.8). The second word is the address of the 32-bit status,
/// a multiple of 4.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct WaitDescriptor {
    /// [`DescriptorType::Wait`].
    #[bits(4)]
    pub kind: u8,
    /// Interrupt on completion.
    pub r#if: bool,
    /// Write the status on completion.
    pub sw: bool,
    /// Fence: what follows waits too.
    pub r#fn: bool,
    /// Page-request drain.
    pub pd: bool,
    /// Reserved, must be 0.
    #[bits(24)]
    pub reserved: u32,
    /// What is written as the status.
    pub data: u32,
}
