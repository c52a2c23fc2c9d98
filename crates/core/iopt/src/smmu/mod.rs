//! Arm SMMUv3: everything of the manual but the translation tables, which are [`crate::format::smmu`].

pub mod spec;
