//! DxgkCbCreate-, Destroy-, Open- and ClosePhysicalMemoryObject.
//!
//! An object lives until its driver destroyed it **and** no ADL, adapter memory object or CPU view hangs on it; an
//! adapter memory object until it was closed and has no ADL. Where Windows would stop the machine because something
//! still hangs on them, [`Strictness`](crate::policy::Strictness) says what happens.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::callback::{
    ArgCbClosePhysicalMemoryObject, ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject,
    ArgCbOpenPhysicalMemoryObject,
};
use dxgk_abi::{Handle, NtStatus};
use dxgk_event::ListRef;
use dxgk_hw::PageRun;

use super::object_kind::{Wanted, wanted};
use super::{Caller, cache_type};
use crate::SysMm;
use crate::error::CallError;
use crate::handles::HandleKind;
use crate::objects::{AdapterMemory, Entry, Memory, PhysicalMemory, Place, Records, Settled};
use crate::pages::{PageOwner, PageRequest};
use crate::platform::Platform;
use crate::policy::Strictness;
use crate::section::Section;

/// The output of [`SysMm::create_physical_memory_object`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CreatedPhysicalMemory {
    /// `hPhysicalMemoryObject`.
    pub physical_memory_object: Handle,
    /// `hAdapterMemoryObject`: null when the argument names no adapter.
    pub adapter_memory_object: Handle,
}

const NO_HANDLES: CallError = CallError::Status(NtStatus::INSUFFICIENT_RESOURCES);

impl<P: Platform> Records<P> {
    /// Opens an object for an adapter. The handle is null when there is none left.
    fn open(&mut self, physical: Handle, parent: u64, place: &Place<P>, object: u64) -> Option<Handle> {
        let opened = AdapterMemory { object, parent, physical, owner: place.owner(), adls: 0, closed: false };
        self.handles.insert(HandleKind::AdapterMemory, Entry::AdapterMemory(opened)).ok()
    }

    /// Refuses when the adapter on which the object is used, or was created, is stopped.
    pub(super) fn object_ready(&mut self, physical: Handle) -> Result<(), CallError> {
        let object = self.physical_mut(physical)?;
        let (opened, creator) = (object.opened, object.creator);
        let user = match opened {
            Some(handle) => Some(self.adapter_memory_mut(handle)?.owner),
            None => creator,
        };
        user.map_or(Ok(()), |owner| self.ready(owner))
    }
}

impl<P: Platform> SysMm<P> {
    /// DxgkCbCreatePhysicalMemoryObject. `Size` is rounded up to pages. More than 4 GiB less a page works for type MDL too
    /// (our choice). `Context` is not looked at. Sections start zeroed, objects of type MDL unless their flags say
    /// otherwise; CONTIGUOUS_MEMORY counts as unzeroed; nothing is written to IO_SPACE. A section's PageProtection is also
    /// what its device mappings and user views permit; kernel views can be written always (our choice).
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; an unknown type is STATUS_INVALID_PARAMETER, or bug check 0x1E4/1
    /// with [`Strictness::Windows`]; STATUS_INVALID_PARAMETER for size 0, an unknown cache type, limits the wrong way
    /// round, a bad boundary, what AllocatePagesForMdl would refuse, a section that is neither cached nor write-combined
    /// or whose PageProtection is not exactly one of the four, and a range of device memory that does not begin on a page or
    /// overflows; STATUS_ACCESS_DENIED for one whose pages are not all inside one memory resource; STATUS_NO_MEMORY;
    /// STATUS_INSUFFICIENT_RESOURCES.
    pub fn create_physical_memory_object(
        &self,
        caller: &Caller,
        args: &ArgCbCreatePhysicalMemoryObject,
    ) -> Result<CreatedPhysicalMemory, CallError> {
        let (place, wanted) = {
            let records = self.records.lock();
            let place = if args.adapter.is_null() { None } else { Some(records.place(args.adapter)?) };
            (place, wanted(&records, self.policy.strictness, caller, args)?)
        };
        let cache = cache_type(args.cache_type)?;
        let unzeroed = matches!(&wanted, Wanted::Pages(request) if !request.zeroed);
        let (memory, runs) = self.take_memory(wanted)?;
        let (object, opened) = (self.object_number(), place.as_ref().map(|_| self.object_number()));
        // A section's pages move, and a device's are no memory: their lists say nothing of an owner.
        let list = if let Memory::Ram(runs) = &memory { self.note_list(runs) } else { ListRef::default() };
        let physical = PhysicalMemory {
            object,
            kind: args.kind,
            creator: place.as_ref().map(Place::owner),
            bytes: Self::bytes_of(&runs),
            unzeroed,
            cache,
            memory: memory.clone(),
            list,
            opened: None,
            adls: 0,
            views: 0,
            destroyed: false,
            tainted: false,
        };
        let entered = self.enter_object(physical, place.as_ref().zip(opened));
        if entered.is_err() {
            let logical = place.map_or(u32::MAX, |place| place.logical);
            self.finish(Settled { released: Vec::new(), memory: Some((object, logical, memory, true)) });
        }
        entered
    }

    /// The memory of an object, and all of it as runs.
    fn take_memory(&self, wanted: Wanted) -> Result<(Memory<P>, Arc<[PageRun]>), CallError> {
        let take = |request: &PageRequest, owner| {
            let runs = self.pages.allocate(request, owner).map_err(|_| NtStatus::NO_MEMORY)?;
            Ok::<Arc<[PageRun]>, CallError>(Arc::from(runs))
        };
        match wanted {
            Wanted::Pages(request) => {
                let runs = take(&request, PageOwner::Driver)?;
                Ok((Memory::Ram(Arc::clone(&runs)), runs))
            }
            Wanted::Section(request, owner) => {
                let runs = take(&request, owner)?;
                Ok((Memory::Section(Arc::new(Section::new(&runs, owner))), runs))
            }
            Wanted::Device(run) => Ok((Memory::Device(run), Arc::from([run]))),
        }
    }

