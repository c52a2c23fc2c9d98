//! The machines that are started, and what differs between them.

use dxgk_hw::PhysAddr;

use crate::find::Installed;

const GIB: u64 = 1 << 30;

/// A QEMU machine type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// `q35`: a PC. Units are added as devices.
    Q35,
    /// `virt` of the 64-bit Arm machines, with an SMMUv3 in front of PCI.
    Virt,
}

/// The processor that QEMU's binary is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `qemu-system-x86_64`.
    X86_64,
    /// `qemu-system-aarch64`.
    Aarch64,
}

impl Architecture {
    /// The binary's usual name.
    #[must_use]
    pub const fn binary(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// The environment variable that names the binary to use instead of the first one on `PATH`.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::X86_64 => "DXGK_QEMU",
            Self::Aarch64 => "DXGK_QEMU_AARCH64",
        }
    }
}

impl Board {
    /// Whose binary has it.
    #[must_use]
    pub const fn architecture(self) -> Architecture {
        match self {
            Self::Q35 => Architecture::X86_64,
            Self::Virt => Architecture::Aarch64,
        }
    }

    /// The value of `-M`.
    pub(crate) const fn machine(self) -> &'static str {
        match self {
            // The timer chip ticks from reset on. Where virtual time jumps from timer to timer, that would keep QEMU
            // racing through ticks that nobody wants, and a transfer would wait its turn.
            Self::Q35 => "q35,memory-backend=ram,pit=off",
            Self::Virt => "virt,memory-backend=ram,iommu=smmuv3,highmem=on,gic-version=3",
        }
    }

    /// The ranges of guest-physical addresses at which so many bytes of RAM are, as (start, bytes), lowest first.
    pub(crate) fn ranges(self, bytes: u64) -> Vec<(PhysAddr, u64)> {
        /// From this size on a PC's RAM is split, into this much below the hole of devices and the rest above.
        const SPLIT_FROM: u64 = 0xb000_0000;
        const LOW_BYTES: u64 = 2 * GIB;
        match self {
            Self::Q35 if bytes >= SPLIT_FROM => {
                vec![(PhysAddr::new(0), LOW_BYTES), (PhysAddr::new(4 * GIB), bytes - LOW_BYTES)]
            }
            Self::Q35 => vec![(PhysAddr::new(0), bytes)],
            Self::Virt => vec![(PhysAddr::new(GIB), bytes)],
        }
    }

    /// Where extended configuration space is mapped, on machines without the ports for it.
    pub(crate) const fn extended_configuration(self) -> Option<u64> {
        match self {
            Self::Q35 => None,
            Self::Virt => Some(0x40_1000_0000),
        }
    }

    /// An address for a memory BAR of up to 1 MiB.
    #[must_use]
    pub const fn bar_window(self) -> u32 {
        match self {
            Self::Q35 => 0xfe00_0000,
            Self::Virt => 0x1000_0000,
        }
    }
}

/// An IOMMU of QEMU's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitModel {
    /// Intel VT-d, legacy mode.
    Vtd,
    /// Intel VT-d with scalable mode, its second stage only.
    VtdSecondStage,
    /// Intel VT-d with scalable mode and both stages.
    VtdFirstStage,
    /// AMD-Vi.
    Amdvi,
    /// Arm SMMUv3 with both stages, where the version has them (7.2 has the first only).
    Smmuv3 {
        /// Whether stage 2 instead of stage 1 is to be offered; not in 7.2.
        stage_2: bool,
    },
}

impl UnitModel {
    /// The machine that it is in.
    #[must_use]
    pub const fn board(self) -> Board {
        match self {
            Self::Smmuv3 { .. } => Board::Virt,
            _ => Board::Q35,
        }
    }

    /// Where its registers are.
    #[must_use]
    pub const fn registers(self) -> PhysAddr {
        PhysAddr::new(match self {
            Self::Vtd | Self::VtdSecondStage | Self::VtdFirstStage => 0xfed9_0000,
            Self::Amdvi => 0xfed8_0000,
            Self::Smmuv3 { .. } => 0x0905_0000,
        })
    }

    /// Why `installed` cannot play it; `None` where it can.
    #[must_use]
    pub fn missing_in(self, installed: &Installed) -> Option<&'static str> {
        let before = |version| installed.major() < version;
        match self {
            Self::VtdFirstStage if before(10) => Some("first-stage translation came with QEMU 10.0"),
            Self::Smmuv3 { stage_2: true } if before(8) => Some("stage 2 came with QEMU 8.1"),
            _ => None,
        }
    }

    /// The arguments that put it into the machine. They have to come before the devices behind it.
    pub(crate) fn arguments(self, installed: &Installed) -> Vec<String> {
        let renamed = installed.major() >= 11;
        let vtd = "intel-iommu,intremap=off,aw-bits=48,caching-mode=off";
        let device = |value: String| vec!["-device".to_owned(), value];
        let scalable = if renamed { "scalable-mode" } else { "x-scalable-mode" };
        let first_stage = if renamed { "fsts" } else { "x-flts" };
        match self {
            Self::Vtd => device(vtd.to_owned()),
            Self::VtdSecondStage => device(format!("{vtd},{scalable}=on")),
            Self::VtdFirstStage => device(format!("{vtd},{scalable}=on,{first_stage}=on")),
            // Without it the DMA of emulated devices passes untranslated.
            Self::Amdvi if renamed => device("amd-iommu,intremap=off,dma-remap=on".to_owned()),
            Self::Amdvi => device("amd-iommu,intremap=off,pt=off".to_owned()),
            // The unit comes with the machine.
            Self::Smmuv3 { .. } if installed.major() < 8 => Vec::new(),
            Self::Smmuv3 { stage_2 } => {
                let stage = if stage_2 { 2 } else { 1 };
                vec!["-global".to_owned(), format!("arm-smmuv3.stage={stage}")]
            }
        }
    }
}
