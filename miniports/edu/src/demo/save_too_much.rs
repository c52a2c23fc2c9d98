//! SAVE-001: more of the save area is pinned than the driver reported.

use dxgk_miniport::{Result, misuse};

use crate::save::SAVED;
use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    // The mistake is refused: nothing was set aside for the rest.
    let bytes = if work.twin { SAVED } else { SAVED + PAGE };
    let _ = misuse::pin_any(work.adapter, bytes);
    Ok(())
}
