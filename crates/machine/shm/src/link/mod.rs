//! The link between a machine in one process and the inside of one of its devices in another.
//!
//! The file is a page of words and a buffer. The machine asks for one access at a time and waits for its answer; the
//! device asks for one transfer at a time and waits for its outcome; interrupts are a counter. Both directions go on at
//! once: a machine that waits for an answer carries out transfers, because the device may need one before it answers.
//!
//! Each request has a number in its own word, stored last; its answer repeats the number. Waiting is as in the ring
//! (`ring.rs`): each side has a signal word that it increments after it stored something, and on which the other side
//! sleeps. The machine's end makes no system call but `futex`, so that it works in a sealed process. Neither end
//! believes the other: numbers in shared memory choose no index, and lengths are bounded where they are used.

mod device;
mod machine;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use dxgk_hw::Width;
use rustix::thread::futex;

pub use device::DeviceEnd;
pub use machine::{Carry, MachineEnd};

use crate::ShmError;
use crate::region::{Region, Rights};
use crate::words::{read_words, write_words};

/// Bytes of one transfer at most.
pub const TRANSFER_BYTES: usize = 1 << 20;

const HEADER_BYTES: u64 = 4096;
const LINK_BYTES: u64 = HEADER_BYTES + TRANSFER_BYTES as u64;

/// Word indices: an access, by the machine.
const ASKED: usize = 0;
const KIND: usize = 1;
const PLACE: usize = 2;
const OFFSET: usize = 3;
const VALUE: usize = 4;
/// Its answer, by the device.
const ANSWERED: usize = 8;
const ANSWER: usize = 9;
/// A transfer, by the device.
const WANTED: usize = 16;
const ADDRESS: usize = 17;
const LENGTH: usize = 18;
const WAY: usize = 19;
/// Its outcome, by the machine.
const MADE: usize = 24;
const DONE: usize = 25;
/// Interrupts so far, by the device.
const INTERRUPTS: usize = 32;
/// 4-byte words: the signals, and that the device is gone.
const MACHINE_SIGNAL: usize = 96;
const DEVICE_SIGNAL: usize = 112;
const GONE: usize = 113;

/// How long a sleeper trusts the other side to wake it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Where an access goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A base address register, by its number 0..=5.
    Bar(u8),
    /// Configuration space.
    Config,
}

/// What the machine wants of the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The value of a register.
    Read {
        /// Where.
        place: Place,
        /// Byte offset there.
        offset: u64,
        /// How wide.
        width: Width,
    },
    /// A register written.
    Write {
        /// Where.
        place: Place,
        /// Byte offset there.
        offset: u64,
        /// How wide.
        width: Width,
        /// The value; bits above the width mean nothing.
        value: u64,
    },
    /// The driver's routine for an interrupt has returned: the device may signal the next.
    InterruptServed,
}

/// A transfer that the device makes.
#[derive(Debug)]
pub enum Transfer<'a> {
    /// Out of memory.
    Read(&'a mut [u8]),
    /// Into memory.
    Write(&'a [u8]),
}

const CONFIG: u64 = 7;

impl Place {
    const fn number(self) -> u64 {
        match self {
            Self::Bar(bar) => bar as u64,
            Self::Config => CONFIG,
        }
    }

    const fn from_number(number: u64) -> Option<Self> {
        match number {
            0..=5 => Some(Self::Bar(number as u8)),
            CONFIG => Some(Self::Config),
            _ => None,
        }
    }
}

/// What both ends know of the file.
struct Link {
    region: Arc<Region>,
}

impl Link {
    fn create() -> Result<(OwnedFd, Self), ShmError> {
        let (file, region) = Region::create("dxgk-device", LINK_BYTES)?;
        Ok((file, Self { region: Arc::new(region) }))
    }

    fn open(file: &OwnedFd) -> Result<Self, ShmError> {
        let region = Region::open(file, Rights::ReadWrite)?;
        let found = region.words().len() as u64 * 8;
        if found != LINK_BYTES {
            return Err(ShmError::WrongSize { found, expected: LINK_BYTES });
        }
        Ok(Self { region: Arc::new(region) })
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        // The header is inside every region that is made or opened here; the fallback only keeps this free of panics.
        static NOWHERE: AtomicU64 = AtomicU64::new(0);
        self.region.words().get(index).unwrap_or(&NOWHERE)
    }

    fn half(&self, index: usize) -> &AtomicU32 {
        static NOWHERE: AtomicU32 = AtomicU32::new(0);
        self.region.half(index).unwrap_or(&NOWHERE)
    }

    fn load(&self, index: usize) -> u64 {
        self.word(index).load(Ordering::Relaxed)
    }

    fn store(&self, index: usize, value: u64) {
        self.word(index).store(value, Ordering::Relaxed);
    }

    /// The buffer's words that `length` bytes from its start touch.
    fn buffer(&self, length: usize) -> &[AtomicU64] {
        let first = HEADER_BYTES as usize / 8;
        self.region.words().get(first..first + length.div_ceil(8)).unwrap_or_default()
    }

    fn get(&self, out: &mut [u8]) {
        read_words(0, self.buffer(out.len()), out);
    }

    fn put(&self, bytes: &[u8]) {
        write_words(0, self.buffer(bytes.len()), bytes);
    }

    /// Publishes what was stored under a number, and wakes the other side.
    fn publish(&self, number_at: usize, number: u64, signal: usize) {
        self.word(number_at).store(number, Ordering::Release);
        self.wake(signal);
    }

    fn wake(&self, signal: usize) {
        let word = self.half(signal);
        word.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        // Waking can fail only for an address that is not mapped; the word is.
        let _ = futex::wake(word, futex::Flags::empty(), i32::MAX as u32);
    }

    /// Sleeps until the other side signals or `limit` has passed, unless `ready` says that there is no need to.
    fn sleep(&self, signal: usize, limit: Duration, ready: impl Fn() -> bool) {
        let word = self.half(signal);
        let seen = word.load(Ordering::Acquire);
        fence(Ordering::SeqCst);
        if ready() {
            return;
        }
        let limit = limit.min(LOOK_AGAIN);
        let limit = futex::Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
        // Woken, timed out, interrupted, changed already: the caller looks again in every case.
        let _ = futex::wait(word, futex::Flags::empty(), seen, Some(&limit));
    }

    fn is_gone(&self) -> bool {
        self.half(GONE).load(Ordering::Acquire) != 0
    }
}
