//! Interlocked lists: doubly linked under a spin lock, and singly linked without one.
//!
//! Documents: the wdm.h pages of ExInterlockedInsertTailList and its kin, InterlockedPushEntrySList (whose inline code calls
//! the Exp routines here). One processor, and no switch inside an export, make all of them atomic.

use dxgk_abi::kernel::{ListEntry, SlistHeader};
use dxgk_abi::{BugCheck, Pointer};

use super::memory;
use super::state::Kernel;
use super::trouble::{Outcome, bug_check};

/// "Bug Check 0x139", parameter 1: a list entry is corrupt (FAST_FAIL_CORRUPT_LIST_ENTRY), which Windows' list code checks.
const CORRUPT_LIST_ENTRY: u64 = 3;
/// `Blink` in a LIST_ENTRY.
const BLINK: u64 = 8;
/// Address bits of the second word of an SLIST_HEADER.
const ENTRY: u64 = !15;

/// The spin lock is free, or the caller holds it: then it would spin for ever.
fn check_lock(lock: u64) -> Outcome<()> {
    if memory::read::<u64>(lock)? != 0 {
        return bug_check(BugCheck::DPC_WATCHDOG_VIOLATION, [0, lock, 0, 0]);
    }
    Ok(())
}

fn corrupt<T>(at: u64) -> Outcome<T> {
    bug_check(BugCheck::KERNEL_SECURITY_CHECK_FAILURE, [CORRUPT_LIST_ENTRY, at, 0, 0])
}

/// Links `entry` between two neighbours.
fn link(before: u64, entry: u64, after: u64) -> Outcome<()> {
    if memory::read::<u64>(before)? != after || memory::read::<u64>(after.wrapping_add(BLINK))? != before {
        return corrupt(before);
    }
    memory::write(entry, &ListEntry { flink: Pointer(after), blink: Pointer(before) })?;
    memory::write(before, &entry)?;
    memory::write(after.wrapping_add(BLINK), &entry)
}

/// ExInterlockedInsertTailList: the entry that was last, 0 when there was none.
pub(crate) fn insert_tail(_kernel: &Kernel, head: u64, entry: u64, lock: u64) -> Outcome<u64> {
    check_lock(lock)?;
    let last: u64 = memory::read(head.wrapping_add(BLINK))?;
    link(last, entry, head)?;
    Ok(if last == head { 0 } else { last })
}

/// ExInterlockedInsertHeadList: the entry that was first, 0 when there was none.
pub(crate) fn insert_head(_kernel: &Kernel, head: u64, entry: u64, lock: u64) -> Outcome<u64> {
    check_lock(lock)?;
    let first: u64 = memory::read(head)?;
    link(head, entry, first)?;
    Ok(if first == head { 0 } else { first })
}

/// ExInterlockedRemoveHeadList: the entry removed, 0 when there is none.
pub(crate) fn remove_head(_kernel: &Kernel, head: u64, lock: u64) -> Outcome<u64> {
    check_lock(lock)?;
    let first: u64 = memory::read(head)?;
    if first == head {
        return Ok(0);
    }
    let entry: ListEntry = memory::read(first)?;
    let next = entry.flink.0;
    if entry.blink.0 != head || memory::read::<u64>(next.wrapping_add(BLINK))? != first {
        return corrupt(first);
    }
    memory::write(head, &next)?;
    memory::write(next.wrapping_add(BLINK), &head)?;
    Ok(first)
}

/// ExInterlockedPushEntryList: the entry that was first.
pub(crate) fn push(_kernel: &Kernel, head: u64, entry: u64, lock: u64) -> Outcome<u64> {
    check_lock(lock)?;
    let first: u64 = memory::read(head)?;
    memory::write(entry, &first)?;
    memory::write(head, &entry)?;
    Ok(first)
}

/// ExInterlockedPopEntryList: the entry removed, 0 when there is none.
pub(crate) fn pop(_kernel: &Kernel, head: u64, lock: u64) -> Outcome<u64> {
    check_lock(lock)?;
    let first: u64 = memory::read(head)?;
    if first != 0 {
        memory::write(head, &memory::read::<u64>(first)?)?;
    }
    Ok(first)
}

/// InitializeSListHead.
pub(crate) fn initialize_slist(_kernel: &Kernel, head: u64) -> Outcome<()> {
    memory::write(head, &SlistHeader::default())
}

/// Puts a number of entries, and the first of them, into a header; the sequence number goes on.
fn put(head: u64, before: &SlistHeader, depth: u64, first: u64) -> Outcome<()> {
    let sequence = (before.alignment >> 16).wrapping_add(1) << 16;
    // The lowest bit says that the header has this form.
    memory::write(head, &SlistHeader { alignment: sequence | (depth & 0xffff), region: first & ENTRY | 1 })
}

/// ExpInterlockedPushEntrySList: the entry that was first.
pub(crate) fn push_slist(_kernel: &Kernel, head: u64, entry: u64) -> Outcome<u64> {
    let header: SlistHeader = memory::read(head)?;
    let first = header.region & ENTRY;
    memory::write(entry, &first)?;
    put(head, &header, (header.alignment & 0xffff) + 1, entry)?;
    Ok(first)
}

/// ExpInterlockedPopEntrySList: the entry removed, 0 when there is none.
pub(crate) fn pop_slist(_kernel: &Kernel, head: u64) -> Outcome<u64> {
    let header: SlistHeader = memory::read(head)?;
    let first = header.region & ENTRY;
    if first == 0 {
        return Ok(0);
    }
    let next: u64 = memory::read(first)?;
    put(head, &header, (header.alignment & 0xffff).saturating_sub(1), next)?;
    Ok(first)
}

/// ExpInterlockedFlushSList: the entry that was first; the list is empty then.
pub(crate) fn flush_slist(_kernel: &Kernel, head: u64) -> Outcome<u64> {
    let header: SlistHeader = memory::read(head)?;
    put(head, &header, 0, 0)?;
    Ok(header.region & ENTRY)
}

/// ExQueryDepthSList.
pub(crate) fn depth_of_slist(_kernel: &Kernel, head: u64) -> Outcome<u32> {
    Ok((memory::read::<u64>(head)? & 0xffff) as u32)
}
