//! The kernel of one run: everything that its exports share.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use dxgk_abi::{BugCheck, Irql};
use dxgk_event::{Event, EventSink, ListRef, Object, ObjectKind, ObjectStep};
use dxgk_hw::{CacheType, NoRoom, PageRun};

use super::clock::Clock;
use super::data::DataExports;
use super::dispatcher::Waiters;
use super::dpc::DpcQueue;
use super::io::PortEntries;
use super::mdl::MdlRecord;
use super::objects::Objects;
use super::page_list::PageList;
use super::pool::{Pool, PoolKind};
use super::ram::{IoSpace, Pager, PoolPages, RamFile};
use super::registry::Registry;
use super::space::{Space, lock};
use super::structures::Structures;
use super::stubs::MissingCalls;
use super::timer::Timers;
use super::trouble::{Outcome, Trouble};
use super::work::Work;
use crate::layout::{HIGHEST_USER_ADDRESS, RunGuard};
use crate::patch::shared_data;
use crate::stop::StopReason;
use crate::unwind::StackTrace;
use crate::{fiber, processor, stop, trap};

/// Object numbers of the kernel's own objects start here, so that they never meet those that the memory manager counts from 1.
pub const FIRST_OBJECT: u64 = 1 << 48;

/// How the world outside of the driver moves when the kernel lets time pass.
pub trait TimePassing: Send + Sync {
    /// `hundreds` times 100 ns of virtual time have passed: a stall, a delay, or a wait until a time-out.
    fn passed(&self, hundreds: u64);

    /// Every thread waits for something other than time. Whether something was brought about (an interrupt delivered, a
    /// device finished) that could wake one.
    fn idle(&self) -> bool;

    /// Gives devices that live in real time up to `most` of it (100 ns units; without one, as long as a device may take at
    /// all) to do something: how long it took, if one did. Devices that know no time but boundaries get none.
    fn wait_outside(&self, most: Option<u64>) -> Option<u64> {
        let _ = most;
        None
    }
}

/// Told when a driver lowers the level: what was held back can be delivered now.
pub trait LevelLowered: Send + Sync {
    /// The level went from `from` down to `to`. Runs as a callback does, and may call the driver.
    fn lowered(&self, from: u8, to: u8);
}

/// Where a device's registry keys are; both paths are absolute.
#[derive(Clone, Debug)]
pub struct DeviceKeys {
    /// The device's own key (PLUGPLAY_REGKEY_DEVICE).
    pub hardware: String,
    /// Its driver's key (PLUGPLAY_REGKEY_DRIVER).
    pub software: String,
}

/// What a kernel is made of.
pub struct KernelParts {
    /// Where events go.
    pub events: Arc<dyn EventSink>,
    /// The file behind the machine's RAM.
    pub ram: Arc<dyn RamFile>,
    /// Where pool and contiguous memory come from.
    pub pages: Arc<dyn PoolPages>,
    /// Device memory for MmMapIoSpace.
    pub io: Arc<dyn IoSpace>,
    /// Time.
    pub time: Arc<dyn TimePassing>,
    /// The registry as the driver finds it.
    pub registry: Registry,
    /// How pool blocks lie.
    pub pool: PoolKind,
}

/// A mapping or an allocation of the Mm routines.
#[derive(Clone, Debug)]
pub(crate) struct MmRecord {
    pub(crate) object: u64,
    pub(crate) bytes: u64,
    pub(crate) run: Option<PageRun>,
    pub(crate) cache: CacheType,
}

