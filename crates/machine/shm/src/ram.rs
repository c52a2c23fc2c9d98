//! The machine's RAM.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use dxgk_hw::{MachineMemory, NotRam, PAGE_SIZE, PageRun, Pfn, PhysAddr, RamRange};

use crate::region::{Region, Rights};
use crate::words::{read_words, write_words};
use crate::{RamLayout, ShmError};

/// RAM in one sealed, sparse file: the ranges of a [`RamLayout`] stand in it one after the other without holes, so a
/// machine with RAM at 1 TiB needs no file that large, and untouched pages cost nothing.
///
/// Bytes are little-endian within words. Partial words are written by compare-and-exchange of the whole word, so
/// neighbouring bytes written by somebody else at the same time are never lost.
pub struct Ram {
    layout: RamLayout,
    /// Byte offset in the file of each range.
    offsets: Vec<u64>,
    file: OwnedFd,
    region: Region,
}

impl Ram {
    /// New RAM, all zeros.
    ///
    /// # Errors
    /// [`ShmError`] when the host has no address space or files for it.
    pub fn create(layout: &RamLayout) -> Result<Self, ShmError> {
        let (file, region) = Region::create("dxgk-ram", layout.total_bytes())?;
        Ok(Self::over(file, region, layout))
    }

    /// RAM that another [`Ram`] has made; `file` is a duplicate of its [`fd`](Self::fd).
    ///
    /// # Errors
    /// [`ShmError`] when the file is not sealed or does not fit the layout.
    pub fn from_fd(file: OwnedFd, layout: &RamLayout) -> Result<Self, ShmError> {
        let region = Region::open(&file, Rights::ReadWrite)?;
        let found = region.words().len() as u64 * 8;
        let expected = layout.total_bytes();
        if found != expected {
            return Err(ShmError::WrongSize { found, expected });
        }
        Ok(Self::over(file, region, layout))
    }

    fn over(file: OwnedFd, region: Region, layout: &RamLayout) -> Self {
        let offsets = layout.ranges().iter().scan(0, |next, range| {
            let offset = *next;
            *next += range.bytes;
            Some(offset)
        });
        Self { layout: layout.clone(), offsets: offsets.collect(), file, region }
    }

    /// The file, for mapping views of frames and for handing to another process. It is close-on-exec.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &RamLayout {
        &self.layout
    }

    /// The byte offset of a frame in the file, or `None` when the frame is not RAM. Frames that follow each other
    /// in one range do so in the file.
    #[must_use]
    pub fn file_offset(&self, frame: Pfn) -> Option<u64> {
        if frame.get() > u64::MAX / PAGE_SIZE {
            return None;
        }
        self.locate(frame.address()).map(|(offset, _)| offset)
    }

    /// The frame at a byte offset of the file: the inverse of [`file_offset`](Self::file_offset).
    #[must_use]
    pub fn frame_at(&self, file_offset: u64) -> Option<Pfn> {
        let index = self.offsets.partition_point(|start| *start <= file_offset).checked_sub(1)?;
        let range = self.layout.ranges().get(index)?;
        let within = file_offset - self.offsets.get(index)?;
        (within < range.bytes).then(|| PhysAddr::new(range.start.get() + within).page())
    }

    /// The address of the last byte of RAM.
    #[must_use]
    pub fn highest_physical_address(&self) -> PhysAddr {
        self.layout.highest_physical_address()
    }

    /// File offset of a byte, and how many bytes of its range are left from there (at least 1).
    fn locate(&self, at: PhysAddr) -> Option<(u64, u64)> {
        let ranges = self.layout.ranges();
        let index = ranges.partition_point(|range| range.start <= at).checked_sub(1)?;
        let range = ranges.get(index)?;
        let within = at.get() - range.start.get();
        let left = range.bytes.checked_sub(within).filter(|left| *left != 0)?;
        Some((self.offsets.get(index)? + within, left))
    }

    /// Splits `bytes` bytes from `at` at the ends of ranges and gives each piece (file offset, position, length).
    /// All of it is checked before the first piece is given.
    fn pieces(&self, at: PhysAddr, bytes: u64, mut visit: impl FnMut(u64, u64, u64)) -> Result<(), NotRam> {
        self.split(at, bytes, |_, _, _| ())?;
        self.split(at, bytes, &mut visit)
    }

    fn split(&self, at: PhysAddr, bytes: u64, mut visit: impl FnMut(u64, u64, u64)) -> Result<(), NotRam> {
        let mut done = 0;
        while done < bytes {
            let here = at.checked_add(done).ok_or(NotRam(at))?;
            let (offset, left) = self.locate(here).ok_or(NotRam(here))?;
            let length = left.min(bytes - done);
            visit(offset, done, length);
            done += length;
        }
        Ok(())
    }

    fn words(&self, offset: u64, bytes: u64) -> &[AtomicU64] {
        let first = (offset / 8) as usize;
        let end = offset.saturating_add(bytes).div_ceil(8) as usize;
        self.region.words().get(first..end).unwrap_or_default()
    }
}

impl MachineMemory for Ram {
    fn ranges(&self) -> &[RamRange] {
        self.layout.ranges()
    }

    fn live(&self, frame: Pfn) -> Option<&[AtomicU64; 512]> {
        let first = usize::try_from(self.file_offset(frame)? / 8).ok()?;
        self.region.words().get(first..first.checked_add(512)?)?.try_into().ok()
    }

    fn fill(&self, run: PageRun, pattern: u64) -> Result<(), NotRam> {
        let at = run.start.address();
        let beyond = run.start.get() > u64::MAX / PAGE_SIZE;
        let bytes = run.pages.checked_mul(PAGE_SIZE).filter(|_| !beyond).ok_or(NotRam(at))?;
        self.pieces(at, bytes, |offset, _, length| {
            self.words(offset, length).iter().for_each(|word| word.store(pattern, Ordering::Relaxed));
        })
    }

    fn read(&self, at: PhysAddr, out: &mut [u8]) -> Result<(), NotRam> {
        self.pieces(at, out.len() as u64, |offset, position, length| {
            let from = position as usize;
            if let Some(part) = out.get_mut(from..from + length as usize) {
                read_words(offset, self.words(offset, length), part);
            }
        })
    }

    fn write(&self, at: PhysAddr, bytes: &[u8]) -> Result<(), NotRam> {
        self.pieces(at, bytes.len() as u64, |offset, position, length| {
            let from = position as usize;
            if let Some(part) = bytes.get(from..from + length as usize) {
                write_words(offset, self.words(offset, length), part);
            }
        })
    }
}
