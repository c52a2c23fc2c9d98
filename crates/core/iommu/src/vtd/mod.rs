//! Intel VT-d: second-stage tables of four levels in legacy or in scalable mode, first-stage tables in scalable mode,
//! queued invalidation.
//!
//! Source: VT-d Architecture Specification, revision 4.1; the words are in [`dxgk_iopt::vtd::spec`].
//!
//! In caching mode (CAP_REG.CM) every map is followed by an invalidation. Refused at start, as nothing here would
//! honour it: units that need their write buffer flushed.

mod context;
mod devices;
mod fault;
mod invalidate;
mod pasid;
mod queue;
mod registers;
mod unit;

pub use fault::{Fault, FaultSummary};
pub use unit::{Mode, VtdFirstStageUnit, VtdUnit};
