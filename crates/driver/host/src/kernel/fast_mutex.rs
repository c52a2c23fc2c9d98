//! Fast and guarded mutexes.
//!
//! Documents: the wdm.h pages of ExAcquireFastMutex and KeAcquireGuardedMutex; FAST_MUTEX in abi.md. The structure is
//! initialized inline: a count of 1, and a synchronization event that waiters wait for.

use dxgk_abi::kernel::{FastMutex, Kevent};
use dxgk_abi::{BugCheck, Irql, Pointer};

use super::dispatcher;
use super::memory;
use super::state::Kernel;
use super::trouble::{Outcome, bug_check};
use crate::processor;

/// `SynchronizationEvent`.
const SYNCHRONIZATION: u8 = 1;
/// `Event` in a FAST_MUTEX.
const EVENT: u64 = 24;

/// KeInitializeGuardedMutex, ExInitializeFastMutex where it is not inline.
pub(crate) fn initialize(_kernel: &Kernel, at: u64) -> Outcome<()> {
    let header = dispatcher::header(at.wrapping_add(EVENT), SYNCHRONIZATION, size_of::<Kevent>(), 0);
    memory::write(at, &FastMutex { count: 1, event: Kevent { header }, ..FastMutex::default() })
}

fn try_take(at: u64, level_before: u8) -> Outcome<bool> {
    let mut mutex: FastMutex = memory::read(at)?;
    if mutex.count <= 0 {
        return Ok(false);
    }
    mutex.count = 0;
    mutex.owner = Pointer(processor::current_thread());
    mutex.old_irql = level_before.into();
    memory::write(at, &mutex)?;
    Ok(true)
}

fn take(kernel: &Kernel, at: u64, level_before: u8) -> Outcome<()> {
    while !try_take(at, level_before)? {
        let contention = at.wrapping_add(16);
        let waited: u32 = memory::read(contention)?;
        memory::write(contention, &waited.wrapping_add(1))?;
        kernel.wait_for(&[at.wrapping_add(EVENT)], false, 0)?;
    }
    Ok(())
}

fn give(kernel: &Kernel, at: u64) -> Outcome<u8> {
    let mut mutex: FastMutex = memory::read(at)?;
    let level = mutex.old_irql as u8;
    if mutex.count > 0 || mutex.owner.0 != processor::current_thread() {
        // Nothing is documented for it; Windows' count goes wrong and the next owner is not alone.
        return bug_check(BugCheck::DRIVER_VERIFIER_DETECTED_VIOLATION, [0x3F, at, 0, 0]);
    }
    mutex.count = 1;
    mutex.owner = Pointer::NULL;
    memory::write(at, &mutex)?;
    super::sync::set_event(kernel, at.wrapping_add(EVENT), 0, 0)?;
    Ok(level)
}

/// ExAcquireFastMutex: raises to APC_LEVEL.
pub(crate) fn acquire(kernel: &Kernel, at: u64) -> Outcome<()> {
    let before = processor::irql();
    if before < Irql::APC_LEVEL.0 {
        processor::set_irql(Irql::APC_LEVEL.0);
    }
    take(kernel, at, before)
}

/// ExTryToAcquireFastMutex.
pub(crate) fn try_acquire(_kernel: &Kernel, at: u64) -> Outcome<u8> {
    let before = processor::irql();
    let taken = try_take(at, before)?;
    if taken && before < Irql::APC_LEVEL.0 {
        processor::set_irql(Irql::APC_LEVEL.0);
    }
    Ok(taken.into())
}

/// ExReleaseFastMutex.
pub(crate) fn release(kernel: &Kernel, at: u64) -> Outcome<()> {
    let level = give(kernel, at)?;
    let before = processor::set_irql(level);
    kernel.lowered(before, level);
    Ok(())
}

/// ExAcquireFastMutexUnsafe, KeAcquireGuardedMutex: the level stays.
pub(crate) fn acquire_unsafe(kernel: &Kernel, at: u64) -> Outcome<()> {
    take(kernel, at, processor::irql())
}

/// ExReleaseFastMutexUnsafe, KeReleaseGuardedMutex.
pub(crate) fn release_unsafe(kernel: &Kernel, at: u64) -> Outcome<()> {
    give(kernel, at).map(drop)
}

/// KeTryToAcquireGuardedMutex.
pub(crate) fn try_acquire_guarded(_kernel: &Kernel, at: u64) -> Outcome<u8> {
    try_take(at, processor::irql()).map(u8::from)
}
