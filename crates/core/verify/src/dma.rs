//! Rules about what devices reach: DMA-001 to DMA-007, and ADL-004 as far as a device shows it.
//!
//! Order, the most specific first: EXCL-001 (see `exclusive.rs`), DMA-002 (was mapped for this adapter in this run), ADL-004
//! (the address of a page array, or that taken for a page number), DMA-004 (remapping: the number is a physical address of the
//! driver's memory), DMA-005 (an address of the processor's), DMA-006 (the transfer began inside a mapping), DMA-007 (above
//! what the device sees), DMA-001. DMA-006 is also decided for a transfer that ran into another object's mapping and so was
//! refused by nobody. DMA-002 is also decided for a transfer that went through
//! although nothing maps the address any more: then a stale translation was used. An address that is mapped without
//! the right that the device wanted is DMA-003, and none of the others.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use dxgk_event::{DmaTransfer, FaultReason, ModeChoice};
use dxgk_hw::{LogicalAddr, LogicalPage, PAGE_SHIFT, PAGE_SIZE, PhysAddr};

use crate::finding::{Culprit, Finding, HistoryEntry, SameAct, Severity};
use crate::limits;
use crate::mappings::{KnownMapping, Nearest, Reach};
use crate::objects::Known;
use crate::rules::{ADL_004, DMA_001, DMA_002, DMA_003, DMA_004, DMA_005, DMA_006, DMA_007, Rule};
use crate::words::{describe, rang, summary, the};
use crate::{Moment, RungDoorbell, Verifier};

/// A mapping is named as the neighbour of an address up to this distance in pages: 16 MiB.
const NEIGHBOURHOOD: u64 = 1 << (24 - PAGE_SHIFT);

/// What is to be done about a device that nobody told to transfer.
const OF_ITSELF: &str = "nothing in the driver: the scenario let the device make this transfer of itself, and the IOMMU is there to \
                         refuse it";

/// A transfer to be judged at one address.
struct Access<'a> {
    transfer: &'a DmaTransfer,
    logical_adapter: u32,
    /// The address that was refused, or should have been.
    at: LogicalAddr,
    /// It was let through.
    went_through: bool,
    rung: Option<&'a RungDoorbell>,
    /// The doorbell's write; without one, nowhere in the driver.
    moment: Moment,
}

