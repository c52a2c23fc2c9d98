//! Memory descriptor lists: IoAllocateMdl to MmUnmapLockedPages.
//!
//! Documents: the wdm.h pages of these routines. An MDL lies in the driver's memory, where the driver may change it; every
//! routine believes what it reads there only as far as the page list can be checked.

use dxgk_abi::kernel::{Irp, LockOperation};
use dxgk_abi::mdl::{Mdl, PFN_SIZE};
use dxgk_abi::{BugCheck, MdlFlags, NtStatus, Pointer};
use dxgk_event::{ListRef, ObjectKind, ObjectStep};
use dxgk_hw::{CacheType, CpuVa, PAGE_SIZE, PageRun, Pfn};

use super::address_map::RangeUse;
use super::memory;
use super::space::lock;
use super::state::{Kernel, ObjectNote};
use super::structures::Content;
use super::trouble::{Outcome, Trouble, bug_check, misuse};
use crate::layout::{HIGHEST_USER_ADDRESS, Purpose};

/// Bytes of an MDL's header, where the page array starts.
pub(crate) const HEADER: u64 = size_of::<Mdl>() as u64;
/// Longest chain of MDLs that IoAllocateMdl follows to its end (our choice).
const LONGEST_CHAIN: usize = 4096;
/// "Bug Check 0xC2": the block was freed already; the address is invalid.
const FREED_OR_FOREIGN: u64 = 0x46;

/// What is known of an MDL that IoAllocateMdl made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MdlRecord {
    object: u64,
    bytes: u64,
}

/// `Size` of an MDL for that many pages, cut to 16 bits as MmInitializeMdl does.
pub(crate) fn size_field(pages: u64) -> u16 {
    (HEADER + pages * PFN_SIZE) as u16
}

/// Writes the page numbers of `runs` behind the header at `mdl`.
pub(crate) fn write_pages(mdl: u64, runs: &[PageRun]) -> Outcome<()> {
    let mut at = mdl + HEADER;
    let mut piece = Vec::with_capacity(512 * PFN_SIZE as usize);
    for pfn in runs.iter().flat_map(|run| (0..run.pages).map(move |page| run.start.get() + page)) {
        piece.extend_from_slice(&pfn.to_le_bytes());
        if piece.len() == piece.capacity() {
            memory::write_bytes(at, &piece)?;
            at += piece.len() as u64;
            piece.clear();
        }
    }
    memory::write_bytes(at, &piece)
}

/// Reads `count` page numbers behind the header at `mdl`.
pub(crate) fn read_pages(mdl: u64, count: u64, visit: &mut dyn FnMut(Pfn)) -> Outcome<()> {
    let mut at = mdl.wrapping_add(HEADER);
    let mut left = count;
    let mut piece = [0u8; 4096];
    while left > 0 {
        let step = left.min(512);
        let part = piece.get_mut(..(step * PFN_SIZE) as usize).unwrap_or_default();
        memory::read_bytes(at, part)?;
        for word in part.chunks_exact(PFN_SIZE as usize) {
            visit(Pfn::new(word.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))));
        }
        at = at.wrapping_add(step * PFN_SIZE);
        left -= step;
    }
    Ok(())
}

/// IoAllocateMdl.
pub(crate) fn allocate(
    kernel: &Kernel,
    va: u64,
    length: u32,
    secondary: u8,
    _charge_quota: u8,
    irp: u64,
) -> Outcome<u64> {
    // The page says: at most 4 GiB - PAGE_SIZE.
    if u64::from(length) > (4 << 30) - PAGE_SIZE {
        return Ok(0);
    }
    let mut mdl = Mdl {
        start_va: Pointer(va & !(PAGE_SIZE - 1)),
        byte_offset: (va % PAGE_SIZE) as u32,
        byte_count: length,
        ..Mdl::default()
    };
    let pages = mdl.page_count();
    mdl.size = size_field(pages);
    let Some(at) = lock(&kernel.structures).allocate(HEADER + pages * PFN_SIZE, Content::DriverMdl)? else {
        return Ok(0);
    };
    memory::write(at, &mdl)?;
    if irp != 0 {
        attach(irp, at, secondary != 0)?;
    }
    let object = kernel.number_object();
    let bytes = u64::from(length);
    lock(&kernel.mdls).insert(at, MdlRecord { object, bytes });
    kernel.record_object(note(
        ObjectKind::Mdl,
        ObjectStep::Created,
        object,
        at,
        va,
        bytes,
        ListRef::default(),
    ));
    Ok(at)
}

