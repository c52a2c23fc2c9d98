//! Shared memory: the machine's RAM, the event ring, and the arena of lists.
//!
//! Three memfds, and a fourth where a device's inside is outside of the process with the driver, are all that that process
//! and the one that judges it have in common. Each is
//! sealed against growing and shrinking, so that neither side can make the other fault by truncating it, and each
//! is seen only through atomics: no reference to plain bytes in shared memory exists anywhere in this project.
//!
//! - [`Ram`] is the machine's memory, laid out by a [`RamLayout`].
//! - [`RingWriter`] and [`RingReader`] carry [`dxgk_event::Record`]s. The writer blocks rather than dropping one;
//!   the reader believes nothing that it has not checked.
//! - [`ArenaWriter`] and [`ArenaReader`] hold the page lists that records refer to.
//! - [`link`] joins a machine to a device whose inside is in another process.
//!
//! Once set up, pushing a record makes no system call but `futex`, and appending a list none at all; neither
//! allocates. So both work in a process whose sandbox is sealed.

mod arena;
mod error;
mod layout;
pub mod link;
mod ram;
mod region;
mod ring;
mod words;

pub use arena::{ARENA_BYTES, ArenaError, ArenaReader, ArenaWriter, MAX_LIST_WORDS};
pub use error::ShmError;
pub use layout::{BadLayout, DEVICE_HOLE, RamLayout};
pub use ram::Ram;
pub use ring::{Mark, RingError, RingReader, RingWriter};
