//! The unit: start-up, domains, attachments, faults.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::fmt;

use dxgk_hw::{
    Attachment, DomainId, DomainOps, FrameSource, IommuUnit, MachineMemory, Pfn, Registers, RequesterId,
    UnitError,
};
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
use crate::domain::{Invalidator, PagedDomain};

/// The domain number of pass-through entries. 0 is left alone: units with caching mode reserve it (6.1).
const PASS_THROUGH: u16 = 1;

type Domain<M> = PagedDomain<VtdSecondStage, M>;

/// What the unit's users share: domains outlive the handle that made them.
struct Shared<M: RawMutex> {
    unit: Unit,
    capability: Capability,
    extended: ExtendedCapability,
    memory: Arc<dyn MachineMemory>,
    frames: Arc<dyn FrameSource>,
    queue: Mutex<M, Queue>,
    domains: Mutex<M, BTreeMap<u16, Weak<Domain<M>>>>,
    devices: Mutex<M, Devices>,
}

struct Devices {
    tables: ContextTables,
    /// Requesters whose cleared entry may still be cached, with its domain number: an invalidation that failed.
    stale: BTreeMap<u16, u16>,
    /// Keeps a domain's tables for as long as a device may walk them.
    attached: BTreeMap<u16, Arc<dyn DomainOps>>,
}

/// A VT-d unit, driven.
pub struct VtdUnit<M: RawMutex + Send + Sync + 'static> {
    shared: Arc<Shared<M>>,
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
        let queue = Self::switch_on(&unit, &memory, capability, root, ring, status)?;
        Ok(Self {
            shared: Arc::new(Shared {
                unit,
                capability,
                extended,
                memory,
                frames,
                queue: Mutex::new(queue),
                domains: Mutex::new(BTreeMap::new()),
                devices: Mutex::new(Devices {
                    tables: ContextTables::new(root),
                    stale: BTreeMap::new(),
                    attached: BTreeMap::new(),
                }),
            }),
        })
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

    /// Reads the fault records from the first pending one on, hands each to `visit`, and frees it.
    pub fn take_faults(&self, visit: &mut dyn FnMut(Fault)) -> FaultSummary {
        let shared = &*self.shared;
        let status = shared.unit.fault_status();
        let mut summary = FaultSummary { read: 0, overflow: status.pfo() };
        let (records, fro) = (u16::from(shared.capability.nfr()) + 1, shared.capability.fro());
        if status.ppf() {
            for nth in 0..records {
                let nth = (u16::from(status.fri()) + nth) % records;
                let Some(fault) = Fault::from_record(shared.unit.fault_record(fro, nth)) else { continue };
                visit(fault);
                shared.unit.free_fault_record(fro, nth);
                summary.read += 1;
            }
        }
        if status.pfo() {
            shared.unit.clear_fault_status(FaultStatus::new().with_pfo(true));
        }
        summary
    }
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
    if capability.cm() {
        return lacks("operation without caching mode");
    }
    if capability.rwbf() {
        return lacks("operation without write-buffer flushes");
    }
    Ok(())
}

fn take_frames(frames: &dyn FrameSource) -> Result<[Pfn; 3], UnitError> {
    let mut taken = [Pfn::default(); 3];
    for nth in 0..taken.len() {
        match frames.take_frame() {
            Some(frame) => taken[nth] = frame,
            None => {
                taken[..nth].iter().for_each(|&frame| frames.give_frame(frame));
                return Err(UnitError::NoResources);
            }
        }
    }
    Ok(taken)
}

