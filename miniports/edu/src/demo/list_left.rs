//! ADL-003: an address descriptor list is still there when the device is removed.

use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    if work.twin {
        drop(memory.adl(0, PAGE, Default::default())?);
        return Ok(());
    }
    misuse::leak_with_a_list(memory)
}
