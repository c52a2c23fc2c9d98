//! Section 3.4: memory-mapped registers, all of 64 bits.

use bitfield_struct::bitfield;

/// Byte offsets from the unit's base.
pub mod offset {
    /// Device Table Base Address.
    pub const DEVICE_TABLE: u64 = 0x0000;
    /// Command Buffer Base Address.
    pub const COMMAND_BUFFER: u64 = 0x0008;
    /// Event Log Base Address.
    pub const EVENT_LOG: u64 = 0x0010;
    /// IOMMU Control.
    pub const CONTROL: u64 = 0x0018;
    /// IOMMU Exclusion Base; not defined further here.
    pub const EXCLUSION_BASE: u64 = 0x0020;
    /// IOMMU Exclusion Range Limit; likewise.
    pub const EXCLUSION_LIMIT: u64 = 0x0028;
    /// IOMMU Extended Feature.
    pub const EXTENDED_FEATURE: u64 = 0x0030;
    /// Command Buffer Head Pointer.
    pub const COMMAND_HEAD: u64 = 0x2000;
    /// Command Buffer Tail Pointer.
    pub const COMMAND_TAIL: u64 = 0x2008;
    /// Event Log Head Pointer.
    pub const EVENT_HEAD: u64 = 0x2010;
    /// Event Log Tail Pointer.
    pub const EVENT_TAIL: u64 = 0x2018;
    /// IOMMU Status.
    pub const STATUS: u64 = 0x2020;
}

/// Device Table Base Address Register (offset 0000h).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct DeviceTableBase {
    /// Size of the table: `size` + 1 pages of 128 entries.
    #[bits(9)]
    pub size: u16,
    #[bits(3)]
    __: u8,
    /// Address of the table divided by 4096.
    #[bits(40)]
    pub base: u64,
    #[bits(12)]
    __: u16,
}

/// log2 of the entries of a ring, as its base register holds it: 8 (one page) to 15; other values are reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Log2Entries(pub u8);

impl Log2Entries {
    /// One page.
    pub const ONE_PAGE: Self = Self(8);

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

    /// Entries of the ring; `None` for a reserved value.
    #[must_use]
    pub const fn entries(self) -> Option<u64> {
        match self.0 {
            8..=15 => Some(1 << self.0),
            _ => None,
        }
    }
}

/// Command Buffer and Event Log Base Address Registers (offsets 0008h and 0010h).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct RingBase {
    #[bits(12)]
    __: u16,
    /// Address of the ring divided by 4096.
    #[bits(40)]
    pub base: u64,
    #[bits(4)]
    __: u8,
    /// Length.
    #[bits(4)]
    pub len: Log2Entries,
    #[bits(4)]
    __: u8,
}

/// Head and tail pointers of both rings (offsets 2000h to 2018h): byte offset of an entry of 16 bytes.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct QueuePointer {
    #[bits(4)]
    __: u8,
    /// Index of an entry.
    #[bits(15)]
    pub index: u16,
    #[bits(45)]
    __: u64,
}

/// IOMMU Control Register (offset 0018h).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Control {
    /// Translation on.
    pub iommu_en: bool,
    /// HyperTransport tunnel translation.
    pub ht_tun_en: bool,
    /// Event log on.
    pub event_log_en: bool,
    /// Interrupt on a new event.
    pub event_int_en: bool,
    /// Interrupt on a completion wait that asks for one.
    pub com_wait_int_en: bool,
    /// Time-out of device TLB invalidations.
    #[bits(3)]
    pub inv_time_out: u8,
    /// HyperTransport: pass posted writes.
    pub pass_pw: bool,
    /// HyperTransport: responses pass posted writes.
    pub res_pass_pw: bool,
    /// The unit's own accesses to its tables snoop the processors' caches.
    pub coherent: bool,
    /// HyperTransport: isochronous.
    pub isoc: bool,
    /// Command buffer on.
    pub cmd_buf_en: bool,
    /// Page request log on, its interrupt, and page requests.
    #[bits(3)]
    pub ppr: u8,
    /// Guest translation on.
    pub gt_en: bool,
    /// Guest virtual APIC on.
    pub ga_en: bool,
    #[bits(46)]
    pub others: u64,
}

/// Levels of host tables by value of ExtendedFeature.HATS; 3 is reserved.
pub const HIGHEST_LEVELS: [Option<u32>; 4] = [Some(4), Some(5), Some(6), None];

/// IOMMU Extended Feature Register (offset 0030h).
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct ExtendedFeature {
    /// Prefetch command.
    pub pref_sup: bool,
    /// Page requests.
    pub ppr_sup: bool,
    /// x2APIC.
    pub xt_sup: bool,
    /// No-execute.
    pub nx_sup: bool,
    /// Guest translation.
    pub gt_sup: bool,
    /// Guest APIC physical processor interrupt.
    pub gappi_sup: bool,
    /// INVALIDATE_IOMMU_ALL command.
    pub ia_sup: bool,
    /// Guest virtual APIC.
    pub ga_sup: bool,
    /// Hardware error registers.
    pub he_sup: bool,
    /// Performance counters.
    pub pc_sup: bool,
    /// Host address translation size, see [`HIGHEST_LEVELS`].
    #[bits(2)]
    pub hats: u8,
    /// Guest address translation size.
    #[bits(2)]
    pub gats: u8,
    /// Guest CR3 root table levels.
    #[bits(2)]
    pub glx_sup: u8,
    #[bits(48)]
    pub others: u64,
}

/// IOMMU Status Register (offset 2020h). Bits 0 to 2 are cleared by writing 1.
#[bitfield(u64)]
#[derive(PartialEq, Eq)]
pub struct Status {
    /// An event found the log full and was lost; the log stands until it is switched off and on.
    pub event_overflow: bool,
    /// A new event is in the log.
    pub event_log_int: bool,
    /// A completion wait asked for an interrupt.
    pub com_wait_int: bool,
    /// The event log works.
    pub event_log_run: bool,
    /// Commands are fetched.
    pub cmd_buf_run: bool,
    #[bits(59)]
    pub others: u64,
}
