//! The unit: start-up, device tables and invalidation, faults.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Range;

use dxgk_hw::{FrameSource, MachineMemory, Pfn, Registers, RequesterId, UnitError};
use dxgk_iopt::vtd::spec::{
    AddressWidth, Capability, ExtendedCapability, FaultStatus, GlobalCommand, RootTableAddress,
    TranslationTableMode,
};
use dxgk_iopt::{Format, Pending, VtdFirstStage, VtdSecondStage};
use lock_api::{Mutex, RawMutex};

use super::devices::{DeviceTables, Entry};
use super::fault::{Fault, FaultSummary};
use super::invalidate::{self, Stage};
use super::queue::{Descriptor, Queue};
use super::registers::Unit;
use crate::driven::{Driven, Hardware, Target, take_frames, unit_handle};

/// The domain number of pass-through entries. 0 is left alone: units with caching mode reserve it (6.1).
const PASS_THROUGH: u16 = 1;
/// What units with caching mode tag absent context entries with (6.1).
const ABSENT: u16 = 0;

/// The mode that a unit is driven in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Root and context tables.
    Legacy,
    /// Root and context tables, PASID directories and PASID tables.
    Scalable,
}

/// A format that a unit's domains may have.
pub(crate) trait Tables: Format {
    const STAGE: Stage;

    /// As far as the unit supports it.
    fn supported(capability: Capability) -> Self;

    fn entry(root: Pfn) -> Entry;
}

impl Tables for VtdSecondStage {
    const STAGE: Stage = Stage::Second;

    fn supported(capability: Capability) -> Self {
        Self::LEVELS_4.with_large_pages(capability.sslps())
    }

    fn entry(root: Pfn) -> Entry {
        Entry::SecondStage(root, AddressWidth::Bits48)
    }
}

impl Tables for VtdFirstStage {
    const STAGE: Stage = Stage::First;

    fn supported(capability: Capability) -> Self {
        if capability.fs1gp() { Self::LEVELS_4 } else { Self::LEVELS_4.without_1g() }
    }

    fn entry(root: Pfn) -> Entry {
        Entry::FirstStage(root, AddressWidth::Bits48)
    }
}

/// The unit's tables and queue.
pub(crate) struct Vtd<M: RawMutex, F> {
    pub(crate) unit: Unit,
    mode: Mode,
    format: F,
    capability: Capability,
    extended: ExtendedCapability,
    memory: Arc<dyn MachineMemory>,
    frames: Arc<dyn FrameSource>,
    queue: Mutex<M, Queue>,
    devices: Mutex<M, Devices>,
}

struct Devices {
    tables: DeviceTables,
    /// Requesters whose cleared entry may still be cached, with its domain number: an invalidation that failed.
    stale: BTreeMap<u16, u16>,
}

type SecondStage<M> = Vtd<M, VtdSecondStage>;
type FirstStage<M> = Vtd<M, VtdFirstStage>;

unit_handle! {
    /// A VT-d unit, driven with second-stage tables.
    VtdUnit, SecondStage
}

unit_handle! {
    /// A VT-d unit, driven in scalable mode with first-stage tables. They cannot say that a page may only be written.
    VtdFirstStageUnit, FirstStage
}

impl<M: RawMutex + Send + Sync + 'static> VtdUnit<M> {
    /// Takes a unit over, whatever state it is in, and switches translation on with every requester blocked.
    ///
    /// # Errors
    /// [`UnitError::Unsupported`] when the unit lacks something, [`UnitError::NoResources`] without three frames,
    /// [`UnitError::Hung`] when a command is not acknowledged.
    pub fn start(
        registers: Arc<dyn Registers>,
        memory: Arc<dyn MachineMemory>,
        frames: Arc<dyn FrameSource>,
        mode: Mode,
    ) -> Result<Self, UnitError> {
        let hardware = Vtd::start(registers, &memory, &frames, mode)?;
        Ok(Self { shared: Driven::new(hardware, memory, frames) })
    }

    /// Reads the fault records from the first pending one on, hands each to `visit`, and frees it.
    pub fn take_faults(&self, visit: &mut dyn FnMut(Fault)) -> FaultSummary {
        self.shared.hardware.take_faults(visit)
    }
}

