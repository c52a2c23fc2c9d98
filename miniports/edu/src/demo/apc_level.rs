//! IRQL-002: memory is asked for at APC_LEVEL, which one page allows and another does not.

use dxgk_miniport::Result;
use dxgk_miniport::abi::Irql;

use crate::work::Work;

const LEVEL: Irql = Irql::APC_LEVEL;

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    super::dispatch_level::at(work, LEVEL)
}
