//! The formats and units that are witnessed, and what a refused request must leave behind in each.

use dxgk_hw::Access;
use dxgk_iopt::amdvi::spec::{EventCode as AmdEvent, EventFlags};
use dxgk_iopt::smmu::spec::{EventClass, EventCode, EventSecond};
use dxgk_iopt::vtd::spec::FaultReason;
use dxgk_iopt::{AmdV1, Format, Granule, SmmuStage1, SmmuStage2};
use dxgk_model::{AmdviConfig, SmmuConfig, UnitConfig, VtdConfig};
use dxgk_qemu::{Board, UnitModel};

use crate::plan::Why;

/// A unit in a mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    /// VT-d, second stage in legacy mode.
    VtdLegacy,
    /// VT-d, second stage in scalable mode.
    VtdSecondStage,
    /// VT-d, first stage in scalable mode.
    VtdFirstStage,
    /// AMD-Vi, in a mode.
    Amdvi(AmdV1),
    /// SMMUv3, stage 1.
    SmmuStage1(Granule),
    /// SMMUv3, stage 2.
    SmmuStage2(Granule),
}

/// What a unit recorded of a refused request, whichever unit it is. The requester has been checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    /// Fault reason or event code.
    pub(crate) code: u8,
    /// Flags, where the unit has any.
    pub(crate) flags: u16,
    /// The page.
    pub(crate) page: u64,
    pub(crate) write: bool,
}

impl Family {
    pub(crate) fn qemu(self) -> UnitModel {
        match self {
            Self::VtdLegacy => UnitModel::Vtd,
            Self::VtdSecondStage => UnitModel::VtdSecondStage,
            Self::VtdFirstStage => UnitModel::VtdFirstStage,
            Self::Amdvi(_) => UnitModel::Amdvi,
            Self::SmmuStage1(_) => UnitModel::Smmuv3 { stage_2: false },
            Self::SmmuStage2(_) => UnitModel::Smmuv3 { stage_2: true },
        }
    }

    /// The model, with an IOTLB that forgets nothing by itself in a scenario.
    pub(crate) fn model(self) -> UnitConfig {
        let (iotlb_sets, iotlb_ways) = (1024, 8);
        match self {
            Self::VtdLegacy | Self::VtdSecondStage | Self::VtdFirstStage => {
                VtdConfig { iotlb_sets, iotlb_ways, ..VtdConfig::default() }.into()
            }
            Self::Amdvi(_) => AmdviConfig { iotlb_sets, iotlb_ways, ..AmdviConfig::default() }.into(),
            Self::SmmuStage1(_) | Self::SmmuStage2(_) => {
                let (tlb_sets, tlb_ways) = (iotlb_sets, iotlb_ways);
                SmmuConfig { tlb_sets, tlb_ways, ..SmmuConfig::default() }.into()
            }
        }
    }

    /// Bits of a logical address.
    pub(crate) fn width(self) -> u32 {
        match self {
            // The upper half of the canonical addresses is nobody's.
            Self::VtdFirstStage => 47,
            Self::VtdLegacy | Self::VtdSecondStage | Self::SmmuStage1(_) => 48,
            Self::SmmuStage2(_) => 44,
            Self::Amdvi(format) => format.width(),
        }
    }

    /// Pages of the granule.
    pub(crate) fn granule_pages(self) -> u64 {
        match self {
            Self::SmmuStage1(granule) => SmmuStage1::new(granule).granule_pages(),
            Self::SmmuStage2(granule) => SmmuStage2::new(granule).granule_pages(),
            _ => 1,
        }
    }

    /// Permissions that a leaf can have.
    pub(crate) fn permissions(self) -> [Access; 4] {
        match self {
            // Reads need no permission.
            Self::VtdFirstStage | Self::SmmuStage1(_) => {
                [Access::READ, Access::READ, Access::all(), Access::all()]
            }
            _ => [Access::READ, Access::WRITE, Access::all(), Access::all()],
        }
    }

    /// RAM, as QEMU's machine has it: the layout, the first frame for tables, and the frames to be mapped.
    pub(crate) fn ram(self) -> (&'static str, u64, std::ops::Range<u64>) {
        match self.qemu().board() {
            Board::Q35 => ("64G", 0x1000, 0x10_0000..0xf0_0000),
            Board::Virt => ("2G@1G", 0x4_1000, 0x6_0000..0xc_0000),
        }
    }

    /// Whether one command invalidates a block of pages, of any size. Where it takes one a page, ranges of more than a
    /// few are invalidated with all of their domain.
    pub(crate) fn selects_blocks(self) -> bool {
        !matches!(self, Self::SmmuStage1(_) | Self::SmmuStage2(_))
    }

    /// What must be recorded.
    pub(crate) fn record(self, page: u64, write: bool, why: Why) -> Record {
        match self {
            Self::VtdLegacy => {
                let reason = match why {
                    Why::BeyondWidth => FaultReason::ADDRESS_BEYOND_WIDTH,
                    _ if write => FaultReason::NO_WRITE,
                    _ => FaultReason::NO_READ,
                };
                Record { code: reason.0, flags: 0, page, write }
            }
            Self::VtdSecondStage => {
                let reason = match why {
                    Why::BeyondWidth => FaultReason::SM_ADDRESS_BEYOND_WIDTH,
                    Why::Absent => FaultReason::SS_ENTRY_NOT_PRESENT,
                    Why::Denied if write => FaultReason::SM_NO_WRITE,
                    Why::Denied => FaultReason::SM_NO_READ,
                };
                Record { code: reason.0, flags: 0, page, write }
            }
            Self::VtdFirstStage => {
                let reason = match why {
                    Why::BeyondWidth => FaultReason::NOT_CANONICAL,
                    Why::Absent => FaultReason::FS_ENTRY_NOT_PRESENT,
                    Why::Denied => FaultReason::SM_NO_WRITE,
                };
                Record { code: reason.0, flags: 0, page, write }
            }
            Self::SmmuStage1(_) | Self::SmmuStage2(_) => {
                let code =
                    if why == Why::Denied { EventCode::F_PERMISSION } else { EventCode::F_TRANSLATION };
                let second = EventSecond::new()
                    .with_rnw(!write)
                    .with_s2(matches!(self, Self::SmmuStage2(_)))
                    .with_class(EventClass::In as u8);
                Record { code: code.0, flags: flags_of(second), page, write }
            }
            Self::Amdvi(_) => {
                let denied = why == Why::Denied;
                let flags = EventFlags::new().with_pr(denied).with_pe(denied).with_rw(write);
                Record { code: AmdEvent::IO_PAGE_FAULT.0, flags: flags.into_bits(), page, write }
            }
        }
    }
}

/// The class in the flags of an SMMU's event.
pub(crate) const CLASS: u16 = 0b110;

/// Class and stage of an SMMU's event.
pub(crate) fn flags_of(second: EventSecond) -> u16 {
    u16::from(second.class()) << 1 | u16::from(second.s2())
}
