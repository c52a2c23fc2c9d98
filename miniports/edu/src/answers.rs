//! What the driver says of its device.

use dxgk_miniport::abi::caps::{DriverCaps, VidMmCapsFlags, WddmVersion};
use dxgk_miniport::abi::query::{
    FrameBufferSaveArea, HardwareReservedRanges, IommuCaps, PhysicalAdapterCaps, PhysicalMemoryCaps,
};
use dxgk_miniport::abi::{Boolean, NtStatus};
use dxgk_miniport::{Query, Result};

use crate::settings::MemoryApi;

/// The highest address that the device puts on the bus: it has 64 address bits, an I/O page table of four levels 48.
const HIGHEST_VISIBLE_ADDRESS: u64 = (1 << 48) - 1;

/// Answers a question of `DxgkDdiQueryAdapterInfo`.
pub(crate) fn answer(api: MemoryApi, query: Query<'_>) -> Result<()> {
    match query {
        Query::PhysicalMemoryCaps(answer) => {
            answer.give(&PhysicalMemoryCaps { highest_visible_address: HIGHEST_VISIBLE_ADDRESS });
        }
        Query::IommuCaps(answer) => answer.give(&iommu_caps(api)),
        Query::DriverCaps(answer) => answer.give(&driver_caps(api)),
        Query::PhysicalAdapterCaps(_, answer) => {
            answer.give(&PhysicalAdapterCaps { num_execution_nodes: 1, ..PhysicalAdapterCaps::default() });
        }
        // The device keeps nothing over a power transition.
        Query::FrameBufferSaveSize(_, answer) => answer.give(&FrameBufferSaveArea { maximum_size: 0 }),
        Query::HardwareReservedRanges(answer) => {
            let given = answer.given().unwrap_or_default();
            answer.give(&HardwareReservedRanges { num_ranges: 0, ..given });
        }
        _ => return Err(NtStatus::NOT_SUPPORTED),
    }
    Ok(())
}

/// Before the start: which of the two modes the driver can live with.
fn iommu_caps(api: MemoryApi) -> IommuCaps {
    match api {
        MemoryApi::Wddm29 => IommuCaps::IOMMU_ISOLATION_SUPPORTED | IommuCaps::DMA_REMAPPING_SUPPORTED,
        MemoryApi::Wddm24 => IommuCaps::IOMMU_ISOLATION_SUPPORTED,
    }
}

/// After the start: the same once more, where `DXGK_VIDMMCAPS` has it.
fn driver_caps(api: MemoryApi) -> DriverCaps {
    let mut caps = DriverCaps {
        highest_acceptable_address: u64::MAX,
        wddm_version: WddmVersion::V3_1,
        support_non_vga: Boolean::TRUE,
        ..DriverCaps::default()
    };
    caps.gpu_engine_topology.asymetric_processing_nodes = 1;
    caps.memory_management_caps.value = match api {
        MemoryApi::Wddm29 => {
            VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED | VidMmCapsFlags::MAP_APERTURE2_SUPPORTED
        }
        MemoryApi::Wddm24 => VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED,
    };
    caps
}

#[cfg(test)]
mod tests {
    use dxgk_miniport::abi::caps::VidMmCapsFlags;
    use dxgk_miniport::abi::query::IommuCaps;

    use super::{driver_caps, iommu_caps};
    use crate::settings::MemoryApi;

    #[test]
    fn both_answers_about_isolation_agree_and_remapping_comes_with_the_second_map_aperture() {
        for api in [MemoryApi::Wddm24, MemoryApi::Wddm29] {
            let (iommu, driver) = (iommu_caps(api), driver_caps(api).memory_management_caps.value);
            assert_eq!(
                iommu.contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED),
                driver.contains(VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED)
            );
            assert_eq!(
                iommu.contains(IommuCaps::DMA_REMAPPING_SUPPORTED),
                driver.contains(VidMmCapsFlags::MAP_APERTURE2_SUPPORTED)
            );
            assert_eq!(iommu.contains(IommuCaps::DMA_REMAPPING_SUPPORTED), api == MemoryApi::Wddm29);
        }
    }
}
