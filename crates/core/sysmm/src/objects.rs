//! The records: what was handed out, to whom, and what hangs on it. One lock is around all of it.
//!
//! Whatever a callback works on outside the lock is counted inside it first (`adls`, `views`), so that nothing
//! disappears under its hands.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::Handle;
use dxgk_abi::NtStatus;
use dxgk_abi::callback::PhysicalMemoryType;
use dxgk_event::{ListRef, ObjectKind};
use dxgk_hw::{Access, CacheType, CpuVa, PAGE_SIZE, PageRun, ViewOwner, total_pages};

use crate::adapters::Resource;
use crate::domain::{Domain, Placement, READ_WRITE};
use crate::error::CallError;
use crate::handles::{HandleError, HandleKind, HandleTable};
use crate::hot_update::HotUpdate;
use crate::low_resources::LowResources;
use crate::platform::Platform;
use crate::record::ObjectNote;
use crate::reserved::Reserved;
use crate::save_area::{SaveArea, SaveKey, SaveRefusal, SaveView};
use crate::section::Section;

/// A physical adapter.
pub(crate) struct Adapter {
    pub(crate) number: u32,
    pub(crate) logical: u32,
    pub(crate) lead: bool,
    pub(crate) stopped: bool,
    pub(crate) resources: Vec<Resource>,
}

/// A logical adapter.
pub(crate) struct LogicalAdapter<P: Platform> {
    pub(crate) domain: Domain<P>,
    pub(crate) removed: bool,
}

/// The adapter that something belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) handle: Handle,
    pub(crate) number: u32,
    pub(crate) logical: u32,
}

/// Pages for an MDL, contiguous memory, or a mapped MDL of the driver's.
pub(crate) struct PageMapping<P: Platform> {
    pub(crate) object: u64,
    pub(crate) kind: HandleKind,
    pub(crate) adapter: u32,
    pub(crate) logical: u32,
    /// The MDL; of contiguous memory its view.
    pub(crate) at: CpuVa,
    pub(crate) runs: Arc<[PageRun]>,
    pub(crate) list: ListRef,
    pub(crate) cache: CacheType,
    pub(crate) placement: Placement<P>,
}

/// What stands behind a physical memory object.
pub(crate) enum Memory<P: Platform> {
    /// Pages of RAM, the object's own.
    Ram(Arc<[PageRun]>),
    /// Pages of a device's memory: nobody's to give back.
    Device(PageRun),
    /// Pages of RAM that come and go.
    Section(Arc<Section<P>>),
}

impl<P: Platform> Clone for Memory<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Ram(runs) => Self::Ram(Arc::clone(runs)),
            Self::Device(run) => Self::Device(*run),
            Self::Section(section) => Self::Section(Arc::clone(section)),
        }
    }
}

impl<P: Platform> Memory<P> {
    /// What a device may do with it.
    pub(crate) fn access(&self) -> Access {
        match self {
            Self::Section(section) => section.access(),
            Self::Ram(_) | Self::Device(_) => READ_WRITE,
        }
    }
}

/// A physical memory object.
pub(crate) struct PhysicalMemory<P: Platform> {
    pub(crate) object: u64,
    pub(crate) kind: PhysicalMemoryType,
    /// The adapter that it was created for.
    pub(crate) creator: Option<Owner>,
    pub(crate) bytes: u64,
    /// Its pages were handed out without being zeroed.
    pub(crate) unzeroed: bool,
    pub(crate) cache: CacheType,
    pub(crate) memory: Memory<P>,
    pub(crate) list: ListRef,
    pub(crate) opened: Option<Handle>,
    /// ADLs alive or being made.
    pub(crate) adls: u32,
    /// CPU views alive or being made.
    pub(crate) views: u32,
    /// Destroyed by the driver; lives on for what still hangs on it.
    pub(crate) destroyed: bool,
    /// A device may still reach its pages: an invalidation was not confirmed.
    pub(crate) tainted: bool,
}

/// An adapter memory object: a physical memory object, opened.
pub(crate) struct AdapterMemory {
    pub(crate) object: u64,
    /// The physical memory object's number.
    pub(crate) parent: u64,
    pub(crate) physical: Handle,
    pub(crate) owner: Owner,
    pub(crate) adls: u32,
    /// Closed by the driver; lives on for its ADLs.
    pub(crate) closed: bool,
}

