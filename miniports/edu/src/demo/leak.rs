//! LEAK-001: memory is still there when the device stops.

use dxgk_miniport::{MdlPages, Placement, Result, UnopenedMemory};

use crate::settings::MemoryApi;
use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    match work.api {
        MemoryApi::Wddm29 => {
            // One that is open on an adapter would be OBJ-002.
            let memory = UnopenedMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
            if work.twin {
                drop(memory);
            } else {
                memory.leak();
            }
        }
        MemoryApi::Wddm24 => {
            let pages = MdlPages::allocate(work.adapter, PAGE, Placement::ANYWHERE)?;
            if work.twin {
                drop(pages);
            } else {
                pages.leak();
            }
        }
    }
    Ok(())
}
