//! ADL-005: RequireContiguous of an object of single pages.

use dxgk_miniport::abi::callback::AllocateAdlFlags;
use dxgk_miniport::{PhysicalMemory, Placement, Result};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    // A wish, and a demand.
    let wish = AllocateAdlFlags::PREFER_CONTIGUOUS;
    let flags = if work.twin { wish } else { AllocateAdlFlags::REQUIRE_CONTIGUOUS };
    let _refused = memory.adl(0, PAGE, flags);
    Ok(())
}
