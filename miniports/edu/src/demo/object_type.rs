//! OBJ-001: the type of an object was not filled in.

use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    if work.twin {
        drop(PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?);
    } else {
        let _refused = misuse::create_of_unknown_type(work.adapter);
    }
    Ok(())
}
