//! Mutexes and semaphores.
//!
//! Documents: the wdm.h pages of KeInitializeMutex, KeReleaseMutex, KeInitializeSemaphore, KeReleaseSemaphore.

use dxgk_abi::kernel::{Kmutant, Ksemaphore, ListEntry};
use dxgk_abi::{NtStatus, Pointer};

use super::dispatcher::{self, MUTANT, SEMAPHORE, exchange_state};
use super::memory;
use super::state::Kernel;
use super::trouble::{Outcome, Trouble};
use crate::processor;

/// `MutantListEntry` in a KMUTANT.
const LIST: u64 = 24;

/// KeInitializeMutex. The level, long without meaning, is not looked at.
pub(crate) fn initialize(_kernel: &Kernel, at: u64, _level: u32) -> Outcome<()> {
    let list = Pointer(at.wrapping_add(LIST));
    let mutant = Kmutant {
        header: dispatcher::header(at, MUTANT, size_of::<Kmutant>(), 1),
        mutant_list_entry: ListEntry { flink: list, blink: list },
        apc_disable: 1,
        ..Kmutant::default()
    };
    memory::write(at, &mutant)
}

/// KeReleaseMutex: the state before. Raises STATUS_MUTANT_NOT_OWNED for another thread's mutex.
pub(crate) fn release(kernel: &Kernel, at: u64, _wait: u8) -> Outcome<i32> {
    let mut mutant: Kmutant = memory::read(at)?;
    let before = mutant.header.signal_state;
    if before > 0 || mutant.owner_thread.0 != processor::current_thread() {
        return Err(Trouble::Raise(NtStatus::MUTANT_NOT_OWNED));
    }
    mutant.header.signal_state = before.wrapping_add(1);
    let free = mutant.header.signal_state == 1;
    if free {
        mutant.owner_thread = Pointer::NULL;
    }
    memory::write(at, &mutant)?;
    if free {
        kernel.signal(at);
    }
    Ok(before)
}

/// KeInitializeSemaphore.
pub(crate) fn initialize_semaphore(_kernel: &Kernel, at: u64, count: i32, limit: i32) -> Outcome<()> {
    let header = dispatcher::header(at, SEMAPHORE, size_of::<Ksemaphore>(), count);
    memory::write(at, &Ksemaphore { header, limit, ..Ksemaphore::default() })
}

/// KeReleaseSemaphore: the state before. Raises STATUS_SEMAPHORE_LIMIT_EXCEEDED, and changes nothing, beyond the limit.
pub(crate) fn release_semaphore(
    kernel: &Kernel,
    at: u64,
    _increment: i32,
    adjustment: i32,
    _wait: u8,
) -> Outcome<i32> {
    let semaphore: Ksemaphore = memory::read(at)?;
    let before = semaphore.header.signal_state;
    let after = before.checked_add(adjustment).filter(|after| adjustment > 0 && *after <= semaphore.limit);
    let Some(after) = after else { return Err(Trouble::Raise(NtStatus::SEMAPHORE_LIMIT_EXCEEDED)) };
    exchange_state(at, after)?;
    kernel.signal(at);
    Ok(before)
}
