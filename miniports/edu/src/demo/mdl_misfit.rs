//! MDL-004: the header of an MDL says more than its page array holds.

use dxgk_miniport::{NonPagedPool, Result, misuse};

use crate::work::{PAGE, RUN, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let block = NonPagedPool::allocate(RUN as usize)?;
    let mdl = block.mdl()?;
    // It was made for a run; the mistake is refused.
    let bytes = if work.twin { RUN } else { RUN + PAGE };
    let _ = misuse::map_with_length(work.adapter, &mdl, bytes as u32);
    Ok(())
}
