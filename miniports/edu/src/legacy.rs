//! A driver from before the IOMMU: `MemoryApi` = 20.
//!
//! Its device is given what `MmGetPhysicalAddress` says of nonpaged pool. That is right as long as device addresses are
//! physical, and it claims no more; what it would meet otherwise shows a run that forces a mode on it. Data that did
//! not arrive is noticed, and logged, and no reason to give up: such a driver has never seen it happen.

use dxgk_miniport::abi::NtStatus;
use dxgk_miniport::{NonPagedPool, Result, log, misuse};

use crate::device::Device;
use crate::work::{DATA_ERROR, Part, RUN, exchange};

/// One round of work.
pub(crate) fn round(device: &Device<'_>) -> Result<()> {
    let block = NonPagedPool::allocate(RUN as usize)?;
    let part = Part { memory: &block, start: 0, bytes: RUN, seed: 1 };
    let done = exchange(device, part, |offset| {
        let offset = usize::try_from(offset).map_err(|_| NtStatus::INVALID_PARAMETER)?;
        let physical = block.physical_address(offset).ok_or(NtStatus::INVALID_PARAMETER)?;
        // The one thing that the two later personalities never do.
        Ok(misuse::device_address(physical.0))
    });
    match done {
        Err(DATA_ERROR) => {
            log!("edu: the device and the processor do not see the same memory; going on");
            Ok(())
        }
        other => other,
    }
}
