//! Arm SMMUv3: stream table of one or two levels, context descriptors, command queue, event queue; domains in stage 1 or
//! stage 2 tables.
//!
//! Source: System Memory Management Unit Architecture Specification, version 3 (IHI 0070), issue F.b; the words are in
//! [`dxgk_iopt::smmu::spec`]. StreamIDs are requester ids.
//!
//! A stream whose entry is not valid is blocked, and its requests are recorded as C_BAD_STE or C_BAD_STREAMID. Completion
//! is seen by the command queue's consumer index, which passes a CMD_SYNC only when all before it is done.

mod commands;
mod event;
mod registers;
mod stream;
mod unit;

pub use event::{Event, EventSummary};
pub use unit::{SmmuStage2Unit, SmmuUnit};
