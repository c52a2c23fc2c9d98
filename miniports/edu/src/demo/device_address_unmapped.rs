//! DMA-002: the device reads pages after they were unmapped.

use dxgk_miniport::{MdlMapping, NonPagedPool, PhysicalMemory, Placement, Result, misuse};

use crate::settings::MemoryApi;
use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    match work.api {
        MemoryApi::Wddm29 => {
            let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
            let adl = memory.adl(0, PAGE, Default::default())?;
            // An address that still knew its list could not be used after the list: that would not compile.
            let address = misuse::device_address(adl.device_address(0)?.bits());
            if work.twin {
                work.device.read_ram(address, PAGE / 2)?;
                drop(adl);
                return Ok(());
            }
            drop(adl);
            work.device.read_ram(address, PAGE / 2)
        }
        MemoryApi::Wddm24 => {
            let block = NonPagedPool::allocate(PAGE as usize)?;
            let mdl = block.mdl()?;
            let mapping = MdlMapping::map(work.adapter, &mdl)?;
            let address = misuse::device_address(mapping.device_address(0)?.bits());
            if work.twin {
                work.device.read_ram(address, PAGE / 2)?;
                drop(mapping);
                return Ok(());
            }
            drop(mapping);
            work.device.read_ram(address, PAGE / 2)
        }
    }
}