/// An ADL.
pub(crate) struct Adl<P: Platform> {
    pub(crate) object: u64,
    pub(crate) adapter_memory: Handle,
    /// The adapter memory object's number.
    pub(crate) parent: u64,
    pub(crate) physical: Handle,
    pub(crate) adapter: u32,
    pub(crate) logical: u32,
    pub(crate) runs: Arc<[PageRun]>,
    pub(crate) access: Access,
    pub(crate) list: ListRef,
    pub(crate) contiguous: bool,
    /// The section that it locks.
    pub(crate) section: Option<Arc<Section<P>>>,
    pub(crate) placement: Placement<P>,
}

/// A CPU view of a physical memory object.
pub(crate) struct View<P: Platform> {
    pub(crate) object: u64,
    pub(crate) physical: Handle,
    pub(crate) bytes: u64,
    pub(crate) owner: ViewOwner,
    pub(crate) cache: CacheType,
    pub(crate) list: ListRef,
    /// The physical memory object's number.
    pub(crate) parent: u64,
    /// The adapter that the object was created for.
    pub(crate) adapter: Option<u32>,
    pub(crate) of: ViewOf<P>,
    /// Pages that were handed out unzeroed still held the poison pattern when a process was let see them.
    pub(crate) poisoned: bool,
}

/// What a view shows.
pub(crate) enum ViewOf<P: Platform> {
    /// Pages that stay where they are.
    Ram,
    /// Registers.
    Device,
    /// Pages that come and go.
    Section(Arc<Section<P>>),
}

/// A map of registers or ports.
pub(crate) struct RegisterMap {
    pub(crate) object: u64,
    pub(crate) kind: ObjectKind,
    pub(crate) adapter: u32,
    pub(crate) bytes: u64,
    /// The pages that hold the registers; empty for ports.
    pub(crate) list: ListRef,
    pub(crate) cache: CacheType,
    pub(crate) owner: ViewOwner,
}

pub(crate) enum Entry<P: Platform> {
    Adapter(Adapter),
    Pages(PageMapping<P>),
    Physical(PhysicalMemory<P>),
    AdapterMemory(AdapterMemory),
}

/// All records.
pub(crate) struct Records<P: Platform> {
    pub(crate) handles: HandleTable<Entry<P>>,
    pub(crate) logical: Vec<LogicalAdapter<P>>,
    pub(crate) adapters: u32,
    /// By the address that the driver holds.
    pub(crate) adls: BTreeMap<u64, Adl<P>>,
    /// By base address.
    pub(crate) views: BTreeMap<u64, View<P>>,
    /// By mapped address or first port; the same ports may be mapped several times.
    pub(crate) registers: BTreeMap<u64, Vec<RegisterMap>>,
    pub(crate) save_areas: BTreeMap<SaveKey, SaveArea<P>>,
    /// By base address.
    pub(crate) save_views: BTreeMap<u64, SaveView>,
    pub(crate) save_refusal: SaveRefusal,
    pub(crate) reserved: Vec<Reserved<P>>,
    pub(crate) hot_updates: Vec<HotUpdate<P>>,
}

/// An adapter that may be worked for.
pub(crate) struct Place<P: Platform> {
    pub(crate) handle: Handle,
    pub(crate) number: u32,
    pub(crate) logical: u32,
    pub(crate) domain: Domain<P>,
}

/// What became of objects when the last thing that hung on them had gone; to be done outside the lock.
pub(crate) struct Settled<P: Platform> {
    pub(crate) released: Vec<ObjectNote>,
    /// Object, logical adapter, what it consisted of, and whether that is safe to give back.
    pub(crate) memory: Option<(u64, u32, Memory<P>, bool)>,
}

impl<P: Platform> Place<P> {
    pub(crate) fn owner(&self) -> Owner {
        Owner { handle: self.handle, number: self.number, logical: self.logical }
    }
}

impl<P: Platform> Records<P> {
    pub(crate) fn new(low: Arc<LowResources>) -> Self {
        Self {
            handles: HandleTable::new(low),
            logical: Vec::new(),
            adapters: 0,
            adls: BTreeMap::new(),
            views: BTreeMap::new(),
            registers: BTreeMap::new(),
            save_areas: BTreeMap::new(),
            save_views: BTreeMap::new(),
            save_refusal: SaveRefusal::None,
            reserved: Vec::new(),
            hot_updates: Vec::new(),
        }
    }

