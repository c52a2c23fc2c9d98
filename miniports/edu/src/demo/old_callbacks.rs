//! MODE-001: a driver that reports DMA remapping uses a callback of WDDM 2.4.

use dxgk_miniport::{MdlPages, Placement, Result};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    // Correct: dxgk_miniport::PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)
    let pages = MdlPages::allocate(work.adapter, PAGE, Placement::ANYWHERE);
    // Refused under remapping, freed at once otherwise.
    drop(pages);
    Ok(())
}
