//! VT-d second stage.

pub mod spec;