/// The rule that was broken, and about what.
enum Verdict<'a> {
    Refused(&'a KnownMapping),
    ReadOnly(&'a KnownMapping),
    AfterUnmap(&'a KnownMapping),
    ArrayAddress(&'a Known),
    Physical(&'a Known),
    CpuAddress(&'a Known),
    /// Over the end of this mapping, into that one or into nothing.
    Overrun(&'a KnownMapping, Option<&'a KnownMapping>),
    TooHigh(u64),
    NeverMapped,
}

/// The parts of a finding that the rules fill in.
struct Told {
    culprit: Culprit,
    message: String,
    history: Vec<HistoryEntry>,
    fix: String,
}

fn page_address(page: u64) -> LogicalAddr {
    LogicalPage::new(page).address()
}

fn verb(transfer: &DmaTransfer) -> &'static str {
    if transfer.write != 0 { "wrote to" } else { "read from" }
}

fn tried(transfer: &DmaTransfer) -> &'static str {
    if transfer.write != 0 { "tried to write to" } else { "tried to read from" }
}

impl Verifier {
    pub(crate) fn judge_transfer(&mut self, transfer: &DmaTransfer, moment: Moment) {
        let Some(logical_adapter) = self.adapters.of_requester(transfer.requester) else { return };
        if self.judge_exclusive_transfer(transfer, logical_adapter, &moment) || transfer.translated == 0 {
            return;
        }
        let address = self.address_to_judge(transfer, logical_adapter);
        let crossing = if address.is_none() && transfer.fault == 0 {
            self.crossing(transfer, logical_adapter)
        } else {
            None
        };
        let Some(at) = address.or(crossing.as_ref().map(|crossing| crossing.at)) else { return };
        let rung =
            self.doorbells.get(transfer.cause).filter(|it| it.doorbell.requester == transfer.requester);
        // Other driver code may run by the time of the transfer.
        let moment = rung.map_or_else(|| moment.elsewhere(), |rung| rung.at.clone());
        let access =
            Access { transfer, logical_adapter, at, went_through: transfer.fault == 0, rung, moment };
        let verdict = match crossing {
            Some(crossing) => Verdict::Overrun(crossing.left, Some(crossing.entered)),
            None => self.verdict(&access),
        };
        let (rule, object) = match &verdict {
            Verdict::NeverMapped => (&DMA_001, self.memory_behind(&access)),
            Verdict::Refused(mapping) => (&DMA_001, self.objects.get(mapping.object)),
            Verdict::ReadOnly(mapping) => (&DMA_003, self.objects.get(mapping.object)),
            Verdict::AfterUnmap(mapping) => (&DMA_002, self.objects.get(mapping.object)),
            Verdict::ArrayAddress(adl) => (&ADL_004, Some(*adl)),
            Verdict::Physical(owner) => (&DMA_004, Some(*owner)),
            Verdict::CpuAddress(owner) => (&DMA_005, Some(*owner)),
            Verdict::Overrun(left, _) => (&DMA_006, self.objects.get(left.object)),
            Verdict::TooHigh(_) => (&DMA_007, None),
        };
        let number = match &verdict {
            Verdict::Refused(mapping)
            | Verdict::ReadOnly(mapping)
            | Verdict::AfterUnmap(mapping)
            | Verdict::Overrun(mapping, _) => Some(mapping.object),
            _ => object.map(|known| known.object.object),
        };
        let act = SameAct::AtObject(rule.id, access.moment.rip, number, transfer.requester);
        let make = || {
            let told = match &verdict {
                Verdict::Refused(mapping) => self.refused_though_mapped(&access, mapping),
                Verdict::ReadOnly(mapping) => self.read_only(&access, mapping),
                Verdict::AfterUnmap(mapping) => self.after_unmap(&access, mapping),
                Verdict::ArrayAddress(adl) => self.array_for_pages(&access, adl),
                Verdict::Physical(owner) => self.physical_for_logical(&access, owner),
                Verdict::CpuAddress(owner) => self.pointer_for_logical(&access, owner),
                Verdict::Overrun(left, entered) => self.overrun(&access, left, *entered),
                Verdict::TooHigh(highest) => self.too_high(&access, *highest),
                Verdict::NeverMapped => self.never_mapped(&access, object),
            };
            self.finding_of(rule, &access, object, told)
        };
        // Made at the first occurrence only.
        let finding = (!self.findings.knows(&act)).then(make);
        self.findings.found(act, finding);
    }

    fn verdict(&self, access: &Access<'_>) -> Verdict<'_> {
        let (logical_adapter, page) = (access.logical_adapter, access.at.page().get());
        if let Some(mapping) = self.mappings.holding(logical_adapter, page) {
            let reading_only = access.transfer.write != 0 && !mapping.writable;
            return if reading_only { Verdict::ReadOnly(mapping) } else { Verdict::Refused(mapping) };
        }
        if let Some(mapping) = self.mappings.formerly_holding(logical_adapter, page) {
            return Verdict::AfterUnmap(mapping);
        }
        // What went through was translated, so the number was a logical address to the unit.
        if access.went_through {
            return Verdict::NeverMapped;
        }
        let address = access.at.get();
        if let Some(adl) = self.objects.array_at(address).or_else(|| self.objects.array_at(page)) {
            return Verdict::ArrayAddress(adl);
        }
        if self.mode(logical_adapter) == Some(ModeChoice::Remapping)
            && let Some(owner) = self.owner_of_frame(logical_adapter, page)
        {
            return Verdict::Physical(owner);
        }
        if let Some(owner) = self.objects.at_cpu_address(address) {
            return Verdict::CpuAddress(owner);
        }
        if let Some(left) = self.left_behind(access) {
            return Verdict::Overrun(left, None);
        }
        match self.adapters.told_of_mode(logical_adapter) {
            Some(mode) if address > mode.highest_visible => Verdict::TooHigh(mode.highest_visible),
            _ => Verdict::NeverMapped,
        }
    }

    /// Whose memory a frame is. A section's frames are known through the ADL that lists them.
    fn owner_of_frame(&self, logical_adapter: u32, frame: u64) -> Option<&Known> {
        let through_list = || {
            let mapping = self.mappings.leading_to(logical_adapter, frame)?;
            self.objects.get(mapping.object)
        };
        self.objects.owner_of_frame(frame).or_else(through_list)
    }

    /// The mapping that a transfer was in before it came to the address that was refused.
    fn left_behind(&self, access: &Access<'_>) -> Option<&KnownMapping> {
        let before = access.at.get().checked_sub(1)?;
        if access.transfer.address > before {
            return None;
        }
        self.mappings.holding(access.logical_adapter, LogicalAddr::new(before).page().get())
    }

    fn mode(&self, logical_adapter: u32) -> Option<ModeChoice> {
        self.adapters.mode(logical_adapter)
    }

    /// The address that was refused; or, of a transfer that went through, the first that nothing maps.
    fn address_to_judge(&self, transfer: &DmaTransfer, logical_adapter: u32) -> Option<LogicalAddr> {
        if transfer.fault == 0 {
            return self.first_unmapped(transfer, logical_adapter);
        }
        let at = LogicalAddr::new(transfer.address.wrapping_add(transfer.done));
        let refused_access =
            matches!(self.faults.get(transfer.fault), Some(FaultReason::NoRead | FaultReason::NoWrite));
        // A right that the mapping has and the unit denies is nobody's mistake that is known here.
        let page = at.page().get();
        let has_right = |mapping: &KnownMapping| transfer.write == 0 || mapping.writable;
        let mapped = self.mappings.holding(logical_adapter, page).is_some_and(has_right);
        (!(refused_access && mapped)).then_some(at)
    }

    /// The first address of what went through that nothing maps. Of a transfer over very many stretches only the first
    /// [`limits::STRETCHES`] and the last page are looked at.
    fn first_unmapped(&self, transfer: &DmaTransfer, logical_adapter: u32) -> Option<LogicalAddr> {
        let last = transfer.address.checked_add(transfer.done.min(transfer.bytes).checked_sub(1)?)?;
        let last = LogicalAddr::new(last).page().get();
        let mut page = LogicalAddr::new(transfer.address).page().get();
        let mut addressed = LogicalAddr::new(transfer.address);
        for _ in 0..limits::STRETCHES {
            let Some(next) = self.mappings.held_up_to(logical_adapter, page) else { return Some(addressed) };
            if next > last {
                return None;
            }
            page = next;
            addressed = page_address(page);
        }
        self.mappings.held_up_to(logical_adapter, last).is_none().then(|| page_address(last))
    }

    fn read_only(&self, access: &Access<'_>, mapping: &KnownMapping) -> Told {
        let message = format!(
            "the device {} logical address {}, where {} is mapped for reading only",
            tried(access.transfer),
            access.at,
            self.name(mapping.object)
        );
        let mut history = self.mapping_history(mapping);
        history.extend(self.rung(access));
        Told { culprit: Culprit::Driver, message, history, fix: DMA_003.mend.to_string() }
    }

    fn after_unmap(&self, access: &Access<'_>, mapping: &KnownMapping) -> Told {
        let name = self.name(mapping.object);
        let (did, how) = match (access.went_through, mapping.invalidated) {
            (false, _) => (tried(access.transfer), ""),
            (true, false) => (
                verb(access.transfer),
                " and got through, because the IOMMU's cached translation was never invalidated",
            ),
            (true, true) => (
                verb(access.transfer),
                " and got through, although the IOMMU was told to invalidate the translation",
            ),
        };
        let message = format!(
            "the device {did} logical address {} after it was unmapped{how}; it belonged to {name}",
            access.at
        );
        let mut history = self.mapping_history(mapping);
        history.extend(self.rung(access));
        let (culprit, fix) = if access.went_through {
            let fix = "the port has to invalidate the IOMMU's caches and wait before the pages are given back; in the driver, \
                       let the device finish with the memory before the call that unmaps it";
            (Culprit::Port, fix)
        } else {
            let fix = "let the device finish with the memory (wait for its fence, or stop the engine) before the call that \
                       unmaps it";
            (Culprit::Driver, fix)
        };
        Told { culprit, message, history, fix: fix.to_string() }
    }

    fn array_for_pages(&self, access: &Access<'_>, adl: &Known) -> Told {
        let array = adl.object.va;
        let how = if access.at.get() >= array && access.at.get() - array < adl.object.bytes {
            "the address of the page array"
        } else {
            "the address of the page array, taken for a page number"
        };
        let message = format!(
            "the device {} logical address {}, which is {how} of {}: Flags.Contiguous of this list is clear",
            tried(access.transfer),
            access.at,
            the(adl)
        );
        let mut history = Vec::from([self.modules.history(format!("{} made", describe(adl)), &adl.created)]);
        history.extend(self.rung(access));
        Told { culprit: Culprit::Driver, message, history, fix: ADL_004.mend.to_string() }
    }

    fn pointer_for_logical(&self, access: &Access<'_>, owner: &Known) -> Told {
        let offset = access.at.get().saturating_sub(owner.object.va);
        let message = format!(
            "the device {} address {}, which is an address of the processor's: {offset:#x} bytes into {}",
            tried(access.transfer),
            access.at,
            the(owner)
        );
        let mut history =
            Vec::from([self.modules.history(format!("{} made", describe(owner)), &owner.created)]);
        history.extend(self.rung(access));
        Told { culprit: Culprit::Driver, message, history, fix: DMA_005.mend.to_string() }
    }

    fn overrun(&self, access: &Access<'_>, left: &KnownMapping, entered: Option<&KnownMapping>) -> Told {
        let into = match entered {
            Some(entered) => format!("into {}, which nobody refused", self.name(entered.object)),
            None => "where nothing is mapped".to_string(),
        };
        let message = format!(
            "a transfer of {:#x} bytes at logical address {} ran over the end of {} at {}, {into}",
            access.transfer.bytes,
            LogicalAddr::new(access.transfer.address),
            self.name(left.object),
            access.at,
        );
        let mut history = self.mapping_history(left);
        if let Some(entered) = entered {
            history.extend(self.mapping_history(entered));
        }
        history.extend(self.rung(access));
        Told { culprit: Culprit::Driver, message, history, fix: DMA_006.mend.to_string() }
    }

    fn too_high(&self, access: &Access<'_>, highest: u64) -> Told {
        let message = format!(
            "the device {} address {}, above {}, the highest that its driver says it sees",
            tried(access.transfer),
            access.at,
            LogicalAddr::new(highest)
        );
        Told {
            culprit: Culprit::Driver,
            message,
            history: self.rung(access).into_iter().collect(),
            fix: DMA_007.mend.to_string(),
        }
    }

    fn physical_for_logical(&self, access: &Access<'_>, owner: &Known) -> Told {
        let physical = PhysAddr::new(access.at.get());
        let frame = physical.page().get();
        let mapping = self.mappings.leading_to(access.logical_adapter, frame);
        let logical = mapping
            .and_then(|known| known.logical_page(frame))
            .and_then(|page| page_address(page).checked_add(physical.offset()));
        let name = describe(owner);
        let should = match logical {
            Some(logical) => format!("the device's address for this byte is {logical}"),
            None => "it is not mapped for the device at all".to_string(),
        };
        let message = format!(
            "the device {} {physical}, which is the physical address of the {name}; under DMA remapping {should}",
            tried(access.transfer),
        );
        let mut history = Vec::from([self.modules.history(format!("{name} made"), &owner.created)]);
        if let Some(mapping) = mapping {
            let what = format!(
                "mapped for the device at {}, by {}",
                page_address(mapping.first),
                self.name(mapping.object)
            );
            history.push(self.modules.history(what, &mapping.mapped));
        }
        history.extend(self.rung(access));
        let fix = match logical {
            Some(logical) => format!(
                "give the device the page number that stands in the ADL ({logical} here) instead of what \
                 MmGetPhysicalAddress or the MDL's page array says"
            ),
            None => "make a physical memory object of the memory, map it with DxgkCbAllocateAdl, and give the device the \
                     ADL's page numbers"
                .to_string(),
        };
        Told { culprit: Culprit::Driver, message, history, fix }
    }

    /// In isolation, the driver's own memory that the device was not allowed to reach.
    fn memory_behind(&self, access: &Access<'_>) -> Option<&Known> {
        let isolated = self.mode(access.logical_adapter) == Some(ModeChoice::Isolation);
        isolated.then(|| self.objects.owner_of_frame(access.at.page().get())).flatten()
    }

    fn never_mapped(&self, access: &Access<'_>, memory: Option<&Known>) -> Told {
        let certainty = match self.mappings.reach(access.logical_adapter) {
            Reach::Known => "which was never mapped for it",
            Reach::Now => "which is not mapped for it",
            Reach::Unsure => "which is not mapped for it as far as is known (page lists were lost)",
        };
        let (did, through) = if access.went_through {
            (verb(access.transfer), " and got through all the same")
        } else {
            (tried(access.transfer), "")
        };
        let beside = match (memory, self.mappings.nearest(access.logical_adapter, access.at.page().get())) {
            (Some(memory), _) => format!("; the memory there is {}", the(memory)),
            (None, Some(near)) if near.pages <= NEIGHBOURHOOD => format!("; {}", self.beside(access, &near)),
            _ => String::new(),
        };
        let message = format!("the device {did} logical address {}, {certainty}{through}{beside}", access.at);
        let mut history: Vec<HistoryEntry> = memory
            .map(|memory| self.modules.history(format!("{} made", describe(memory)), &memory.created))
            .into_iter()
            .collect();
        history.extend(self.rung(access));
        let fix = match memory {
            Some(_) => {
                "map the memory for the device (DxgkCbAllocateAdl, or DxgkCbMapMdlToIoMmu) before it is given the address"
            }
            None => {
                "check the address, offset and length that the device is given against the ADL or MDL they come from"
            }
        };
        let culprit = if access.went_through { Culprit::Port } else { Culprit::Driver };
        Told { culprit, message, history, fix: fix.to_string() }
    }

    fn beside(&self, access: &Access<'_>, near: &Nearest<'_>) -> String {
        let name = self.name(near.mapping.object);
        let bytes = near.pages * PAGE_SIZE;
        if near.behind && bytes == 0 && access.at.offset() == 0 {
            format!("that is the first byte behind the end of {name}")
        } else if near.behind {
            format!("that is {:#x} bytes behind the end of {name}", bytes.saturating_add(access.at.offset()))
        } else {
            format!(
                "that is {:#x} bytes before the start of {name}",
                bytes.saturating_sub(access.at.offset())
            )
        }
    }

    /// The unit said no to what the port mapped.
    fn refused_though_mapped(&self, access: &Access<'_>, mapping: &KnownMapping) -> Told {
        let message = format!(
            "the IOMMU refused the device logical address {}, although {} is mapped there",
            access.at,
            self.name(mapping.object)
        );
        let mut history = self.mapping_history(mapping);
        history.extend(self.rung(access));
        let fix =
            "the port's entries, or the unit's caches, do not say what was mapped: not the driver's doing"
                .to_string();
        Told { culprit: Culprit::Port, message, history, fix }
    }

    fn finding_of(
        &self,
        rule: &'static Rule,
        access: &Access<'_>,
        object: Option<&Known>,
        told: Told,
    ) -> Finding {
        // A transfer that a step of the scenario made is nobody's order to the device.
        let told = match told {
            Told { culprit: Culprit::Driver, .. } if self.step == Some(access.transfer.cause) => {
                Told { culprit: Culprit::Device, fix: OF_ITSELF.to_string(), ..told }
            }
            told => told,
        };
        let sure = rule.id != DMA_001.id || self.mappings.reach(access.logical_adapter) != Reach::Unsure;
        Finding {
            rule,
            severity: if sure { Severity::Error } else { Severity::Warning },
            culprit: told.culprit,
            message: told.message,
            place: self.modules.at(&access.moment),
            object: object.map(summary),
            history: told.history,
            fix: told.fix,
            count: 1,
        }
    }

    /// The doorbell that told the device to do it.
    fn rung(&self, access: &Access<'_>) -> Option<HistoryEntry> {
        let rung = access.rung?;
        Some(self.modules.history(rang(&rung.doorbell), &rung.at))
    }

    fn name(&self, object: u64) -> String {
        match self.objects.get(object) {
            Some(known) => the(known),
            None => "an object that is not remembered".to_string(),
        }
    }

    fn mapping_history(&self, mapping: &KnownMapping) -> Vec<HistoryEntry> {
        let mut history = Vec::new();
        if let Some(known) = self.objects.get(mapping.object) {
            history.push(self.modules.history(format!("{} made", describe(known)), &known.created));
        }
        let what = format!("mapped for the device at {}", page_address(mapping.first));
        history.push(self.modules.history(what, &mapping.mapped));
        if let Some(unmapped) = &mapping.unmapped {
            let how =
                if mapping.invalidated { "unmapped and invalidated" } else { "unmapped, not invalidated" };
            history.push(self.modules.history(how, unmapped));
        }
        history
    }
}
