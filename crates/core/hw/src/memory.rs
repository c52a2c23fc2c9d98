//! Machine memory: the frames that tables and buffers live in.
//!
//! There is one door to a frame, [`MachineMemory::live`], and it gives atomics: the CPU, the driver and devices
//! may all reach the same words at any time, so no caller could keep the promise that an `&mut` makes. Relaxed
//! atomic stores cost what plain stores cost; bulk work goes through [`MachineMemory::fill`] and the copies.

use core::sync::atomic::AtomicU64;

use crate::{Pfn, PhysAddr};

/// A run of physically contiguous frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct PageRun {
    /// First frame.
    pub start: Pfn,
    /// Number of 4 KiB frames; a run of 0 frames is never stored.
    pub pages: u64,
}

impl PageRun {
    /// A run of `pages` frames from `start`.
    #[must_use]
    pub const fn new(start: Pfn, pages: u64) -> Self {
        Self { start, pages }
    }
}

/// Frames in all of `runs` together.
#[must_use]
pub fn total_pages(runs: &[PageRun]) -> u64 {
    runs.iter().fold(0u64, |sum, run| sum.saturating_add(run.pages))
}

/// A range of installed RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RamRange {
    /// First byte, page-aligned.
    pub start: PhysAddr,
    /// Length in bytes, a multiple of the page size, never 0.
    pub bytes: u64,
    /// NUMA node.
    pub node: u32,
}

/// The address is not installed RAM (a hole, a device range, or past the end).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotRam(pub PhysAddr);

/// Installed RAM, by physical address. Whatever is not RAM is refused, never invented.
pub trait MachineMemory: Send + Sync {
    /// The installed ranges, ascending and disjoint.
    fn ranges(&self) -> &[RamRange];

    /// The 512 words of a frame, or `None` when the frame is not RAM.
    fn live(&self, frame: Pfn) -> Option<&[AtomicU64; 512]>;

    /// Writes `pattern` to every 8-byte word of the run.
    ///
    /// # Errors
    /// [`NotRam`] with the first byte that is not RAM; then nothing was written.
    fn fill(&self, run: PageRun, pattern: u64) -> Result<(), NotRam>;

    /// Copies RAM out, from `at`, any alignment.
    ///
    /// # Errors
    /// [`NotRam`] when any byte is not RAM; `out` is then unspecified.
    fn read(&self, at: PhysAddr, out: &mut [u8]) -> Result<(), NotRam>;

    /// Copies `bytes` into RAM at `at`, any alignment.
    ///
    /// # Errors
    /// [`NotRam`] when any byte is not RAM; then nothing was written.
    fn write(&self, at: PhysAddr, bytes: &[u8]) -> Result<(), NotRam>;
}

/// Where page-table pages come from and go back to.
pub trait FrameSource: Send + Sync {
    /// A zeroed frame, or `None` when memory is short.
    fn take_frame(&self) -> Option<Pfn>;

    /// Gives a frame back. The caller promises that nothing, no cache of a unit included, refers to it.
    fn give_frame(&self, frame: Pfn);

    /// `frames` zeroed frames in a row, the first on a multiple of `frames`, which is a power of two; `None` when
    /// memory is short. Tables of 16 and 64 KiB are such. A source that gives single frames only need not provide
    /// it.
    fn take_run(&self, frames: u64) -> Option<Pfn> {
        if frames == 1 { self.take_frame() } else { None }
    }

    /// Gives a run back, under the same promise.
    fn give_run(&self, first: Pfn, frames: u64) {
        for nth in 0..frames {
            if let Some(frame) = first.checked_add(nth) {
                self.give_frame(frame);
            }
        }
    }
}
