//! Levels and spin locks.
//!
//! Documents: the wdm.h pages of KeRaiseIrql, KeLowerIrql, KeAcquireSpinLock and their kin, KeAcquireInStackQueuedSpinLock.

use dxgk_abi::kernel::KlockQueueHandle;
use dxgk_abi::{BugCheck, Irql};

use super::memory;
use super::state::Kernel;
use super::trouble::{Outcome, bug_check};
use crate::processor;

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

/// KeTryToAcquireSpinLockAtDpcLevel.
pub(crate) fn try_acquire_at_dispatch(_kernel: &Kernel, at: u64) -> Outcome<u8> {
    if memory::read::<u64>(at)? != 0 {
        return Ok(0);
    }
    take(at)?;
    Ok(1)
}

/// KeTestSpinLock: whether it could be taken.
pub(crate) fn test_spin_lock(_kernel: &Kernel, at: u64) -> Outcome<u8> {
    Ok(u8::from(memory::read::<u64>(at)? == 0))
}

/// KeAcquireInStackQueuedSpinLock: the level before is in the handle.
pub(crate) fn acquire_queued(_kernel: &Kernel, at: u64, handle: u64) -> Outcome<()> {
    let old_irql = raise_to(Irql::DISPATCH_LEVEL.0)?;
    take(at)?;
    memory::write(handle, &KlockQueueHandle { lock_queue: [0, at], old_irql, ..Default::default() })
}

/// KeAcquireInStackQueuedSpinLockAtDpcLevel.
pub(crate) fn acquire_queued_at_dispatch(_kernel: &Kernel, at: u64, handle: u64) -> Outcome<()> {
    take(at)?;
    let old_irql = processor::irql();
    memory::write(handle, &KlockQueueHandle { lock_queue: [0, at], old_irql, ..Default::default() })
}

fn release_queued_lock(handle: u64) -> Outcome<u8> {
    let held: KlockQueueHandle = memory::read(handle)?;
    let [_, at] = held.lock_queue;
    memory::write(at, &0u64)?;
    Ok(held.old_irql)
}

/// KeReleaseInStackQueuedSpinLock.
pub(crate) fn release_queued(kernel: &Kernel, handle: u64) -> Outcome<()> {
    let level = release_queued_lock(handle)?;
    lower_to(kernel, level)
}

/// KeReleaseInStackQueuedSpinLockFromDpcLevel.
pub(crate) fn release_queued_at_dispatch(_kernel: &Kernel, handle: u64) -> Outcome<()> {
    release_queued_lock(handle).map(drop)
}

/// KeEnterCriticalRegion, KeLeaveCriticalRegion and the guarded ones: no APC is ever delivered here.
pub(crate) fn region(_kernel: &Kernel) -> Outcome<()> {
    Ok(())
}

/// KeAreApcsDisabled, KeAreAllApcsDisabled.
pub(crate) fn are_apcs_disabled(_kernel: &Kernel) -> Outcome<u8> {
    Ok(u8::from(processor::irql() >= Irql::APC_LEVEL.0))
}
