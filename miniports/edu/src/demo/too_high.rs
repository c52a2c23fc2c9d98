//! DMA-007: the device is given an address that it cannot see by its driver's own words.

use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::answers::HIGHEST_VISIBLE_ADDRESS;
use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    let adl = memory.adl(0, PAGE, Default::default())?;
    let address = adl.device_address(0)?.bits();
    let too_much = if work.twin { 0 } else { HIGHEST_VISIBLE_ADDRESS + 1 };
    work.device.read_ram(misuse::device_address(address + too_much), PAGE / 2)
}
