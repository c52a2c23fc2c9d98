//! Driver memory in which the arguments of a DDI call lie.

use dxgk_hw::PAGE_SIZE;
use zerocopy::{Immutable, IntoBytes};

use crate::guarded;

/// Bytes of driver memory for the arguments of one DDI call.
pub(super) const SCRATCH_BYTES: u64 = 16 * PAGE_SIZE;

/// Driver memory that one DDI call after the other uses.
pub(super) struct Scratch {
    base: u64,
    used: u64,
}

impl Scratch {
    /// The memory at `base`, all of it free.
    pub(super) fn new(base: u64) -> Self {
        Self { base, used: 0 }
    }

    /// Frees all of it.
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// Room for `bytes` bytes, zeroed, 16-byte aligned.
    pub(super) fn take(&mut self, bytes: usize) -> Option<u64> {
        let at = self.base.checked_add(self.used)?;
        let room = (bytes as u64).checked_next_multiple_of(16)?;
        let used = self.used.checked_add(room).filter(|used| *used <= SCRATCH_BYTES)?;
        guarded::write(at, &vec![0; bytes]).ok()?;
        self.used = used;
        Some(at)
    }

    pub(super) fn put<T: IntoBytes + Immutable>(&mut self, value: &T) -> Option<u64> {
        let at = self.take(size_of::<T>())?;
        guarded::write_struct(at, value).ok()?;
        Some(at)
    }

    pub(super) fn put_bytes(&mut self, bytes: &[u8]) -> Option<u64> {
        let at = self.take(bytes.len())?;
        guarded::write(at, bytes).ok()?;
        Some(at)
    }
}
