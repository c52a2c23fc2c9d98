//! OBJ-002: an adapter memory object is not passed to the destruction of its object.

use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    if work.twin {
        drop(memory);
        return Ok(());
    }
    misuse::destroy_without_closing(memory)
}