/// The kernel of one run. Made by the host, found by exports through the processor block ([`Kernel::install`]).
///
/// No lock in here is held while driver code runs, while a thread waits, or when a run is stopped.
pub struct Kernel {
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) space: Arc<Space>,
    pub(crate) pages: Arc<dyn PoolPages>,
    pub(crate) device_memory: Arc<dyn IoSpace>,
    pub(crate) clock: Clock,
    pub(crate) pool: Mutex<Pool>,
    pub(crate) structures: Mutex<Structures>,
    pub(crate) objects: Mutex<Objects>,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) mdls: Mutex<BTreeMap<u64, MdlRecord>>,
    /// Pages of views that an MDL has locked, by the MDL's address.
    pub(crate) locked_pages: Mutex<BTreeMap<u64, Vec<PageRun>>>,
    /// Mappings of MDLs by the first address returned.
    pub(crate) mdl_views: Mutex<BTreeMap<u64, u64>>,
    pub(crate) io_maps: Mutex<BTreeMap<u64, MmRecord>>,
    pub(crate) contiguous: Mutex<BTreeMap<u64, MmRecord>>,
    pub(crate) page_lists: Mutex<BTreeMap<u64, PageList>>,
    pub(crate) waiters: Mutex<Waiters>,
    pub(crate) dpcs: Mutex<DpcQueue>,
    /// Length of `dpcs`, for a look without a lock.
    pub(crate) queued_dpcs: AtomicUsize,
    pub(crate) timers: Mutex<Timers>,
    /// When the next timer expires, `u64::MAX` for never; for a look without a lock.
    pub(crate) next_timer: AtomicU64,
    pub(crate) work: Mutex<Work>,
    /// Named objects, in small letters; 0 for a link that leads nowhere.
    pub(crate) names: Mutex<BTreeMap<String, u64>>,
    /// Imports that nobody serves, by the number of their stub.
    pub(crate) missing: Mutex<Vec<MissingCalls>>,
    /// Something happened since the last time that all waited, which some of them may not have seen.
    progress: AtomicBool,
    pub(crate) data: DataExports,
    pub(crate) entries: OnceLock<PortEntries>,
    /// Device objects with their registry keys.
    pub(crate) devices: Mutex<BTreeMap<u64, DeviceKeys>>,
    /// What runs when the driver lowered the level.
    lowered: OnceLock<Arc<dyn LevelLowered>>,
    pub(crate) graphics_device: u64,
    main_thread: u64,
    port: OnceLock<Arc<dyn Any + Send + Sync>>,
    pager: OnceLock<Arc<dyn Pager>>,
    next_object: AtomicU64,
    pub(crate) asked_to_stop: AtomicBool,
    goes_on: AtomicBool,
}

impl core::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Kernel").finish_non_exhaustive()
    }
}

fn room<T>(made: Outcome<Option<T>>) -> Result<T, NoRoom> {
    made.ok().flatten().ok_or(NoRoom)
}

impl Kernel {
    /// A kernel without any driver.
    ///
    /// # Errors
    /// [`NoRoom`] when the host cannot map the few pages that it starts with.
    pub fn new(parts: KernelParts, run: &RunGuard) -> Result<Self, NoRoom> {
        let space = Arc::new(Space::new(parts.ram, run));
        let mut structures = Structures::new(Arc::clone(&space));
        let mut objects = Objects::default();
        let data = room(DataExports::lay_out(&space))?;
        let graphics_device = room(objects.add_device(&mut structures))?;
        let main_thread = room(objects.add_thread(&mut structures, None))?;
        Ok(Self {
            events: parts.events,
            pool: Mutex::new(Pool::new(parts.pool, Arc::clone(&parts.pages), Arc::clone(&space))),
            structures: Mutex::new(structures),
            objects: Mutex::new(objects),
            registry: Mutex::new(parts.registry),
            mdls: Mutex::default(),
            locked_pages: Mutex::default(),
            mdl_views: Mutex::default(),
            io_maps: Mutex::default(),
            contiguous: Mutex::default(),
            page_lists: Mutex::default(),
            waiters: Mutex::default(),
            dpcs: Mutex::default(),
            queued_dpcs: AtomicUsize::new(0),
            timers: Mutex::default(),
            next_timer: AtomicU64::new(u64::MAX),
            work: Mutex::default(),
            names: Mutex::default(),
            missing: Mutex::default(),
            progress: AtomicBool::new(false),
            clock: Clock::new(parts.time),
            pages: parts.pages,
            device_memory: parts.io,
            space,
            data,
            entries: OnceLock::new(),
            devices: Mutex::default(),
            lowered: OnceLock::new(),
            graphics_device,
            main_thread,
            port: OnceLock::new(),
            pager: OnceLock::new(),
            next_object: AtomicU64::new(FIRST_OBJECT),
            asked_to_stop: AtomicBool::new(false),
            goes_on: AtomicBool::new(false),
        })
    }

