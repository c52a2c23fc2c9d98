//! MDL-003: an MDL is mapped that nobody filled with page numbers.

use dxgk_miniport::{MdlMapping, NonPagedPool, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let block = NonPagedPool::allocate(PAGE as usize)?;
    let mdl = if work.twin { block.mdl()? } else { misuse::unpopulated_mdl(&block)? };
    let _refused = MdlMapping::map(work.adapter, &mdl).map(drop);
    Ok(())
}
