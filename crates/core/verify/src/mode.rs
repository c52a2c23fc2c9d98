//! Rules about the addressing mode: MODE-001, MODE-002, and IMP-001, which depends on what the driver claims.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::NtStatus;
use dxgk_abi::init::DriverInitializationData;
use dxgk_abi::query::{IommuCaps, QueryAdapterInfoType};
use dxgk_event::{DdiCall, Import, Mode, ModeChoice, ModeReason, Phase};

use crate::calls::{Call, MemoryCall, UnderRemapping};
use crate::finding::{Finding, SameAct, Severity};
use crate::limits;
use crate::rules::{IMP_001, MODE_001, MODE_002};
use crate::{Moment, Verifier};

/// What a driver that supports isolation does not import.
const BYPASSING: &[&str] = &[
    "MmAllocateContiguousMemory",
    "MmAllocateContiguousMemorySpecifyCache",
    "MmAllocatePagesForMdl",
    "MmAllocatePagesForMdlEx",
    "MmFreeContiguousMemory",
    ALSO_TOLD_TO_USE,
    "MmProbeAndLockPages",
];

/// The one of them that the hot-update page tells drivers to use.
const ALSO_TOLD_TO_USE: &str = "MmFreePagesFromMdl";

fn claims(mode: &Mode, what: IommuCaps) -> bool {
    IommuCaps(mode.iommu_caps).contains(what)
}

impl Verifier {
    /// Remembers an import for [`judge_claims`](Self::judge_claims).
    pub(crate) fn imported(&mut self, import: &Import) {
        let name = import.name.as_str();
        if let Some(known) = BYPASSING.iter().find(|known| **known == name)
            && !self.bypassing.contains(known)
        {
            self.bypassing.push(known);
        }
    }

    /// Remembers a question about the device's reach that was not answered, for [`judge_claims`](Self::judge_claims).
    pub(crate) fn note_unanswered(&mut self, ddi: &DdiCall) {
        let query = usize::from(ddi.ddi) == offset_of!(DriverInitializationData, query_adapter_info)
            && ddi.argument == u64::from(QueryAdapterInfoType::PHYSICAL_MEMORY_CAPS.0);
        if !query || ddi.phase != Phase::Returned || self.without_memory_caps.len() >= limits::ADAPTERS {
            return;
        }
        let Some(adapter) = self.adapters.get(ddi.adapter) else { return };
        let logical = adapter.logical_adapter;
        if NtStatus(ddi.status).is_success() {
            self.without_memory_caps.remove(&logical);
        } else {
            self.without_memory_caps.insert(logical);
        }
    }

    fn no_memory_caps(&mut self, mode: &Mode, moment: &Moment) {
        let act = SameAct::AtObject(MODE_002.id, 0, Some(mode.logical_adapter.into()), 1);
        let finding = (!self.findings.knows(&act)).then(|| {
            let message = "the driver claims DmaRemappingSupported and does not answer DXGKQAITYPE_PHYSICAL_MEMORY_CAPS: \
                           nobody knows which addresses its device can put on the bus";
            let fix = "answer DXGKQAITYPE_PHYSICAL_MEMORY_CAPS with the highest address that the device can put on the bus; \
                       linked adapters that differ answer with the smallest";
            self.told(&MODE_002, Severity::Warning, moment, message, fix)
        });
        self.findings.found(act, finding);
    }

    /// The mode was chosen, or the start refused.
    pub(crate) fn judge_claims(&mut self, mode: &Mode, moment: Moment) {
        let moment = moment.elsewhere();
        if mode.refused != 0 {
            if mode.reason == ModeReason::CapsDisagree {
                self.caps_disagree(mode, &moment);
            }
            return;
        }
        self.judge_switch(mode, &moment);
        self.adapters.chosen(mode);
        let remapping = claims(mode, IommuCaps::DMA_REMAPPING_SUPPORTED);
        if remapping && self.without_memory_caps.contains(&mode.logical_adapter) {
            self.no_memory_caps(mode, &moment);
        }
        // A driver too old for IOMMU_CAPS claims it in VIDMMCAPS: it is isolated then, without being forced.
        let isolated = mode.mode == ModeChoice::Isolation && mode.reason != ModeReason::Forced;
        if (isolated || claims(mode, IommuCaps::IOMMU_ISOLATION_SUPPORTED)) && !self.bypassing.is_empty() {
            self.bypassing_imports(&moment);
        }
    }