fn note(
    kind: ObjectKind,
    step: ObjectStep,
    object: u64,
    handle: u64,
    va: u64,
    bytes: u64,
    pages: ListRef,
) -> ObjectNote {
    ObjectNote { kind, step, object, handle, va, bytes, pages, cache: CacheType::Cached, flags: 0 }
}

fn attach(irp: u64, mdl: u64, secondary: bool) -> Outcome<()> {
    let mut packet: Irp = memory::read(irp)?;
    if !secondary || packet.mdl_address.is_null() {
        packet.mdl_address = Pointer(mdl);
        return memory::write(irp, &packet);
    }
    let mut last = packet.mdl_address.0;
    for _ in 0..LONGEST_CHAIN {
        // `Next` is the first member.
        let next: u64 = memory::read(last)?;
        if next == 0 {
            return memory::write(last, &mdl);
        }
        last = next;
    }
    Ok(())
}

/// IoFreeMdl.
pub(crate) fn free(kernel: &Kernel, mdl: u64) -> Outcome<()> {
    let Some(record) = lock(&kernel.mdls).remove(&mdl) else {
        return misuse(BugCheck::BAD_POOL_CALLER, [FREED_OR_FOREIGN, mdl, 0, 0]);
    };
    lock(&kernel.structures).release(mdl, Content::DriverMdl);
    let (kind, step) = (ObjectKind::Mdl, ObjectStep::Released);
    kernel.record_object(note(kind, step, record.object, mdl, 0, record.bytes, ListRef::default()));
    Ok(())
}

/// MmBuildMdlForNonPagedPool.
pub(crate) fn build_for_nonpaged_pool(kernel: &Kernel, mdl: u64) -> Outcome<()> {
    let mut header: Mdl = memory::read(mdl)?;
    let start = header.start_va.0;
    let pages = header.page_count();
    let Some(runs) = kernel.space.with_map(|map| map.frames(CpuVa::new(start), pages)) else {
        return Err(Trouble::Fault { address: start, write: false });
    };
    header.mdl_flags |= MdlFlags::SOURCE_IS_NONPAGED_POOL;
    header.mapped_system_va = Pointer(start + u64::from(header.byte_offset));
    header.process = Pointer::NULL;
    memory::write(mdl, &header)?;
    write_pages(mdl, &runs)
}

/// The frames of the `pages` pages from the one that holds `start`; those that were paged out come back first.
fn resident(kernel: &Kernel, start: u64, pages: u64) -> Option<Vec<PageRun>> {
    let frames = || kernel.space.with_map(|map| map.frames(CpuVa::new(start), pages));
    frames().or_else(|| {
        let first = start & !(PAGE_SIZE - 1);
        let addresses = (0..pages).map(|page| first.wrapping_add(page * PAGE_SIZE));
        addresses.into_iter().try_for_each(|at| memory::read::<u8>(at).map(|_| ())).ok()?;
        frames()
    })
}

/// MmProbeAndLockPages. `mode` 1 is UserMode. User memory is found when the host has mapped it as such.
pub(crate) fn probe_and_lock(kernel: &Kernel, mdl: u64, mode: u8, operation: u32) -> Outcome<()> {
    let mut header: Mdl = memory::read(mdl)?;
    let start = header.start_va.0.wrapping_add(u64::from(header.byte_offset));
    let end = start.saturating_add(u64::from(header.byte_count));
    if mode != 0 && end > HIGHEST_USER_ADDRESS {
        return Err(Trouble::Raise(NtStatus::ACCESS_VIOLATION));
    }
    let pages = header.page_count();
    let Some(runs) = resident(kernel, start, pages) else {
        return Err(Trouble::Raise(NtStatus::ACCESS_VIOLATION));
    };
    let usage = kernel.space.with_map(|map| map.range_of(CpuVa::new(start)).map(|(_, _, usage)| usage));
    if matches!(usage, Some(RangeUse::View | RangeUse::User)) {
        // Only pages of views can be pageable. Pool stays where it is.
        if !kernel.pages.hold(&runs) {
            return Err(Trouble::Raise(NtStatus::ACCESS_VIOLATION));
        }
        lock(&kernel.locked_pages).insert(mdl, runs.clone());
    }
    header.mdl_flags |= MdlFlags::PAGES_LOCKED;
    if operation != LockOperation::READ.0 {
        header.mdl_flags |= MdlFlags::WRITE_OPERATION;
    }
    memory::write(mdl, &header)?;
    write_pages(mdl, &runs)
}

