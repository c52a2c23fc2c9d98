//! CPU-001: the processor reads a view after its unmap.

use dxgk_miniport::{PhysicalMemory, Placement, Result, log, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    let view = memory.view(0, PAGE)?;
    let word = if work.twin { view.read::<u32>(0)? } else { misuse::read_after_unmap(view) };
    log!("edu: {word:#x} was there");
    Ok(())
}
