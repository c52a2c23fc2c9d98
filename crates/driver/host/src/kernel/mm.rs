//! The memory manager's other routines: physical addresses, device memory, contiguous memory.
//!
//! Documents: the wdm.h and ntddk.h pages of MmGetPhysicalAddress, MmIsAddressValid, MmMapIoSpace(Ex), MmUnmapIoSpace,
//! MmAllocateContiguousMemory(SpecifyCache), MmFreeContiguousMemory.

use dxgk_abi::BugCheck;
use dxgk_abi::kernel::{CachingType, PageProtection};
use dxgk_event::{Event, ListRef, ObjectKind, ObjectStep, PhysicalQuery};
use dxgk_hw::{CacheType, CpuVa, PAGE_SIZE, PageRun, PhysAddr, ViewOwner};

use super::address_map::RangeUse;
use super::memory;
use super::space::lock;
use super::state::{Kernel, MmRecord, ObjectNote};
use super::trouble::{Outcome, misuse};
use crate::layout::Purpose;

/// A `MEMORY_CACHING_TYPE`, reduced to what differs.
pub(crate) fn cache_type(cache: u32) -> CacheType {
    match CachingType(cache) {
        CachingType::CACHED | CachingType::HARDWARE_COHERENT_CACHED => CacheType::Cached,
        CachingType::WRITE_COMBINED | CachingType::US_WC_CACHED => CacheType::WriteCombined,
        _ => CacheType::NonCached,
    }
}

/// MmGetPhysicalAddress: 0 where there is none (our choice; the page only forbids to ask).
pub(crate) fn physical_address(kernel: &Kernel, va: u64) -> Outcome<u64> {
    let physical = kernel.space.with_map(|map| map.physical(CpuVa::new(va))).map_or(0, PhysAddr::get);
    kernel.events.emit(&Event::PhysicalQuery(PhysicalQuery { va, physical }));
    Ok(physical)
}

/// MmIsAddressValid.
pub(crate) fn is_address_valid(_kernel: &Kernel, va: u64) -> Outcome<u8> {
    Ok(u8::from(memory::read_bytes(va, &mut [0]).is_ok()))
}

fn note(kernel: &Kernel, kind: ObjectKind, step: ObjectStep, va: u64, record: &MmRecord) {
    let pages = match (&record.run, step) {
        (Some(run), ObjectStep::Created) => kernel.list_runs(&[*run]),
        _ => ListRef::default(),
    };
    kernel.record_object(ObjectNote {
        kind,
        step,
        object: record.object,
        handle: va,
        va,
        bytes: record.bytes,
        pages,
        cache: record.cache,
        flags: 0,
    });
}

/// The caching that page protection flags (`PAGE_NOCACHE` ...) ask for.
fn protected_caching(protect: u32) -> CachingType {
    let protect = PageProtection(protect);
    if protect.contains(PageProtection::WRITECOMBINE) {
        CachingType::WRITE_COMBINED
    } else if protect.contains(PageProtection::NOCACHE) {
        CachingType::NON_CACHED
    } else {
        CachingType::CACHED
    }
}

fn map_device(kernel: &Kernel, physical: u64, bytes: u64, cache: CacheType) -> Outcome<u64> {
    if bytes == 0 {
        return Ok(0);
    }
    let base = PhysAddr::new(physical);
    let Some(va) = kernel.device_memory.map(base, bytes, cache, ViewOwner::Kernel) else { return Ok(0) };
    // Somebody who maps device memory may have noted it already; then it is known.
    let _ = kernel.space.note_device(va, bytes, base);
    let span = base.offset().saturating_add(bytes).div_ceil(PAGE_SIZE);
    let run = PageRun::new(base.page(), span);
    let record = MmRecord { object: kernel.number_object(), bytes, run: Some(run), cache };
    note(kernel, ObjectKind::MmMapping, ObjectStep::Created, va.get(), &record);
    lock(&kernel.io_maps).insert(va.get(), record);
    Ok(va.get())
}

/// MmMapIoSpace.
pub(crate) fn map_io_space(kernel: &Kernel, physical: u64, bytes: u64, cache: u32) -> Outcome<u64> {
    map_device(kernel, physical, bytes, cache_type(cache))
}

/// MmMapIoSpaceEx: takes page protections instead of a cache type.
pub(crate) fn map_io_space_ex(kernel: &Kernel, physical: u64, bytes: u64, protect: u32) -> Outcome<u64> {
    map_io_space(kernel, physical, bytes, protected_caching(protect).0)
}