/// MmUnlockPages. A system mapping that is still there goes with it.
pub(crate) fn unlock(kernel: &Kernel, mdl: u64) -> Outcome<()> {
    let header: Mdl = memory::read(mdl)?;
    if !header.mdl_flags.contains(MdlFlags::PAGES_LOCKED) {
        // The page names no code for it; Windows finds its page list damaged.
        return misuse(BugCheck::PFN_LIST_CORRUPT, [0x7, mdl, 0, 0]);
    }
    if header.mdl_flags.contains(MdlFlags::MAPPED_TO_SYSTEM_VA) {
        unmap(kernel, header.mapped_system_va.0, mdl)?;
    }
    let mut header: Mdl = memory::read(mdl)?;
    header.mdl_flags -= MdlFlags::PAGES_LOCKED | MdlFlags::WRITE_OPERATION;
    if let Some(runs) = lock(&kernel.locked_pages).remove(&mdl) {
        kernel.pages.release(&runs);
    }
    memory::write(mdl, &header)
}

/// MmMapLockedPagesSpecifyCache. The requested user address is not honoured.
pub(crate) fn map(
    kernel: &Kernel,
    mdl: u64,
    mode: u8,
    cache: u32,
    _requested: u64,
    bug_check_on_failure: u32,
    _priority: u32,
) -> Outcome<u64> {
    let mut header: Mdl = memory::read(mdl)?;
    let mut runs: Vec<PageRun> = Vec::new();
    read_pages(mdl, header.page_count(), &mut |pfn| match runs.last_mut() {
        Some(run) if run.start.get().checked_add(run.pages) == Some(pfn.get()) => run.pages += 1,
        _ => runs.push(PageRun::new(pfn, 1)),
    })?;
    let user = mode != 0;
    let (purpose, usage) =
        if user { (Purpose::UserViews, RangeUse::User) } else { (Purpose::Views, RangeUse::MappedMdl) };
    let Ok(base) = kernel.space.map_ram(purpose, usage, &runs) else {
        if user {
            return Err(Trouble::Raise(NtStatus::INSUFFICIENT_RESOURCES));
        }
        if bug_check_on_failure != 0 {
            return bug_check(BugCheck::MEMORY_MANAGEMENT, [0, mdl, 0, 0]);
        }
        return Ok(0);
    };
    let va = base.get() + u64::from(header.byte_offset);
    if !user {
        header.mdl_flags |= MdlFlags::MAPPED_TO_SYSTEM_VA;
        header.mapped_system_va = Pointer(va);
        memory::write(mdl, &header)?;
    }
    let object = kernel.number_object();
    lock(&kernel.mdl_views).insert(base.get(), object);
    let bytes = u64::from(header.byte_count);
    let mut made =
        note(ObjectKind::MmMapping, ObjectStep::Created, object, va, va, bytes, kernel.list_runs(&runs));
    made.cache = super::mm::cache_type(cache);
    kernel.record_object(made);
    Ok(va)
}

