//! EXCL-001: the device is given work while Dxgkrnl moves it from one domain to another.

use dxgk_miniport::abi::NtStatus;
use dxgk_miniport::{NonPagedPool, Result, misuse};

use crate::work::{PAGE, Work};

/// Runs in `DxgkDdiBeginExclusiveAccess`. No memory callback is needed for it: at that time the device's addresses are
/// physical ones still.
pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let block = NonPagedPool::allocate(PAGE as usize)?;
    let physical = block.physical_address(0).ok_or(NtStatus::UNSUCCESSFUL)?;
    // Correct: without this line; the device waits until DxgkDdiEndExclusiveAccess.
    work.device.read_ram(misuse::device_address(physical.0), PAGE / 2)?;
    Ok(())
}