impl<M: RawMutex + Send + Sync + 'static> VtdFirstStageUnit<M> {
    /// As [`VtdUnit::start`], in scalable mode.
    ///
    /// # Errors
    /// The same.
    pub fn start(
        registers: Arc<dyn Registers>,
        memory: Arc<dyn MachineMemory>,
        frames: Arc<dyn FrameSource>,
    ) -> Result<Self, UnitError> {
        let hardware = Vtd::start(registers, &memory, &frames, Mode::Scalable)?;
        Ok(Self { shared: Driven::new(hardware, memory, frames) })
    }

    /// As [`VtdUnit::take_faults`].
    pub fn take_faults(&self, visit: &mut dyn FnMut(Fault)) -> FaultSummary {
        self.shared.hardware.take_faults(visit)
    }
}

impl<M: RawMutex, F: Tables> Vtd<M, F> {
    fn start(
        registers: Arc<dyn Registers>,
        memory: &Arc<dyn MachineMemory>,
        frames: &Arc<dyn FrameSource>,
        mode: Mode,
    ) -> Result<Self, UnitError> {
        let unit = Unit::new(registers);
        let (capability, extended) = (unit.capability(), unit.extended_capability());
        check(unit.version(), capability, extended)?;
        check_mode(mode, F::STAGE, extended)?;
        // On an error the frames stay taken: the unit may have been told of them.
        let [root, ring, status] = take_frames(&**frames)?;
        let queue = switch_on(&unit, memory, (mode, capability), root, ring, status)?;
        Ok(Self {
            unit,
            mode,
            format: F::supported(capability),
            capability,
            extended,
            memory: Arc::clone(memory),
            frames: Arc::clone(frames),
            queue: Mutex::new(queue),
            devices: Mutex::new(Devices { tables: DeviceTables::new(mode, root), stale: BTreeMap::new() }),
        })
    }

    /// Reads the fault records from the first pending one on, hands each to `visit`, and frees it.
    fn take_faults(&self, visit: &mut dyn FnMut(Fault)) -> FaultSummary {
        let status = self.unit.fault_status();
        let mut summary = FaultSummary { read: 0, overflow: status.pfo() };
        let (records, fro) = (u16::from(self.capability.nfr()) + 1, self.capability.fro());
        if status.ppf() {
            for nth in 0..records {
                let nth = (u16::from(status.fri()) + nth) % records;
                let Some(fault) = Fault::from_record(self.unit.fault_record(fro, nth)) else { continue };
                visit(fault);
                self.unit.free_fault_record(fro, nth);
                summary.read += 1;
            }
        }
        if status.pfo() {
            self.unit.clear_fault_status(FaultStatus::new().with_pfo(true));
        }
        summary
    }
}

fn switch_on(
    unit: &Unit,
    memory: &Arc<dyn MachineMemory>,
    (mode, capability): (Mode, Capability),
    root: Pfn,
    ring: Pfn,
    status: Pfn,
) -> Result<Queue, UnitError> {
    let enable = GlobalCommand::new().with_te(true);
    unit.command(enable, false)?;
    let ttm = match mode {
        Mode::Legacy => TranslationTableMode::Legacy,
        Mode::Scalable => TranslationTableMode::Scalable,
    };
    let mut queue = Queue::start(unit, ring, status, mode == Mode::Scalable)?;
    unit.set_root_table(RootTableAddress::new().with_rta(root.get()).with_ttm(ttm));
    unit.command(GlobalCommand::new().with_srtp(true), true)?;
    let contexts = invalidate::context_global();
    let iotlb = invalidate::iotlb_global(capability);
    match mode {
        Mode::Legacy => queue.submit(unit, memory, &[contexts, iotlb])?,
        Mode::Scalable => queue.submit(unit, memory, &[contexts, invalidate::pasid_global(), iotlb])?,
    }
    unit.command(enable, true)?;
    Ok(queue)
}

fn check(version: u32, capability: Capability, extended: ExtendedCapability) -> Result<(), UnitError> {
    let lacks = |what| Err(UnitError::Unsupported(what));
    if version == u32::MAX || capability.into_bits() == u64::MAX {
        return lacks("any register");
    }
    if !extended.qi() {
        return lacks("queued invalidation");
    }
    if !AddressWidth::Bits48.in_sagaw(capability.sagaw()) {
        return lacks("four-level tables");
    }
    if capability.rwbf() {
        return lacks("operation without write-buffer flushes");
    }
    Ok(())
}

