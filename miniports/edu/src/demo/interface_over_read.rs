//! IFC-001: the table of callbacks is read beyond the end that was offered.

use dxgk_miniport::{Result, log, misuse};

use crate::work::Work;

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let offered = work.adapter.table_size();
    let behind = if work.twin { offered } else { misuse::read_beyond_interface(work.adapter) };
    log!("edu: a table of {} bytes, and {behind:#x}", work.adapter.table_size());
    Ok(())
}
