//! Bit definitions of Intel Virtualization Technology for Directed I/O, Architecture Specification, revision 4.1
//! (document 329774). Types only; a chapter a file. Field names are the manual's, in lower case. Section numbers
//! are that revision's.
//!
//! Left out on purpose: interrupt remapping, page requests, device TLBs, register-based invalidation
//! (superseded by the queue) and scalable-mode structures.

mod fault;
mod queue;
mod registers;
mod tables;

pub use crate::format::vtd_ss::spec::SecondStageEntry;
pub use fault::{FaultReason, FaultRecord, FaultRecordLow};
pub use queue::{
    ContextCacheInvalidate, DESCRIPTOR_BYTES, DescriptorType, Granularity, IotlbInvalidate,
    IotlbInvalidateAddress, WaitDescriptor,
};
pub use registers::{
    Capability, ExtendedCapability, FaultStatus, GCMD_KEEP, GlobalCommand, GlobalStatus,
    InvalidationQueueAddress, QueueIndex, RootTableAddress, TranslationTableMode, Version, offset,
};
pub use tables::{AddressWidth, ContextEntryHigh, ContextEntryLow, RootEntryLow, TranslationType};
