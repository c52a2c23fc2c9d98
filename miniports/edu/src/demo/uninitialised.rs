//! UNINIT-001: memory that was not zeroed is mapped to user mode.

use dxgk_miniport::{PhysicalMemory, Placement, Result};

use crate::pattern;
use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::contiguous(work.adapter, PAGE, Placement::ANYWHERE, 0)?;
    if work.twin {
        let view = memory.view(0, PAGE)?;
        pattern::clear(&view, view.start(), PAGE as usize)?;
    }
    drop(memory.user_view(0, PAGE)?);
    Ok(())
}
