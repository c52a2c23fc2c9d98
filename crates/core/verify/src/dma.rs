//! Rules about what devices reach: DMA-001, DMA-002, DMA-004.
//!
//! Order, the most specific first: DMA-002 (was mapped for this adapter in this run), DMA-004 (remapping: the number
//! is a physical address of the driver's memory), DMA-001. DMA-002 is also decided for a transfer that went through
//! although nothing maps the address any more: then a stale translation was used.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use dxgk_event::{DmaTransfer, ModeChoice};
use dxgk_hw::{LogicalAddr, PhysAddr};

use crate::finding::{Culprit, Finding, HistoryEntry, ObjectSummary, Severity};
use crate::ledger::{KnownMapping, describe, summary};
use crate::rules::{DMA_001, DMA_002, DMA_004, Rule};
use crate::{Moment, Verifier};

/// A transfer to be judged at one address.
struct Access<'a> {
    transfer: &'a DmaTransfer,
    logical_adapter: u32,
    /// The first address that nothing maps.
    at: LogicalAddr,
    moment: Moment,
}

impl Verifier {
    pub(crate) fn judge_transfer(&mut self, transfer: &DmaTransfer, moment: Moment) {
        if transfer.translated == 0 {
            return;
        }
        let Some(logical_adapter) = self.requesters.get(&transfer.requester).copied() else { return };
        let Some(at) = self.first_unmapped(transfer, logical_adapter) else { return };
        // The place of a transfer is the doorbell that started it.
        let moment = self.doorbells.get(&transfer.cause).map_or(moment, |rung| rung.at.clone());
        let access = Access { transfer, logical_adapter, at, moment };
        let finding = self
            .after_unmap(&access)
            .or_else(|| self.physical_for_logical(&access))
            .unwrap_or_else(|| self.never_mapped(&access));
        self.found(finding);
    }

    /// The address that was refused; or, of a transfer that went through, the first that nothing maps.
    fn first_unmapped(&self, transfer: &DmaTransfer, logical_adapter: u32) -> Option<LogicalAddr> {
        if transfer.fault != 0 {
            return Some(LogicalAddr::new(transfer.address.wrapping_add(transfer.done)));
        }
        let mut at = LogicalAddr::new(transfer.address);
        let end = transfer.address.checked_add(transfer.bytes)?;
        while at.get() < end {
            if self.ledger.mapped(logical_adapter, at.page().get()).is_none() {
                return Some(at);
            }
            at = at.page().checked_add(1)?.address();
        }
        None
    }

    fn after_unmap(&self, access: &Access<'_>) -> Option<Finding> {
        let mapping = self.ledger.formerly_mapped(access.logical_adapter, access.at.page().get())?;
        let went_through = access.transfer.fault == 0;
        let (name, object) = self.owner(mapping);
        let how = if went_through {
            " and still reached it, because the IOMMU's cached translation was never invalidated"
        } else {
            ""
        };
        let message = format!(
            "the device {} logical address {} after it was unmapped{how}; it belonged to {name}",
            verb(access.transfer),
            access.at,
        );
        let mut history = self.mapping_history(mapping);
        history.extend(self.rung(access));
        let culprit = if went_through && !mapping.invalidated { Culprit::Port } else { Culprit::Driver };
        let fix = "let the device finish with the memory (wait for its fence, or stop the engine) before the call that \
                   unmaps it"
            .to_string();
        Some(self.finding(&DMA_002, culprit, access, message, object, history, fix))
    }

