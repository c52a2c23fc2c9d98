//! Bit definitions of the AMD I/O Virtualization Technology (IOMMU) Specification, document 48882, revision 3.10.
//! Types only; a chapter a file. Field names are the manual's, in lower case.
//!
//! Left out on purpose: guest translation and PASIDs, peripheral page requests, interrupt remapping, the guest
//! virtual APIC, exclusion ranges, performance counters, and the capability block in configuration space (firmware
//! has switched the register window on).

mod command;
mod device_table;
mod event;
mod registers;

pub use crate::format::amdv1::spec::PageTableEntry;
pub use command::{
    COMMAND_BYTES, CompletionWait, InvalidateDevtabEntry, InvalidateIommuPages, Opcode, all_pages, page_block,
};
pub use device_table::{DTE_BYTES, DTE_WORDS, DteFirst, DteFourth, DteSecond, DteThird};
pub use event::{EVENT_BYTES, EventCode, EventFlags, EventHead, HardwareError};
pub use registers::{
    Control, DeviceTableBase, ExtendedFeature, HIGHEST_LEVELS, Log2Entries, QueuePointer, RingBase, Status,
    offset,
};
