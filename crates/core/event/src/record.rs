//! The record: a stamp, and a payload that is decoded only after its tag has been checked.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::payload::Event;

/// The number of a record in its stream, from 1. 0 stands for "no event".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct EventId(pub u64);

/// A list in the arena: `count` 8-byte words from word `first`, and a digest of them. Page lists hold two words a
/// run (first page number, number of pages); stacks one word a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ListRef {
    /// Index of the first word.
    pub first: u32,
    /// Number of words; 0 is the empty list.
    pub count: u32,
    /// [`digest`] of the words, so that a reader sees when the arena was tampered with.
    pub digest: u64,
}

/// FNV-1a over the words of a list. Not a defence against forgery: the writer may be hostile anyway; it shows
/// accidents.
#[must_use]
pub fn digest(words: &[u64]) -> u64 {
    words.iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        word.to_le_bytes().iter().fold(hash, |h, byte| (h ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

/// When and where an event happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Stamp {
    /// Boundaries passed: the virtual clock.
    pub boundary: u64,
    /// Where the driver's code goes on after the call or the access; 0 when no driver code was running.
    pub rip: u64,
    /// Return addresses above `rip`, innermost first; empty unless taken.
    pub stack: ListRef,
    /// Thread, numbered by the host from 1.
    pub thread: u32,
    /// Process, numbered by the host; 0 is the system process.
    pub process: u32,
}

/// The wire form.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Record {
    /// See [`Stamp`].
    pub stamp: Stamp,
    tag: u16,
    /// IRQL, 0..=15.
    pub irql: u8,
    reserved: [u8; 5],
    payload: [u8; Record::PAYLOAD],
}

/// A record that no writer of ours makes: the other process forged or broke its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadRecord {
    /// No payload has this tag.
    UnknownTag(u16),
    /// The payload of this tag holds a value outside its enum.
    BadPayload(u16),
    /// An IRQL above 15.
    BadIrql(u8),
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnknownTag(tag) => write!(f, "event record with the unknown tag {tag}"),
            Self::BadPayload(tag) => write!(f, "event record of tag {tag} with a value outside its range"),
            Self::BadIrql(irql) => write!(f, "event record with IRQL {irql}"),
        }
    }
}

impl core::error::Error for BadRecord {}

impl Record {
    /// Bytes of a record.
    pub const BYTES: usize = 128;
    /// Bytes of a payload.
    pub(crate) const PAYLOAD: usize = 80;

    /// Puts an event on the wire.
    #[must_use]
    pub fn new(stamp: Stamp, irql: u8, event: &Event) -> Self {
        let mut payload = [0; Self::PAYLOAD];
        let tag = event.encode(&mut payload);
        Self { stamp, tag, irql, reserved: [0; 5], payload }
    }

    /// Takes an event off the wire.
    ///
    /// # Errors
    /// [`BadRecord`] for anything that [`Record::new`] cannot have made.
    pub fn decode(&self) -> Result<Event, BadRecord> {
        if self.irql > 15 {
            return Err(BadRecord::BadIrql(self.irql));
        }
        Event::decode(self.tag, &self.payload)
    }
}

const _: () = assert!(size_of::<Record>() == Record::BYTES);
