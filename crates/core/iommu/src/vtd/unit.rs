//! The unit: start-up, device tables and invalidation, faults.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Range;

use dxgk_hw::{FrameSource, MachineMemory, Pfn, Registers, RequesterId, UnitError};
use dxgk_iopt::vtd::spec::{
    AddressWidth, Capability, ExtendedCapability, FaultStatus, GlobalCommand, RootTableAddress,
};
use dxgk_iopt::{Pending, VtdSecondStage};
use lock_api::{Mutex, RawMutex};

use super::context::{self, ContextTables};
use super::fault::{Fault, FaultSummary};
use super::invalidate;
use super::queue::{Descriptor, Queue};
use super::registers::Unit;
use crate::driven::{Driven, Hardware, Target, take_frames, unit_handle};

/// The domain number of pass-through entries. 0 is left alone: units with caching mode reserve it (6.1).
const PASS_THROUGH: u16 = 1;
/// What units with caching mode tag absent context entries with (6.1).
const ABSENT: u16 = 0;

/// The unit's tables and queue.
pub(crate) struct Vtd<M: RawMutex> {
    pub(crate) unit: Unit,
    capability: Capability,
    extended: ExtendedCapability,
    memory: Arc<dyn MachineMemory>,
    frames: Arc<dyn FrameSource>,
    queue: Mutex<M, Queue>,
    devices: Mutex<M, Devices>,
}

struct Devices {
    tables: ContextTables,
    /// Requesters whose cleared entry may still be cached, with its domain number: an invalidation that failed.
    stale: BTreeMap<u16, u16>,
}

unit_handle! {
    /// A VT-d unit, driven.
    VtdUnit, Vtd
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
    ) -> Result<Self, UnitError> {
        let unit = Unit::new(registers);
        let (capability, extended) = (unit.capability(), unit.extended_capability());
        check(unit.version(), capability, extended)?;
        // On an error the frames stay taken: the unit may have been told of them.
        let [root, ring, status] = take_frames(&*frames)?;
        let queue = switch_on(&unit, &memory, capability, root, ring, status)?;
        let devices = Devices { tables: ContextTables::new(root), stale: BTreeMap::new() };
        let hardware = Vtd {
            unit,
            capability,
            extended,
            memory: Arc::clone(&memory),
            frames: Arc::clone(&frames),
            queue: Mutex::new(queue),
            devices: Mutex::new(devices),
        };
        Ok(Self { shared: Driven::new(hardware, memory, frames) })
    }

    /// Reads the fault records from the first pending one on, hands each to `visit`, and frees it.
    pub fn take_faults(&self, visit: &mut dyn FnMut(Fault)) -> FaultSummary {
        let hardware = &self.shared.hardware;
        let status = hardware.unit.fault_status();
        let mut summary = FaultSummary { read: 0, overflow: status.pfo() };
        let (records, fro) = (u16::from(hardware.capability.nfr()) + 1, hardware.capability.fro());
        if status.ppf() {
            for nth in 0..records {
                let nth = (u16::from(status.fri()) + nth) % records;
                let Some(fault) = Fault::from_record(hardware.unit.fault_record(fro, nth)) else { continue };
                visit(fault);
                hardware.unit.free_fault_record(fro, nth);
                summary.read += 1;
            }
        }
        if status.pfo() {
            hardware.unit.clear_fault_status(FaultStatus::new().with_pfo(true));
        }
        summary
    }
}

fn switch_on(
    unit: &Unit,
    memory: &Arc<dyn MachineMemory>,
    capability: Capability,
    root: Pfn,
    ring: Pfn,
    status: Pfn,
) -> Result<Queue, UnitError> {
    let enable = GlobalCommand::new().with_te(true);
    unit.command(enable, false)?;
    let mut queue = Queue::start(unit, ring, status)?;
    unit.set_root_table(RootTableAddress::new().with_rta(root.get()));
    unit.command(GlobalCommand::new().with_srtp(true), true)?;
    let everything = [invalidate::context_global(), invalidate::iotlb_global(capability)];
    queue.submit(unit, memory, &everything)?;
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

impl<M: RawMutex> Vtd<M> {
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

impl<M: RawMutex + Send + Sync + 'static> Hardware for Vtd<M> {
    type Format = VtdSecondStage;

    fn name(&self) -> &'static str {
        "vtd"
    }

    fn format(&self) -> VtdSecondStage {
        VtdSecondStage::LEVELS_4.with_large_pages(self.capability.sslps())
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
            let of_old =
                [invalidate::context_device(old, requester), invalidate::iotlb_domain(self.capability, old)];
            self.submit(&of_old)?;
            devices.stale.remove(&requester.0);
        }
        Ok(())
    }

    fn let_in(&self, requester: RequesterId, target: Target) -> Result<(), UnitError> {
        let (entry, domain) = match target {
            Target::PassThrough => (context::passing(self.widest(), PASS_THROUGH), PASS_THROUGH),
            Target::Tables { root, domain } => {
                (context::translating(root, AddressWidth::Bits48, domain), domain)
            }
        };
        self.devices.lock().tables.set(&*self.memory, &*self.frames, requester, entry)?;
        // An absent entry is cached in caching mode only (6.1).
        if self.caches_absent() {
            self.submit(&[
                invalidate::context_device(ABSENT, requester),
                invalidate::iotlb_domain(self.capability, domain),
            ])?;
        }
        Ok(())
    }

    fn invalidate(&self, domain: u16, range: &Pending) -> Result<(), UnitError> {
        let mut descriptors = [[0; 2]; invalidate::MOST_SELECTIVE];
        let Pending { first, pages, tables, .. } = *range;
        let used = invalidate::iotlb_range(self.capability, domain, first, pages, tables, &mut descriptors);
        self.submit(descriptors.get(..used).unwrap_or(&[]))
    }

    fn invalidate_domain(&self, domain: u16) -> Result<(), UnitError> {
        self.submit(&[invalidate::iotlb_domain(self.capability, domain)])
    }
}
