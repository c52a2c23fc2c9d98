//! Timers.
//!
//! Documents: the wdm.h pages of KeInitializeTimerEx, KeSetTimerEx, KeCancelTimer; KTIMER in abi.md. Virtual time decides: a
//! timer expires at the first counted boundary below DISPATCH_LEVEL at or after its time, and when every thread waits, time
//! goes on to the nearest one.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use dxgk_abi::kernel::Ktimer;
use dxgk_abi::{BugCheck, Pointer};

use super::dispatcher::{self, NOTIFICATION_TIMER, SYNCHRONIZATION_TIMER, exchange_state};
use super::dpc::{self, FOUND_TIMER};
use super::memory;
use super::space::lock;
use super::state::Kernel;
use super::trouble::{Outcome, Trouble};

/// `Inserted` in the fourth byte of a timer's header.
const INSERTED: u8 = 0x40;
const INSERTED_AT: u64 = 3;
/// `DueTime`, `Dpc`, `Period` in a KTIMER.
const DUE_TIME: u64 = 24;
const DPC: u64 = 48;
const PERIOD: u64 = 60;
/// 100 ns in a millisecond.
const MILLISECOND: u64 = 10_000;

#[derive(Clone, Copy)]
struct Armed {
    due: u64,
    order: u64,
    /// 100 ns; 0: once.
    period: u64,
    dpc: u64,
}

/// The armed timers of a run, by address of the KTIMER and by time.
#[derive(Default)]
pub(crate) struct Timers {
    armed: BTreeMap<u64, Armed>,
    by_time: BTreeMap<(u64, u64), u64>,
    order: u64,
}

impl Timers {
    fn arm(&mut self, at: u64, due: u64, period: u64, dpc: u64) {
        self.order += 1;
        self.armed.insert(at, Armed { due, order: self.order, period, dpc });
        self.by_time.insert((due, self.order), at);
    }

    fn disarm(&mut self, at: u64) -> Option<Armed> {
        let armed = self.armed.remove(&at)?;
        self.by_time.remove(&(armed.due, armed.order));
        Some(armed)
    }

    fn next(&self) -> u64 {
        self.by_time.keys().next().map_or(u64::MAX, |(due, _)| *due)
    }
}

/// KeInitializeTimerEx.
pub(crate) fn initialize_as(kernel: &Kernel, at: u64, kind: u32) -> Outcome<()> {
    // One that is armed still would be lost to Windows; here it is forgotten.
    kernel.disarm(at);
    let kind = if kind == 0 { NOTIFICATION_TIMER } else { SYNCHRONIZATION_TIMER };
    let header = dispatcher::header(at, kind, size_of::<Ktimer>(), 0);
    memory::write(at, &Ktimer { header, ..Ktimer::default() })
}

/// KeInitializeTimer.
pub(crate) fn initialize(kernel: &Kernel, at: u64) -> Outcome<()> {
    initialize_as(kernel, at, 0)
}

/// KeSetTimerEx: whether it was armed before. `due` in 100 ns, negative is from now; `period` in milliseconds.
pub(crate) fn set_periodic(kernel: &Kernel, at: u64, due: i64, period: u32, dpc: u64) -> Outcome<u8> {
    let header: dxgk_abi::kernel::DispatcherHeader = memory::read(at)?;
    if ![NOTIFICATION_TIMER, SYNCHRONIZATION_TIMER].contains(&header.kind) {
        return Err(invalid(at));
    }
    let was_armed = kernel.disarm(at);
    exchange_state(at, 0)?;
    let due = kernel.deadline_of(due);
    memory::write(at.wrapping_add(INSERTED_AT), &INSERTED)?;
    memory::write(at.wrapping_add(DUE_TIME), &due)?;
    memory::write(at.wrapping_add(DPC), &Pointer(dpc))?;
    memory::write(at.wrapping_add(PERIOD), &period)?;
    kernel.arm(at, due, u64::from(period) * MILLISECOND, dpc);
    Ok(was_armed.into())
}

/// KeSetTimer.
pub(crate) fn set(kernel: &Kernel, at: u64, due: i64, dpc: u64) -> Outcome<u8> {
    set_periodic(kernel, at, due, 0, dpc)
}

/// KeSetCoalescableTimer: expires on time, as one without a tolerable delay.
pub(crate) fn set_coalescable(
    kernel: &Kernel,
    at: u64,
    due: i64,
    period: u32,
    _tolerable: u32,
    dpc: u64,
) -> Outcome<u8> {
    set_periodic(kernel, at, due, period, dpc)
}

/// KeCancelTimer: whether it was armed. A DPC that it has queued already stays queued.
pub(crate) fn cancel(kernel: &Kernel, at: u64) -> Outcome<u8> {
    let was_armed = kernel.disarm(at);
    if was_armed {
        memory::write(at.wrapping_add(INSERTED_AT), &0u8)?;
    }
    Ok(was_armed.into())
}

/// KeReadStateTimer: whether it has expired.
pub(crate) fn read_state(_kernel: &Kernel, at: u64) -> Outcome<u8> {
    Ok(u8::from(dispatcher::state(at)? > 0))
}

fn invalid(at: u64) -> Trouble {
    Trouble::BugCheck { code: BugCheck::TIMER_OR_DPC_INVALID, parameters: [FOUND_TIMER, at, 0, 0] }
}

impl Kernel {
    fn arm(&self, at: u64, due: u64, period: u64, dpc: u64) {
        self.clock.want(due);
        let mut timers = lock(&self.timers);
        timers.arm(at, due, period, dpc);
        self.next_timer.store(timers.next(), Ordering::Relaxed);
    }

    fn disarm(&self, at: u64) -> bool {
        let mut timers = lock(&self.timers);
        let Some(armed) = timers.disarm(at) else { return false };
        self.next_timer.store(timers.next(), Ordering::Relaxed);
        self.clock.unwant(armed.due);
        true
    }

    /// Forgets an armed timer in this range of addresses; its address.
    pub(super) fn forget_timer_in(&self, start: u64, end: u64) -> Option<u64> {
        let at = lock(&self.timers).armed.range(start..end).next().map(|(at, _)| *at)?;
        self.disarm(at);
        Some(at)
    }

    /// Signals every timer whose time has come, queues its DPC, and arms periodic ones again.
    pub(super) fn expire_timers(&self) -> Outcome<()> {
        loop {
            let now = self.now();
            let expired = {
                let timers = lock(&self.timers);
                let first = timers.by_time.first_key_value();
                first
                    .filter(|((due, _), _)| *due <= now)
                    .and_then(|(_, at)| Some((*at, *timers.armed.get(at)?)))
            };
            let Some((at, armed)) = expired else { return Ok(()) };
            self.disarm(at);
            // Periods that have passed meanwhile are one expiration.
            match (now - armed.due).checked_div(armed.period) {
                None => memory::write(at.wrapping_add(INSERTED_AT), &0u8).map_err(|_| invalid(at))?,
                Some(missed) => {
                    let due = armed.due.saturating_add((missed + 1).saturating_mul(armed.period));
                    self.arm(at, due, armed.period, armed.dpc);
                }
            }
            exchange_state(at, 1).map_err(|_| invalid(at))?;
            self.note_progress();
            self.signal(at);
            if armed.dpc != 0 {
                let time = self.system_time();
                dpc::insert(self, armed.dpc, time & 0xffff_ffff, time >> 32)?;
            }
        }
    }
}
