//! DMA-001: the device is told to read from an address that nothing was ever mapped at.

use dxgk_miniport::{MdlPages, PhysicalMemory, Placement, Result, misuse};

use crate::settings::MemoryApi;
use crate::work::{PAGE, Work};

/// No RAM of any machine this runs on, no processor's address, no place where logical addresses are given out; and
/// within the device's reach.
const NOWHERE: u64 = 0x0DEA_D000_0000;

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    match work.api {
        MemoryApi::Wddm29 => {
            let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
            let adl = memory.adl(0, PAGE, Default::default())?;
            let mapped = adl.device_address(0)?;
            let address = if work.twin { mapped } else { misuse::device_address(NOWHERE) };
            work.device.read_ram(address, PAGE / 2)
        }
        MemoryApi::Wddm24 => {
            let pages = MdlPages::allocate(work.adapter, PAGE, Placement::ANYWHERE)?;
            let mapped = pages.device_address(0)?;
            let address = if work.twin { mapped } else { misuse::device_address(NOWHERE) };
            work.device.read_ram(address, PAGE / 2)
        }
    }
}
