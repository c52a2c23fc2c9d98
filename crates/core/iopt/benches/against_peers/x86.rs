//! page_table_multiarch, with x86-64's entries: those of VT-d's first stage.

use std::sync::Mutex;
use std::time::Duration;

use dxgk_hw::PAGE_SIZE;
use memory_addr::{PhysAddr, VirtAddr};
use page_table_entry::MappingFlags;
use page_table_entry::x86_64::X64PTE;
use page_table_multiarch::{PageTable64, PagingHandler, PagingMetaData};

use super::{AT, Case, Contender, measured};

/// x86-64's shape, without the instruction that flushes the CPU's own TLB.
struct Shape;

impl PagingMetaData for Shape {
    const LEVELS: usize = 4;
    const PA_MAX_BITS: usize = 52;
    const VA_MAX_BITS: usize = 48;
    type VirtAddr = VirtAddr;

    fn flush_tlb(_address: Option<VirtAddr>) {}
}

#[repr(align(4096))]
struct Frame(#[expect(dead_code, reason = "reached by its address only")] [u64; 512]);

/// Frames by their address; once made, kept for ever.
struct Pool;

static FREE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

impl PagingHandler for Pool {
    fn alloc_frames(num: usize, _align: usize) -> Option<PhysAddr> {
        assert_eq!(num, 1, "tables of one frame");
        let free = FREE.lock().ok()?.pop();
        let frame = free.unwrap_or_else(|| {
            std::ptr::from_mut::<Frame>(Box::leak(Box::new(Frame([0; 512])))).expose_provenance()
        });
        Some(PhysAddr::from(frame))
    }

    fn dealloc_frames(frame: PhysAddr, _num: usize) {
        if let Ok(mut free) = FREE.lock() {
            free.push(frame.into());
        }
    }

    fn phys_to_virt(frame: PhysAddr) -> VirtAddr {
        VirtAddr::from(usize::from(frame))
    }
}

pub(crate) struct Multiarch {
    table: Option<PageTable64<Shape, X64PTE, Pool>>,
}

impl Multiarch {
    pub(crate) fn new() -> Self {
        Self { table: None }
    }
}

fn start() -> VirtAddr {
    VirtAddr::from((AT * PAGE_SIZE) as usize)
}

impl Contender for Multiarch {
    fn name(&self) -> &'static str {
        "page_table_multiarch"
    }

    /// Into a tree without tables, as ours is after the giving back.
    fn map(&mut self, case: &Case) -> Duration {
        self.table = None;
        let mut table = PageTable64::try_new().expect("a root");
        let time = measured(|| {
            let size = (case.pages * PAGE_SIZE) as usize;
            let frame = |at: VirtAddr| {
                let page = usize::from(at) as u64 / PAGE_SIZE - AT;
                let frame = match case.runs.as_slice() {
                    [run] => run.start.get() + page,
                    runs => runs[page as usize].start.get(),
                };
                PhysAddr::from((frame * PAGE_SIZE) as usize)
            };
            let flags = MappingFlags::READ | MappingFlags::USER;
            table.cursor().map_region(start(), frame, size, flags, case.large).expect("it is free");
        });
        self.table = Some(table);
        time
    }

    fn unmap(&mut self, case: &Case) -> Option<Duration> {
        let table = self.table.as_mut()?;
        Some(measured(|| {
            let size = (case.pages * PAGE_SIZE) as usize;
            table.cursor().unmap_region(start(), size).expect("it is mapped");
        }))
    }
}