impl<M: RawMutex + Send + Sync + 'static> Shared<M> {
    fn submit(&self, descriptors: &[Descriptor]) -> Result<(), UnitError> {
        self.queue.lock().submit(&self.unit, &self.memory, descriptors)
    }

    /// Number of domain identifiers (CAP_REG.ND); 2^16 at most, as the field is 16 bits.
    fn domain_numbers(&self) -> u32 {
        1 << (4 + 2 * u32::from(self.capability.nd())).min(16)
    }

    fn widest(&self) -> AddressWidth {
        if AddressWidth::Bits57.in_sagaw(self.capability.sagaw()) {
            AddressWidth::Bits57
        } else {
            AddressWidth::Bits48
        }
    }

    fn attach(&self, requester: RequesterId, what: Attachment) -> Result<(), UnitError> {
        let (entry, keep) = match what {
            Attachment::Blocked => (None, None),
            Attachment::PassThrough if self.extended.pt() => {
                (Some(context::passing(self.widest(), PASS_THROUGH)), None)
            }
            Attachment::PassThrough => return Err(UnitError::Unsupported("pass-through")),
            Attachment::Domain(domain) => {
                let root = self.root_of(&domain)?;
                let entry = context::translating(root, AddressWidth::Bits48, domain.id().0);
                (Some(entry), Some(domain))
            }
        };
        let mut devices = self.devices.lock();
        // The old entry goes first, and with it what is cached of it. An absent entry is never cached (without
        // caching mode, 6.1), so the new one needs no invalidation.
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
        let before = devices.attached.remove(&requester.0);
        let set = match entry {
            Some(entry) => devices.tables.set(&*self.memory, &*self.frames, requester, entry),
            None => Ok(()),
        };
        if let (Some(domain), Ok(())) = (keep, set) {
            devices.attached.insert(requester.0, domain);
        }
        drop(devices);
        // The last reference to a domain retires it, which takes locks of its own.
        drop(before);
        set
    }

    /// The root of a domain, if it is one of this unit's.
    fn root_of(&self, domain: &Arc<dyn DomainOps>) -> Result<Pfn, UnitError> {
        let ours = self.domains.lock().get(&domain.id().0).and_then(Weak::upgrade);
        ours.filter(|ours| core::ptr::addr_eq(Arc::as_ptr(ours), Arc::as_ptr(domain)))
            .map(|ours| ours.root())
            .ok_or(UnitError::Unsupported("this domain"))
    }
}

impl<M: RawMutex + Send + Sync + 'static> Invalidator for Shared<M> {
    fn invalidate(&self, domain: DomainId, range: &Pending) -> Result<(), UnitError> {
        let mut descriptors = [[0; 2]; invalidate::MOST_SELECTIVE];
        let Pending { first, pages, tables, .. } = *range;
        let used = invalidate::iotlb_range(self.capability, domain, first, pages, tables, &mut descriptors);
        self.submit(descriptors.get(..used).unwrap_or(&[]))
    }

    fn retire(&self, domain: DomainId) -> Result<(), UnitError> {
        self.submit(&[invalidate::iotlb_domain(self.capability, domain.0)])?;
        self.domains.lock().remove(&domain.0);
        Ok(())
    }
}

impl<M: RawMutex + Send + Sync + 'static> IommuUnit for VtdUnit<M> {
    fn name(&self) -> &'static str {
        "vtd"
    }

    fn create_domain(&self) -> Result<Arc<dyn DomainOps>, UnitError> {
        let shared = &self.shared;
        let mut domains = shared.domains.lock();
        let free = (u32::from(PASS_THROUGH) + 1..shared.domain_numbers())
            .filter_map(|id| u16::try_from(id).ok())
            .find(|id| !domains.contains_key(id))
            .ok_or(UnitError::NoResources)?;
        let format = VtdSecondStage::LEVELS_4.with_large_pages(shared.capability.sslps());
        let invalidator: Arc<dyn Invalidator> = Arc::clone(shared) as _;
        let (memory, frames) = (Arc::clone(&shared.memory), Arc::clone(&shared.frames));
        let domain = PagedDomain::new(DomainId(free), format, memory, frames, invalidator)
            .map_err(|_| UnitError::NoResources)?;
        let domain = Arc::new(domain);
        domains.insert(free, Arc::downgrade(&domain));
        Ok(domain)
    }

    fn attach(&self, requester: RequesterId, what: Attachment) -> Result<(), UnitError> {
        self.shared.attach(requester, what)
    }
}

impl<M: RawMutex + Send + Sync + 'static> Drop for VtdUnit<M> {
    /// Blocks whatever is attached, so that the domains can go. Translation stays on.
    fn drop(&mut self) {
        let attached: alloc::vec::Vec<u16> = self.shared.devices.lock().attached.keys().copied().collect();
        for requester in attached {
            let _ = self.shared.attach(RequesterId(requester), Attachment::Blocked);
        }
    }
}

impl<M: RawMutex + Send + Sync + 'static> fmt::Debug for VtdUnit<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VtdUnit({:?})", self.shared.unit)
    }
}