    fn caps_disagree(&mut self, mode: &Mode, moment: &Moment) {
        let act = SameAct::AtObject(MODE_002.id, 0, Some(mode.logical_adapter.into()), 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let said = |what, name| if claims(mode, what) { Some(name) } else { None };
            let said: Vec<&str> = [
                said(IommuCaps::IOMMU_ISOLATION_SUPPORTED, "IommuIsolationSupported"),
                said(IommuCaps::IOMMU_ISOLATION_REQUIRED, "IommuIsolationRequired"),
                said(IommuCaps::DMA_REMAPPING_SUPPORTED, "DmaRemappingSupported"),
            ]
            .into_iter()
            .flatten()
            .collect();
            let said = if said.is_empty() { "nothing".to_string() } else { said.join(", ") };
            let aperture = if mode.mode == ModeChoice::Remapping { ", or MapAperture2Supported is missing" } else { "" };
            let message = format!(
                "the driver's DXGK_IOMMU_CAPS claim {said}; its DXGK_VIDMMCAPS say something else of isolation{aperture}"
            );
            self.told(&MODE_002, Severity::Error, moment, message, MODE_002.mend)
        });
        self.findings.found(act, finding);
    }

    fn bypassing_imports(&mut self, moment: &Moment) {
        let act = SameAct::AtObject(IMP_001.id, 0, None, 0);
        let finding = (!self.findings.knows(&act)).then(|| {
            let names = &self.bypassing;
            let severity = if matches!(&names[..], [only] if *only == ALSO_TOLD_TO_USE) {
                Severity::Warning
            } else {
                Severity::Error
            };
            let message = format!("the driver reports isolation support and imports {}", names.join(", "));
            self.told(&IMP_001, severity, moment, message, IMP_001.mend)
        });
        self.findings.found(act, finding);
    }

    /// Whether the call is one that remapping does not have, by a driver that should know.
    pub(crate) fn judge_old_set(&mut self, call: &Call<'_>, memory: &MemoryCall) -> bool {
        let logical = self.adapters.logical(call.callback.adapter);
        let Some(mode) = logical.and_then(|logical| self.adapters.told_of_mode(logical)) else {
            return false;
        };
        let remapped = mode.mode == ModeChoice::Remapping;
        let claimed = claims(mode, IommuCaps::DMA_REMAPPING_SUPPORTED);
        let severity = match (memory.remapping, remapped) {
            (UnderRemapping::Works, _) | (UnderRemapping::Releases, false) => return false,
            (_, true) if claimed || mode.reason != ModeReason::Forced => Severity::Error,
            (_, true) => Severity::Note,
            (UnderRemapping::Acquires, false) if claimed => Severity::Warning,
            (UnderRemapping::Acquires, false) => return false,
        };
        self.found_in_call(&MODE_001, call, |this, moment| {
            let name = call.name();
            let message: String = match severity {
                Severity::Error => format!("{name} cannot be used under DMA remapping, and was refused"),
                Severity::Warning => format!(
                    "the driver reports DmaRemappingSupported and uses {name}, which works in this mode and is refused \
                     under DMA remapping"
                ),
                Severity::Note => {
                    format!("{name} was refused: DMA remapping was forced on a driver that does not report it")
                }
            };
            let history = Vec::from([this.modules.history(format!("{name} called"), &moment)]);
            Finding { history, ..this.told(&MODE_001, severity, &moment, message, MODE_001.mend) }
        });
        true
    }
}
