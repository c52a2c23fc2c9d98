//! Adapters, as the port driver adds, stops and removes them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::{Handle, NtStatus};
use dxgk_event::{ModeChoice, ObjectKind};
use dxgk_hw::{CpuVa, DriverMemory, PAGE_SIZE, total_pages};

use crate::SysMm;
use crate::domain::Domain;
use crate::domain::retire::{Frames, Retired};
use crate::error::CallError;
use crate::handles::HandleKind;
use crate::objects::{Adapter, Entry, LogicalAdapter, Memory, PageMapping, Settled};
use crate::pages::PageOwner;
use crate::platform::Platform;
use crate::record::ObjectNote;
use crate::save_area::PinState;

/// A logical adapter: one physical adapter, or a chain of linked ones. Numbers are not used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub struct LogicalAdapterId(pub u32);

/// What kind of addresses a resource has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResourceKind {
    /// Device memory and registers.
    Memory,
    /// I/O ports.
    Port,
}

/// A translated resource of an adapter (a BAR), as its resource list says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resource {
    /// Kind.
    pub kind: ResourceKind,
    /// First physical address, or first port.
    pub base: u64,
    /// Bytes, or ports.
    pub bytes: u64,
}

/// An adapter that was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddedAdapter {
    /// `DeviceHandle` / `hAdapter`: what the driver is given, and what the other functions here take.
    pub handle: Handle,
    /// Its number in events, from 0 over all logical adapters; not used again.
    pub number: u32,
}

/// Something that its driver did not give back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leak {
    /// The object's number in events.
    pub object: u64,
    /// What it is.
    pub kind: ObjectKind,
    /// What the driver held.
    pub handle: u64,
    /// Bytes.
    pub bytes: u64,
    /// The driver did ask for its release, and was answered with a bug check or with a view still open.
    pub answered: bool,
}

impl Leak {
    fn new(note: &ObjectNote, answered: bool) -> Self {
        Self { object: note.object, kind: note.kind, handle: note.handle, bytes: note.bytes, answered }
    }
}

impl<P: Platform> SysMm<P> {
    /// A logical adapter, in passthrough until [`set_mode`](Self::set_mode).
    pub fn add_logical_adapter(&self) -> LogicalAdapterId {
        let mut records = self.records.lock();
        records.logical.push(LogicalAdapter { domain: Domain::Passthrough, removed: false });
        LogicalAdapterId(records.logical.len().saturating_sub(1) as u32)
    }

