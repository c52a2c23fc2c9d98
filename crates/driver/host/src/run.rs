//! What one run keeps between its calls into the driver: contexts, fibers, windows, hooks, and why it stopped.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use crate::fiber::Slot;
use crate::layout::{LayoutError, Region};
use crate::patch::detour::Detours;
use crate::patch::shared_data::SharedData;
use crate::processor::Block;
use crate::seh::Exceptions;
use crate::stop::StopReason;
use crate::trap::{Counters, RegisterTarget, TrapCounts, Watches};

/// The state of a run, reached from the processor block. Everything is a cell: callbacks, fibers and trap handlers of one
/// thread look at it in turns, and no borrow outlives a switch.
pub struct Run {
    /// The suspended context of whoever called the driver from outside.
    pub(crate) host: Cell<u64>,
    /// Whether a fiber, and so driver code or a callback, is what the thread executes.
    pub(crate) in_driver: Cell<bool>,
    pub(crate) fibers: RefCell<Vec<Slot>>,
    /// Index of the fiber that executes, or executed last.
    pub(crate) current: Cell<usize>,
    /// Fibers that looked at what they wait for, one after the other, in vain.
    pub(crate) in_vain: Cell<usize>,
    /// Switches left before [`crate::fiber::run_fibers`] returns, when that is who runs them.
    pub(crate) budget: Cell<Option<usize>>,
    pub(crate) job: Cell<Job>,
    pub(crate) result: Cell<u64>,
    pub(crate) deepest: Cell<u64>,
    stopped: OnceCell<StopReason>,
    pub(crate) idle_hook: Cell<Option<fn() -> bool>>,
    pub(crate) delivery_hook: Cell<Option<fn()>>,
    pub(crate) watches: Watches,
    pub(crate) exceptions: Exceptions,
    pub(crate) shared_data: SharedData,
    pub(crate) detours: Detours,
    pub(crate) counters: Counters,
    /// The process that the thread is in.
    pub(crate) process: Cell<u32>,
}

/// A call that the first fiber is to make.
#[derive(Clone, Copy, Default)]
pub(crate) struct Job {
    pub(crate) entry: u64,
    pub(crate) arguments: u64,
    pub(crate) count: u64,
    pub(crate) active: bool,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("in_driver", &self.in_driver)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

impl Run {
    pub(crate) fn new(stacks: &mut Region) -> Result<Self, LayoutError> {
        let run = Self {
            host: Cell::default(),
            in_driver: Cell::default(),
            fibers: RefCell::default(),
            current: Cell::default(),
            in_vain: Cell::default(),
            budget: Cell::default(),
            job: Cell::default(),
            result: Cell::default(),
            deepest: Cell::default(),
            stopped: OnceCell::new(),
            idle_hook: Cell::default(),
            delivery_hook: Cell::default(),
            watches: Watches::default(),
            exceptions: Exceptions::default(),
            shared_data: SharedData::default(),
            detours: Detours::default(),
            counters: Counters::default(),
            process: Cell::default(),
        };
        run.add_stacks(stacks)?;
        Ok(run)
    }

    /// Why the run stopped, if it did.
    pub fn stopped(&self) -> Option<&StopReason> {
        self.stopped.get()
    }

    /// How often the driver trapped so far, by kind.
    pub fn traps(&self) -> TrapCounts {
        self.counters.get()
    }

    /// Exceptions that the driver's own handlers took so far.
    pub fn handled_exceptions(&self) -> u64 {
        self.exceptions.handled()
    }

    /// Who answers accesses at an address that traps.
    pub(crate) fn window(&self, address: u64) -> Option<Rc<dyn RegisterTarget>> {
        self.watches.window(address).or_else(|| self.shared_data.window(address))
    }

    pub(crate) fn set_stopped(&self, reason: StopReason) {
        // A second reason can only come from cleaning up after the first.
        let _ = self.stopped.set(reason);
    }
}

/// The run of a processor: of the calling thread's, which is the only one that there is.
pub(crate) fn of(_block: &'static Block) -> Option<&'static Run> {
    current()
}

/// The run of the calling thread.
#[inline]
pub(crate) fn current() -> Option<&'static Run> {
    crate::processor::run()
}
