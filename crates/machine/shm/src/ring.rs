//! The event ring: one writer, one reader, records of 128 bytes, nothing lost.
//!
//! The file is a header page and a power of two of slots. The counters only grow; a slot is a counter modulo the
//! number of slots. Each side keeps its own counter in its own memory and merely publishes it, so a damaged header
//! cannot lead either side astray: the writer then stops storing (its reader has to be considered gone), the reader
//! ends the stream with [`RingError::Forged`].
//!
//! Sleeping: a side that must wait raises its flag, looks again, and sleeps on the *other* side's signal word. The
//! other side publishes its counter first and looks at the flag afterwards, with a full fence in between on both
//! sides, so one of the two always sees the other. Without a sleeper no system call is made.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use dxgk_event::Record;
use rustix::thread::futex;
use zerocopy::IntoBytes;

use crate::ShmError;
use crate::region::{Region, Rights};

const HEADER_BYTES: u64 = 4096;
const WORDS_PER_RECORD: usize = Record::BYTES / 8;

/// Word indices of the published counters; a cache line each.
const WRITTEN: usize = 0;
const READ: usize = 8;

/// The marks: two words each, behind everything else in the header.
const MARKS: usize = 64;
/// Marks that there is room for.
const MOST_MARKS: usize = 16;

/// Indices in 4-byte units of the flags, on the lines of the side that stores them.
const WRITER_SIGNAL: usize = 32;
const WRITER_WAITS: usize = 33;
const WRITER_GONE: usize = 34;
const READER_SIGNAL: usize = 48;
const READER_WAITS: usize = 49;
const READER_GONE: usize = 50;
const STOP: usize = 51;

/// How long a sleeper trusts the other side to wake it. Only a wake lost to a damaged header is found by this.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The other side of the stream forged or broke it. Every further read says so again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RingError {
    /// The counters in shared memory cannot have come from a correct writer.
    #[error("the event stream's counters are forged or broken (written {written}, read {read})")]
    Forged {
        /// Records written, as the other side claims.
        written: u64,
        /// Records read, as shared memory says.
        read: u64,
    },
}

/// What a process has used at some moment of its life. Not part of the stream.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Processor time of the process.
    pub cpu: Duration,
    /// Time on the wall, by a clock that both processes share.
    pub wall: Duration,
}

/// What both sides know of the file.
struct Ring {
    region: Arc<Region>,
    slots: u64,
}

impl Ring {
    fn over(region: Arc<Region>) -> Result<Self, ShmError> {
        let found = region.words().len() as u64 * 8;
        let slots = found.saturating_sub(HEADER_BYTES) / Record::BYTES as u64;
        if slots.is_power_of_two() && slots * Record::BYTES as u64 + HEADER_BYTES == found {
            Ok(Self { region, slots })
        } else {
            Err(ShmError::BadSize(found))
        }
    }

    fn counter(&self, index: usize) -> &AtomicU64 {
        // The header is inside every region that `over` lets pass; the fallback only keeps this free of panics.
        static NOWHERE: AtomicU64 = AtomicU64::new(0);
        self.region.words().get(index).unwrap_or(&NOWHERE)
    }

    fn flag(&self, index: usize) -> &AtomicU32 {
        static NOWHERE: AtomicU32 = AtomicU32::new(0);
        self.region.half(index).unwrap_or(&NOWHERE)
    }

    fn slot(&self, number: u64) -> &[AtomicU64] {
        let first = HEADER_BYTES as usize / 8 + (number & (self.slots - 1)) as usize * WORDS_PER_RECORD;
        self.region.words().get(first..first + WORDS_PER_RECORD).unwrap_or_default()
    }

    /// Tells the other side, if it sleeps, that something was published.
    fn signal(&self, signal: usize, other_waits: usize) {
        fence(Ordering::SeqCst);
        if self.flag(other_waits).load(Ordering::Relaxed) != 0 {
            self.wake(signal);
        }
    }

    fn wake(&self, signal: usize) {
        let word = self.flag(signal);
        word.fetch_add(1, Ordering::Release);
        // Waking can fail only for an address that is not mapped; the word is.
        let _ = futex::wake(word, futex::Flags::empty(), i32::MAX as u32);
    }

