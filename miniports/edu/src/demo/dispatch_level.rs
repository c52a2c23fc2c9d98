//! IRQL-001: memory is asked for at DISPATCH_LEVEL, as in a DPC or under a spin lock.

use dxgk_miniport::abi::Irql;
use dxgk_miniport::{MdlPages, PhysicalMemory, Placement, Result, misuse};

use crate::settings::MemoryApi;
use crate::work::{PAGE, Work};

const LEVEL: Irql = Irql::DISPATCH_LEVEL;

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    at(work, LEVEL)
}

/// One memory callback at a level, in the twin at PASSIVE_LEVEL; what it makes is given back at PASSIVE_LEVEL.
pub(super) fn at(work: &Work<'_>, level: Irql) -> Result<()> {
    let level = if work.twin { Irql::PASSIVE_LEVEL } else { level };
    match work.api {
        MemoryApi::Wddm29 => {
            let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
            misuse::at_level(level, || memory.view(0, PAGE)).map(drop)
        }
        MemoryApi::Wddm24 => {
            misuse::at_level(level, || MdlPages::allocate(work.adapter, PAGE, Placement::ANYWHERE)).map(drop)
        }
    }
}
