//! DMA-003: the device writes to memory that is mapped for reading only.

use dxgk_miniport::abi::kernel::PageProtection;
use dxgk_miniport::{PhysicalMemory, Result};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let protection = if work.twin { PageProtection::READWRITE } else { PageProtection::READONLY };
    let memory = PhysicalMemory::section(work.adapter, PAGE, protection)?;
    let adl = memory.adl(0, PAGE, Default::default())?;
    work.device.write_ram(adl.device_address(0)?, PAGE / 2)
}