    pub(crate) fn inspect(&self, handle: Handle, kind: HandleKind) -> Result<(), HandleError> {
        match self.handles.get(handle, kind)? {
            Entry::Physical(object) if object.destroyed => Err(HandleError::Stale),
            Entry::AdapterMemory(object) if object.closed => Err(HandleError::Stale),
            _ => Ok(()),
        }
    }

    pub(crate) fn adapter(&self, handle: Handle) -> Result<&Adapter, HandleError> {
        match self.handles.get(handle, HandleKind::Adapter)? {
            Entry::Adapter(adapter) => Ok(adapter),
            _ => Err(HandleError::Unknown),
        }
    }

    pub(crate) fn adapter_mut(&mut self, handle: Handle) -> Result<&mut Adapter, HandleError> {
        match self.handles.get_mut(handle, HandleKind::Adapter)? {
            Entry::Adapter(adapter) => Ok(adapter),
            _ => Err(HandleError::Unknown),
        }
    }

    pub(crate) fn domain(&self, logical: u32) -> Domain<P> {
        self.logical.get(logical as usize).map_or(Domain::Passthrough, |adapter| adapter.domain.clone())
    }

    /// The adapter, if it may be worked for.
    pub(crate) fn place(&self, handle: Handle) -> Result<Place<P>, CallError> {
        let adapter = self.adapter(handle)?;
        if adapter.stopped {
            return Err(NtStatus::DEVICE_NOT_READY.into());
        }
        let (number, logical) = (adapter.number, adapter.logical);
        Ok(Place { handle, number, logical, domain: self.domain(logical) })
    }

    /// As [`place`](Self::place), for callbacks that want the lead adapter's handle.
    pub(crate) fn lead_place(&self, handle: Handle) -> Result<Place<P>, CallError> {
        if !self.adapter(handle)?.lead {
            return Err(NtStatus::INVALID_HANDLE.into());
        }
        self.place(handle)
    }

    /// Whether an adapter that something belongs to may be worked for; one that was removed may not.
    pub(crate) fn ready(&self, owner: Owner) -> Result<(), CallError> {
        match self.adapter(owner.handle) {
            Ok(adapter) if !adapter.stopped => Ok(()),
            _ => Err(NtStatus::DEVICE_NOT_READY.into()),
        }
    }

    pub(crate) fn pages(&self, handle: Handle, kind: HandleKind) -> Result<&PageMapping<P>, HandleError> {
        match self.handles.get(handle, kind)? {
            Entry::Pages(pages) => Ok(pages),
            _ => Err(HandleError::Unknown),
        }
    }

    pub(crate) fn take_pages(
        &mut self,
        handle: Handle,
        kind: HandleKind,
    ) -> Result<PageMapping<P>, HandleError> {
        match self.handles.remove(handle, kind)? {
            Entry::Pages(pages) => Ok(pages),
            _ => Err(HandleError::Unknown),
        }
    }

    /// A physical memory object, destroyed or not.
    pub(crate) fn physical_mut(&mut self, handle: Handle) -> Result<&mut PhysicalMemory<P>, HandleError> {
        match self.handles.get_mut(handle, HandleKind::PhysicalMemory)? {
            Entry::Physical(object) => Ok(object),
            _ => Err(HandleError::Unknown),
        }
    }

    /// A physical memory object that its driver has not destroyed.
    pub(crate) fn live_physical(&mut self, handle: Handle) -> Result<&mut PhysicalMemory<P>, HandleError> {
        let object = self.physical_mut(handle)?;
        if object.destroyed { Err(HandleError::Stale) } else { Ok(object) }
    }

    /// An adapter memory object, closed or not.
    pub(crate) fn adapter_memory_mut(&mut self, handle: Handle) -> Result<&mut AdapterMemory, HandleError> {
        match self.handles.get_mut(handle, HandleKind::AdapterMemory)? {
            Entry::AdapterMemory(object) => Ok(object),
            _ => Err(HandleError::Unknown),
        }
    }

    /// An adapter memory object that its driver has not closed.
    pub(crate) fn live_adapter_memory(&mut self, handle: Handle) -> Result<&mut AdapterMemory, HandleError> {
        let object = self.adapter_memory_mut(handle)?;
        if object.closed { Err(HandleError::Stale) } else { Ok(object) }
    }

