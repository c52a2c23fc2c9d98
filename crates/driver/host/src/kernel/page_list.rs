//! Pages without an address: MmAllocatePagesForMdl(Ex) and MmFreePagesFromMdl.
//!
//! Documents: the wdm.h pages of these routines. What was given out is remembered here; the list in the MDL is the driver's to
//! read. The MDL itself is freed with ExFreePool, as the page says.

use dxgk_abi::mdl::{Mdl, PFN_SIZE};
use dxgk_abi::{BugCheck, MdlFlags};
use dxgk_event::{ListRef, ObjectKind, ObjectStep};
use dxgk_hw::{CpuVa, NoRoom, PAGE_SIZE, PageRun, PhysAddr, total_pages};

use super::address_map::RangeUse;
use super::mdl::{self, HEADER};
use super::memory;
use super::mm::cache_type;
use super::space::lock;
use super::state::{Kernel, ObjectNote};
use super::structures::Content;
use super::trouble::{Outcome, misuse};
use crate::layout::Purpose;

/// MM_DONT_ZERO_ALLOCATION, MM_ALLOCATE_FULLY_REQUIRED, MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS (abi.md).
const DO_NOT_ZERO: u32 = 1;
const FULLY_REQUIRED: u32 = 4;
const CONTIGUOUS_CHUNKS: u32 = 0x20;
/// Longest list: an MDL's byte count has 32 bits.
const MOST_PAGES: u64 = (u32::MAX as u64) / PAGE_SIZE;

/// The pages of an MDL that was made here.
#[derive(Clone, Debug)]
pub(crate) struct PageList {
    object: u64,
    runs: Vec<PageRun>,
}

/// Where pages may lie.
struct Wanted {
    lowest: u64,
    highest: u64,
    /// Bytes from one range to the next; 0: there is only the one.
    skip: u64,
    pages: u64,
    flags: u32,
}

/// MmAllocatePagesForMdl: zeroed, as many as there are.
pub(crate) fn allocate(kernel: &Kernel, lowest: u64, highest: u64, skip: u64, bytes: u64) -> Outcome<u64> {
    allocate_ex(kernel, lowest, highest, skip, bytes, 1, 0)
}

/// MmAllocatePagesForMdlEx: the MDL, 0 when there are no pages (or not all, when all are required).
pub(crate) fn allocate_ex(
    kernel: &Kernel,
    lowest: u64,
    highest: u64,
    skip: u64,
    bytes: u64,
    cache: u32,
    flags: u32,
) -> Outcome<u64> {
    let pages = bytes.div_ceil(PAGE_SIZE);
    if pages == 0 || pages > MOST_PAGES {
        return Ok(0);
    }
    let runs = kernel.take_pages(&Wanted { lowest, highest, skip, pages, flags });
    let found = total_pages(&runs);
    let give_all = |runs: &[PageRun]| runs.iter().for_each(|run| kernel.pages.give(*run));
    if found == 0 || (flags & FULLY_REQUIRED != 0 && found < pages) {
        give_all(&runs);
        return Ok(0);
    }
    if flags & DO_NOT_ZERO == 0 && !kernel.zero(&runs)? {
        give_all(&runs);
        return Ok(0);
    }
    let at = kernel.describe(&runs, cache)?;
    if at == 0 {
        give_all(&runs);
    }
    Ok(at)
}

/// MmFreePagesFromMdl. The MDL stays.
pub(crate) fn free(kernel: &Kernel, at: u64) -> Outcome<()> {
    let Some(list) = lock(&kernel.page_lists).remove(&at) else {
        return misuse(BugCheck::MEMORY_MANAGEMENT, [0, at, 0, 0]);
    };
    list.runs.iter().for_each(|run| kernel.pages.give(*run));
    kernel.record_object(ObjectNote {
        kind: ObjectKind::MmMemory,
        step: ObjectStep::Released,
        object: list.object,
        handle: at,
        va: 0,
        bytes: total_pages(&list.runs) * PAGE_SIZE,
        pages: ListRef::default(),
        cache: dxgk_hw::CacheType::Cached,
        flags: 0,
    });
    let mut header: Mdl = memory::read(at)?;
    header.mdl_flags -= MdlFlags::PAGES_LOCKED;
    memory::write(at, &header)
}

