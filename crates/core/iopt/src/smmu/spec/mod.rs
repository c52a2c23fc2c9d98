//! Bit definitions of the Arm System Memory Management Unit Architecture Specification, version 3 (IHI 0070), issue
//! F.b. Types only; a chapter a file. Field names are the manual's, in lower case.
//!
//! Left out on purpose: the Secure and Realm programming interfaces, substreams beyond the first, ATS and page
//! requests, stalls, MSIs, stage 2 tables of AArch32.

mod command;
mod event;
mod registers;
mod stream;

pub use crate::format::smmu::spec::{Stage1Leaf, Stage2Leaf, TableDescriptor};
pub use command::{COMMAND_BYTES, Opcode, RANGE_ALL, StreamCommand, SyncCommand, TlbCommand, TlbOperand};
pub use event::{EVENT_BYTES, EventClass, EventCode, EventFirst, EventSecond};
pub use registers::{
    CommandQueueError, Control0, GlobalError, Idr0, Idr1, Idr5, OUTPUT_BITS, QueueBase, StreamTableBase,
    StreamTableConfig, offset,
};
pub use stream::{
    CD_BYTES, CdFirst, GRANULES, L1StreamDescriptor, STE_BYTES, STE_WORDS, SteFirst, SteSecond, SteThird,
    StreamConfig, TableAddress,
};
