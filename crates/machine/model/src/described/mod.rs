//! A device that is told what it is: ids, BARs, registers and what writing them starts, from a TOML file.
//!
//! [`Description`] is the file's structure (and its JSON schema), [`Description::parse`] reads it and names the line
//! of a mistake, [`Described`] is the device. Everything that the file can say is bounded ([`limits`]), and everything
//! that a driver can do to the device afterwards takes bounded time and no further memory.

mod check;
mod description;
mod device;
pub mod limits;
mod parse;
mod plan;
mod registers;
mod transfer;

pub use check::BadDescription;
pub use description::{
    Action, Bar, BarContent, BarKindName, Bits, Condition, Counts, Description, Direction, Dma, Interrupt,
    Memory, Operand, Pci, Register, Store, Timer, Undecoded,
};
pub use device::Described;
pub use parse::ParseError;
