//! MDL-002: an MDL is freed before it is unmapped.

use dxgk_miniport::{NonPagedPool, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let block = NonPagedPool::allocate(PAGE as usize)?;
    let mdl = block.mdl()?;
    // Correct: dxgk_miniport::MdlMapping::map(work.adapter, &mdl).map(drop)
    misuse::free_while_mapped(work.adapter, mdl)
}
