//! The device's end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::machine::{INTO_MEMORY, decode};
use super::{
    ADDRESS, ANSWER, ANSWERED, ASKED, Access, DEVICE_SIGNAL, DONE, GONE, INTERRUPTS, LENGTH, LOOK_AGAIN,
    Link, MACHINE_SIGNAL, MADE, TRANSFER_BYTES, Transfer, WANTED, WAY,
};
use crate::ShmError;

/// The device's end: answers accesses, asks for transfers, signals interrupts. One thread takes accesses, one (the same
/// or another) makes transfers; the machine's process is not trusted.
///
/// Dropping it tells the machine that the device is gone.
pub struct DeviceEnd {
    file: OwnedFd,
    link: Link,
    /// The last access that was taken.
    taken: AtomicU64,
    wanted: AtomicU64,
    interrupts: AtomicU64,
}

impl DeviceEnd {
    /// A new link.
    ///
    /// # Errors
    /// [`ShmError`].
    pub fn create() -> Result<Self, ShmError> {
        let (file, link) = Link::create()?;
        let (taken, wanted, interrupts) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Ok(Self { file, link, taken, wanted, interrupts })
    }

    /// The file, for handing to the machine's process. It is close-on-exec.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The machine's end in this process.
    ///
    /// # Errors
    /// [`ShmError`].
    pub fn machine_end(&self) -> Result<super::MachineEnd, ShmError> {
        let file = self.file.try_clone().map_err(|source| ShmError::Host {
            step: "share",
            bytes: super::LINK_BYTES,
            source,
        })?;
        super::MachineEnd::from_fd(file)
    }

    /// The next access, waiting for it up to `patience`. It is to be answered before the next is taken. What is no
    /// access is answered with all ones here.
    pub fn next_access(&self, patience: Duration) -> Option<Access> {
        let taken = self.taken.load(Ordering::Relaxed);
        let asked = || self.link.word(ASKED).load(Ordering::Acquire);
        if asked() == taken {
            self.link.sleep(MACHINE_SIGNAL, patience, || asked() != taken);
        }
        let number = asked();
        if number == taken {
            return None;
        }
        self.taken.store(number, Ordering::Relaxed);
        let access = decode(&self.link);
        if access.is_none() {
            self.answer(u64::MAX);
        }
        access
    }

    /// Answers the access that was taken last.
    pub fn answer(&self, value: u64) {
        self.link.store(ANSWER, value);
        self.link.publish(ANSWERED, self.taken.load(Ordering::Relaxed), DEVICE_SIGNAL);
    }

    /// Has the machine make a transfer of up to [`TRANSFER_BYTES`] (what is longer is cut off) and waits for it: bytes
    /// that went through. Nothing when `give_up` said so, which is asked now and then.
    pub fn transfer(&self, address: u64, transfer: Transfer<'_>, give_up: impl Fn() -> bool) -> Option<u64> {
        let (length, way) = match &transfer {
            Transfer::Read(out) => (out.len(), 0),
            Transfer::Write(bytes) => {
                self.link.put(bytes.get(..bytes.len().min(TRANSFER_BYTES)).unwrap_or_default());
                (bytes.len(), INTO_MEMORY)
            }
        };
        let length = length.min(TRANSFER_BYTES);
        let number = self.wanted.load(Ordering::Relaxed) + 1;
        self.link.store(ADDRESS, address);
        self.link.store(LENGTH, length as u64);
        self.link.store(WAY, way);
        self.link.publish(WANTED, number, DEVICE_SIGNAL);
        self.wanted.store(number, Ordering::Relaxed);
        let is_made = || self.link.word(MADE).load(Ordering::Acquire) == number;
        while !is_made() {
            if give_up() {
                return None;
            }
            self.link.sleep(MACHINE_SIGNAL, LOOK_AGAIN, is_made);
        }
        if let Transfer::Read(out) = transfer {
            self.link.get(out.get_mut(..length).unwrap_or_default());
        }
        Some(self.link.load(DONE).min(length as u64))
    }

    /// Signals an interrupt. What was transferred before is in memory before.
    pub fn interrupt(&self) {
        let number = self.interrupts.fetch_add(1, Ordering::Relaxed) + 1;
        self.link.publish(INTERRUPTS, number, DEVICE_SIGNAL);
    }

    /// Says that the device is gone: the machine waits for no answer any more.
    pub fn leave(&self) {
        self.link.half(GONE).store(1, Ordering::Release);
        self.link.wake(DEVICE_SIGNAL);
    }
}

impl Drop for DeviceEnd {
    fn drop(&mut self) {
        self.leave();
    }
}
