//! ExAllocatePool2, ExAllocatePoolWithTag, ExFreePool and ExFreePoolWithTag as drivers call them.

use dxgk_abi::kernel::{PoolFlags, PoolType};
use dxgk_abi::{Irql, NtStatus};
use dxgk_event::{Event, ListRef, Misuse, MisuseKind, ObjectKind, ObjectStep};
use dxgk_hw::{CacheType, CpuVa, PAGE_SIZE};

use super::pool::{Freed, LateWrite, Request};
use super::space::lock;
use super::state::{Kernel, ObjectNote};
use super::structures::Content;
use super::trouble::{Outcome, Trouble};

/// Flags in the low half that ExAllocatePool2 knows; any other there makes it fail, those in the high half are optional.
const KNOWN_FLAGS: u64 = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100;

fn allocate(kernel: &Kernel, request: Request) -> Outcome<u64> {
    if request.paged {
        // Which of the routines it was makes no difference to the rule.
        const NUMBER: u16 = super::exports::index_of("ExAllocatePoolWithTag");
        kernel.check_level(NUMBER, Irql::APC_LEVEL);
    }
    let object = kernel.number_object();
    let Some(va) = lock(&kernel.pool).allocate(request, object)? else { return Ok(0) };
    let pages = (va % PAGE_SIZE + request.bytes.max(1)).div_ceil(PAGE_SIZE);
    let runs = kernel.space.with_map(|map| map.frames(CpuVa::new(va), pages)).unwrap_or_default();
    kernel.record_object(ObjectNote {
        kind: ObjectKind::Pool,
        step: ObjectStep::Created,
        object,
        handle: va,
        va,
        bytes: request.bytes,
        pages: kernel.list_runs(&runs),
        cache: CacheType::Cached,
        flags: u8::from(request.paged),
    });
    Ok(va)
}

/// ExAllocatePool2.
pub(crate) fn allocate2(kernel: &Kernel, flags: u64, bytes: u64, tag: u32) -> Outcome<u64> {
    let known = PoolFlags(flags);
    let kinds = [PoolFlags::NON_PAGED, PoolFlags::NON_PAGED_EXECUTE, PoolFlags::PAGED];
    let chosen = kinds.into_iter().filter(|kind| known.contains(*kind)).count();
    let raises = known.contains(PoolFlags::RAISE_ON_FAILURE);
    let mut va = 0;
    if chosen == 1 && flags & 0xffff_ffff & !KNOWN_FLAGS == 0 {
        let request = Request {
            bytes,
            tag,
            zeroed: !known.contains(PoolFlags::UNINITIALIZED),
            cache_aligned: known.contains(PoolFlags::CACHE_ALIGNED),
            paged: known.contains(PoolFlags::PAGED),
        };
        va = allocate(kernel, request)?;
    } else if raises {
        return Err(Trouble::Raise(NtStatus::INVALID_PARAMETER));
    }
    if va == 0 && raises {
        return Err(Trouble::Raise(NtStatus::INSUFFICIENT_RESOURCES));
    }
    Ok(va)
}

/// ExAllocatePoolWithTag.
pub(crate) fn allocate_with_tag(kernel: &Kernel, pool: u32, bytes: u64, tag: u32) -> Outcome<u64> {
    let paged = pool & PoolType::PAGED_POOL.0 != 0;
    let cache_aligned = pool & PoolType::NON_PAGED_POOL_CACHE_ALIGNED.0 != 0;
    allocate(kernel, Request { bytes, tag, zeroed: false, cache_aligned, paged })
}

/// ExAllocatePool: without a tag, which Windows then sets to "None".
pub(crate) fn allocate_untagged(kernel: &Kernel, pool: u32, bytes: u64) -> Outcome<u64> {
    allocate_with_tag(kernel, pool, bytes, u32::from_le_bytes(*b"None"))
}

/// ExAllocatePool3: the extended parameters say what makes no difference here (priority, quota, preferred node).
pub(crate) fn allocate3(
    kernel: &Kernel,
    flags: u64,
    bytes: u64,
    tag: u32,
    _parameters: u64,
    _count: u32,
) -> Outcome<u64> {
    allocate2(kernel, flags, bytes, tag)
}

/// ExAllocatePoolWithQuotaTag: raises when memory is short, unless POOL_QUOTA_FAIL_INSTEAD_OF_RAISE (8) is given.
pub(crate) fn allocate_with_quota(kernel: &Kernel, pool: u32, bytes: u64, tag: u32) -> Outcome<u64> {
    const FAIL_INSTEAD_OF_RAISE: u32 = 8;
    let va = allocate_with_tag(kernel, pool & !FAIL_INSTEAD_OF_RAISE, bytes, tag)?;
    if va == 0 && pool & FAIL_INSTEAD_OF_RAISE == 0 {
        return Err(Trouble::Raise(NtStatus::INSUFFICIENT_RESOURCES));
    }
    Ok(va)
}

/// ExAllocatePoolWithTagPriority.
pub(crate) fn allocate_with_priority(
    kernel: &Kernel,
    pool: u32,
    bytes: u64,
    tag: u32,
    _priority: u32,
) -> Outcome<u64> {
    allocate_with_tag(kernel, pool, bytes, tag)
}

/// ExFreePool2.
pub(crate) fn free2(kernel: &Kernel, va: u64, tag: u32, _parameters: u64, _count: u32) -> Outcome<()> {
    free_with_tag(kernel, va, tag)
}

/// ExFreePoolWithTag.
pub(crate) fn free_with_tag(kernel: &Kernel, va: u64, tag: u32) -> Outcome<()> {
    if lock(&kernel.structures).release(va, Content::PageList) {
        // The MDL of MmAllocatePagesForMdl; pages that were not freed before stay taken, as on Windows.
        return Ok(());
    }
    let Freed { block, late, wrong } = lock(&kernel.pool).free(va, tag)?;
    let object_inside =
        kernel.kernel_objects_in(va, block.bytes).or_else(|| kernel.work_item_in(va, block.bytes));
    kernel.record_object(ObjectNote {
        kind: ObjectKind::Pool,
        step: ObjectStep::Released,
        object: block.object,
        handle: va,
        va,
        bytes: block.bytes,
        pages: ListRef::default(),
        cache: CacheType::Cached,
        flags: u8::from(block.paged),
    });
    kernel.report_late_writes(&late);
    wrong.or(object_inside).map_or(Ok(()), Err)
}

/// ExFreePool.
pub(crate) fn free(kernel: &Kernel, va: u64) -> Outcome<()> {
    free_with_tag(kernel, va, 0)
}

impl Kernel {
    /// Says that freed blocks were written to: the pool's view of them was gone.
    pub(crate) fn report_late_writes(&self, late: &[LateWrite]) {
        for write in late {
            self.events.emit(&Event::Misuse(Misuse {
                va: write.va,
                object: write.object,
                offset: write.offset,
                kind: MisuseKind::ViewAfterUnmap,
                write: 1,
                reserved: [0; 6],
            }));
        }
    }
}
