//! The questions that the port asks a driver about its adapter, and their answers.
//!
//! Order ("IOMMU DMA remapping", "IOMMU-based GPU isolation"): the first two before StartDevice, the rest after it.

use dxgk_abi::caps::{DriverCaps, VidMmCapsFlags, WddmVersion};
use dxgk_abi::query::{
    FrameBufferSaveArea, IommuCaps, PhysicalAdapterCaps, PhysicalMemoryCaps, QueryAdapterInfoType,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::miniport::{DdiError, DdiResult, DeviceContext, Miniport};
use crate::mode::Claims;
use crate::vidmm::Caps;

/// Asks one question with a structure for an answer. A driver's error is `None`: it means "no such thing here".
fn ask<T: FromBytes + IntoBytes>(
    miniport: &impl Miniport,
    device: DeviceContext,
    query: QueryAdapterInfoType,
    input: &[u8],
) -> DdiResult<Option<T>> {
    let mut answer = T::new_zeroed();
    match miniport.query_adapter_info(device, query, input, answer.as_mut_bytes()) {
        Ok(()) => Ok(Some(answer)),
        Err(DdiError::Failed(_) | DdiError::Absent) => Ok(None),
        Err(DdiError::Stopped) => Err(DdiError::Stopped),
    }
}

/// IOMMU_CAPS and PHYSICAL_MEMORY_CAPS. `limit` replaces what the driver says of its highest visible address
/// (`--highest-visible-address`). A reported limit of 0 is no limit (our choice: such a device could reach nothing).
///
/// # Errors
/// [`DdiError::Stopped`] only.
pub(crate) fn before_start(
    miniport: &impl Miniport,
    device: DeviceContext,
    limit: Option<u64>,
) -> DdiResult<Claims> {
    let iommu = ask::<IommuCaps>(miniport, device, QueryAdapterInfoType::IOMMU_CAPS, &[])?;
    let memory =
        ask::<PhysicalMemoryCaps>(miniport, device, QueryAdapterInfoType::PHYSICAL_MEMORY_CAPS, &[])?;
    let reported = memory.map(|caps| caps.highest_visible_address).filter(|address| *address != 0);
    Ok(Claims { iommu, highest_visible: limit.or(reported).unwrap_or(u64::MAX) })
}

/// The flags of DXGK_VIDMMCAPS about the IOMMU, each with the driver model that brought it.
const SINCE: [(VidMmCapsFlags, WddmVersion); 3] = [
    (VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED, WddmVersion::V2_4),
    (VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED, WddmVersion::V2_7),
    (VidMmCapsFlags::MAP_APERTURE2_SUPPORTED, WddmVersion::V2_9),
];

/// What a driver of this model can have meant by its flags: to an older one they are reserved bits.
fn known(flags: VidMmCapsFlags, model: WddmVersion) -> VidMmCapsFlags {
    let unknown = SINCE.iter().filter(|(_, since)| model < *since);
    VidMmCapsFlags(unknown.fold(flags.0, |flags, (unknown, _)| flags & !unknown.0))
}

/// DRIVERCAPS: what VidMm needs of it; nothing when the driver refuses.
///
/// # Errors
/// [`DdiError::Stopped`] only.
pub(crate) fn driver(miniport: &impl Miniport, device: DeviceContext) -> DdiResult<Option<Caps>> {
    let caps = ask::<DriverCaps>(miniport, device, QueryAdapterInfoType::DRIVERCAPS, &[])?;
    Ok(caps.map(|caps| Caps {
        memory: known(caps.memory_management_caps.value, caps.wddm_version),
        paging_node: caps.memory_management_caps.paging_node,
        scheduling: caps.scheduling_caps,
        wddm: caps.wddm_version,
    }))
}

/// PHYSICALADAPTERCAPS of the adapter with number `index` in its chain.
///
/// # Errors
/// [`DdiError::Stopped`] only.
pub(crate) fn physical_adapter(
    miniport: &impl Miniport,
    device: DeviceContext,
    index: u32,
) -> DdiResult<Option<PhysicalAdapterCaps>> {
    ask(miniport, device, QueryAdapterInfoType::PHYSICALADAPTERCAPS, index.as_bytes())
}

/// FRAMEBUFFERSAVESIZE of the adapter with number `index` in its chain, in bytes.
///
/// # Errors
/// [`DdiError::Stopped`] only.
pub(crate) fn save_area(
    miniport: &impl Miniport,
    device: DeviceContext,
    index: u32,
) -> DdiResult<Option<u64>> {
    let area = ask::<FrameBufferSaveArea>(
        miniport,
        device,
        QueryAdapterInfoType::FRAMEBUFFERSAVESIZE,
        index.as_bytes(),
    )?;
    Ok(area.map(|area| area.maximum_size))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows S-AIF-03, S-VMC-01, S-VMC-03, S-VMC-05, S-RMP-29.
    #[test]
    fn a_flag_means_nothing_to_a_driver_model_older_than_it() {
        let other = VidMmCapsFlags::DEDICATED_PAGING_ENGINE;
        for (flag, before, since) in [
            (VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED, WddmVersion::V2_3, WddmVersion::V2_4),
            (VidMmCapsFlags::IOMMU_SECURE_MODE_REQUIRED, WddmVersion::V2_6, WddmVersion::V2_7),
            (VidMmCapsFlags::MAP_APERTURE2_SUPPORTED, WddmVersion::V2_8, WddmVersion::V2_9),
        ] {
            assert_eq!(known(flag | other, before), other, "{flag:?}");
            assert_eq!(known(flag | other, since), flag | other, "{flag:?}");
            assert_eq!(known(flag | other, WddmVersion::LATEST), flag | other, "{flag:?}");
        }
    }
}