fn check_mode(mode: Mode, stage: Stage, extended: ExtendedCapability) -> Result<(), UnitError> {
    let lacks = |what| Err(UnitError::Unsupported(what));
    match (mode, stage) {
        (Mode::Legacy, _) => Ok(()),
        (Mode::Scalable, _) if !extended.smts() => lacks("scalable mode"),
        (Mode::Scalable, Stage::First) if !extended.fsts() => lacks("first-stage translation"),
        (Mode::Scalable, Stage::Second) if !extended.ssts() => {
            lacks("second-stage translation in scalable mode")
        }
        (Mode::Scalable, _) => Ok(()),
    }
}

impl<M: RawMutex, F: Tables> Vtd<M, F> {
    fn submit(&self, descriptors: &[Descriptor]) -> Result<(), UnitError> {
        self.queue.lock().submit(&self.unit, &self.memory, descriptors)
    }

    fn widest(&self) -> AddressWidth {
        if AddressWidth::Bits57.in_sagaw(self.capability.sagaw()) {
            AddressWidth::Bits57
        } else {
            AddressWidth::Bits48
        }
    }
}

impl<M: RawMutex + Send + Sync + 'static, F: Tables> Hardware for Vtd<M, F> {
    type Format = F;

    fn name(&self) -> &'static str {
        match self.mode {
            Mode::Legacy => "vtd",
            Mode::Scalable => "vtd-scalable",
        }
    }

    fn format(&self) -> F {
        self.format
    }

    /// CAP_REG.ND says how many there are; 2^16 at most, as the field is 16 bits.
    fn domain_numbers(&self) -> Range<u32> {
        u32::from(PASS_THROUGH) + 1..1 << (4 + 2 * u32::from(self.capability.nd())).min(16)
    }

    fn passes_through(&self) -> bool {
        self.extended.pt()
    }

    fn caches_absent(&self) -> bool {
        self.capability.cm()
    }

    fn block(&self, requester: RequesterId) -> Result<(), UnitError> {
        let mut devices = self.devices.lock();
        if let Some(old) = devices.tables.present(&*self.memory, requester)? {
            devices.stale.insert(requester.0, old);
            devices.tables.clear(&*self.memory, requester)?;
        }
        if let Some(&old) = devices.stale.get(&requester.0) {
            self.forget_device(requester, old, old)?;
            devices.stale.remove(&requester.0);
        }
        Ok(())
    }

    fn let_in(&self, requester: RequesterId, target: Target) -> Result<(), UnitError> {
        let (entry, domain) = match target {
            Target::PassThrough => (Entry::Passing(self.widest()), PASS_THROUGH),
            Target::Tables { root, domain } => (F::entry(root), domain),
        };
        self.devices.lock().tables.set(&*self.memory, &*self.frames, requester, entry, domain)?;
        // An absent entry is cached in caching mode only (6.1).
        if self.caches_absent() {
            self.forget_device(requester, ABSENT, domain)?;
        }
        Ok(())
    }

    fn invalidate(&self, domain: u16, range: &Pending) -> Result<(), UnitError> {
        let mut all = [[0; 2]; invalidate::MOST_SELECTIVE];
        let Pending { first, pages, tables, .. } = *range;
        let used = invalidate::iotlb_range(self.capability, F::STAGE, domain, first, pages, tables, &mut all);
        self.submit(all.get(..used).unwrap_or(&[]))
    }

    fn invalidate_domain(&self, domain: u16) -> Result<(), UnitError> {
        self.submit(&[invalidate::iotlb_domain(self.capability, domain)])
    }
}

impl<M: RawMutex, F: Tables> Vtd<M, F> {
    /// Invalidates what is cached of a requester's entry, which is tagged with `tag`, and of the translations of a
    /// domain: of both stages, as this kind does (6.5.2.3).
    fn forget_device(&self, requester: RequesterId, tag: u16, domain: u16) -> Result<(), UnitError> {
        let context = invalidate::context_device(tag, requester);
        let iotlb = invalidate::iotlb_domain(self.capability, domain);
        match self.mode {
            Mode::Legacy => self.submit(&[context, iotlb]),
            Mode::Scalable => self.submit(&[context, invalidate::pasid_of(tag), iotlb]),
        }
    }
}
