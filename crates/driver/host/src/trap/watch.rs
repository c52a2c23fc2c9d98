//! Addresses whose use somebody wants to know of: register windows, ports, guards.

use std::cell::RefCell;
use std::rc::Rc;

use crate::layout::PAGE_SIZE;
use crate::run;
use crate::stop::Access;

/// Device registers, or ports, behind a window. `address` is the address that the driver used (for ports, the port's number).
///
/// Called from inside a trap, on the signal stack, with the driver interrupted in the middle of an instruction; callbacks'
/// state is at rest then, so a target may use what callbacks use. Widths are 1, 2, 4 or 8 bytes.
pub trait RegisterTarget {
    /// A read; bits beyond the width are ignored.
    fn load(&self, address: u64, width: u32) -> u64;
    /// A write; bits beyond the width are zero.
    fn store(&self, address: u64, width: u32, value: u64);

    /// Of ports: whether anybody answers at this one. Where nobody does, `in` and `out` stay privileged instructions.
    fn answers(&self, port: u64) -> bool {
        let _ = port;
        true
    }
}

/// What happens after a guard was touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GuardAction {
    /// The page is made readable and writable, and the instruction is done again.
    MakeAccessible,
    /// The instruction is done again; the target has changed the mapping itself.
    Retry,
    /// It is an access violation. The text goes into the report.
    Refuse(&'static str),
}

/// Who is told that a guard was touched; called as a [`RegisterTarget`] is.
pub trait GuardTarget {
    /// The driver touched `address`; its place is what `processor::captured` says.
    fn touched(&self, address: u64, access: Access) -> GuardAction;

    /// Our own guarded copy touched `address` on the driver's behalf, perhaps under locks of ours. Whether the page is there
    /// now; otherwise the address counts as inaccessible.
    fn bring_back(&self, _address: u64) -> bool {
        false
    }
}

/// Why a window or guard cannot be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WatchError {
    /// It overlaps one of its kind, is empty, or wraps around.
    #[error("{bytes:#x} bytes at {address:#x} cannot be watched")]
    Range {
        /// First address.
        address: u64,
        /// Bytes.
        bytes: u64,
    },
    /// The calling thread is no processor, or a target of the same kind is being called.
    #[error("no processor on this thread, or it is busy")]
    Busy,
}

struct Watch<T: ?Sized> {
    address: u64,
    bytes: u64,
    target: Rc<T>,
}

struct List<T: ?Sized>(RefCell<Vec<Watch<T>>>);

impl<T: ?Sized> Default for List<T> {
    fn default() -> Self {
        Self(RefCell::new(Vec::new()))
    }
}

impl<T: ?Sized> List<T> {
    fn add(&self, address: u64, bytes: u64, target: Rc<T>) -> Result<(), WatchError> {
        let error = WatchError::Range { address, bytes };
        // Through 2^64 - 1 at most, the last byte included.
        let last = bytes.checked_sub(1).and_then(|rest| address.checked_add(rest)).ok_or(error)?;
        let mut list = self.0.try_borrow_mut().map_err(|_| WatchError::Busy)?;
        if list
            .iter()
            .any(|watch| watch.address <= last && address - watch.address.min(address) < watch.bytes)
        {
            return Err(error);
        }
        list.push(Watch { address, bytes, target });
        list.sort_by_key(|watch| watch.address);
        Ok(())
    }

    fn remove(&self, address: u64) -> Option<Rc<T>> {
        let mut list = self.0.try_borrow_mut().ok()?;
        let index = list.iter().position(|watch| watch.address == address)?;
        Some(list.remove(index).target)
    }

    fn find(&self, address: u64) -> Option<Rc<T>> {
        let list = self.0.try_borrow().ok()?;
        let after = list.partition_point(|watch| watch.address <= address);
        let watch = list.get(after.checked_sub(1)?)?;
        (address - watch.address < watch.bytes).then(|| Rc::clone(&watch.target))
    }
}

/// Everything that a run watches.
#[derive(Default)]
pub(crate) struct Watches {
    windows: List<dyn RegisterTarget>,
    guards: List<dyn GuardTarget>,
    ports: RefCell<Option<Rc<dyn RegisterTarget>>>,
}

impl Watches {
    pub(crate) fn window(&self, address: u64) -> Option<Rc<dyn RegisterTarget>> {
        self.windows.find(address)
    }

    pub(super) fn guard(&self, address: u64) -> Option<Rc<dyn GuardTarget>> {
        self.guards.find(address)
    }

    /// Who answers at a port.
    pub(super) fn port(&self, port: u64) -> Option<Rc<dyn RegisterTarget>> {
        self.ports.try_borrow().ok()?.clone().filter(|ports| ports.answers(port))
    }
}

/// Makes every access to `bytes` bytes at `address` go to `target`. The range must be one that faults: reserved and unreadable
/// (`Purpose::Registers`), or one that no process can map (`KUSER_SHARED_DATA` at 0xFFFF_F780_0000_0000).
pub fn add_window(address: u64, bytes: u64, target: Rc<dyn RegisterTarget>) -> Result<(), WatchError> {
    run::current().ok_or(WatchError::Busy)?.watches.windows.add(address, bytes, target)
}

/// Ends the window that starts at `address`; false when there is none. Accesses are access violations from then on.
pub fn remove_window(address: u64) -> bool {
    run::current().is_some_and(|run| run.watches.windows.remove(address).is_some())
}

/// Has `target` told of the next access to the unreadable pages of `bytes` bytes at `address`.
pub fn add_guard(address: u64, bytes: u64, target: Rc<dyn GuardTarget>) -> Result<(), WatchError> {
    if !address.is_multiple_of(PAGE_SIZE) || !bytes.is_multiple_of(PAGE_SIZE) {
        return Err(WatchError::Range { address, bytes });
    }
    run::current().ok_or(WatchError::Busy)?.watches.guards.add(address, bytes, target)
}

/// Ends the guard that starts at `address`; false when there is none.
pub fn remove_guard(address: u64) -> bool {
    run::current().is_some_and(|run| run.watches.guards.remove(address).is_some())
}

/// Sets who answers `in` and `out`; without one they are privileged instructions.
pub fn set_ports(target: Option<Rc<dyn RegisterTarget>>) {
    if let Some(run) = run::current() {
        run.watches.ports.replace(target);
    }
}
