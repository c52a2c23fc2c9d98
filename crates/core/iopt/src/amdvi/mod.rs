//! AMD-Vi: everything of the manual but the page tables, which are [`crate::format::amdv1`].

pub mod spec;
