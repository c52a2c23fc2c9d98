//! What happened, as typed records of fixed layout.
//!
//! Everything the verifier knows, it knows from these. They are written by the process that runs the driver and
//! read by another one, which trusts none of their bytes: [`Record::decode`] checks every length, tag and enum
//! value, and a record that does not check ends the stream.
//!
//! A record is 128 bytes: a [`Stamp`] that says when, where and at what IRQL, and a payload. Page lists do not
//! travel in records; they stand once in an append-only arena, and records carry a [`ListRef`].

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod payload;
mod record;
mod sink;

pub use payload::{
    Adapter, BugCheck, Callback, ClaimKind, ClaimOutcome, DdiCall, DmaTransfer, Doorbell, Event, Failure,
    FailureKind, Fault, FaultReason, Import, Log, Mapping, MappingStep, MdlMoment, MdlState, MemoryClaim,
    Misuse, MisuseKind, Mode, ModeChoice, ModeReason, ModuleLoaded, Object, ObjectKind, ObjectStep, Phase,
    PhysicalQuery, RegisterAccess, ResourceRange, ScenarioStep, SelfCheck, StopCause, Tally, Text, Who,
};
pub use record::{BadRecord, EventId, ListRef, Record, Stamp, digest};
pub use sink::{EventSink, NoEvents};