    /// Removes an adapter memory object and its physical memory object as far as they are closed, destroyed, and
    /// nothing hangs on them.
    pub(crate) fn settle(&mut self, physical: Handle) -> Settled<P> {
        let mut settled = Settled { released: Vec::new(), memory: None };
        let Ok(Entry::Physical(object)) = self.handles.get(physical, HandleKind::PhysicalMemory) else {
            return settled;
        };
        if let Some(handle) = object.opened
            && let Ok(adapter_memory) = self.adapter_memory_mut(handle)
            && adapter_memory.closed
            && adapter_memory.adls == 0
        {
            settled.released.push(adapter_memory.note(handle));
            // Both were there a moment ago.
            let _ = self.handles.remove(handle, HandleKind::AdapterMemory);
            if let Ok(object) = self.physical_mut(physical) {
                object.opened = None;
            }
        }
        let Ok(object) = self.physical_mut(physical) else { return settled };
        if object.destroyed && object.opened.is_none() && object.adls == 0 && object.views == 0 {
            settled.released.push(object.note(physical));
            let logical = object.creator.map_or(u32::MAX, |owner| owner.logical);
            settled.memory = Some((object.object, logical, object.memory.clone(), !object.tainted));
            let _ = self.handles.remove(physical, HandleKind::PhysicalMemory);
        }
        settled
    }
}

impl<P: Platform> PageMapping<P> {
    pub(crate) fn note(&self, handle: Handle) -> ObjectNote {
        let kind = match self.kind {
            HandleKind::MdlPages => ObjectKind::MdlPages,
            HandleKind::ContiguousMemory => ObjectKind::ContiguousMemory,
            _ => ObjectKind::MdlMapping,
        };
        ObjectNote {
            va: self.at.get(),
            pages: self.list,
            adapter: Some(self.adapter),
            cache: self.cache,
            ..ObjectNote::new(self.object, kind, handle.0, total_pages(&self.runs) * PAGE_SIZE)
        }
    }
}

impl<P: Platform> PhysicalMemory<P> {
    pub(crate) fn note(&self, handle: Handle) -> ObjectNote {
        ObjectNote {
            pages: self.list,
            adapter: self.creator.map(|owner| owner.number),
            cache: self.cache,
            // Every type that there is fits.
            flags: self.kind.0 as u8,
            ..ObjectNote::new(self.object, ObjectKind::PhysicalMemory, handle.0, self.bytes)
        }
    }
}

impl AdapterMemory {
    pub(crate) fn note(&self, handle: Handle) -> ObjectNote {
        ObjectNote {
            parent: self.parent,
            adapter: Some(self.owner.number),
            ..ObjectNote::new(self.object, ObjectKind::AdapterMemory, handle.0, 0)
        }
    }
}

impl<P: Platform> Adl<P> {
    /// Where it is one run for the device, and where its array is, if it has one.
    pub(crate) fn note(&self, adl: u64) -> ObjectNote {
        let logical_page = match (&self.placement, &*self.runs) {
            (Placement::Logical { pieces, .. }, _) => match pieces.as_slice() {
                [piece] => piece.start.get(),
                _ => u64::MAX,
            },
            (_, [run]) => run.start.get(),
            _ => u64::MAX,
        };
        ObjectNote {
            parent: self.parent,
            va: if self.contiguous { 0 } else { adl.saturating_add(size_of::<dxgk_abi::adl::Adl>() as u64) },
            logical_page,
            pages: self.list,
            adapter: Some(self.adapter),
            flags: u8::from(self.contiguous),
            ..ObjectNote::new(self.object, ObjectKind::Adl, adl, total_pages(&self.runs) * PAGE_SIZE)
        }
    }
}

impl<P: Platform> View<P> {
    pub(crate) fn kind(&self) -> ObjectKind {
        match self.owner {
            ViewOwner::Kernel => ObjectKind::KernelView,
            ViewOwner::Process(_) => ObjectKind::UserView,
        }
    }

    pub(crate) fn note(&self, base: u64) -> ObjectNote {
        ObjectNote {
            parent: self.parent,
            va: base,
            pages: self.list,
            adapter: self.adapter,
            cache: self.cache,
            flags: u8::from(self.poisoned) | u8::from(matches!(self.of, ViewOf::Device)) << 1,
            ..ObjectNote::new(self.object, self.kind(), base, self.bytes)
        }
    }
}

impl RegisterMap {
    pub(crate) fn note(&self, address: u64) -> ObjectNote {
        ObjectNote {
            va: address,
            pages: self.list,
            adapter: Some(self.adapter),
            cache: self.cache,
            ..ObjectNote::new(self.object, self.kind, address, self.bytes)
        }
    }
}
