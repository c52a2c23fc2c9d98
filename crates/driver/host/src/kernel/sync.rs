//! Events, waits, levels and spin locks.
//!
//! Documents: the wdm.h pages of the Ke routines. The state of an event lies in the driver's memory, in the header that all
//! dispatcher objects begin with; a waiting thread looks at it whenever it is its turn.

use dxgk_abi::kernel::{DispatcherHeader, ListEntry};
use dxgk_abi::{BugCheck, Irql, NtStatus, Pointer};

use super::memory;
use super::objects::Kind;
use super::space::lock;
use super::state::Kernel;
use super::trouble::{Outcome, bug_check};
use crate::{fiber, processor};

/// Kinds in the first byte of a dispatcher header (wdm.h, KOBJECTS) whose signal a wait takes. Notification events (0) keep theirs.
const SYNCHRONIZATION_EVENT: u8 = 1;
const SEMAPHORE: u8 = 5;
/// Size of a KEVENT in 4-byte words.
const EVENT_WORDS: u8 = 6;
/// `SignalState` in a dispatcher header.
const SIGNAL_STATE: u64 = 4;

/// KeInitializeEvent.
pub(crate) fn initialize_event(_kernel: &Kernel, event: u64, kind: u32, state: u8) -> Outcome<()> {
    let list = Pointer(event.wrapping_add(8));
    let header = DispatcherHeader {
        kind: kind as u8,
        size: EVENT_WORDS,
        signal_state: i32::from(state != 0),
        wait_list_head: ListEntry { flink: list, blink: list },
        ..DispatcherHeader::default()
    };
    memory::write(event, &header)
}

fn exchange_state(event: u64, state: i32) -> Outcome<i32> {
    let at = event.wrapping_add(SIGNAL_STATE);
    let before = memory::read::<i32>(at)?;
    memory::write(at, &state)?;
    Ok(before)
}

/// KeSetEvent: the state before. `wait` (the caller waits next) makes no difference on one processor.
pub(crate) fn set_event(_kernel: &Kernel, event: u64, _increment: i32, _wait: u8) -> Outcome<i32> {
    exchange_state(event, 1)
}

/// KeResetEvent: the state before.
pub(crate) fn reset_event(_kernel: &Kernel, event: u64) -> Outcome<i32> {
    exchange_state(event, 0)
}

/// KeClearEvent.
pub(crate) fn clear_event(_kernel: &Kernel, event: u64) -> Outcome<()> {
    exchange_state(event, 0).map(drop)
}

/// KeReadStateEvent.
pub(crate) fn read_state(_kernel: &Kernel, event: u64) -> Outcome<i32> {
    memory::read(event.wrapping_add(SIGNAL_STATE))
}

/// Whether the object is signaled; takes the signal where a wait does.
fn try_take(kernel: &Kernel, object: u64) -> Outcome<bool> {
    if let Some(Kind::Thread(fiber)) = lock(&kernel.objects).kind(object) {
        return Ok(fiber.is_some_and(|fiber| !fiber::is_live(fiber)));
    }
    let header: DispatcherHeader = memory::read(object)?;
    if header.signal_state <= 0 {
        return Ok(false);
    }
    match header.kind {
        SYNCHRONIZATION_EVENT => exchange_state(object, 0).map(drop)?,
        SEMAPHORE => exchange_state(object, header.signal_state - 1).map(drop)?,
        _ => {}
    }
    Ok(true)
}

/// When a time-out ends, in 100 ns of virtual time; `None` for never.
fn deadline(kernel: &Kernel, timeout: u64) -> Outcome<Option<u64>> {
    if timeout == 0 {
        return Ok(None);
    }
    let value: i64 = memory::read(timeout)?;
    let relative = kernel.now().saturating_add(value.unsigned_abs());
    Ok(Some(if value <= 0 { relative } else { value.unsigned_abs() }))
}

/// Waits until `poll` gives something or the deadline passes.
fn wait_until<R>(
    kernel: &Kernel,
    deadline: Option<u64>,
    mut poll: impl FnMut() -> Outcome<Option<R>>,
) -> Outcome<Option<R>> {
    if let Some(found) = poll()? {
        return Ok(Some(found));
    }
    if deadline.is_some_and(|deadline| deadline <= kernel.now()) {
        return Ok(None);
    }
    if processor::irql() >= Irql::DISPATCH_LEVEL.0 {
        // "Bug Check 0xB8": a wait at DISPATCH_LEVEL or above.
        return bug_check(BugCheck::ATTEMPTED_SWITCH_FROM_DPC, [processor::current_thread(), 0, 0, 0]);
    }
    if let Some(deadline) = deadline {
        kernel.clock.want(deadline);
    }
    let result = fiber::wait(|| match poll() {
        Ok(Some(found)) => Some(Ok(Some(found))),
        Err(trouble) => Some(Err(trouble)),
        Ok(None) => deadline.is_some_and(|deadline| deadline <= kernel.now()).then_some(Ok(None)),
    });
    if let Some(deadline) = deadline {
        kernel.clock.unwant(deadline);
    }
    result
}