    fn physical_for_logical(&self, access: &Access<'_>) -> Option<Finding> {
        if self.modes.get(&access.logical_adapter) != Some(&ModeChoice::Remapping) {
            return None;
        }
        let physical = PhysAddr::new(access.at.get());
        let frame = physical.page().get();
        let owner = self.ledger.owner_of_frame(frame)?;
        let mapping = self
            .ledger
            .mappings_of(access.logical_adapter)
            .find(|known| known.unmapped.is_none() && known.logical_page(frame).is_some());
        let logical = mapping
            .and_then(|known| known.logical_page(frame))
            .map(|page| LogicalAddr::new((page << dxgk_hw::PAGE_SHIFT) | physical.offset()));
        let should = match logical {
            Some(logical) => format!("the device's address for this byte is {logical}"),
            None => "it is not mapped for the device at all".to_string(),
        };
        let message = format!(
            "the device {} {physical}, which is the physical address of {}; under DMA remapping {should}",
            verb(access.transfer),
            describe(owner),
        );
        let mut history = Vec::from([self.history(format!("{} made", describe(owner)), &owner.created)]);
        if let Some(mapping) = mapping {
            history
                .push(self.history(format!("mapped for the device at {}", first(mapping)), &mapping.mapped));
        }
        history.extend(self.rung(access));
        let fix = match logical {
            Some(logical) => format!(
                "give the device the page number that stands in the ADL ({logical} here) instead of what \
                 MmGetPhysicalAddress or the MDL's page array says"
            ),
            None => {
                "map the memory with DxgkCbAllocateAdl and give the device the ADL's page numbers".to_string()
            }
        };
        Some(self.finding(&DMA_004, Culprit::Driver, access, message, Some(summary(owner)), history, fix))
    }

    fn never_mapped(&self, access: &Access<'_>) -> Finding {
        let message = format!(
            "the device {} logical address {}, which was never mapped for it",
            verb(access.transfer),
            access.at
        );
        let history = self.rung(access).into_iter().collect();
        let fix = "check the address, offset and length that the device is given against the ADL or MDL they come from"
            .to_string();
        self.finding(&DMA_001, Culprit::Driver, access, message, None, history, fix)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a finding, each once")]
    fn finding(
        &self,
        rule: &'static Rule,
        culprit: Culprit,
        access: &Access<'_>,
        message: String,
        object: Option<ObjectSummary>,
        history: Vec<HistoryEntry>,
        fix: String,
    ) -> Finding {
        Finding {
            rule,
            severity: Severity::Error,
            culprit,
            message,
            place: self.place(&access.moment),
            object,
            history,
            fix,
            count: 1,
        }
    }

    /// The doorbell that told the device to do it.
    fn rung(&self, access: &Access<'_>) -> Option<HistoryEntry> {
        let rung = self.doorbells.get(&access.transfer.cause)?;
        let doorbell = &rung.doorbell;
        let what = format!(
            "the device was given address {:#x} for {} bytes, through the register at {:#x}",
            doorbell.address, doorbell.bytes, doorbell.register
        );
        Some(self.history(what, &rung.at))
    }

    fn owner(&self, mapping: &KnownMapping) -> (String, Option<ObjectSummary>) {
        match self.ledger.get(mapping.object) {
            Some(known) => (describe(known), Some(summary(known))),
            None => ("an object that the stream does not name".to_string(), None),
        }
    }

    fn mapping_history(&self, mapping: &KnownMapping) -> Vec<HistoryEntry> {
        let mut history = Vec::new();
        if let Some(known) = self.ledger.get(mapping.object) {
            history.push(self.history(format!("{} made", describe(known)), &known.created));
        }
        history.push(self.history(format!("mapped at {}", first(mapping)), &mapping.mapped));
        if let Some(unmapped) = &mapping.unmapped {
            let how =
                if mapping.invalidated { "unmapped and invalidated" } else { "unmapped, not invalidated" };
            history.push(self.history(how.to_string(), unmapped));
        }
        history
    }
}

fn first(mapping: &KnownMapping) -> LogicalAddr {
    LogicalAddr::new(mapping.runs.first().map_or(0, |(logical, _, _)| logical << dxgk_hw::PAGE_SHIFT))
}

fn verb(transfer: &DmaTransfer) -> &'static str {
    if transfer.write != 0 { "wrote to" } else { "read from" }
}
