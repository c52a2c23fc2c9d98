//! Intel VT-d in legacy mode: root and context tables, second-stage tables of four levels, queued invalidation.
//!
//! Source: VT-d Architecture Specification, revision 4.1; the words are in [`dxgk_iopt::vtd::spec`].
//!
//! Refused at start, as nothing here would honour it: caching mode (every map would need an invalidation), and
//! units that need their write buffer flushed.

mod context;
mod fault;
mod invalidate;
mod queue;
mod registers;
mod unit;

pub use fault::{Fault, FaultSummary};
pub use unit::VtdUnit;