/// MmUnmapLockedPages.
pub(crate) fn unmap(kernel: &Kernel, va: u64, mdl: u64) -> Outcome<()> {
    let mut header: Mdl = memory::read(mdl)?;
    let base = va & !(PAGE_SIZE - 1);
    let Some(object) = lock(&kernel.mdl_views).remove(&base) else {
        // Pool has no mapping of its own: for an MDL of nonpaged pool there is nothing to undo.
        if header.mdl_flags.contains(MdlFlags::SOURCE_IS_NONPAGED_POOL) {
            return Ok(());
        }
        // The page names no code for it.
        return misuse(BugCheck::MEMORY_MANAGEMENT, [0, va, mdl, 0]);
    };
    kernel.space.unmap(CpuVa::new(base));
    let bytes = u64::from(header.byte_count);
    kernel.record_object(note(
        ObjectKind::MmMapping,
        ObjectStep::Released,
        object,
        va,
        va,
        bytes,
        ListRef::default(),
    ));
    if header.mapped_system_va.0 == va {
        header.mdl_flags -= MdlFlags::MAPPED_TO_SYSTEM_VA;
        memory::write(mdl, &header)?;
    }
    Ok(())
}

/// IoBuildPartialMdl: `target` describes `length` bytes (0: the rest) of `source` from `va` on.
pub(crate) fn build_partial(_kernel: &Kernel, source: u64, target: u64, va: u64, length: u32) -> Outcome<()> {
    let from: Mdl = memory::read(source)?;
    let mut to: Mdl = memory::read(target)?;
    let start = from.start_va.0.wrapping_add(u64::from(from.byte_offset));
    let offset = va.wrapping_sub(start);
    let rest = u64::from(from.byte_count).checked_sub(offset);
    let length = if length == 0 {
        rest
    } else {
        rest.filter(|rest| u64::from(length) <= *rest).map(|_| length.into())
    };
    to.start_va = Pointer(va & !(PAGE_SIZE - 1));
    to.byte_offset = (va % PAGE_SIZE) as u32;
    to.byte_count = length.and_then(|length| u32::try_from(length).ok()).unwrap_or(0);
    let pages = to.page_count();
    if length.is_none() || size_field(pages) > to.size {
        // The page names no code: the caller must keep the range and the room.
        return misuse(BugCheck::MEMORY_MANAGEMENT, [0, source, target, va]);
    }
    to.process = from.process;
    let inherited = MdlFlags::SOURCE_IS_NONPAGED_POOL
        | MdlFlags::MAPPED_TO_SYSTEM_VA
        | MdlFlags::IO_PAGE_READ
        | MdlFlags::IO_SPACE;
    to.mdl_flags -= inherited;
    to.mdl_flags |= MdlFlags::PARTIAL | (from.mdl_flags & inherited);
    if from.mdl_flags.intersects(MdlFlags::SOURCE_IS_NONPAGED_POOL | MdlFlags::MAPPED_TO_SYSTEM_VA) {
        to.mapped_system_va = Pointer(from.mapped_system_va.0.wrapping_add(offset));
    }
    memory::write(target, &to)?;
    let skipped = (to.start_va.0.wrapping_sub(from.start_va.0)) / PAGE_SIZE;
    let mut runs = Vec::new();
    read_pages(source.wrapping_add(skipped * PFN_SIZE), pages, &mut |pfn| runs.push(PageRun::new(pfn, 1)))?;
    write_pages(target, &runs)
}

/// MmMapLockedPages: cached, and stops when there is no room.
pub(crate) fn map_simple(kernel: &Kernel, mdl: u64, mode: u8) -> Outcome<u64> {
    map(kernel, mdl, mode, dxgk_abi::kernel::CachingType::CACHED.0, 0, 1, 0)
}

/// MmSizeOfMdl.
pub(crate) fn size(_kernel: &Kernel, va: u64, bytes: u64) -> Outcome<u64> {
    let pages = (va % PAGE_SIZE).saturating_add(bytes).div_ceil(PAGE_SIZE);
    Ok(HEADER.saturating_add(pages.saturating_mul(PFN_SIZE)))
}

/// MmProtectMdlSystemAddress: views stay readable and writable (our choice); an MDL without a mapping is refused.
pub(crate) fn protect(_kernel: &Kernel, mdl: u64, _protect: u32) -> Outcome<u32> {
    let header: Mdl = memory::read(mdl)?;
    let mapped = header.mdl_flags.contains(MdlFlags::MAPPED_TO_SYSTEM_VA);
    Ok(if mapped { NtStatus::SUCCESS } else { NtStatus(0xC000_0019) }.0)
}
