//! RSV-001: memory that the system hands out is reported as the hardware's own.

use dxgk_miniport::abi::query::PhysicalMemoryRange;

/// The range that is reported: RAM, on every machine that this driver has met. The twin reports none.
pub(super) fn range() -> Option<PhysicalMemoryRange> {
    Some(PhysicalMemoryRange { base_address: 0x100_0000, number_of_bytes: 0x1000 })
}
