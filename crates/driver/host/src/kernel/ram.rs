//! What the kernel's routines need of the machine: frames of RAM, the file behind them, device memory.

use std::os::fd::BorrowedFd;

use dxgk_hw::{CacheType, CpuVa, PageRun, Pfn, PhysAddr, ViewOwner};

/// Where pool and contiguous memory come from. Wired to the memory manager's page database.
pub trait PoolPages: Send + Sync {
    /// `pages` physically contiguous frames anywhere, contents unspecified; `None` when there is no such run.
    fn take(&self, pages: u64) -> Option<PageRun>;

    /// `pages` contiguous frames in `lowest..=highest` that cross no multiple of `boundary` (bytes; 0: none matters).
    fn take_within(&self, pages: u64, lowest: PhysAddr, highest: PhysAddr, boundary: u64) -> Option<PageRun>;

    /// Keeps frames where they are, whoever owns them, until [`release`](Self::release); whether all of them can be kept.
    fn hold(&self, runs: &[PageRun]) -> bool;

    /// Undoes a [`hold`](Self::hold).
    fn release(&self, runs: &[PageRun]);

    /// Gives frames back; always a run, or a part of a run, that was taken here.
    fn give(&self, run: PageRun);
}

/// The sealed file that is the machine's RAM.
pub trait RamFile: Send + Sync {
    /// The file.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Where frame `pfn` lies in the file, in bytes; `None` when the frame is not RAM.
    fn file_offset(&self, pfn: Pfn) -> Option<u64>;
}

/// Device memory that drivers map themselves: MmMapIoSpace and its kin.
pub trait IoSpace: Send + Sync {
    /// Maps `bytes` of device memory from `base` (both as the driver gave them) for the kernel, or for a process, which is
    /// the current one; the address that stands for `base`. `None` when that is no device memory, or the host has no room.
    fn map(&self, base: PhysAddr, bytes: u64, cache: CacheType, owner: ViewOwner) -> Option<CpuVa>;

    /// Takes a mapping away, addresses as [`map`](Self::map) returned them.
    fn unmap(&self, va: CpuVa, bytes: u64);

    /// Another process is the current one now: what belongs to others is not there.
    fn enter_process(&self, process: u32);
}

/// Who brings pages back that were taken from under views.
pub trait Pager: Send + Sync {
    /// The page that holds `address` is to have a frame. Whether it has one now.
    fn page_in(&self, address: CpuVa) -> bool;

    /// As [`page_in`](Self::page_in), on behalf of ourselves, and perhaps in the midst of something: refused when it would
    /// have to wait.
    fn page_in_at_once(&self, address: CpuVa) -> bool;
}