    /// Makes this the kernel of the calling thread's processor until the guard is dropped.
    #[must_use]
    pub fn install(self: &Arc<Self>) -> Installed {
        processor::set_kernel(Arc::as_ptr(self).cast());
        processor::set_current_thread(self.main_thread);
        fiber::set_idle_hook(idle);
        trap::set_delivery_hook(interrupted);
        shared_data::provide(shared_data::Source {
            build: super::rtl::BUILD,
            start: super::time::SYSTEM_TIME_AT_START,
            now: virtual_now,
        });
        Installed { kernel: Arc::clone(self) }
    }

    /// The entry points of the port driver that displib is told. The first call counts.
    pub fn set_port_entries(&self, entries: PortEntries) {
        let _ = self.entries.set(entries);
    }

    /// Who is told when the level goes down. The first call counts.
    pub fn set_level_lowered(&self, told: Arc<dyn LevelLowered>) {
        let _ = self.lowered.set(told);
    }

    /// The driver lowered the level: interrupts that were held back come first, then DPCs.
    pub(crate) fn lowered(&self, from: u8, to: u8) {
        if let Some(told) = self.lowered.get().filter(|_| to < from) {
            told.lowered(from, to);
        }
        self.deliver();
    }

    /// Something happened that a waiting thread may want to look at.
    pub(crate) fn note_progress(&self) {
        self.progress.store(true, Ordering::Relaxed);
    }

    /// All threads wait. Whether anything has been brought about, or time has passed.
    fn idle(&self) -> bool {
        self.deliver();
        if self.progress.swap(false, Ordering::Relaxed) {
            return true;
        }
        let passed = self.clock.idle();
        self.deliver();
        passed
    }

    /// Leaves the port driver's state for its own callbacks to find. The first call counts.
    pub fn set_port(&self, port: Arc<dyn Any + Send + Sync>) {
        let _ = self.port.set(port);
    }

    /// What [`set_port`](Self::set_port) left, if it is a `T`.
    #[must_use]
    pub fn port<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.port.get().and_then(|port| port.downcast_ref())
    }

    /// Who brings pages of sections back. Until it is set none is taken. The first call counts.
    pub fn set_pager(&self, pager: Arc<dyn Pager>) {
        let _ = self.pager.set(pager);
    }

    pub(crate) fn pager(&self) -> Option<Arc<dyn Pager>> {
        self.pager.get().cloned()
    }

    /// Goes on in another simulated process: its user views are there, those of other processes are not, and callbacks
    /// are called in it from now on. 0 is the system process, in which every run begins. To be called between the calls
    /// into the driver.
    pub fn switch_process(&self, process: u32) {
        processor::set_process(process);
        let pager = self.pager();
        self.space.enter_process(process, pager.as_ref());
        self.device_memory.enter_process(process);
    }

    /// The driver's address space: what is mapped where, and what stands behind it.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Virtual time in 100 ns since the start of the run.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Whether a misuse of pool and mappings (a double free, an overrun) is recorded and the driver goes on, instead of
    /// ending the run with the code that Windows has for it. The record is the call's pair of `Callback` events: the
    /// return has status STATUS_INVALID_PARAMETER, and as words the code and its four parameters.
    pub fn set_going_on(&self, goes_on: bool) {
        self.goes_on.store(goes_on, Ordering::Relaxed);
    }

    pub(crate) fn goes_on(&self) -> bool {
        self.goes_on.load(Ordering::Relaxed)
    }

    /// Whether the bug check that ended the run was the driver's own KeBugCheck(Ex).
    #[must_use]
    pub fn driver_asked_to_stop(&self) -> bool {
        self.asked_to_stop.load(Ordering::Relaxed)
    }

    /// Looks at everything that waits in the pool's quarantine; for the end of a run, so that late writes come to light.
    pub fn check_freed_pool(&self) {
        // Blocks that cannot be read any more tell nothing.
        let late = lock(&self.pool).shrink_quarantine(0).unwrap_or_default();
        self.report_late_writes(&late);
    }

    pub(crate) fn number_object(&self) -> u64 {
        self.next_object.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs of frames as a list in the arena.
    pub(crate) fn list_runs(&self, runs: &[PageRun]) -> ListRef {
        self.events.list(&mut runs.iter().flat_map(|run| [run.start.get(), run.pages]))
    }

    /// Says that an object was made or unmade.
    pub(crate) fn record_object(&self, note: ObjectNote) {
        let event = Event::Object(Object {
            object: note.object,
            handle: note.handle,
            parent: 0,
            bytes: note.bytes,
            va: note.va,
            logical_page: u64::MAX,
            pages: note.pages,
            adapter: u32::MAX,
            kind: note.kind,
            step: note.step,
            cache: note.cache as u8,
            flags: note.flags,
        });
        match note.step {
            ObjectStep::Created => self.events.emit_with_stack(&event),
            ObjectStep::Released => self.events.emit(&event),
        };
    }
}

