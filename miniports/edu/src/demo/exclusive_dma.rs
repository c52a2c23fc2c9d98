//! EXCL-001: the device is given work while Dxgkrnl moves it from one domain to another.

use dxgk_miniport::abi::NtStatus;
use dxgk_miniport::{NonPagedPool, Result, misuse};

use crate::work::{PAGE, Work};

/// Runs in `DxgkDdiBeginExclusiveAccess`. No memory callback is needed for it: at that time the device's addresses are
/// physical ones still.
pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let block = NonPagedPool::allocate(PAGE as usize)?;
    let physical = block.physical_address(0).ok_or(NtStatus::UNSUCCESSFUL)?;
    // The device waits until DxgkDdiEndExclusiveAccess.
    if work.twin {
        return Ok(());
    }
    work.device.read_ram(misuse::device_address(physical.0), PAGE / 2)?;
    Ok(())
}
