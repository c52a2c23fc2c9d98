//! AMD-Vi: device table, command buffer, event log, host page tables.
//!
//! Source: AMD I/O Virtualization Technology (IOMMU) Specification, document 48882, revision 3.10; the words are in
//! [`dxgk_iopt::amdvi::spec`].
//!
//! An entry of the device table that is all zeros lets everything through, so the table covers every requester id,
//! and stands filled with entries that permit nothing before the unit hears of it. The capability header's NpCache
//! (the unit keeps that a page is not present) is in configuration space, which is not seen here: whoever starts the
//! unit says it.

mod commands;
mod device_table;
mod event;
mod registers;
mod unit;

pub use event::{Event, EventSummary};
pub use unit::AmdviUnit;
