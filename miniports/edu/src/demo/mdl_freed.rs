//! MDL-002: an MDL is freed before it is unmapped.

use dxgk_miniport::{MdlMapping, NonPagedPool, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let block = NonPagedPool::allocate(PAGE as usize)?;
    let mdl = block.mdl()?;
    if work.twin {
        return MdlMapping::map(work.adapter, &mdl).map(drop);
    }
    misuse::free_while_mapped(work.adapter, mdl)
}
