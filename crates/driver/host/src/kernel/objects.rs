//! Kernel objects with reference counts, and the handles to them.
//!
//! Only the documented heads of these objects have a layout; the counts live here, out of the driver's reach.

use std::collections::BTreeMap;

use dxgk_abi::kernel::{DeviceObject, DispatcherHeader, FileObject, Kevent};
use dxgk_abi::{NtStatus, Pointer};

use super::dispatcher;
use super::memory;
use super::registry::KeyId;
use super::structures::{Content, Structures};
use super::trouble::{Outcome, bug_check};
use crate::fiber::{self, FiberId};

/// "Bug Check 0x18: REFERENCE_BY_POINTER": the count of an object does not allow what was asked.
const REFERENCE_BY_POINTER: dxgk_abi::BugCheck = dxgk_abi::BugCheck(0x18);
/// Kinds in the first byte of a dispatcher header (wdm.h, KOBJECTS).
const THREAD_OBJECT: u8 = 6;
/// `IO_TYPE_DEVICE`, `IO_TYPE_FILE` (wdm.h).
const IO_TYPE_DEVICE: i16 = 3;
const IO_TYPE_FILE: i16 = 5;
/// Room for the opaque rest of a KTHREAD.
const THREAD_BYTES: u64 = 512;
/// Handles are made like Windows' kernel handles: the upper half all ones, multiples of 4 (our choice).
const FIRST_HANDLE: u64 = 0xFFFF_FFFF_8000_0004;

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A thread; `None` is the thread in which the driver is called.
    Thread(Option<FiberId>),
    /// An open file.
    File,
    /// A device.
    Device,
    /// An event with a handle.
    Event,
}

impl Kind {
    /// The data export that names its type.
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Thread(_) => "PsThreadType",
            Self::File => "IoFileObjectType",
            Self::Device => "IoDeviceObjectType",
            Self::Event => "ExEventObjectType",
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    kind: Kind,
    references: u64,
}

/// What a handle leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    /// An object by its address.
    Object(u64),
    /// A registry key.
    Key(KeyId),
}

/// All objects and handles of a run.
#[derive(Debug)]
pub(crate) struct Objects {
    entries: BTreeMap<u64, Entry>,
    handles: BTreeMap<u64, Target>,
    next_handle: u64,
}

impl Default for Objects {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), handles: BTreeMap::new(), next_handle: FIRST_HANDLE }
    }
}

impl Objects {
    /// A device object with one stack location, referenced once by its owner; its address.
    pub(crate) fn add_device(&mut self, structures: &mut Structures) -> Outcome<Option<u64>> {
        self.add_device_with(structures, 0)
    }

    /// As [`add_device`](Self::add_device), with an extension of so many bytes behind it.
    pub(crate) fn add_device_with(
        &mut self,
        structures: &mut Structures,
        extension: u64,
    ) -> Outcome<Option<u64>> {
        let own = size_of::<DeviceObject>() as u64;
        let Some(at) = structures.allocate(own + extension, Content::Object)? else {
            return Ok(None);
        };
        let device = DeviceObject {
            kind: IO_TYPE_DEVICE,
            size: u16::try_from(own + extension).unwrap_or(u16::MAX),
            reference_count: 1,
            stack_size: 1,
            device_extension: Pointer(if extension == 0 { 0 } else { at + own }),
            ..DeviceObject::default()
        };
        memory::write(at, &device)?;
        self.entries.insert(at, Entry { kind: Kind::Device, references: 1 });
        Ok(Some(at))
    }

    /// A file object for `device`, referenced once; its address.
    pub(crate) fn add_file(&mut self, structures: &mut Structures, device: u64) -> Outcome<Option<u64>> {
        let file = FileObject {
            kind: IO_TYPE_FILE,
            size: size_of::<FileObject>() as i16,
            device_object: Pointer(device),
            ..FileObject::default()
        };
        let Some(at) = structures.allocate(size_of::<FileObject>() as u64, Content::Object)? else {
            return Ok(None);
        };
        memory::write(at, &file)?;
        self.entries.insert(at, Entry { kind: Kind::File, references: 1 });
        Ok(Some(at))
    }

