//! OBJ-003: an object is opened a second time.

use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    // An object that was made for an adapter is open on it.
    if !work.twin {
        let _refused = misuse::open_again(&memory);
    }
    Ok(())
}
