//! The machine's end.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use dxgk_hw::Width;

use super::{
    ADDRESS, ANSWER, ANSWERED, ASKED, Access, DEVICE_SIGNAL, DONE, INTERRUPTS, KIND, LENGTH, LOOK_AGAIN,
    Link, MACHINE_SIGNAL, MADE, OFFSET, PLACE, Place, TRANSFER_BYTES, Transfer, VALUE, WANTED, WAY,
};
use crate::ShmError;

/// Kinds of an access, as they stand in the file: a read is its width in bytes, a write that and this bit.
pub(super) const WRITE: u64 = 1 << 8;
/// The interrupt was served.
pub(super) const SERVED: u64 = 1 << 9;
/// A transfer into memory.
pub(super) const INTO_MEMORY: u64 = 1;

/// The machine's end: asks for accesses, and carries out the transfers that the device asks for.
///
/// What carries out transfers is given with each call: it gets the address and the bytes, and returns how many of them
/// went through.
pub struct MachineEnd {
    link: Link,
    asked: u64,
    /// The last transfer that was carried out.
    made: u64,
    buffer: Vec<u8>,
}

/// Carries out a transfer at an address; bytes that went through.
pub type Carry<'a> = dyn FnMut(u64, Transfer<'_>) -> u64 + 'a;

impl MachineEnd {
    /// The end of a link made by another process; one a link. The file is closed; its mapping stays.
    ///
    /// # Errors
    /// [`ShmError`] when the file is not a sealed link.
    pub fn from_fd(file: OwnedFd) -> Result<Self, ShmError> {
        Ok(Self { link: Link::open(&file)?, asked: 0, made: 0, buffer: vec![0; TRANSFER_BYTES] })
    }

    /// Makes an access and waits for its answer (0 for what has none), carrying out transfers meanwhile. Nothing when the
    /// device is gone. How long the device may take is for its own end to decide.
    pub fn access(&mut self, access: Access, carry: &mut Carry<'_>) -> Option<u64> {
        if self.link.is_gone() {
            return None;
        }
        let (kind, place, offset, value) = match access {
            Access::Read { place, offset, width } => (width.bytes(), place, offset, 0),
            Access::Write { place, offset, width, value } => (width.bytes() | WRITE, place, offset, value),
            Access::InterruptServed => (SERVED, Place::Config, 0, 0),
        };
        let (link, number) = (&self.link, self.asked + 1);
        link.store(KIND, kind);
        link.store(PLACE, place.number());
        link.store(OFFSET, offset);
        link.store(VALUE, value);
        link.publish(ASKED, number, MACHINE_SIGNAL);
        self.asked = number;
        loop {
            self.carry_out(carry);
            if self.is_answered() {
                // A transfer that the device made before it answered is older than the answer.
                self.carry_out(carry);
                return Some(self.link.load(ANSWER));
            }
            if self.link.is_gone() {
                return None;
            }
            let ready = || self.is_answered() || self.is_wanted() || self.link.is_gone();
            self.link.sleep(DEVICE_SIGNAL, LOOK_AGAIN, ready);
        }
    }

    /// Carries out a transfer that the device waits for; whether there was one.
    pub fn carry_out(&mut self, carry: &mut Carry<'_>) -> bool {
        let wanted = self.link.word(WANTED).load(Ordering::Acquire);
        if wanted == self.made {
            return false;
        }
        let length = usize::try_from(self.link.load(LENGTH)).unwrap_or(TRANSFER_BYTES).min(TRANSFER_BYTES);
        let (address, into_memory) = (self.link.load(ADDRESS), self.link.load(WAY) & INTO_MEMORY != 0);
        let bytes = self.buffer.get_mut(..length).unwrap_or_default();
        let done = if into_memory {
            self.link.get(bytes);
            carry(address, Transfer::Write(bytes))
        } else {
            bytes.fill(0xff);
            let done = carry(address, Transfer::Read(bytes));
            self.link.put(bytes);
            done
        };
        self.made = wanted;
        self.link.store(DONE, done);
        self.link.publish(MADE, wanted, MACHINE_SIGNAL);
        true
    }

    /// Interrupts that the device has signalled so far.
    #[must_use]
    pub fn interrupts(&self) -> u64 {
        self.link.word(INTERRUPTS).load(Ordering::Acquire)
    }

    /// Whether the device is gone: every access is then answered with nothing, at once.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.link.is_gone()
    }

    /// Waits up to `most` until the device does something: makes a transfer, which is carried out, or signals an
    /// interrupt beyond the `known` ones. Whether it did.
    pub fn wait(&mut self, most: Duration, known: u64, carry: &mut Carry<'_>) -> bool {
        let until = Instant::now() + most;
        loop {
            if self.carry_out(carry) || self.interrupts() != known {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.link.is_gone() {
                return false;
            }
            let ready = || self.is_wanted() || self.interrupts() != known || self.link.is_gone();
            self.link.sleep(DEVICE_SIGNAL, left, ready);
        }
    }

    fn is_answered(&self) -> bool {
        self.link.word(ANSWERED).load(Ordering::Acquire) == self.asked
    }

    fn is_wanted(&self) -> bool {
        self.link.word(WANTED).load(Ordering::Acquire) != self.made
    }
}

/// An access as it stands in the file, if it is one.
pub(super) fn decode(link: &Link) -> Option<Access> {
    let kind = link.load(KIND);
    if kind == SERVED {
        return Some(Access::InterruptServed);
    }
    let width = Width::from_bytes(kind & !WRITE)?;
    let (place, offset) = (Place::from_number(link.load(PLACE))?, link.load(OFFSET));
    Some(match kind & WRITE {
        0 => Access::Read { place, offset, width },
        _ => Access::Write { place, offset, width, value: link.load(VALUE) },
    })
}
