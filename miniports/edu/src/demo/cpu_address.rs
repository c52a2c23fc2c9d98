//! DMA-005: the device is given an address of the processor's.

use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    let view = memory.view(0, PAGE)?;
    let adl = memory.adl(0, PAGE, Default::default())?;
    let logical = adl.device_address(0)?;
    let address = if work.twin { logical } else { misuse::pointer_as_device_address(&view) };
    work.device.read_ram(address, PAGE / 2)
}
