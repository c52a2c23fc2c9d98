//! ADL-004: the union of an address descriptor list is read as the wrong member.

use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    let adl = memory.adl(0, PAGE, Default::default())?;
    let address = if work.twin { adl.device_address(0)? } else { misuse::array_address(&adl) };
    work.device.read_ram(address, PAGE / 2)
}