/// MmUnmapIoSpace. The page asks for the same size as at the map; a smaller or larger one leaves Windows' page tables
/// half-torn, here the whole mapping goes and the sizes in the events tell.
pub(crate) fn unmap_io_space(kernel: &Kernel, va: u64, _bytes: u64) -> Outcome<()> {
    let Some(record) = lock(&kernel.io_maps).remove(&va) else {
        return misuse(BugCheck::MEMORY_MANAGEMENT, [0, va, 0, 0]);
    };
    kernel.space.forget_device(CpuVa::new(va));
    kernel.device_memory.unmap(CpuVa::new(va), record.bytes);
    note(kernel, ObjectKind::MmMapping, ObjectStep::Released, va, &record);
    Ok(())
}

/// MmAllocateContiguousMemorySpecifyCache.
pub(crate) fn allocate_contiguous_cached(
    kernel: &Kernel,
    bytes: u64,
    lowest: u64,
    highest: u64,
    boundary: u64,
    cache: u32,
) -> Outcome<u64> {
    let Some(length) = bytes.checked_next_multiple_of(PAGE_SIZE).filter(|length| *length != 0) else {
        return Ok(0);
    };
    let (lowest, highest) = (PhysAddr::new(lowest), PhysAddr::new(highest));
    let Some(run) = kernel.pages.take_within(length / PAGE_SIZE, lowest, highest, boundary) else {
        return Ok(0);
    };
    let Ok(va) = kernel.space.map_ram(Purpose::Pool, RangeUse::Contiguous, &[run]) else {
        kernel.pages.give(run);
        return Ok(0);
    };
    memory::fill(va.get(), length, super::pool::UNINITIALIZED)?;
    let cache = cache_type(cache);
    let record = MmRecord { object: kernel.number_object(), bytes, run: Some(run), cache };
    note(kernel, ObjectKind::MmMemory, ObjectStep::Created, va.get(), &record);
    lock(&kernel.contiguous).insert(va.get(), record);
    Ok(va.get())
}

/// MmAllocateContiguousMemory.
pub(crate) fn allocate_contiguous(kernel: &Kernel, bytes: u64, highest: u64) -> Outcome<u64> {
    allocate_contiguous_cached(kernel, bytes, 0, highest, 0, CachingType::CACHED.0)
}

/// MmFreeContiguousMemory.
pub(crate) fn free_contiguous(kernel: &Kernel, va: u64) -> Outcome<()> {
    let Some(record) = lock(&kernel.contiguous).remove(&va) else {
        return misuse(BugCheck::MEMORY_MANAGEMENT, [0, va, 0, 0]);
    };
    kernel.space.unmap(CpuVa::new(va));
    note(kernel, ObjectKind::MmMemory, ObjectStep::Released, va, &record);
    if let Some(run) = record.run {
        kernel.pages.give(run);
    }
    Ok(())
}

/// MmFreeContiguousMemorySpecifyCache.
pub(crate) fn free_contiguous_cached(kernel: &Kernel, va: u64, _bytes: u64, _cache: u32) -> Outcome<()> {
    free_contiguous(kernel, va)
}

/// MmAllocateContiguousNodeMemory: takes page protections instead of a cache type; there is one node.
pub(crate) fn allocate_contiguous_node(
    kernel: &Kernel,
    bytes: u64,
    lowest: u64,
    highest: u64,
    boundary: u64,
    protect: u32,
    _node: u32,
) -> Outcome<u64> {
    allocate_contiguous_cached(kernel, bytes, lowest, highest, boundary, protected_caching(protect).0)
}

/// MmAllocateContiguousMemorySpecifyCacheNode.
pub(crate) fn allocate_contiguous_cached_node(
    kernel: &Kernel,
    bytes: u64,
    lowest: u64,
    highest: u64,
    boundary: u64,
    cache: u32,
    _node: u32,
) -> Outcome<u64> {
    allocate_contiguous_cached(kernel, bytes, lowest, highest, boundary, cache)
}

/// MmAllocateNonCachedMemory. Contiguous here, which the page does not promise.
pub(crate) fn allocate_noncached(kernel: &Kernel, bytes: u64) -> Outcome<u64> {
    allocate_contiguous_cached(kernel, bytes, 0, u64::MAX, 0, CachingType::NON_CACHED.0)
}

/// MmFreeNonCachedMemory.
pub(crate) fn free_noncached(kernel: &Kernel, va: u64, _bytes: u64) -> Outcome<()> {
    free_contiguous(kernel, va)
}

/// MmLockPagableDataSection, MmPageEntireDriver: images are resident; what is returned stands for the section.
pub(crate) fn lock_section(_kernel: &Kernel, va: u64) -> Outcome<u64> {
    Ok(va)
}

/// MmLockPagableSectionByHandle, MmUnlockPagableImageSection, MmResetDriverPaging.
pub(crate) fn section(_kernel: &Kernel, _handle: u64) -> Outcome<()> {
    Ok(())
}