    /// A signaled event, referenced once; its address. `kind` 0 keeps its signal, 1 loses it to the first waiter.
    pub(crate) fn add_event(&mut self, structures: &mut Structures, kind: u8) -> Outcome<Option<u64>> {
        let Some(at) = structures.allocate(size_of::<Kevent>() as u64, Content::Object)? else {
            return Ok(None);
        };
        memory::write(at, &dispatcher::header(at, kind, size_of::<Kevent>(), 1))?;
        self.entries.insert(at, Entry { kind: Kind::Event, references: 1 });
        Ok(Some(at))
    }

    /// A thread object, referenced once; its address.
    pub(crate) fn add_thread(
        &mut self,
        structures: &mut Structures,
        fiber: Option<FiberId>,
    ) -> Outcome<Option<u64>> {
        let header = DispatcherHeader {
            kind: THREAD_OBJECT,
            size: (THREAD_BYTES / 4) as u8,
            ..DispatcherHeader::default()
        };
        self.forget_ended(structures);
        let Some(at) = structures.allocate(THREAD_BYTES, Content::Object)? else { return Ok(None) };
        memory::write(at, &header)?;
        // An empty list points at itself.
        memory::write(at + 8, &[at + 8, at + 8])?;
        self.entries.insert(at, Entry { kind: Kind::Thread(fiber), references: 1 });
        Ok(Some(at))
    }

    /// Threads that nobody refers to and that have ended since.
    fn forget_ended(&mut self, structures: &mut Structures) {
        self.entries.retain(|address, entry| {
            let ended = matches!(entry.kind, Kind::Thread(Some(fiber)) if !fiber::is_live(fiber));
            let gone = ended && entry.references == 0;
            if gone {
                structures.release(*address, Content::Object);
            }
            !gone
        });
    }

    /// Names the fiber of a thread that [`add_thread`](Self::add_thread) made before it started.
    pub(crate) fn set_fiber(&mut self, thread: u64, fiber: FiberId) {
        if let Some(entry) = self.entries.get_mut(&thread) {
            entry.kind = Kind::Thread(Some(fiber));
        }
    }

    /// Takes away a thread that never began.
    pub(crate) fn discard(&mut self, structures: &mut Structures, thread: u64) {
        self.entries.remove(&thread);
        structures.release(thread, Content::Object);
    }

    /// What the object at `address` is.
    pub(crate) fn kind(&self, address: u64) -> Option<Kind> {
        self.entries.get(&address).map(|entry| entry.kind)
    }

    /// One more reference; the new count.
    pub(crate) fn reference(&mut self, address: u64) -> Outcome<u64> {
        match self.entries.get_mut(&address) {
            Some(entry) => {
                entry.references += 1;
                Ok(entry.references)
            }
            None => bug_check(REFERENCE_BY_POINTER, [0, address, 1, 0]),
        }
    }

    /// One reference less; the new count. At 0 the object goes, a live thread's only after its end.
    pub(crate) fn dereference(&mut self, structures: &mut Structures, address: u64) -> Outcome<u64> {
        let Some(entry) = self.entries.get_mut(&address).filter(|entry| entry.references > 0) else {
            return bug_check(REFERENCE_BY_POINTER, [0, address, 2, u64::MAX]);
        };
        entry.references -= 1;
        let left = entry.references;
        let alive = matches!(entry.kind, Kind::Thread(fiber) if fiber.is_none_or(fiber::is_live));
        if left == 0 && !alive {
            self.entries.remove(&address);
            structures.release(address, Content::Object);
        }
        Ok(left)
    }

    /// A new handle.
    pub(crate) fn open(&mut self, target: Target) -> u64 {
        let handle = self.next_handle;
        self.next_handle = self.next_handle.wrapping_add(4);
        self.handles.insert(handle, target);
        handle
    }

    /// What a handle leads to.
    pub(crate) fn target(&self, handle: u64) -> Option<Target> {
        self.handles.get(&handle).copied()
    }

    /// Closes a handle, and drops the reference that it held.
    pub(crate) fn close(&mut self, structures: &mut Structures, handle: u64) -> Outcome<NtStatus> {
        match self.handles.remove(&handle) {
            None => Ok(NtStatus::INVALID_HANDLE),
            Some(Target::Key(_)) => Ok(NtStatus::SUCCESS),
            Some(Target::Object(address)) => {
                self.dereference(structures, address)?;
                Ok(NtStatus::SUCCESS)
            }
        }
    }
}
