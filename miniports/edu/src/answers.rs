//! What the driver says of its device.

use dxgk_miniport::abi::caps::{DriverCaps, VidMmCapsFlags, WddmVersion};
use dxgk_miniport::abi::query::{FrameBufferSaveArea, IommuCaps, PhysicalAdapterCaps, PhysicalMemoryCaps};
use dxgk_miniport::abi::{Boolean, NtStatus};
use dxgk_miniport::{Query, Result};

use crate::demo::Demo;
use crate::save::SAVED;
use crate::settings::MemoryApi;

/// The highest address that the device puts on the bus: it has 64 address bits, an I/O page table of four levels 48.
pub(crate) const HIGHEST_VISIBLE_ADDRESS: u64 = (1 << 48) - 1;

/// Answers a question of `DxgkDdiQueryAdapterInfo`.
pub(crate) fn answer(api: Option<MemoryApi>, demo: Option<&Demo>, query: Query<'_>) -> Result<()> {
    // A driver of WDDM 2.0 knows no question that came later.
    let later = matches!(
        query,
        Query::PhysicalMemoryCaps(_)
            | Query::IommuCaps(_)
            | Query::FrameBufferSaveSize(..)
            | Query::HardwareReservedRanges(_)
    );
    if api.is_none() && later {
        return Err(NtStatus::NOT_SUPPORTED);
    }
    match query {
        Query::PhysicalMemoryCaps(answer) => {
            answer.give(&PhysicalMemoryCaps { highest_visible_address: HIGHEST_VISIBLE_ADDRESS });
        }
        Query::IommuCaps(answer) => answer.give(&iommu_caps(api)),
        Query::DriverCaps(answer) => {
            let mut caps = driver_caps(api);
            if let Some(demo) = demo {
                demo.change_caps(&mut caps);
            }
            answer.give(&caps);
        }
        Query::PhysicalAdapterCaps(_, answer) => {
            answer.give(&PhysicalAdapterCaps { num_execution_nodes: 1, ..PhysicalAdapterCaps::default() });
        }
        // The lead alone keeps something over a power transition.
        Query::FrameBufferSaveSize(index, answer) => {
            answer.give(&FrameBufferSaveArea { maximum_size: if index == 0 { SAVED } else { 0 } });
        }
        Query::HardwareReservedRanges(answer) => {
            let range = demo.and_then(Demo::reserved_range);
            answer.report(range.as_slice());
        }
        _ => return Err(NtStatus::NOT_SUPPORTED),
    }
    Ok(())
}

/// Before the start: which of the two modes the driver can live with.
fn iommu_caps(api: Option<MemoryApi>) -> IommuCaps {
    match api {
        Some(MemoryApi::Wddm29) => IommuCaps::IOMMU_ISOLATION_SUPPORTED | IommuCaps::DMA_REMAPPING_SUPPORTED,
        Some(MemoryApi::Wddm24) => IommuCaps::IOMMU_ISOLATION_SUPPORTED,
        None => IommuCaps(0),
    }
}

/// After the start: the same once more, where `DXGK_VIDMMCAPS` has it.
fn driver_caps(api: Option<MemoryApi>) -> DriverCaps {
    let mut caps = DriverCaps {
        highest_acceptable_address: u64::MAX,
        wddm_version: if api.is_some() { WddmVersion::V3_1 } else { WddmVersion::V2 },
        support_non_vga: Boolean::TRUE,
        ..DriverCaps::default()
    };
    caps.gpu_engine_topology.asymetric_processing_nodes = 1;
    caps.memory_management_caps.value = match api {
        Some(MemoryApi::Wddm29) => {
            VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED | VidMmCapsFlags::MAP_APERTURE2_SUPPORTED
        }
        Some(MemoryApi::Wddm24) => VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED,
        None => VidMmCapsFlags(0),
    };
    caps
}

#[cfg(test)]
mod tests {
    use dxgk_miniport::abi::caps::{VidMmCapsFlags, WddmVersion};
    use dxgk_miniport::abi::query::IommuCaps;

    use super::{driver_caps, iommu_caps};
    use crate::settings::MemoryApi;

    #[test]
    fn both_answers_about_isolation_agree_and_remapping_comes_with_the_second_map_aperture() {
        for api in [None, Some(MemoryApi::Wddm24), Some(MemoryApi::Wddm29)] {
            let (iommu, driver) = (iommu_caps(api), driver_caps(api).memory_management_caps.value);
            assert_eq!(
                iommu.contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED),
                driver.contains(VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED)
            );
            assert_eq!(
                iommu.contains(IommuCaps::DMA_REMAPPING_SUPPORTED),
                driver.contains(VidMmCapsFlags::MAP_APERTURE2_SUPPORTED)
            );
            assert_eq!(iommu.contains(IommuCaps::DMA_REMAPPING_SUPPORTED), api == Some(MemoryApi::Wddm29));
            let isolates = iommu.contains(IommuCaps::IOMMU_ISOLATION_SUPPORTED);
            assert_eq!(isolates, api.is_some());
        }
    }

    #[test]
    fn the_oldest_personality_claims_nothing_and_keeps_to_the_oldest_model() {
        let caps = driver_caps(None);
        assert_eq!(caps.memory_management_caps.value, VidMmCapsFlags(0));
        assert_eq!(caps.wddm_version, WddmVersion::V2);
        assert_eq!(driver_caps(Some(MemoryApi::Wddm24)).wddm_version, WddmVersion::V3_1);
    }
}