    fn enter_object(
        &self,
        memory: PhysicalMemory<P>,
        opener: Option<(&Place<P>, u64)>,
    ) -> Result<CreatedPhysicalMemory, CallError> {
        let mut records = self.records.lock();
        if let Some((place, _)) = opener {
            records.place(place.handle)?;
        }
        let parent = memory.object;
        let inserted = records.handles.insert(HandleKind::PhysicalMemory, Entry::Physical(memory));
        let physical = inserted.map_err(|_| NO_HANDLES)?;
        let mut adapter_memory = Handle::NULL;
        if let Some((place, object)) = opener {
            let Some(opened) = records.open(physical, parent, place, object) else {
                let _ = records.handles.remove(physical, HandleKind::PhysicalMemory);
                return Err(NO_HANDLES);
            };
            adapter_memory = opened;
        }
        let memory = records.live_physical(physical)?;
        memory.opened = Some(adapter_memory).filter(|handle| !handle.is_null());
        self.note_created(&memory.note(physical));
        if let Ok(opened) = records.adapter_memory_mut(adapter_memory) {
            self.note_created(&opened.note(adapter_memory));
        }
        Ok(CreatedPhysicalMemory { physical_memory_object: physical, adapter_memory_object: adapter_memory })
    }

    /// DxgkCbOpenPhysicalMemoryObject. The open counts for the whole logical adapter. Returns `hAdapterMemoryObject`.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_ALREADY_REGISTERED when the object is open already, on
    /// whichever adapter; STATUS_INSUFFICIENT_RESOURCES.
    pub fn open_physical_memory_object(
        &self,
        _caller: &Caller,
        args: &ArgCbOpenPhysicalMemoryObject,
    ) -> Result<Handle, CallError> {
        let mut records = self.records.lock();
        let place = records.place(args.adapter)?;
        let memory = records.live_physical(args.physical_memory_object)?;
        if memory.opened.is_some() {
            return Err(NtStatus::ALREADY_REGISTERED.into());
        }
        let parent = memory.object;
        let opened = records
            .open(args.physical_memory_object, parent, &place, self.object_number())
            .ok_or(NO_HANDLES)?;
        records.live_physical(args.physical_memory_object)?.opened = Some(opened);
        self.note_created(&records.adapter_memory_mut(opened)?.note(opened));
        Ok(opened)
    }

    /// DxgkCbClosePhysicalMemoryObject.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; bug check 0x1E4/5 while an ADL of it is alive. Windows returns
    /// nothing.
    pub fn close_physical_memory_object(
        &self,
        _caller: &Caller,
        args: &ArgCbClosePhysicalMemoryObject,
    ) -> Result<(), CallError> {
        let mut records = self.records.lock();
        let opened = records.live_adapter_memory(args.adapter_memory_object)?;
        let (owner, physical, adls) = (opened.owner, opened.physical, opened.adls);
        records.ready(owner)?;
        let violation = (adls != 0).then(|| CallError::fatal(SysMmFatalError::UNLOCKED_WITH_LIVE_ADLS));
        if let (Some(violation), Strictness::Windows) = (violation, self.policy.strictness) {
            return Err(violation);
        }
        records.live_adapter_memory(args.adapter_memory_object)?.closed = true;
        let settled = records.settle(physical);
        drop(records);
        self.finish(settled);
        violation.map_or(Ok(()), Err)
    }

    /// DxgkCbDestroyPhysicalMemoryObject; closes the given adapter memory object too. CPU views that are still alive
    /// keep the pages until the last of them goes (our choice).
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE (also for an adapter memory object that was closed before, or is another object's),
    /// STATUS_DEVICE_NOT_READY; bug check 0x1E4/5 while an ADL is alive, else 0x1E4/6 when an adapter memory object is
    /// open and not passed. Windows returns nothing.
    pub fn destroy_physical_memory_object(
        &self,
        _caller: &Caller,
        args: &ArgCbDestroyPhysicalMemoryObject,
    ) -> Result<(), CallError> {
        let (physical, passed) = (args.physical_memory_object, args.adapter_memory_object);
        let mut records = self.records.lock();
        let memory = records.live_physical(physical)?;
        let (adls, opened) = (memory.adls, memory.opened);
        if !passed.is_null() && records.live_adapter_memory(passed)?.physical != physical {
            return Err(NtStatus::INVALID_HANDLE.into());
        }
        records.object_ready(physical)?;
        // Closed by the driver already, waiting for its ADLs: not a second leak.
        let open = opened.is_some_and(|handle| records.live_adapter_memory(handle).is_ok());
        let violation = if adls != 0 {
            Some(CallError::fatal(SysMmFatalError::UNLOCKED_WITH_LIVE_ADLS))
        } else if open && passed.is_null() {
            Some(CallError::fatal(SysMmFatalError::ADAPTER_OBJECTS_LEAKED))
        } else {
            None
        };
        if let (Some(violation), Strictness::Windows) = (violation, self.policy.strictness) {
            return Err(violation);
        }
        if let Ok(opened) = records.live_adapter_memory(passed) {
            opened.closed = true;
        }
        records.live_physical(physical)?.destroyed = true;
        let settled = records.settle(physical);
        drop(records);
        self.finish(settled);
        violation.map_or(Ok(()), Err)
    }
}
