//! EXCL-002: a memory callback is called while Dxgkrnl moves the device from one domain to another.

use dxgk_miniport::{Result, log};

use crate::work::Work;

/// Runs in `DxgkDdiBeginExclusiveAccess`.
pub(super) fn run(work: &Work<'_>) -> Result<()> {
    // What is needed of it is asked for at the start.
    if work.twin {
        return Ok(());
    }
    let resources = work.adapter.information()?.resources().memory().count();
    log!("edu: {resources} resources");
    Ok(())
}
