//! MODE-001: a driver that reports DMA remapping uses a callback of WDDM 2.4.

use dxgk_miniport::{MdlPages, PhysicalMemory, Placement, Result};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    if work.twin {
        return PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE).map(drop);
    }
    let pages = MdlPages::allocate(work.adapter, PAGE, Placement::ANYWHERE);
    // Refused under remapping, freed at once otherwise.
    drop(pages);
    Ok(())
}
