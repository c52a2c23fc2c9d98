//! A sealed memfd, mapped whole.
//!
//! All unsafe code of the crate is here. The rest of the crate sees a region as a slice of atomics, whose lifetime
//! is that of the region; the seals make sure that the file keeps the size that was mapped.
//!
//! A page that was never touched costs nothing (`MAP_NORESERVE`, and a memfd is sparse). When the host runs out of
//! memory the kernel ends the process with SIGBUS at the first touch of a page; there is no way to be told earlier
//! without paying for all pages.

#![expect(unsafe_code, reason = "mapping a file is the one thing that shared memory cannot be had without")]

use std::ffi::c_void;
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::ShmError;

/// May this process write the region?
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    ReadOnly,
    ReadWrite,
}

/// A mapped file of a fixed size, a multiple of 4096 and not 0. The mapping does not need the file to stay open: who
/// has no use for it closes it, as a sealed process cannot close anything any more.
pub(crate) struct Region {
    base: NonNull<c_void>,
    bytes: usize,
}

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW);

impl Region {
    /// A new region of `bytes` zero bytes, and its file, which is close-on-exec.
    pub(crate) fn create(name: &str, bytes: u64) -> Result<(OwnedFd, Self), ShmError> {
        let failed =
            |step| move |error: rustix::io::Errno| ShmError::Host { step, bytes, source: error.into() };
        let file =
            memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).map_err(failed("create"))?;
        ftruncate(&file, bytes).map_err(failed("size"))?;
        fcntl_add_seals(&file, SEALS | SealFlags::SEAL).map_err(failed("seal"))?;
        let region = Self::map(&file, bytes, Rights::ReadWrite)?;
        Ok((file, region))
    }

    /// Maps a region that another process, or another user in this one, has made.
    pub(crate) fn open(file: &OwnedFd, rights: Rights) -> Result<Self, ShmError> {
        let failed =
            |step| move |error: rustix::io::Errno| ShmError::Host { step, bytes: 0, source: error.into() };
        let seals = fcntl_get_seals(file).map_err(failed("ask the seals of"))?;
        if !seals.contains(SEALS) {
            return Err(ShmError::NotSealed);
        }
        let stat = fstat(file).map_err(failed("ask the size of"))?;
        let bytes = u64::try_from(stat.st_size).unwrap_or(0);
        Self::map(file, bytes, rights)
    }

    fn map(file: &OwnedFd, bytes: u64, rights: Rights) -> Result<Self, ShmError> {
        let len = usize::try_from(bytes).ok().filter(|len| *len != 0 && len.is_multiple_of(4096));
        let Some(len) = len.filter(|len| isize::try_from(*len).is_ok()) else {
            return Err(ShmError::BadSize(bytes));
        };
        let protection = match rights {
            Rights::ReadOnly => ProtFlags::READ,
            Rights::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        };
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: mmap must not replace a mapping that is in use: the address hint is null and MAP_FIXED is not
        // given, so the kernel chooses addresses that nothing else occupies.
        let base = unsafe { mmap(std::ptr::null_mut(), len, protection, flags, file, 0) };
        let base = base.map_err(|error| ShmError::Host { step: "map", bytes, source: error.into() })?;
        let base = NonNull::new(base).ok_or_else(|| ShmError::Host {
            step: "map",
            bytes,
            source: io::Error::other("mapped at address 0"),
        })?;
        Ok(Self { base, bytes: len })
    }

    /// The region as 8-byte words. Words of a region opened read-only must only be loaded; the users of this
    /// module that open one so ([`crate::ArenaReader`]) have no code that stores.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        let words = self.base.cast::<AtomicU64>().as_ptr();
        // SAFETY: from_raw_parts needs `bytes / 8` valid, aligned, initialised elements for the lifetime returned:
        // the mapping is page-aligned, `bytes` long, lives until `self` is dropped, its file cannot shrink (sealed)
        // and reads as zeros where never written; any bit pattern is an AtomicU64. No `&mut` or plain reference to
        // these bytes is ever made; what other processes do to them is what atomics are for.
        unsafe { std::slice::from_raw_parts(words, self.bytes / 8) }
    }

    /// The 4-byte word at word index `index` (offset `4 * index`), for futexes. A place that is used through this
    /// is never used through [`words`](Self::words).
    pub(crate) fn half(&self, index: usize) -> Option<&AtomicU32> {
        if index >= self.bytes / 4 {
            return None;
        }
        // SAFETY: `add` must stay inside one allocation: `index` was just checked against the mapping's length.
        let half = unsafe { self.base.cast::<AtomicU32>().add(index) };
        // SAFETY: `as_ref` needs a valid, aligned, initialised AtomicU32 for the lifetime returned: see `words`; a
        // multiple of 4 from a page-aligned base is aligned.
        Some(unsafe { half.as_ref() })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: nothing may use the range afterwards: every reference into it borrows `self`, which ends here, and
        // base and length are those of the one mmap that made it.
        let unmapped = unsafe { munmap(self.base.as_ptr(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "munmap of a whole mapping");
    }
}

// SAFETY: `Send` needs that the region may be used and dropped on another thread: a mapping belongs to the process,
// not to a thread, and the file descriptor likewise.
unsafe impl Send for Region {}
// SAFETY: `Sync` needs that `&Region` may be used by several threads: everything reachable through it is atomic.
unsafe impl Sync for Region {}
