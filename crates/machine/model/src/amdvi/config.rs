//! What the unit's feature register says, and the sizes of its caches.

use dxgk_iopt::amdvi::spec::ExtendedFeature;

/// The unit's registers take four pages.
pub(crate) const REGISTER_BYTES: u64 = 0x4000;

/// The make of a unit. Values outside their range are brought into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AmdviConfig {
    /// Sets of the IOTLB, from 1.
    pub iotlb_sets: usize,
    /// Ways of each set, from 1.
    pub iotlb_ways: usize,
    /// Entries of the cache of device table entries, from 1.
    pub device_entries: usize,
    /// Entries of the cache of directory entries; 0 for none.
    pub structure_entries: usize,
    /// Width of host addresses in bits, 32..=52. Tables and pages beyond it are nobody's.
    pub host_address_width: u32,
    /// Most levels of host tables, 4..=6 (EFR\[HATS\]).
    pub levels: u8,
    /// Whether the unit keeps that a page is not present (the capability header's NpCache), so that making it
    /// present needs an invalidation.
    pub caches_absent: bool,
}

impl Default for AmdviConfig {
    /// 64 sets of 4 ways, 64 device table entries, 32 directory entries, 48-bit host addresses, 6 levels.
    fn default() -> Self {
        Self {
            iotlb_sets: 64,
            iotlb_ways: 4,
            device_entries: 64,
            structure_entries: 32,
            host_address_width: 48,
            levels: 6,
            caches_absent: false,
        }
    }
}

impl AmdviConfig {
    pub(super) fn in_range(self) -> Self {
        Self {
            iotlb_sets: self.iotlb_sets.clamp(1, 1 << 16),
            iotlb_ways: self.iotlb_ways.clamp(1, 1 << 10),
            device_entries: self.device_entries.clamp(1, 1 << 16),
            structure_entries: self.structure_entries.min(1 << 12),
            host_address_width: self.host_address_width.clamp(32, 52),
            levels: self.levels.clamp(4, 6),
            ..self
        }
    }

    /// IOMMU Extended Feature Register.
    pub(super) fn extended_feature(&self) -> ExtendedFeature {
        ExtendedFeature::new().with_ia_sup(true).with_hats(self.levels.saturating_sub(4))
    }
}
