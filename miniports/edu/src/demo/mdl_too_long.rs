//! MDL-005: more pages are asked for than an MDL can name.

use dxgk_miniport::{Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    // The mistake is refused, as it must be; the twin asks for a part.
    let bytes = if work.twin { PAGE } else { 1 << 32 };
    let _ = misuse::allocate_any(work.adapter, bytes);
    Ok(())
}