/// What [`Kernel::record_object`] is told.
pub(crate) struct ObjectNote {
    pub(crate) kind: ObjectKind,
    pub(crate) step: ObjectStep,
    pub(crate) object: u64,
    pub(crate) handle: u64,
    pub(crate) va: u64,
    pub(crate) bytes: u64,
    pub(crate) pages: ListRef,
    pub(crate) cache: CacheType,
    pub(crate) flags: u8,
}

/// Keeps a kernel reachable from exports. Dropping it makes the processor forget the kernel.
#[derive(Debug)]
pub struct Installed {
    kernel: Arc<Kernel>,
}

impl Installed {
    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        processor::set_kernel(core::ptr::null());
    }
}

/// The kernel of the calling thread's processor.
#[must_use]
#[expect(unsafe_code, reason = "follows the pointer in the processor block")]
pub fn current() -> Option<&'static Kernel> {
    let kernel = processor::kernel().cast::<Kernel>();
    // SAFETY: only `Kernel::install` sets the pointer, to a kernel that its guard keeps alive and whose drop sets it to null.
    // No caller keeps the reference beyond the callback that it serves.
    unsafe { kernel.as_ref() }
}

fn virtual_now() -> u64 {
    current().map_or(0, Kernel::now)
}

fn idle() -> bool {
    current().is_some_and(Kernel::idle)
}

/// The driver was interrupted at a trap: it lowered the level there, or a device asks for it.
fn interrupted() {
    if let Some(kernel) = current() {
        kernel.lowered(Irql::HIGH_LEVEL.0, processor::irql());
    }
}

/// The kernel that an export is served by.
pub(crate) fn serving() -> &'static Kernel {
    match current() {
        Some(kernel) => kernel,
        None => panic!("an export was called without a kernel"),
    }
}

/// Ends the run where Windows would not return to the driver.
pub(crate) fn end(trouble: Trouble) -> ! {
    stop(reason(trouble))
}

/// What the run ends with for a trouble that nobody takes.
pub(crate) fn reason(trouble: Trouble) -> StopReason {
    let rip = processor::captured().return_address;
    let (code, parameters) = match trouble {
        Trouble::BugCheck { code, parameters } | Trouble::Misuse { code, parameters } => (code, parameters),
        Trouble::Fault { address, write } if address > HIGHEST_USER_ADDRESS => {
            // Parameter 2 of a write is 2 on x64 (page "Bug Check 0x50").
            (BugCheck::PAGE_FAULT_IN_NONPAGED_AREA, [address, u64::from(write) * 2, rip, 0])
        }
        Trouble::Fault { address, write } => {
            let status = u64::from(dxgk_abi::NtStatus::ACCESS_VIOLATION.0);
            (BugCheck::KMODE_EXCEPTION_NOT_HANDLED, [status, rip, u64::from(write), address])
        }
        Trouble::Raise(status) => (BugCheck::KMODE_EXCEPTION_NOT_HANDLED, [u64::from(status.0), rip, 0, 0]),
    };
    StopReason::BugCheck { code, parameters, stack: StackTrace::of_caller() }
}
