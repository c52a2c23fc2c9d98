//! The list arena: page lists and stacks, each written once, referred to by records.
//!
//! Append-only words in a sparse file. Nothing in the file says where lists begin or end: the reference that
//! travels in a record does, and the reader checks it against the file's size and against its digest. So a forged
//! reference can name words that were never a list, but never memory outside, and never more than
//! [`MAX_LIST_WORDS`] of them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use dxgk_event::{ListRef, digest};

use crate::ShmError;
use crate::region::{Region, Rights};

/// Size that an arena has unless its maker says otherwise: 1 GiB, which costs nothing until used.
pub const ARENA_BYTES: u64 = 1 << 30;

/// Words in the longest list: runs of 8 million pieces, which is 32 GiB of single pages.
pub const MAX_LIST_WORDS: u32 = 1 << 24;

/// A reference that no writer of ours makes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArenaError {
    /// It leads out of the arena.
    #[error("list of {} words from word {} lies outside the arena", .0.count, .0.first)]
    Outside(ListRef),
    /// It is longer than any list may be.
    #[error("list of {} words is longer than a list may be", .0.count)]
    TooLong(ListRef),
    /// The words are not those that were written.
    #[error("list of {} words from word {} was changed after it was written", .0.count, .0.first)]
    Tampered(ListRef),
}

/// The side that writes lists.
pub struct ArenaWriter {
    region: Arc<Region>,
    next: usize,
}

/// The side that reads them; it has no code that stores.
pub struct ArenaReader {
    file: OwnedFd,
    region: Arc<Region>,
}

impl ArenaReader {
    /// A new, empty arena of `bytes` bytes (a multiple of 4096, at most 32 GiB, which is what a reference can
    /// reach).
    ///
    /// # Errors
    /// [`ShmError`].
    pub fn create(bytes: u64) -> Result<Self, ShmError> {
        if bytes > 8 << 32 {
            return Err(ShmError::BadSize(bytes));
        }
        let (file, region) = Region::create("dxgk-lists", bytes)?;
        Ok(Self { file, region: Arc::new(region) })
    }

    /// An arena made by another process.
    ///
    /// # Errors
    /// [`ShmError`].
    pub fn from_fd(file: OwnedFd) -> Result<Self, ShmError> {
        let region = Region::open(&file, Rights::ReadOnly)?;
        Ok(Self { file, region: Arc::new(region) })
    }

    /// The file, for handing to the writer's process. It is close-on-exec.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// A writer in this process. Two writers of one arena overwrite each other's lists; make one.
    #[must_use]
    pub fn writer(&self) -> ArenaWriter {
        ArenaWriter { region: Arc::clone(&self.region), next: 0 }
    }

    /// The words of a list, copied, then checked.
    ///
    /// # Errors
    /// [`ArenaError`].
    pub fn get(&self, list: ListRef) -> Result<Vec<u64>, ArenaError> {
        if list.count == 0 {
            return Ok(Vec::new());
        }
        if list.count > MAX_LIST_WORDS {
            return Err(ArenaError::TooLong(list));
        }
        let first = list.first as usize;
        let words =
            first.checked_add(list.count as usize).and_then(|end| self.region.words().get(first..end));
        let words = words.ok_or(ArenaError::Outside(list))?;
        let words: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        if digest(&words) == list.digest { Ok(words) } else { Err(ArenaError::Tampered(list)) }
    }
}

impl ArenaWriter {
    /// The writer of an arena made by another process. The file is closed; its mapping stays.
    ///
    /// # Errors
    /// [`ShmError`].
    pub fn from_fd(file: OwnedFd) -> Result<Self, ShmError> {
        Ok(Self { region: Arc::new(Region::open(&file, Rights::ReadWrite)?), next: 0 })
    }

    /// Writes a list. `None` when it does not fit, or is longer than [`MAX_LIST_WORDS`]; nothing is used up then.
    /// The empty list takes no room.
    pub fn append(&mut self, words: &mut dyn Iterator<Item = u64>) -> Option<ListRef> {
        let first = u32::try_from(self.next).ok()?;
        let mut count = 0;
        let mut sum = Fnv::new();
        for word in words {
            if count == MAX_LIST_WORDS {
                return None;
            }
            let place = self.region.words().get(self.next.checked_add(count as usize)?)?;
            place.store(word, Ordering::Relaxed);
            sum.add(word);
            count += 1;
        }
        if count == 0 {
            return Some(ListRef::default());
        }
        self.next += count as usize;
        Some(ListRef { first, count, digest: sum.0 })
    }
}

/// [`digest`], one word at a time: lists come from iterators and are never collected here.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(digest(&[]))
    }

    fn add(&mut self, word: u64) {
        for byte in word.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