impl Kernel {
    /// An MDL of pages as MmAllocatePagesForMdlEx makes it; 0 without room for it.
    fn describe(&self, runs: &[PageRun], cache: u32) -> Outcome<u64> {
        let found = total_pages(runs);
        let size = HEADER + found * PFN_SIZE;
        let Some(at) = lock(&self.structures).allocate(size, Content::PageList)? else { return Ok(0) };
        let header = Mdl {
            size: mdl::size_field(found),
            mdl_flags: MdlFlags::PAGES_LOCKED,
            byte_count: (found * PAGE_SIZE) as u32,
            ..Mdl::default()
        };
        memory::write(at, &header)?;
        mdl::write_pages(at, runs)?;
        let object = self.number_object();
        self.record_object(ObjectNote {
            kind: ObjectKind::MmMemory,
            step: ObjectStep::Created,
            object,
            handle: at,
            va: 0,
            bytes: found * PAGE_SIZE,
            pages: self.list_runs(runs),
            cache: cache_type(cache),
            flags: 0,
        });
        lock(&self.page_lists).insert(at, PageList { object, runs: runs.to_vec() });
        Ok(at)
    }

    /// An MDL of pages that are the driver's to free from now on, with MmFreePagesFromMdl and ExFreePool.
    pub(crate) fn adopt_pages(&self, runs: &[PageRun]) -> Result<u64, NoRoom> {
        let cached = dxgk_abi::kernel::CachingType::CACHED.0;
        self.describe(runs, cached).ok().filter(|at| *at != 0).ok_or(NoRoom)
    }

    /// Takes an MDL back that the driver did not want; the pages are the caller's again.
    pub(crate) fn disown_pages(&self, at: u64) {
        let Some(list) = lock(&self.page_lists).remove(&at) else { return };
        lock(&self.structures).release(at, Content::PageList);
        self.record_object(ObjectNote {
            kind: ObjectKind::MmMemory,
            step: ObjectStep::Released,
            object: list.object,
            handle: at,
            va: 0,
            bytes: total_pages(&list.runs) * PAGE_SIZE,
            pages: ListRef::default(),
            cache: dxgk_hw::CacheType::Cached,
            flags: 0,
        });
    }

    /// Pages from the ranges, in as long runs as there are, fewer than wanted when there are no more.
    fn take_pages(&self, wanted: &Wanted) -> Vec<PageRun> {
        let mut runs = Vec::new();
        let (mut low, mut high) = (wanted.lowest, wanted.highest);
        let mut left = wanted.pages;
        // Contiguous chunks are whole multiples of `skip`; without it the one chunk is everything.
        let contiguous = wanted.flags & CONTIGUOUS_CHUNKS != 0;
        let chunk = if contiguous && wanted.skip >= PAGE_SIZE { wanted.skip / PAGE_SIZE } else { left };
        let mut step = if contiguous { chunk } else { left };
        while left > 0 {
            step = step.min(left);
            match self.pages.take_within(step, PhysAddr::new(low), PhysAddr::new(high), 0) {
                Some(run) => {
                    runs.push(run);
                    left -= step;
                }
                None if step > 1 && !contiguous => step /= 2,
                None => {
                    let moved = (wanted.skip != 0 && !contiguous)
                        .then(|| Some((low.checked_add(wanted.skip)?, high.checked_add(wanted.skip)?)))
                        .flatten();
                    // No RAM lies above 2^52 on this architecture.
                    let Some(next) = moved.filter(|(low, _)| *low < 1 << 52) else { break };
                    (low, high) = next;
                    step = left;
                }
            }
        }
        runs
    }

    /// Zeroes frames through a view of the host's own; `false` when there is no room for one.
    fn zero(&self, runs: &[PageRun]) -> Outcome<bool> {
        for run in runs {
            let Ok(view) = self.space.map_ram(Purpose::Views, RangeUse::View, &[*run]) else {
                return Ok(false);
            };
            memory::fill(view.get(), run.pages * PAGE_SIZE, 0)?;
            self.space.unmap(CpuVa::new(view.get()));
        }
        Ok(true)
    }
}
