//! ADL-002: an object is destroyed before its list is freed.

use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    if work.twin {
        drop(memory.adl(0, PAGE, Default::default())?);
        return Ok(());
    }
    misuse::destroy_under_a_list(memory)
}
