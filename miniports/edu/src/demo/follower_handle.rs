//! HND-002: an adapter that is linked to another maps an MDL with its own handle.

use dxgk_miniport::{MdlMapping, NonPagedPool, Result, misuse};

use crate::work::{PAGE, Work};

/// Shows in a chain, in an adapter that is not its lead.
pub(super) fn run(work: &Work<'_>) -> Result<()> {
    if work.adapter.lead() == work.adapter.handle() {
        return Ok(());
    }
    let block = NonPagedPool::allocate(PAGE as usize)?;
    let mdl = block.mdl()?;
    if work.twin {
        // It passes the lead's handle.
        return MdlMapping::map(work.adapter, &mdl).map(drop);
    }
    let _refused = misuse::map_as_if_lead(work.adapter, &mdl);
    Ok(())
}
