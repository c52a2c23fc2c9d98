//! The devices that the driver is given, and the windows through which it reaches their registers.
//!
//! A window is a range of addresses that faults; the trap layer decodes the access and brings it here, and here it becomes
//! an access to the BAR. A window covers exactly the bytes that were mapped: what lies beside it in the same page faults.
//! Ports need no window: `in` and `out` trap by themselves.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dxgk_event::{Event, EventSink, RegisterAccess};
use dxgk_hw::{BarKind, CacheType, CpuVa, PAGE_SIZE, PciFunction, PhysAddr, ViewOwner, Width};

use super::state::PortState;
use crate::kernel::{self, HUNDREDS_PER_BOUNDARY, IoSpace, TimePassing};
use crate::layout::{Purpose, Region, Reservation, RunGuard};
use crate::processor;
use crate::sink::HostSink;
use crate::trap::{RegisterTarget, add_window, remove_window, set_ports};

/// Boundaries that a stall lasts at most, so that a long one does not take a long time here too.
const LONGEST_STALL: u64 = 10_000;
/// 100 ns units in one boundary of a stall.
const UNITS_A_BOUNDARY: u64 = HUNDREDS_PER_BOUNDARY;
/// How long a device that lives in real time may do nothing while all threads wait (our choice).
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The devices of a run.
pub struct Devices {
    functions: Vec<Arc<dyn PciFunction>>,
    sink: Arc<HostSink>,
    windows: Mutex<Windows>,
}

struct Windows {
    region: Region,
    users: Region,
    /// By address.
    held: BTreeMap<u64, Held>,
}

/// A window that is mapped, if its process is the current one.
struct Held {
    reservation: Reservation,
    bytes: u64,
    physical: PhysAddr,
    owner: ViewOwner,
}

impl Windows {
    fn region(&mut self, owner: ViewOwner) -> &mut Region {
        match owner {
            ViewOwner::Kernel => &mut self.region,
            ViewOwner::Process(_) => &mut self.users,
        }
    }
}

impl core::fmt::Debug for Devices {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Devices").field("functions", &self.functions.len()).finish_non_exhaustive()
    }
}

impl Devices {
    /// The devices, none of them mapped.
    #[must_use]
    pub fn new(functions: Vec<Arc<dyn PciFunction>>, sink: Arc<HostSink>, run: &RunGuard) -> Self {
        let windows = Windows {
            region: Region::new(Purpose::Registers, run),
            users: Region::new(Purpose::UserRegisters, run),
            held: BTreeMap::new(),
        };
        Self { functions, sink, windows: Mutex::new(windows) }
    }

    /// The devices.
    pub fn functions(&self) -> &[Arc<dyn PciFunction>] {
        &self.functions
    }

    /// Lets the devices' time run up to the processor's.
    pub fn advance(&self) {
        let now = processor::boundary();
        for function in &self.functions {
            function.advance(now);
        }
    }

    fn note(&self, address: u64, width: u32, value: u64, write: bool, is_port: bool) {
        self.sink.emit(&Event::Register(RegisterAccess {
            address,
            value,
            width: width as u8,
            write: write.into(),
            is_port: is_port.into(),
            reserved: [0; 5],
        }));
    }

    /// The driver cannot be called from inside a trap: its interrupt comes right after the instruction.
    fn ask_for_delivery(&self) {
        if self.any_line() {
            processor::request_delivery();
        }
    }

    /// Whether some device's line is high.
    fn any_line(&self) -> bool {
        self.functions.iter().any(|function| function.interrupt_pending())
    }

    /// The function and BAR whose memory, or ports, hold all of `bytes` bytes from `base`, and the offset in it.
    fn decode(&self, ports: bool, base: PhysAddr, bytes: u64) -> Option<(Arc<dyn PciFunction>, u8, u64)> {
        self.functions.iter().find_map(|function| {
            let bar = function.bars().into_iter().find(|bar| {
                (bar.kind == BarKind::Io) == ports
                    && base
                        .get()
                        .checked_sub(bar.base.get())
                        .is_some_and(|offset| offset.checked_add(bytes).is_some_and(|end| end <= bar.size))
            })?;
            Some((Arc::clone(function), bar.index, base.get() - bar.base.get()))
        })
    }
}

/// One window, as the trap layer calls it.
struct Window {
    devices: Arc<Devices>,
    function: Arc<dyn PciFunction>,
    bar: u8,
    /// First address of the window.
    va: u64,
    /// What that address is in the BAR.
    offset: u64,
    /// Physical address of the window's first byte.
    physical: u64,
}

impl Window {
    fn note(&self, address: u64, width: u32, value: u64, write: bool) {
        let physical = self.physical.wrapping_add(address.wrapping_sub(self.va));
        self.devices.note(physical, width, value, write, false);
    }

    fn at(&self, address: u64) -> u64 {
        self.offset.wrapping_add(address.wrapping_sub(self.va))
    }
}

impl RegisterTarget for Window {
    fn load(&self, address: u64, width: u32) -> u64 {
        self.devices.advance();
        let value = match Width::from_bytes(width.into()) {
            Some(width) => self.function.read(self.bar, self.at(address), width),
            None => u64::MAX,
        };
        self.note(address, width, value, false);
        self.devices.ask_for_delivery();
        value
    }

