//! Shared memory: the machine's RAM, the event ring, and the arena of lists.
//!
//! Three memfds are all that the process with the driver and the process that judges it have in common. Each is
//! sealed against growing and shrinking, so that neither side can make the other fault by truncating it, and each
//! is seen only through atomics: no reference to plain bytes in shared memory exists anywhere in this project.
//!
//! - [`Ram`] is the machine's memory, laid out by a [`RamLayout`].
//! - [`RingWriter`] and [`RingReader`] carry [`dxgk_event::Record`]s. The writer blocks rather than dropping one;
//!   the reader believes nothing that it has not checked.
//! - [`ArenaWriter`] and [`ArenaReader`] hold the page lists that records refer to.
//!
//! Once set up, pushing a record makes no system call but `futex`, and appending a list none at all; neither
//! allocates. So both work in a process whose sandbox is sealed.

mod arena;
mod error;
mod layout;
mod ram;
mod region;
mod ring;

pub use arena::{ARENA_BYTES, ArenaError, ArenaReader, ArenaWriter, MAX_LIST_WORDS};
pub use error::ShmError;
pub use layout::{BadLayout, DEVICE_HOLE, RamLayout};
pub use ram::Ram;
pub use ring::{Mark, RingError, RingReader, RingWriter};