/// KeWaitForSingleObject.
pub(crate) fn wait_for_single(
    kernel: &Kernel,
    object: u64,
    _reason: u32,
    _mode: u8,
    _alertable: u8,
    timeout: u64,
) -> Outcome<u32> {
    let deadline = deadline(kernel, timeout)?;
    let found = wait_until(kernel, deadline, || Ok(try_take(kernel, object)?.then_some(())))?;
    Ok(if found.is_some() { NtStatus::SUCCESS } else { NtStatus::TIMEOUT }.0)
}

/// KeDelayExecutionThread.
pub(crate) fn delay(kernel: &Kernel, _mode: u8, _alertable: u8, interval: u64) -> Outcome<u32> {
    let deadline = deadline(kernel, interval)?;
    wait_until::<()>(kernel, deadline, || Ok(None))?;
    Ok(NtStatus::SUCCESS.0)
}

/// KeStallExecutionProcessor: time passes for the device, nobody else runs.
pub(crate) fn stall(kernel: &Kernel, microseconds: u32) -> Outcome<()> {
    kernel.clock.skip(u64::from(microseconds) * 10);
    Ok(())
}

/// KeGetCurrentIrql.
pub(crate) fn current_irql(_kernel: &Kernel) -> Outcome<u8> {
    Ok(processor::irql())
}

fn raise_to(level: u8) -> Outcome<u8> {
    let before = processor::irql();
    if level < before {
        return bug_check(BugCheck::IRQL_UNEXPECTED_VALUE, [u64::from(before), u64::from(level), 0, 0]);
    }
    processor::set_irql(level);
    Ok(before)
}

fn lower_to(kernel: &Kernel, level: u8) -> Outcome<()> {
    let before = processor::irql();
    if level > before {
        return bug_check(BugCheck::IRQL_UNEXPECTED_VALUE, [u64::from(before), u64::from(level), 0, 0]);
    }
    processor::set_irql(level);
    kernel.lowered(before, level);
    Ok(())
}

/// KfRaiseIrql: the level before.
pub(crate) fn raise(_kernel: &Kernel, level: u8) -> Outcome<u8> {
    raise_to(level)
}

/// KeRaiseIrqlToDpcLevel: the level before.
pub(crate) fn raise_to_dispatch(_kernel: &Kernel) -> Outcome<u8> {
    raise_to(Irql::DISPATCH_LEVEL.0)
}

/// KeLowerIrql.
pub(crate) fn lower(kernel: &Kernel, level: u8) -> Outcome<()> {
    lower_to(kernel, level)
}

/// KeInitializeSpinLock.
pub(crate) fn initialize_spin_lock(_kernel: &Kernel, at: u64) -> Outcome<()> {
    memory::write(at, &0u64)
}

/// On the one processor a spin lock that is taken is taken by the caller itself: it would spin for ever.
fn take(at: u64) -> Outcome<()> {
    if memory::read::<u64>(at)? != 0 {
        // "Bug Check 0x133": too long at DISPATCH_LEVEL, which is how Windows sees it end (our choice of code).
        return bug_check(BugCheck::DPC_WATCHDOG_VIOLATION, [0, at, 0, 0]);
    }
    memory::write(at, &1u64)
}

/// KeAcquireSpinLockRaiseToDpc: the level before.
pub(crate) fn acquire_and_raise(_kernel: &Kernel, at: u64) -> Outcome<u8> {
    let before = raise_to(Irql::DISPATCH_LEVEL.0)?;
    take(at)?;
    Ok(before)
}

/// KeAcquireSpinLockAtDpcLevel.
pub(crate) fn acquire_at_dispatch(_kernel: &Kernel, at: u64) -> Outcome<()> {
    take(at)
}

/// KeReleaseSpinLock.
pub(crate) fn release_and_lower(kernel: &Kernel, at: u64, level: u8) -> Outcome<()> {
    memory::write(at, &0u64)?;
    lower_to(kernel, level)
}

/// KeReleaseSpinLockFromDpcLevel.
pub(crate) fn release_at_dispatch(_kernel: &Kernel, at: u64) -> Outcome<()> {
    memory::write(at, &0u64)
}
