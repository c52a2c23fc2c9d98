//! Drivers of IOMMU units, over `dxgk-hw`'s registers and memory.
//!
//! A [`PagedDomain`] is a tree of `dxgk-iopt` and whoever can invalidate a unit's caches; it knows no unit. A unit
//! ([`vtd::VtdUnit`], [`amdvi::AmdviUnit`], [`smmu::SmmuUnit`]) knows its registers, its tables and its queue, and makes domains; what all units do alike
//! stands once. The order that keeps pages safe is in [`PagedDomain`]: clear, invalidate, wait, give back.
//!
//! Memory is expected to be coherent with the unit's walks: nothing here flushes processor caches, so real units
//! without ECAP_REG.C (or its like) are not for this crate.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod amdvi;
mod domain;
mod driven;
pub mod smmu;
pub mod vtd;

pub use domain::{Invalidator, PagedDomain};