    /// Sleeps until the other side signals or `limit` has passed, unless `ready` says that there is no need to.
    fn sleep(&self, other_signal: usize, own_waits: usize, limit: Duration, ready: impl Fn() -> bool) {
        let signal = self.flag(other_signal);
        let seen = signal.load(Ordering::Acquire);
        self.flag(own_waits).store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !ready() {
            let limit = limit.min(LOOK_AGAIN);
            let limit = futex::Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
            // Woken, timed out, interrupted, changed already: the caller looks again in every case.
            let _ = futex::wait(signal, futex::Flags::empty(), seen, Some(&limit));
        }
        self.flag(own_waits).store(0, Ordering::Relaxed);
    }
}

/// The side that writes records. Several threads that write serialise themselves (a mutex around it).
///
/// Dropping it tells the reader that nothing more will come.
pub struct RingWriter {
    ring: Ring,
    written: u64,
}

/// The side that reads records and trusts nothing in the file.
///
/// Dropping it, or [`close`](Self::close), tells the writer not to wait any more. A reader process that is killed
/// cannot say so; whoever starts a writer process makes it die with its parent.
pub struct RingReader {
    file: OwnedFd,
    ring: Ring,
    read: u64,
    /// Highest number of records written that was seen.
    written: u64,
    broken: Option<RingError>,
}

impl RingWriter {
    /// The writer of a ring made by another process; one a ring. The file is closed; its mapping stays.
    ///
    /// # Errors
    /// [`ShmError`] when the file is not a sealed ring.
    pub fn from_fd(file: OwnedFd) -> Result<Self, ShmError> {
        let region = Region::open(&file, Rights::ReadWrite)?;
        Ok(Self { ring: Ring::over(Arc::new(region))?, written: 0 })
    }

    /// Appends a record and returns its number, from 1. Blocks while the ring is full. When the reader is gone, the
    /// record is counted and goes nowhere.
    pub fn push(&mut self, record: &Record) -> u64 {
        let number = self.written;
        if self.wait(self.ring.slots - 1) {
            let bytes = record.as_bytes().chunks_exact(8);
            for (word, bytes) in self.ring.slot(number).iter().zip(bytes) {
                let bytes = <[u8; 8]>::try_from(bytes).unwrap_or_default();
                word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
            }
        }
        self.written += 1;
        self.ring.counter(WRITTEN).store(self.written, Ordering::Release);
        self.ring.signal(WRITER_SIGNAL, READER_WAITS);
        self.written
    }

    /// Leaves a mark for the reader, at most sixteen; one of an index that is too high goes nowhere.
    pub fn mark(&self, index: usize, mark: Mark) {
        if index < MOST_MARKS {
            for (half, time) in [mark.cpu, mark.wall].into_iter().enumerate() {
                let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                self.ring.counter(MARKS + index * 2 + half).store(nanoseconds, Ordering::Relaxed);
            }
        }
    }

    /// Blocks until the reader has taken every record written so far, or is gone.
    pub fn wait_until_read(&self) {
        self.wait(0);
    }

    /// Says that nothing more will come, as dropping does: for a process that ends without it.
    pub fn finish(&self) {
        self.ring.flag(WRITER_GONE).store(1, Ordering::Release);
        self.ring.wake(WRITER_SIGNAL);
    }

    /// Whether the reader asked the writer's side to stop (see [`RingReader::request_stop`]).
    #[must_use]
    pub fn stop_requested(&self) -> bool {
        self.ring.flag(STOP).load(Ordering::Acquire) != 0
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn reader_gone(&self) -> bool {
        self.ring.flag(READER_GONE).load(Ordering::Acquire) != 0 || self.unread().is_none()
    }

    /// Records that the reader has not taken; `None` when its counter is nonsense.
    fn unread(&self) -> Option<u64> {
        let read = self.ring.counter(READ).load(Ordering::Acquire);
        self.written.checked_sub(read).filter(|unread| *unread <= self.ring.slots)
    }

    /// Waits until at most `most` records are unread. `false` when the reader is gone.
    fn wait(&self, most: u64) -> bool {
        loop {
            if self.reader_gone() {
                return false;
            }
            if self.unread().is_some_and(|unread| unread <= most) {
                return true;
            }
            self.ring.sleep(READER_SIGNAL, WRITER_WAITS, LOOK_AGAIN, || {
                self.reader_gone() || self.unread().is_some_and(|unread| unread <= most)
            });
        }
    }
}

impl Drop for RingWriter {
    fn drop(&mut self) {
        self.finish();
    }
}

impl RingReader {
    /// A new ring for `records` records (a power of two from 32 on, so that slots fill pages).
    ///
    /// # Errors
    /// [`ShmError`].
    pub fn create(records: u64) -> Result<Self, ShmError> {
        if !records.is_power_of_two() || !(32..1 << 32).contains(&records) {
            return Err(ShmError::BadSize(records));
        }
        let (file, region) = Region::create("dxgk-events", HEADER_BYTES + records * Record::BYTES as u64)?;
        Ok(Self { file, ring: Ring::over(Arc::new(region))?, read: 0, written: 0, broken: None })
    }

