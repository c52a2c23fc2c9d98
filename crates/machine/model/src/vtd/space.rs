//! What the IOTLB and the paging-structure cache tell address spaces apart by (manual 6.2.1).

use crate::unit::Tag;

/// A domain's second stage, or the first stage of a PASID in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Space {
    pub domain: u16,
    /// In the first stage.
    pub pasid: Option<u32>,
}

impl Tag for Space {
    fn spread(self) -> u64 {
        u64::from(self.domain) ^ self.pasid.map_or(0, |pasid| u64::from(pasid) << 5 | 1 << 4)
    }
}