    fn store(&self, address: u64, width: u32, value: u64) {
        self.devices.advance();
        self.note(address, width, value, true);
        if let Some(width) = Width::from_bytes(width.into()) {
            self.function.write(self.bar, self.at(address), width, value);
        }
        self.devices.ask_for_delivery();
    }
}

/// The ports of all devices.
struct Ports(Arc<Devices>);

impl Ports {
    fn find(&self, port: u64, width: u32) -> Option<(Arc<dyn PciFunction>, u8, u64, Width)> {
        let (function, bar, offset) = self.0.decode(true, PhysAddr::new(port), width.into())?;
        Some((function, bar, offset, Width::from_bytes(width.into())?))
    }
}

impl RegisterTarget for Ports {
    fn load(&self, port: u64, width: u32) -> u64 {
        self.0.advance();
        let value = match self.find(port, width) {
            Some((function, bar, offset, width)) => function.read(bar, offset, width),
            // It reaches beyond the last port.
            None => u64::MAX,
        };
        self.0.note(port, width, value, false, true);
        self.0.ask_for_delivery();
        value
    }

    fn store(&self, port: u64, width: u32, value: u64) {
        self.0.advance();
        self.0.note(port, width, value, true, true);
        if let Some((function, bar, offset, width)) = self.find(port, width) {
            function.write(bar, offset, width, value);
        }
        self.0.ask_for_delivery();
    }

    fn answers(&self, port: u64) -> bool {
        self.find(port, 1).is_some()
    }
}

/// Has `in` and `out` reach the devices' ports.
pub(super) fn answer_ports(devices: &Arc<Devices>) {
    set_ports(Some(Rc::new(Ports(Arc::clone(devices)))));
}

/// [`IoSpace`] over [`Devices`]: an `Arc`, because windows keep their devices.
#[derive(Clone, Debug)]
pub struct DeviceWindows(pub Arc<Devices>);

impl DeviceWindows {
    /// Lets the driver reach `bytes` bytes of device memory at `va`. `None` when that is no device memory.
    fn open(&self, va: u64, base: PhysAddr, bytes: u64) -> Option<()> {
        let (function, bar, offset) = self.0.decode(false, base, bytes)?;
        let window = Window { devices: Arc::clone(&self.0), function, bar, va, offset, physical: base.get() };
        add_window(va, bytes, Rc::new(window)).ok()
    }
}

impl IoSpace for DeviceWindows {
    fn map(&self, base: PhysAddr, bytes: u64, _cache: CacheType, owner: ViewOwner) -> Option<CpuVa> {
        self.0.decode(false, base, bytes)?;
        let in_page = base.offset();
        let reserved = in_page.checked_add(bytes)?.checked_next_multiple_of(PAGE_SIZE)?;
        let mut windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let reservation = windows.region(owner).reserve(reserved, PAGE_SIZE).ok()?;
        let va = reservation.address() + in_page;
        if self.open(va, base, bytes).is_none() {
            // Given back unused; if that fails too the addresses are lost, which harms nobody.
            let _ = windows.region(owner).release(reservation);
            return None;
        }
        windows.held.insert(va, Held { reservation, bytes, physical: base, owner });
        Some(CpuVa::new(va))
    }

    fn unmap(&self, va: CpuVa, _bytes: u64) {
        let mut windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = windows.held.remove(&va.get()) {
            remove_window(va.get());
            // A region that refuses its own reservation keeps it: a leak of addresses, not of memory.
            let _ = windows.region(held.owner).release(held.reservation);
        }
    }

    fn enter_process(&self, process: u32) {
        let windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
        for (va, held) in &windows.held {
            if let ViewOwner::Process(owner) = held.owner {
                remove_window(*va);
                if owner == process {
                    // It was open before, and the device has not moved.
                    let _ = self.open(*va, held.physical, held.bytes);
                }
            }
        }
    }
}

impl TimePassing for Devices {
    fn passed(&self, hundreds: u64) {
        let boundaries = hundreds.div_ceil(UNITS_A_BOUNDARY).min(LONGEST_STALL);
        for _ in 0..boundaries {
            processor::next_boundary();
        }
        self.advance();
        if let Some(port) = kernel::current().and_then(|kernel| kernel.port::<PortState>()) {
            port.deliver();
        }
    }

    fn idle(&self) -> bool {
        // A device may be at work: give it time. Its interrupt is what could wake a thread.
        let quiet = !self.any_line();
        self.passed(UNITS_A_BOUNDARY);
        quiet && self.any_line()
    }

    fn wait_outside(&self, most: Option<u64>) -> Option<u64> {
        let most = most.map_or(LONGEST_WAIT, |most| Duration::from_nanos(most.saturating_mul(100)));
        let begun = Instant::now();
        let acted = self.functions.iter().any(|function| function.wait(most.min(LONGEST_WAIT)));
        acted.then(|| u64::try_from(begun.elapsed().as_nanos() / 100).unwrap_or(u64::MAX))
    }
}
