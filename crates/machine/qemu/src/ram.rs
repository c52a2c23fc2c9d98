//! Guest RAM as a shared file, and where the q35 machine puts it.
//!
//! Source for the layout: QEMU `hw/i386/pc_q35.c`, `pc_q35_init`: with 2.75 GiB or more, RAM is split at 2 GiB and
//! the rest begins at 4 GiB; with less, it is all below. The file is laid out without the hole.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use dxgk_hw::PhysAddr;
use dxgk_shm::Ram;

use crate::board::Board;
use crate::error::QemuError;

/// The machine's RAM, reachable by guest-physical address. Sparse: untouched pages read as zero and cost nothing.
#[derive(Debug)]
pub struct GuestRam {
    file: File,
    path: PathBuf,
    bytes: u64,
    ranges: Vec<(PhysAddr, u64)>,
}

impl GuestRam {
    pub(crate) fn create(path: &Path, bytes: u64, board: Board) -> Result<Self, QemuError> {
        if bytes == 0 || !bytes.is_multiple_of(2 << 20) {
            return Err(QemuError::Unsupported {
                what: "RAM size",
                value: bytes,
                limit: "a multiple of 2 MiB, not 0".to_owned(),
            });
        }
        let host =
            |source| QemuError::Host { what: "cannot make the RAM file", path: path.to_owned(), source };
        let file = File::options().read(true).write(true).create_new(true).open(path).map_err(host)?;
        file.set_len(bytes).map_err(host)?;
        Ok(Self { file, path: path.to_owned(), bytes, ranges: board.ranges(bytes) })
    }

    /// RAM of this process, which QEMU opens by the name that this process' descriptor has. The descriptor must stay
    /// open until QEMU has.
    pub(crate) fn of(ram: &Ram, board: Board) -> Result<Self, QemuError> {
        let ranges: Vec<_> = ram.layout().ranges().iter().map(|range| (range.start, range.bytes)).collect();
        let bytes = ram.layout().total_bytes();
        if ranges != board.ranges(bytes) || !bytes.is_multiple_of(2 << 20) {
            return Err(QemuError::Unsupported {
                what: "RAM layout of bytes",
                value: bytes,
                limit: format!("{board:?} has them at {:x?}", board.ranges(bytes)),
            });
        }
        let fd = ram.fd().try_clone_to_owned();
        let path = PathBuf::from("/proc/self/fd");
        let fd = fd.map_err(|source| QemuError::Host { what: "cannot share the RAM", path, source })?;
        let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd()));
        Ok(Self { file: File::from(fd), path, bytes, ranges })
    }

    /// What QEMU opens.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of RAM.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file, laid out without the holes between the ranges, for those who want to map it. It has no name any more.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The ranges of guest-physical addresses that are RAM, as (start, bytes), lowest first.
    #[must_use]
    pub fn ranges(&self) -> &[(PhysAddr, u64)] {
        &self.ranges
    }

    /// Fills `into` from guest-physical `physical` on.
    ///
    /// # Errors
    /// [`QemuError::NotRam`] if the range is not wholly inside one range of RAM, [`QemuError::Host`] for file errors.
    pub fn read(&self, physical: PhysAddr, into: &mut [u8]) -> Result<(), QemuError> {
        let at = self.file_offset(physical, into.len() as u64)?;
        self.file.read_exact_at(into, at).map_err(|source| self.host("cannot read the RAM file", source))
    }

    /// Puts `bytes` at guest-physical `physical`.
    ///
    /// # Errors
    /// As [`GuestRam::read`].
    pub fn write(&self, physical: PhysAddr, bytes: &[u8]) -> Result<(), QemuError> {
        let at = self.file_offset(physical, bytes.len() as u64)?;
        self.file.write_all_at(bytes, at).map_err(|source| self.host("cannot write the RAM file", source))
    }

    fn host(&self, what: &'static str, source: io::Error) -> QemuError {
        QemuError::Host { what, path: self.path.clone(), source }
    }

    fn file_offset(&self, physical: PhysAddr, length: u64) -> Result<u64, QemuError> {
        let mut file_start = 0;
        for &(start, bytes) in self.ranges() {
            if let Some(within) = physical.get().checked_sub(start.get())
                && within.checked_add(length).is_some_and(|end| end <= bytes)
            {
                return Ok(file_start + within);
            }
            file_start += bytes;
        }
        let layout: Vec<String> =
            self.ranges().iter().map(|(start, bytes)| format!("{start}+{bytes:#x}")).collect();
        Err(QemuError::NotRam { physical, length, layout: layout.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;
    const SPLIT_FROM: u64 = 0xb000_0000;

    fn ram(bytes: u64) -> (tempfile::TempDir, GuestRam) {
        let folder = tempfile::tempdir().unwrap();
        let ram = GuestRam::create(&folder.path().join("ram"), bytes, Board::Q35).unwrap();
        (folder, ram)
    }

    #[test]
    fn large_ram_is_split_around_the_hole_below_4_gib() {
        let (_folder, ram) = ram(8 * GIB);
        assert_eq!(ram.file_offset(PhysAddr::new(2 * GIB - 8), 8).unwrap(), 2 * GIB - 8);
        assert_eq!(ram.file_offset(PhysAddr::new(4 * GIB), 8).unwrap(), 2 * GIB);
        assert_eq!(ram.file_offset(PhysAddr::new(10 * GIB - 8), 8).unwrap(), 8 * GIB - 8);
        for outside in [2 * GIB - 7, 2 * GIB, 3 * GIB, 4 * GIB - 8, 10 * GIB - 7, u64::MAX] {
            assert!(
                matches!(ram.file_offset(PhysAddr::new(outside), 8), Err(QemuError::NotRam { .. })),
                "{outside:#x}"
            );
        }
    }

    #[test]
    fn small_ram_is_one_range() {
        let (_folder, ram) = ram(SPLIT_FROM - (2 << 20));
        assert_eq!(ram.ranges(), [(PhysAddr::new(0), SPLIT_FROM - (2 << 20))]);
        assert_eq!(ram.file_offset(PhysAddr::new(2 * GIB), 8).unwrap(), 2 * GIB);
    }

    #[test]
    fn what_was_written_is_read_back_and_the_rest_is_zero() {
        let (_folder, ram) = ram(8 * GIB);
        ram.write(PhysAddr::new(5 * GIB), b"tag").unwrap();
        let mut back = [1; 4];
        ram.read(PhysAddr::new(5 * GIB), &mut back).unwrap();
        assert_eq!(&back, b"tag\0");
    }
}
