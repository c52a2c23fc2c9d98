//! Events and waits.
//!
//! Documents: the wdm.h pages of the Ke routines.

use dxgk_abi::kernel::{Kevent, WaitType};
use dxgk_abi::{BugCheck, NtStatus};

use super::dispatcher::{self, exchange_state};
use super::memory;
use super::state::Kernel;
use super::trouble::{Outcome, bug_check};

/// "Bug Check 0xC": a wait for more objects than there can be wait blocks.
const MAXIMUM_WAIT_OBJECTS_EXCEEDED: BugCheck = BugCheck(0xC);
/// `THREAD_WAIT_OBJECTS`: wait blocks that a thread has itself.
const THREAD_WAIT_OBJECTS: u32 = 3;
/// `MAXIMUM_WAIT_OBJECTS`.
const MOST_WAIT_OBJECTS: u32 = 64;

/// KeInitializeEvent.
pub(crate) fn initialize_event(_kernel: &Kernel, event: u64, kind: u32, state: u8) -> Outcome<()> {
    let header = dispatcher::header(event, kind as u8, size_of::<Kevent>(), i32::from(state != 0));
    memory::write(event, &header)
}

/// KeSetEvent: the state before. `wait` (the caller waits next) makes no difference on one processor.
pub(crate) fn set_event(kernel: &Kernel, event: u64, _increment: i32, _wait: u8) -> Outcome<i32> {
    let before = exchange_state(event, 1)?;
    kernel.signal(event);
    Ok(before)
}

/// KePulseEvent: lets those go who wait now; the state before.
pub(crate) fn pulse_event(kernel: &Kernel, event: u64, increment: i32, wait: u8) -> Outcome<i32> {
    let before = set_event(kernel, event, increment, wait)?;
    exchange_state(event, 0)?;
    Ok(before)
}

/// KeResetEvent: the state before.
pub(crate) fn reset_event(_kernel: &Kernel, event: u64) -> Outcome<i32> {
    exchange_state(event, 0)
}

/// KeClearEvent.
pub(crate) fn clear_event(_kernel: &Kernel, event: u64) -> Outcome<()> {
    exchange_state(event, 0).map(drop)
}

/// KeReadStateEvent, KeReadStateMutex, KeReadStateSemaphore.
pub(crate) fn read_state(_kernel: &Kernel, object: u64) -> Outcome<i32> {
    dispatcher::state(object)
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
    let found = kernel.wait_for(&[object], false, timeout)?;
    Ok(if found.is_some() { NtStatus::SUCCESS } else { NtStatus::TIMEOUT }.0)
}

/// KeWaitForMultipleObjects: STATUS_WAIT_0 plus the index of the object that ended a wait for any.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn wait_for_multiple(
    kernel: &Kernel,
    count: u32,
    objects: u64,
    kind: u32,
    _reason: u32,
    _mode: u8,
    _alertable: u8,
    timeout: u64,
    blocks: u64,
) -> Outcome<u32> {
    let most = if blocks == 0 { THREAD_WAIT_OBJECTS } else { MOST_WAIT_OBJECTS };
    if count > most {
        return bug_check(MAXIMUM_WAIT_OBJECTS_EXCEEDED, [0, 0, 0, 0]);
    }
    let mut list = Vec::new();
    for index in 0..u64::from(count) {
        list.push(memory::read::<u64>(objects.wrapping_add(index * 8))?);
    }
    let found = kernel.wait_for(&list, WaitType(kind) == WaitType::ALL, timeout)?;
    Ok(found.map_or(NtStatus::TIMEOUT.0, |index| index as u32))
}

/// KeDelayExecutionThread.
pub(crate) fn delay(kernel: &Kernel, _mode: u8, _alertable: u8, interval: u64) -> Outcome<u32> {
    kernel.wait_for(&[], false, interval)?;
    Ok(NtStatus::SUCCESS.0)
}

/// KeStallExecutionProcessor: time passes for the device, nobody else runs.
pub(crate) fn stall(kernel: &Kernel, microseconds: u32) -> Outcome<()> {
    kernel.clock.stall(u64::from(microseconds) * 10);
    Ok(())
}