    /// The file, for handing to the writer's process. It is close-on-exec.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The writer, in this process; one a ring.
    #[must_use]
    pub fn writer(&self) -> RingWriter {
        let ring = Ring { region: Arc::clone(&self.ring.region), slots: self.ring.slots };
        RingWriter { ring, written: 0 }
    }

    /// The next record, waiting up to `timeout` for it. `None` when there was none in that time, or when there is
    /// none and the writer is gone: at once then, see [`writer_gone`](Self::writer_gone).
    ///
    /// # Errors
    /// [`RingError::Forged`], from the first lie on.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Record>, RingError> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if self.available()? {
                return Ok(Some(self.take()));
            }
            let left = deadline.map_or(LOOK_AGAIN, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            if self.writer_gone() {
                // It may have written between our look and its end.
                return if self.available()? { Ok(Some(self.take())) } else { Ok(None) };
            }
            let read = self.read;
            self.ring.sleep(WRITER_SIGNAL, READER_WAITS, left, || {
                self.ring.counter(WRITTEN).load(Ordering::Acquire) != read || self.writer_gone()
            });
        }
    }

    /// Whether the writer has said that nothing more will come. A writer process that died has not said so.
    #[must_use]
    pub fn writer_gone(&self) -> bool {
        self.ring.flag(WRITER_GONE).load(Ordering::Acquire) != 0
    }

    /// A mark as the writer left it: any value, if it is hostile. `None` when there is none.
    #[must_use]
    pub fn mark(&self, index: usize) -> Option<Mark> {
        let time = |half| {
            let word = self.ring.counter(MARKS + index.min(MOST_MARKS) * 2 + half);
            Duration::from_nanos(word.load(Ordering::Relaxed))
        };
        let mark = Mark { cpu: time(0), wall: time(1) };
        (index < MOST_MARKS && mark.wall != Duration::ZERO).then_some(mark)
    }

    /// Asks the writer's side to stop at its next boundary.
    pub fn request_stop(&self) {
        self.ring.flag(STOP).store(1, Ordering::Release);
        self.ring.wake(READER_SIGNAL);
    }

    /// Stops reading: the writer never blocks again.
    pub fn close(&self) {
        self.ring.flag(READER_GONE).store(1, Ordering::Release);
        self.ring.wake(READER_SIGNAL);
    }

    fn available(&mut self) -> Result<bool, RingError> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let written = self.ring.counter(WRITTEN).load(Ordering::Acquire);
        let read = self.ring.counter(READ).load(Ordering::Relaxed);
        let unread = written.checked_sub(self.read);
        let plausible = unread.is_some_and(|unread| unread <= self.ring.slots);
        if read != self.read || written < self.written || !plausible {
            let forged = RingError::Forged { written, read };
            self.broken = Some(forged);
            return Err(forged);
        }
        self.written = written;
        Ok(written != self.read)
    }

    fn take(&mut self) -> Record {
        let mut bytes = [0; Record::BYTES];
        for (to, word) in bytes.chunks_exact_mut(8).zip(self.ring.slot(self.read)) {
            to.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        self.read += 1;
        self.ring.counter(READ).store(self.read, Ordering::Release);
        self.ring.signal(READER_SIGNAL, WRITER_WAITS);
        zerocopy::transmute!(bytes)
    }
}

impl Drop for RingReader {
    fn drop(&mut self) {
        self.close();
    }
}
