//! HND-001: a callback is given a number that is no handle.

use dxgk_miniport::abi::Handle;
use dxgk_miniport::{MdlPages, PhysicalMemory, Placement, Result, misuse};

use crate::settings::MemoryApi;
use crate::work::{PAGE, Work};

/// What a field holds that nobody initialised.
const UNINITIALISED: Handle = Handle(0xCDCD_CDCD_CDCD_CDCD);

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    match work.api {
        MemoryApi::Wddm29 => {
            let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
            // The object is closed and destroyed when it goes out of scope.
            if !work.twin {
                misuse::close(work.adapter, UNINITIALISED)?;
            }
            drop(memory);
        }
        MemoryApi::Wddm24 => {
            let pages = MdlPages::allocate(work.adapter, PAGE, Placement::ANYWHERE)?;
            // The pages are freed when they go out of scope.
            if !work.twin {
                let _refused = misuse::free_pages(work.adapter, UNINITIALISED);
            }
            drop(pages);
        }
    }
    Ok(())
}
