//! CACHE-001: the device's registers are mapped uncached and write-combining at once.

use dxgk_miniport::abi::NtStatus;
use dxgk_miniport::{RegisterCache, RegisterMap, Result};

use crate::work::{PAGE, Work};

pub(super) fn run(work: &Work<'_>) -> Result<()> {
    let information = work.adapter.information()?;
    let (start, _) = information.resources().memory().next().ok_or(NtStatus::DEVICE_CONFIGURATION_ERROR)?;
    let cache = if work.twin { RegisterCache::NonCached } else { RegisterCache::WriteCombined };
    drop(RegisterMap::map(work.adapter, start, PAGE, cache)?);
    Ok(())
}