    /// A physical adapter of a logical one, with its translated resources. It may be worked for at once.
    ///
    /// # Errors
    /// STATUS_INVALID_PARAMETER when the logical adapter does not exist; STATUS_INSUFFICIENT_RESOURCES when there are
    /// no handles left.
    pub fn add_adapter(
        &self,
        logical: LogicalAdapterId,
        lead: bool,
        resources: &[Resource],
    ) -> Result<AddedAdapter, CallError> {
        let mut records = self.records.lock();
        if records.logical.get(logical.0 as usize).is_none_or(|adapter| adapter.removed) {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        let number = records.adapters;
        let adapter =
            Adapter { number, logical: logical.0, lead, stopped: false, resources: Vec::from(resources) };
        let inserted = records.handles.insert(HandleKind::Adapter, Entry::Adapter(adapter));
        let handle = inserted.map_err(|_| CallError::Status(NtStatus::INSUFFICIENT_RESOURCES))?;
        records.adapters += 1;
        Ok(AddedAdapter { handle, number })
    }

    /// The mode of a logical adapter.
    #[must_use]
    pub fn mode(&self, logical: LogicalAdapterId) -> ModeChoice {
        self.records.lock().domain(logical.0).mode()
    }

    /// The adapter's number in events, if the handle is a live adapter's.
    #[must_use]
    pub fn adapter_number(&self, adapter: Handle) -> Option<u32> {
        self.records.lock().adapter(adapter).ok().map(|adapter| adapter.number)
    }

    /// DxgkDdiStopDevice returned: callbacks on the adapter are answered with STATUS_DEVICE_NOT_READY from now on.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE.
    pub fn stop_adapter(&self, adapter: Handle) -> Result<(), CallError> {
        self.records.lock().adapter_mut(adapter)?.stopped = true;
        Ok(())
    }

    /// The adapter is about to be started again.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE.
    pub fn start_adapter(&self, adapter: Handle) -> Result<(), CallError> {
        self.records.lock().adapter_mut(adapter)?.stopped = false;
        Ok(())
    }

    /// What the adapter's driver holds at the moment, oldest first.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE.
    pub fn held_by(&self, adapter: Handle) -> Result<Vec<Leak>, CallError> {
        let number = self.records.lock().adapter(adapter)?.number;
        Ok(self.list_leaks(Some(number)))
    }

    /// Removes an adapter. What its driver did not give back is returned, oldest first, and taken back in the safe
    /// order, so that totals balance.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE.
    pub fn remove_adapter(&self, adapter: Handle) -> Result<Vec<Leak>, CallError> {
        let number = {
            let mut records = self.records.lock();
            let number = records.adapter(adapter)?.number;
            records.handles.remove(adapter, HandleKind::Adapter)?;
            number
        };
        let leaks = self.list_leaks(Some(number));
        self.reclaim(Some(number));
        Ok(leaks)
    }

    /// Takes back, and returns, physical memory objects that were created without an adapter: the driver is unloaded.
    pub fn reclaim_unowned(&self) -> Vec<Leak> {
        let leaks = self.list_leaks(None);
        self.reclaim(None);
        leaks
    }

    /// Drops a logical adapter whose adapters were all removed. Returns the pages that are still mapped in its domain:
    /// anything but 0 is our own mistake, or follows from an invalidation that was not confirmed.
    ///
    /// # Errors
    /// STATUS_INVALID_PARAMETER when it does not exist; STATUS_INVALID_DEVICE_STATE while it has adapters; bug check 0x1E4/8
    /// when logical addresses of it are still given out (it is dropped all the same).
    pub fn remove_logical_adapter(&self, logical: LogicalAdapterId) -> Result<u64, CallError> {
        let records = self.records.lock();
        let in_use = records
            .handles
            .iter()
            .any(|(_, entry)| matches!(entry, Entry::Adapter(adapter) if adapter.logical == logical.0));
        if in_use {
            return Err(NtStatus::INVALID_DEVICE_STATE.into());
        }
        drop(records);
        self.release_ranges(logical.0);
        let mut records = self.records.lock();
        match records.logical.get_mut(logical.0 as usize) {
            Some(adapter) if !adapter.removed => {
                adapter.removed = true;
                let domain = core::mem::replace(&mut adapter.domain, Domain::Passthrough);
                match domain.mapped_pages() {
                    left if left != 0 && domain.is_remapping() => {
                        Err(CallError::fatal(SysMmFatalError::LOGICAL_BLOCK_POOL_LEAKED))
                    }
                    left => Ok(left),
                }
            }
            _ => Err(NtStatus::INVALID_PARAMETER.into()),
        }
    }

    fn list_leaks(&self, owner: Option<u32>) -> Vec<Leak> {
        let mut records = self.records.lock();
        let mut leaks = Vec::new();
        if owner.is_some() {
            for (address, maps) in &records.registers {
                let of_owner = maps.iter().filter(|map| Some(map.adapter) == owner);
                leaks.extend(of_owner.map(|map| Leak::new(&map.note(*address), false)));
            }
            let adls = records.adls.iter().filter(|(_, adl)| Some(adl.adapter) == owner);
            leaks.extend(adls.map(|(at, adl)| Leak::new(&adl.note(*at), false)));
            let views = records.save_views.iter().filter(|(_, view)| Some(view.adapter) == owner);
            leaks.extend(views.map(|(base, view)| Leak::new(&view.note(*base), false)));
            for ((_, index), area) in &records.save_areas {
                if let PinState::Pinned(pin) = &area.pin
                    && Some(pin.adapter) == owner
                {
                    leaks.push(Leak::new(&pin.note(area.owner.handle, *index), false));
                }
            }
        }
        let views = records.views.iter().filter(|(_, view)| view.adapter == owner);
        leaks.extend(views.map(|(base, view)| Leak::new(&view.note(*base), false)));
        for (handle, entry) in records.handles.iter_mut() {
            match entry {
                Entry::Pages(pages) if Some(pages.adapter) == owner => {
                    leaks.push(Leak::new(&pages.note(handle), false));
                }
                Entry::Physical(object) if object.creator.map(|it| it.number) == owner => {
                    leaks.push(Leak::new(&object.note(handle), object.destroyed));
                }
                Entry::AdapterMemory(object) if Some(object.owner.number) == owner => {
                    leaks.push(Leak::new(&object.note(handle), object.closed));
                }
                _ => {}
            }
        }
        leaks.sort_by_key(|leak| leak.object);
        leaks
    }

    /// Takes everything of the adapter back: CPU access first, then device access, then the objects and their pages.
    fn reclaim(&self, owner: Option<u32>) {
        if let Some(number) = owner {
            self.reclaim_registers(number);
        }
        self.reclaim_views(owner);
        if let Some(number) = owner {
            self.reclaim_save_areas(number);
            self.reclaim_adls(number);
            self.reclaim_page_mappings(number);
        }
        self.reclaim_objects(owner);
    }

    fn reclaim_registers(&self, number: u32) {
        let mut gone = Vec::new();
        let mut records = self.records.lock();
        records.registers.retain(|address, maps| {
            gone.extend(maps.extract_if(.., |map| map.adapter == number).map(|map| (*address, map)));
            !maps.is_empty()
        });
        drop(records);
        for (address, map) in gone {
            if map.kind != ObjectKind::PortMap {
                self.driver().unmap_registers(CpuVa::new(address), map.bytes);
            }
            self.note_released(&map.note(address));
        }
    }

    fn reclaim_views(&self, owner: Option<u32>) {
        let mut gone = Vec::new();
        let mut records = self.records.lock();
        gone.extend(records.views.extract_if(.., |_, view| view.adapter == owner));
        drop(records);
        gone.iter().for_each(|(base, view)| self.end_view(*base, view));
    }

    fn reclaim_adls(&self, number: u32) {
        let mut gone = Vec::new();
        let mut records = self.records.lock();
        gone.extend(records.adls.extract_if(.., |_, adl| adl.adapter == number));
        drop(records);
        gone.into_iter().for_each(|(at, adl)| self.end_adl(at, adl));
    }

    fn reclaim_page_mappings(&self, number: u32) {
        let mut records = self.records.lock();
        let owned: Vec<_> = records
            .handles
            .iter()
            .filter_map(|(handle, entry)| match entry {
                Entry::Pages(pages) if pages.adapter == number => Some((handle, pages.kind)),
                _ => None,
            })
            .collect();
        let gone: Vec<_> = owned
            .into_iter()
            .filter_map(|(handle, kind)| records.take_pages(handle, kind).ok().map(|pages| (handle, pages)))
            .collect();
        drop(records);
        gone.into_iter().for_each(|(handle, pages)| self.end_page_mapping(handle, pages));
    }

    fn reclaim_objects(&self, owner: Option<u32>) {
        let mut records = self.records.lock();
        let mut touched = Vec::new();
        for (handle, entry) in records.handles.iter_mut() {
            match entry {
                Entry::AdapterMemory(object) if owner.is_some() && Some(object.owner.number) == owner => {
                    object.closed = true;
                    touched.push(object.physical);
                }
                Entry::Physical(object) if object.creator.map(|it| it.number) == owner => {
                    object.destroyed = true;
                    touched.push(handle);
                }
                _ => {}
            }
        }
        let settled: Vec<Settled<P>> = touched.into_iter().map(|physical| records.settle(physical)).collect();
        drop(records);
        settled.into_iter().for_each(|settled| self.finish(settled));
    }

    /// Ends pages for an MDL, contiguous memory, or a mapped MDL: CPU access first, then device access.
    pub(crate) fn end_page_mapping(&self, handle: Handle, pages: PageMapping<P>) {
        let note = pages.note(handle);
        if pages.kind == HandleKind::ContiguousMemory {
            self.driver().unmap_view(pages.at, Self::bytes_of(&pages.runs));
        }
        let owned = pages.kind != HandleKind::MdlMap;
        let frames =
            if owned { Frames::Owned(pages.runs, PageOwner::Driver) } else { Frames::Pinned(pages.runs) };
        self.retire(Retired {
            object: pages.object,
            logical_adapter: pages.logical,
            placement: pages.placement,
            frames,
        });
        if pages.kind == HandleKind::MdlPages {
            self.driver().release_mdl(pages.at);
        }
        self.note_released(&note);
    }

    /// Does what is left to do for objects that have gone.
    pub(crate) fn finish(&self, settled: Settled<P>) {
        match settled.memory {
            Some((object, logical, Memory::Ram(runs), confirmed)) => {
                self.give_back(object, logical, Frames::Owned(runs, PageOwner::Driver), confirmed);
            }
            Some((object, logical, Memory::Section(section), confirmed)) => {
                let runs = Arc::from(section.dissolve(&self.paging()));
                self.give_back(object, logical, Frames::Owned(runs, section.owner()), confirmed);
            }
            Some((_, _, Memory::Device(_), _)) | None => {}
        }
        settled.released.iter().for_each(|note| self.note_released(note));
    }

    /// Invalidations that the unit did not confirm, since the start.
    pub(crate) fn failed_invalidations(&self) -> u64 {
        self.failed_invalidations.load(Ordering::Relaxed)
    }

    /// Bytes of a list.
    pub(crate) fn bytes_of(runs: &[dxgk_hw::PageRun]) -> u64 {
        total_pages(runs).saturating_mul(PAGE_SIZE)
    }
}
