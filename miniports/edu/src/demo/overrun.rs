//! DMA-006: a transfer begins in a mapping and ends behind it.

use dxgk_miniport::{PhysicalMemory, Placement, Result};

use crate::device::PIECE;
use crate::work::Work;

/// More than the sample has mapped before, so that what lies behind was never mapped: that would be DMA-002.
const BYTES: u64 = 256 * 1024;

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, BYTES, Placement::ANYWHERE)?;
    let adl = memory.adl(0, BYTES, Default::default())?;
    let near_the_end = adl.device_address(BYTES - PIECE / 2)?;
    work.device.read_ram(near_the_end, if work.twin { PIECE / 2 } else { PIECE })
}
