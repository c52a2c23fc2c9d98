//! HND-003: an adapter memory object is closed, and passed to the destruction of its object all the same.

use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    if work.twin {
        drop(memory);
        return Ok(());
    }
    misuse::close_and_destroy(memory)?;
    Ok(())
}
