//! Bit definitions of Intel Virtualization Technology for Directed I/O, Architecture Specification, revision 4.1
//! (document 329774). Types only; a chapter a file. Field names are the manual's, in lower case. Section numbers
//! are that revision's.
//!
//! Left out on purpose: interrupt remapping, page requests, device TLBs, register-based invalidation
//! (superseded by the queue), nested translation.

mod fault;
mod queue;
mod registers;
mod scalable;
mod tables;

pub use crate::format::vtd_fs::spec::FirstStageEntry;
pub use crate::format::vtd_ss::spec::SecondStageEntry;
pub use fault::{FaultReason, FaultRecord, FaultRecordLow};
pub use queue::{
    ContextCacheInvalidate, DESCRIPTOR_BYTES, DescriptorType, Granularity, IotlbInvalidate,
    IotlbInvalidateAddress, PasidCacheGranularity, PasidCacheInvalidate, PasidIotlbGranularity,
    PasidIotlbInvalidate, WIDE_DESCRIPTOR_BYTES, WaitDescriptor,
};
pub use registers::{
    Capability, ExtendedCapability, FaultStatus, GCMD_KEEP, GlobalCommand, GlobalStatus,
    InvalidationQueueAddress, QueueIndex, RootTableAddress, TranslationTableMode, Version, offset,
};
pub use scalable::{
    PASID_ENTRY_WORDS, PASID_TABLE_ENTRIES, PasidDirectoryEntry, PasidEntryFirst, PasidEntrySecond,
    PasidEntryThird, PasidTranslationType, SCALABLE_CONTEXT_WORDS, ScalableContextHigh, ScalableContextLow,
};
pub use tables::{AddressWidth, ContextEntryHigh, ContextEntryLow, RootEntryLow, TranslationType};
