//! Choosing a logical adapter's mode, before StartDevice or late.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::NtStatus;
use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_event::ListRef;
use dxgk_hw::{Access, DomainOps, LogicalAddr, MachineMemory, PAGE_SHIFT, PAGE_SIZE, PageRun};

use crate::SysMm;
use crate::adapters::{LogicalAdapterId, ResourceKind};
use crate::domain::{Domain, IdentityDomain, Placement, READ_WRITE, RemappedDomain};
use crate::error::CallError;
use crate::logical::LogicalSpace;
use crate::objects::{Entry, Records};
use crate::platform::Platform;
use crate::save_area::PinState;

/// The mode that a logical adapter is put into, and what it takes.
#[derive(Clone)]
pub enum Addressing {
    /// Device addresses are physical.
    Passthrough,
    /// Logical addresses equal physical ones; only mapped pages are reachable.
    Isolation {
        /// An empty domain of the unit that the adapter will be attached to.
        domain: Arc<dyn DomainOps>,
    },
    /// Logical addresses are given out by the memory manager.
    Remapping {
        /// An empty domain of the unit that the adapter will be attached to.
        domain: Arc<dyn DomainOps>,
        /// The highest address that the device can put on the bus, inclusive.
        highest_visible: LogicalAddr,
    },
}

impl<P: Platform> SysMm<P> {
    /// Puts a logical adapter that is in passthrough into a mode. Late, that is with objects alive, only isolation is
    /// possible: everything that the adapter's device may reach is mapped into the domain, and handles stay what they
    /// are. The caller attaches the device afterwards.
    ///
    /// # Errors
    /// STATUS_INVALID_PARAMETER: no such logical adapter, or no address at all below `highest_visible`.
    /// STATUS_INVALID_DEVICE_STATE: remapping is wanted although something is mapped already. Bug check 0x1E4/2 or /3:
    /// the IOMMU is on already, and is turned on again, or off (it stays on until the adapter is removed). Otherwise
    /// the status of the mapping that failed; the adapter is then still in passthrough, and nothing is mapped.
    pub fn set_mode(&self, logical: LogicalAdapterId, addressing: Addressing) -> Result<(), CallError> {
        let mut records = self.records.lock();
        match records.logical.get(logical.0 as usize) {
            None => return Err(NtStatus::INVALID_PARAMETER.into()),
            Some(adapter) if adapter.removed => return Err(NtStatus::INVALID_PARAMETER.into()),
            Some(adapter) if !matches!(adapter.domain, Domain::Passthrough) => {
                let reason = match addressing {
                    Addressing::Passthrough => SysMmFatalError::IOMMU_DISABLED_FOR_INVALID_REASON,
                    _ => SysMmFatalError::IOMMU_ENABLED_FOR_INVALID_REASON,
                };
                return Err(CallError::fatal(reason));
            }
            Some(_) => {}
        }
        let domain = match addressing {
            Addressing::Passthrough => return Ok(()),
            Addressing::Isolation { domain } => Domain::Isolation(Arc::new(IdentityDomain::new(domain))),
            Addressing::Remapping { domain, highest_visible } => {
                if reachable(&mut records, logical.0).next().is_some() {
                    return Err(NtStatus::INVALID_DEVICE_STATE.into());
                }
                let end = (highest_visible.get().min(domain.highest().get()) >> PAGE_SHIFT) + 1;
                if end <= 1 {
                    return Err(NtStatus::INVALID_PARAMETER.into());
                }
                let space = self.logical_space(&records, logical.0, end);
                let low = Arc::clone(self.pages.shared_low_resources());
                Domain::Remapping(Arc::new(RemappedDomain::new(domain, space, low)))
            }
        };
        if let Err(error) = map_all(&mut records, logical.0, &domain) {
            for Reachable { placement, .. } in reachable(&mut records, logical.0) {
                let mapped = core::mem::replace(placement, Placement::Physical);
                self.withdraw(&mapped);
            }
            return Err(error);
        }
        for it in reachable(&mut records, logical.0) {
            self.note_mapped(it.object, logical.0, it.placement, it.access, &it.runs, it.list);
        }
        if let Some(adapter) = records.logical.get_mut(logical.0 as usize) {
            adapter.domain = domain;
        }
        Ok(())
    }

    fn logical_space(&self, records: &Records<P>, logical: u32, end: u64) -> LogicalSpace {
        let range =
            |base: u64, bytes: u64| base >> PAGE_SHIFT..base.saturating_add(bytes).div_ceil(PAGE_SIZE);
        let installed = self.platform.memory().ranges();
        let ram: Vec<_> = installed.iter().map(|it| range(it.start.get(), it.bytes)).collect();
        let mut registers = Vec::new();
        for (_, entry) in records.handles.iter() {
            if let Entry::Adapter(adapter) = entry
                && adapter.logical == logical
            {
                let memory = adapter.resources.iter().filter(|it| it.kind == ResourceKind::Memory);
                registers.extend(memory.map(|it| range(it.base, it.bytes)));
            }
        }
        LogicalSpace::new(&self.policy, end, &ram, &registers)
    }
}

/// Something that a device may reach.
struct Reachable<'a, P: Platform> {
    object: u64,
    runs: Arc<[PageRun]>,
    access: Access,
    list: ListRef,
    placement: &'a mut Placement<P>,
}

/// Everything that the logical adapter's device may reach.
fn reachable<P: Platform>(records: &mut Records<P>, logical: u32) -> impl Iterator<Item = Reachable<'_, P>> {
    let pages = records.handles.iter_mut().filter_map(move |(_, entry)| match entry {
        Entry::Pages(pages) if pages.logical == logical => Some(Reachable {
            object: pages.object,
            runs: Arc::clone(&pages.runs),
            access: READ_WRITE,
            list: pages.list,
            placement: &mut pages.placement,
        }),
        _ => None,
    });
    let adls = records.adls.values_mut().filter(move |adl| adl.logical == logical).map(|adl| Reachable {
        object: adl.object,
        runs: Arc::clone(&adl.runs),
        access: adl.access,
        list: adl.list,
        placement: &mut adl.placement,
    });
    let pins = records.save_areas.iter_mut().filter_map(move |(key, area)| match &mut area.pin {
        PinState::Pinned(pin) if key.0 == logical => Some(Reachable {
            object: pin.object,
            runs: Arc::clone(&pin.runs),
            access: READ_WRITE,
            list: pin.list,
            placement: &mut pin.placement,
        }),
        _ => None,
    });
    let ranges = records.reserved.iter_mut().filter(move |it| it.logical == logical).map(|it| Reachable {
        object: it.object,
        runs: Arc::clone(&it.runs),
        access: READ_WRITE,
        list: it.list,
        placement: &mut it.placement,
    });
    pages.chain(adls).chain(pins).chain(ranges)
}

fn map_all<P: Platform>(records: &mut Records<P>, logical: u32, domain: &Domain<P>) -> Result<(), CallError> {
    for it in reachable(records, logical) {
        *it.placement = domain.map(&it.runs, it.access, false)?;
    }
    Ok(())
}
