//! Whether a device is in its slot.

use std::sync::atomic::{AtomicU8, Ordering};

const HERE: u8 = 0;
const LEAVING: u8 = 1;
const GONE: u8 = 2;

/// A device's presence, which its function and its way to memory share. Nothing comes back.
#[derive(Debug, Default)]
pub(crate) struct Presence(AtomicU8);

impl Presence {
    /// The device goes at once.
    pub(crate) fn leave(&self) {
        self.0.store(GONE, Ordering::Release);
    }

    /// The device goes in the middle of its next transfer.
    pub(crate) fn leave_in_transfer(&self) {
        // One that is gone stays so.
        let _ = self.0.compare_exchange(HERE, LEAVING, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.load(Ordering::Acquire) == GONE
    }

    /// How many of a transfer's bytes come about: all of them, the first half as the device goes, or none.
    pub(crate) fn transferred(&self, bytes: u64) -> u64 {
        match self.0.compare_exchange(LEAVING, GONE, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => bytes / 2,
            Err(HERE) => bytes,
            Err(_) => 0,
        }
    }
}
