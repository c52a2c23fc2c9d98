//! What the unit's capability registers say.

use dxgk_iopt::vtd::spec::{Capability, ExtendedCapability};

/// First fault record, from the unit's base (CAP_REG.FRO is this divided by 16).
pub(super) const FAULT_RECORDS: u64 = 0x220;
/// IVA_REG; IOTLB_REG follows it (ECAP_REG.IRO is this divided by 16).
pub(super) const IOTLB_REGISTERS: u64 = 0xf0;
/// The unit's registers take one page.
pub(super) const REGISTER_BYTES: u64 = 4096;

/// The make of a unit. Values outside their range are brought into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VtdConfig {
    /// Sets of the IOTLB, from 1.
    pub iotlb_sets: usize,
    /// Ways of each set, from 1.
    pub iotlb_ways: usize,
    /// Entries of the context cache, from 1.
    pub context_entries: usize,
    /// Entries of the paging-structure cache; 0 for none.
    pub structure_entries: usize,
    /// Fault records, 1..=128.
    pub fault_records: usize,
    /// Width of host addresses in bits, 32..=52. Bits of an entry's address at and above it are reserved.
    pub host_address_width: u32,
    /// Whether 48-bit (four-level) tables are supported beside 39-bit (three-level) ones.
    pub four_levels: bool,
    /// Whether leaves of 2 MiB and 1 GiB are supported.
    pub large_pages: bool,
    /// Whether context entries may let requests pass through.
    pub pass_through: bool,
    /// Caching mode (CAP_REG.CM): what is absent is cached too, so that making it present needs an invalidation.
    pub caching_mode: bool,
    /// Whether there is a scalable mode, with its second stage.
    pub scalable: bool,
    /// Whether scalable mode has a first stage too.
    pub first_stage: bool,
    /// Highest address mask of a page-selective invalidation, 0..=18 (log2 of pages).
    pub max_address_mask: u8,
}

impl Default for VtdConfig {
    /// 64 sets of 4 ways, 64 contexts, 32 paging structures, 8 fault records, 46-bit host addresses, everything supported.
    fn default() -> Self {
        Self {
            iotlb_sets: 64,
            iotlb_ways: 4,
            context_entries: 64,
            structure_entries: 32,
            fault_records: 8,
            host_address_width: 46,
            four_levels: true,
            large_pages: true,
            pass_through: true,
            caching_mode: false,
            scalable: true,
            first_stage: true,
            max_address_mask: 18,
        }
    }
}

impl VtdConfig {
    pub(super) fn in_range(self) -> Self {
        Self {
            iotlb_sets: self.iotlb_sets.clamp(1, 1 << 16),
            iotlb_ways: self.iotlb_ways.clamp(1, 1 << 10),
            context_entries: self.context_entries.clamp(1, 1 << 16),
            structure_entries: self.structure_entries.min(1 << 12),
            fault_records: self.fault_records.clamp(1, 128),
            host_address_width: self.host_address_width.clamp(32, 52),
            max_address_mask: self.max_address_mask.min(18),
            first_stage: self.first_stage && self.scalable,
            ..self
        }
    }

    /// Widest input address, in bits.
    pub(super) fn guest_width(&self) -> u32 {
        if self.four_levels { 48 } else { 39 }
    }

    /// CAP_REG.SAGAW.
    pub(super) fn sagaw(&self) -> u8 {
        if self.four_levels { 0b110 } else { 0b010 }
    }

    /// CAP_REG.
    pub(super) fn capability(&self) -> Capability {
        Capability::new()
            .with_nd(6)
            .with_cm(self.caching_mode)
            .with_sagaw(self.sagaw())
            .with_mgaw((self.guest_width() - 1) as u8)
            .with_zlr(true)
            .with_fro((FAULT_RECORDS / 16) as u16)
            .with_sslps(if self.large_pages { 0b11 } else { 0 })
            .with_psi(true)
            .with_nfr((self.fault_records - 1) as u8)
            .with_mamv(self.max_address_mask)
            .with_fs1gp(self.large_pages && self.first_stage)
            .with_dwd(true)
            .with_drd(true)
    }

    /// ECAP_REG.
    pub(super) fn extended_capability(&self) -> ExtendedCapability {
        ExtendedCapability::new()
            .with_c(true)
            .with_qi(true)
            .with_pt(self.pass_through)
            .with_smts(self.scalable)
            .with_ssts(self.scalable)
            .with_fsts(self.first_stage)
            .with_smpwcs(self.scalable)
            .with_rps(self.scalable)
            .with_iro((IOTLB_REGISTERS / 16) as u16)
    }
}
