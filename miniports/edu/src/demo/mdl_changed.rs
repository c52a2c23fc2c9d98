//! MDL-001: an MDL is used for something else while it is mapped.

use dxgk_miniport::{MdlMapping, NonPagedPool, Result, misuse};

use crate::work::{RUN, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let block = NonPagedPool::allocate(RUN as usize)?;
    let mdl = block.mdl()?;
    let mapping = MdlMapping::map(work.adapter, &mdl)?;
    if work.twin {
        drop(mapping);
        misuse::swap_page_numbers(&mdl, 0, 1);
        return Ok(());
    }
    misuse::swap_page_numbers(&mdl, 0, 1);
    drop(mapping);
    Ok(())
}
