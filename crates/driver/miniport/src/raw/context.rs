//! What one driver keeps between the calls: the driver's own state, and one context per physical adapter.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use dxgk_abi::NtStatus;

use crate::adapter::Adapter;
use crate::miniport::{Declared, Miniport};
use crate::status::Result;

/// Longest registry path that is kept, in UTF-16 units.
const PATH: usize = 256;

/// What a driver is told once: its service key. `declare_miniport!` makes one static of it for each driver.
#[derive(Debug)]
pub struct Driver {
    path: UnsafeCell<[u16; PATH]>,
    /// Units of `path` in use; the path is written before this becomes non-zero and never again.
    length: AtomicUsize,
}

// SAFETY: `path` is written once, in `remember`, before `length` is published; readers look at no unit beyond it.
unsafe impl Sync for Driver {}

impl Driver {
    /// A driver whose `DriverEntry` was not called yet.
    #[expect(clippy::new_without_default, reason = "only for the static that `declare_miniport!` makes")]
    pub const fn new() -> Self {
        Self { path: UnsafeCell::new([0; PATH]), length: AtomicUsize::new(0) }
    }

    /// Keeps the registry path that `DriverEntry` was given: the system owns it only for that call.
    ///
    /// # Safety
    /// Called from `DriverEntry`, before any other call into the driver.
    pub(super) unsafe fn remember(&self, path: &[u16]) -> Result<()> {
        if path.len() > PATH {
            return Err(NtStatus::OBJECT_NAME_INVALID);
        }
        // SAFETY: `DriverEntry` runs alone, so nothing reads or writes the array now.
        let kept = unsafe { &mut *self.path.get() };
        for (to, from) in kept.iter_mut().zip(path) {
            *to = *from;
        }
        self.length.store(path.len(), Ordering::Release);
        Ok(())
    }

    /// The full name of the driver's service key, in UTF-16; empty before `DriverEntry`.
    pub fn registry_path(&self) -> &[u16] {
        let length = self.length.load(Ordering::Acquire);
        // SAFETY: the units below `length` were written before it was published and are never written again.
        let path = unsafe { &*self.path.get() };
        path.get(..length).unwrap_or_default()
    }
}

/// One physical adapter: what `AddDevice` made, and between start and stop the adapter with what `StartDevice` made.
///
/// The started part borrows from the other two, which therefore never move or change while it is there: the context
/// lies in pool at one address, and [`Self::stop`] takes the started part away before anything else is touched.
pub(super) struct Context<M: Miniport> {
    pub(super) miniport: M,
    adapter: UnsafeCell<Option<Adapter>>,
    started: UnsafeCell<Option<M::Started<'static>>>,
    /// Whether `started` may be looked at.
    running: AtomicBool,
    /// Calls that look at it now; an interrupt can come at any time, also during the stop.
    readers: AtomicU32,
}

impl<M: Declared> Context<M> {
    pub(super) fn new(miniport: M) -> Self {
        Self {
            miniport,
            adapter: UnsafeCell::new(None),
            started: UnsafeCell::new(None),
            running: AtomicBool::new(false),
            readers: AtomicU32::new(0),
        }
    }

    /// Gives the driver its adapter.
    ///
    /// # Safety
    /// The port driver's promise: start, stop and remove of one device never overlap, and the context is in place
    /// until it is removed.
    pub(super) unsafe fn start(&'static self, adapter: Adapter) -> Result<()> {
        if self.running.load(Ordering::Acquire) {
            return Err(NtStatus::INVALID_DEVICE_STATE);
        }
        // SAFETY: nothing is running, so there is no started part that borrows the old adapter, and no overlap.
        let place = unsafe { &mut *self.adapter.get() };
        let adapter: &'static Adapter = place.insert(adapter);
        let made = self.miniport.start_device(adapter)?;
        // SAFETY: as above: nobody looks at the started part before `running`.
        let started = unsafe { &mut *self.started.get() };
        *started = Some(made);
        self.running.store(true, Ordering::Release);
        Ok(())
    }

    /// Takes the started part away from everybody and gives it to the driver to release.
    ///
    /// # Safety
    /// As for [`Self::start`].
    pub(super) unsafe fn stop(&'static self) -> Result<()> {
        if !self.running.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        while self.readers.load(Ordering::Acquire) != 0 {
            core::hint::spin_loop();
        }
        // SAFETY: `running` is false and the last reader is gone, so nothing refers to the started part.
        let started = unsafe { &mut *self.started.get() };
        match started.take() {
            Some(started) => self.miniport.stop_device(started),
            None => Ok(()),
        }
    }

    /// Lets `look` see the started part, or nothing when the device is not started.
    ///
    /// The part's lifetime is a pretended `'static`; `look` must work for every lifetime, so it cannot keep it.
    pub(super) fn with_started<R>(
        &'static self,
        look: impl for<'a> FnOnce(&'a M, Option<&'a M::Started<'static>>) -> R,
    ) -> R {
        self.readers.fetch_add(1, Ordering::AcqRel);
        let started = if self.running.load(Ordering::Acquire) {
            // SAFETY: `running` was seen after `readers` was raised, so the part is complete and `stop` waits for us.
            unsafe { &*self.started.get() }.as_ref()
        } else {
            None
        };
        let result = look(&self.miniport, started);
        self.readers.fetch_sub(1, Ordering::AcqRel);
        result
    }
}

impl<M: Miniport> Context<M> {
    /// What `AddDevice` made.
    pub(super) fn into_miniport(self) -> M {
        self.miniport
    }
}
