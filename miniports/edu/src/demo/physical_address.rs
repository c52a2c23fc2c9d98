//! DMA-004: the device is given a physical address where it needs a logical one.
//!
//! The commonest mistake of a driver that comes from the time before DMA remapping; in the other modes it goes unnoticed,
//! as there the two are the same number.

use dxgk_miniport::abi::NtStatus;
use dxgk_miniport::{PhysicalMemory, Placement, Result, misuse};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let memory = PhysicalMemory::pages(work.adapter, PAGE, Placement::ANYWHERE)?;
    let view = memory.view(0, PAGE)?;
    let adl = memory.adl(0, PAGE, Default::default())?;
    let logical = adl.device_address(0)?;
    let physical = view.physical_address(view.start()).ok_or(NtStatus::UNSUCCESSFUL)?;
    let address = if work.twin { logical } else { misuse::device_address(physical.0) };
    work.device.read_ram(address, PAGE / 2)
}
