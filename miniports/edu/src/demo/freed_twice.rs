//! FREE-001: something is freed, and freed again.

use dxgk_miniport::{MdlMapping, NonPagedPool, PhysicalMemory, Placement, Result, misuse};

use crate::settings::MemoryApi;
use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    match work.api {
        MemoryApi::Wddm29 => {
            let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
            let adl = memory.adl(0, PAGE, Default::default())?;
            if work.twin {
                drop(adl);
            } else {
                misuse::free_twice(adl);
            }
        }
        MemoryApi::Wddm24 => {
            let block = NonPagedPool::allocate(PAGE as usize)?;
            let mdl = block.mdl()?;
            let mapping = MdlMapping::map(work.adapter, &mdl)?;
            if work.twin {
                drop(mapping);
            } else {
                misuse::unmap_twice(mapping);
            }
        }
    }
    Ok(())
}
