//! REG-001: a register is read behind the end of what is mapped.

use dxgk_miniport::{Result, log};

use crate::work::Work;

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let word = if work.twin { work.device.identification()? } else { work.device.beyond_the_registers() };
    log!("edu: {word:#x} was there");
    Ok(())
}
