//! Lookaside lists.
//!
//! Documents: the wdm.h pages of ExInitializeNPagedLookasideList, ExInitializeLookasideListEx and their kin. Allocating and
//! freeing are inline code in the driver: they take from the list, and where it is empty or full call the routines that the
//! structure names. Lists here have a depth of 0, so that every block is a pool block of its own and misuse of it comes to
//! light (our choice; Driver Verifier does the same).

use dxgk_abi::kernel::{GeneralLookaside, GeneralLookasidePool, ListEntry, PoolType};
use dxgk_abi::{NtStatus, Pointer};
use zerocopy::IntoBytes;

use super::lists;
use super::memory;
use super::pool_calls;
use super::state::{Kernel, end, serving};
use super::trouble::Outcome;
use crate::call_driver;

/// Bytes of a LOOKASIDE_LIST_EX, with which both forms begin.
const COMMON: usize = size_of::<GeneralLookasidePool>();
/// `ListEntry` in it.
const LIST: u64 = 64;
/// EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL and EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE.
const KNOWN_FLAGS: u32 = 3;

crate::thunk! {
    fn allocate_door(kind: u32, bytes: u64, tag: u32, list: u64) -> u64 => allocate_ex;
    fn free_door(va: u64, list: u64) => free_ex;
}

fn allocate_ex(kind: u32, bytes: u64, tag: u32, _list: u64) -> u64 {
    pool_calls::allocate_with_tag(serving(), kind, bytes, tag).unwrap_or_else(|trouble| end(trouble))
}

fn free_ex(va: u64, _list: u64) {
    pool_calls::free(serving(), va).unwrap_or_else(|trouble| end(trouble));
}

/// The routines of a list, and the kernel's own where the driver gave none.
fn routine(given: u64, kernel: &Kernel, own: &str) -> Pointer {
    match given {
        0 => Pointer(kernel.resolve("ntoskrnl.exe", own).map_or(0, |export| export.address)),
        _ => Pointer(given),
    }
}

fn common(
    at: u64,
    kind: u32,
    bytes: u64,
    tag: u32,
    allocate: Pointer,
    free: Pointer,
) -> GeneralLookasidePool {
    let link = Pointer(at.wrapping_add(LIST));
    GeneralLookasidePool {
        kind,
        tag,
        size: u32::try_from(bytes).unwrap_or(u32::MAX),
        allocate,
        free,
        list_entry: ListEntry { flink: link, blink: link },
        ..GeneralLookasidePool::default()
    }
}

fn initialize(kernel: &Kernel, at: u64, routines: [u64; 2], kind: u32, bytes: u64, tag: u32) -> Outcome<()> {
    let [allocate, free] = routines;
    let allocate = routine(allocate, kernel, "ExAllocatePoolWithTag");
    let free = routine(free, kernel, "ExFreePool");
    memory::fill(at, size_of::<GeneralLookaside>() as u64, 0)?;
    memory::write_bytes(at, common(at, kind, bytes, tag, allocate, free).as_bytes())
}

/// ExInitializeNPagedLookasideList.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn initialize_nonpaged(
    kernel: &Kernel,
    at: u64,
    allocate: u64,
    free: u64,
    flags: u32,
    bytes: u64,
    tag: u32,
    _depth: u16,
) -> Outcome<()> {
    // POOL_NX_ALLOCATION and POOL_RAISE_IF_ALLOCATION_FAILURE are bits of the pool type too.
    initialize(kernel, at, [allocate, free], flags, bytes, tag)
}

/// ExInitializePagedLookasideList.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn initialize_paged(
    kernel: &Kernel,
    at: u64,
    allocate: u64,
    free: u64,
    flags: u32,
    bytes: u64,
    tag: u32,
    _depth: u16,
) -> Outcome<()> {
    initialize(kernel, at, [allocate, free], PoolType::PAGED_POOL.0 | flags, bytes, tag)
}

/// ExInitializeLookasideListEx.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn initialize_ex(
    _kernel: &Kernel,
    at: u64,
    allocate: u64,
    free: u64,
    kind: u32,
    flags: u32,
    bytes: u64,
    tag: u32,
    _depth: u16,
) -> Outcome<u32> {
    if flags & !KNOWN_FLAGS != 0 || flags & KNOWN_FLAGS == KNOWN_FLAGS {
        return Ok(NtStatus(0xC000_00F3).0);
    }
    let given = |routine: u64, own: *const ()| Pointer(if routine == 0 { own as u64 } else { routine });
    let allocate = given(allocate, allocate_door as *const ());
    let free = given(free, free_door as *const ());
    memory::write_bytes(at, common(at, kind, bytes, tag, allocate, free).as_bytes())?;
    Ok(NtStatus::SUCCESS.0)
}

/// ExDeleteNPagedLookasideList, ExDeletePagedLookasideList, ExDeleteLookasideListEx, ExFlushLookasideListEx: frees what the
/// driver pushed onto the list itself.
pub(crate) fn empty(kernel: &Kernel, at: u64) -> Outcome<()> {
    loop {
        let entry = lists::pop_slist(kernel, at)?;
        if entry == 0 {
            return Ok(());
        }
        free_to(kernel, at, entry)?;
    }
}

/// ExAllocateFromNPagedLookasideList where it is not inline.
pub(crate) fn allocate(kernel: &Kernel, at: u64) -> Outcome<u64> {
    let entry = lists::pop_slist(kernel, at)?;
    if entry != 0 {
        return Ok(entry);
    }
    let mut list = GeneralLookasidePool::default();
    memory::read_bytes(at, list.as_mut_bytes())?;
    if is_ours(kernel, list.allocate.0, "ExAllocatePoolWithTag", allocate_door as *const ()) {
        return pool_calls::allocate_with_tag(kernel, list.kind, list.size.into(), list.tag);
    }
    let arguments = [list.kind.into(), list.size.into(), list.tag.into(), at];
    Ok(call_driver(list.allocate.0, &arguments).returned().unwrap_or(0))
}

/// ExFreeToNPagedLookasideList where it is not inline.
pub(crate) fn free_to(kernel: &Kernel, at: u64, entry: u64) -> Outcome<()> {
    let mut list = GeneralLookasidePool::default();
    memory::read_bytes(at, list.as_mut_bytes())?;
    if is_ours(kernel, list.free.0, "ExFreePool", free_door as *const ()) {
        return pool_calls::free(kernel, entry);
    }
    // From inside of a callback a stopped call does not come back.
    let _ = call_driver(list.free.0, &[entry, at]);
    Ok(())
}

fn is_ours(kernel: &Kernel, routine: u64, export: &str, door: *const ()) -> bool {
    routine == door as u64
        || kernel.resolve("ntoskrnl.exe", export).is_some_and(|export| export.address == routine)
}

const _: () = assert!(COMMON <= size_of::<GeneralLookaside>());
