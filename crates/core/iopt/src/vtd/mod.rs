//! Intel VT-d: the words of the architecture, shared by whoever drives a unit and whoever plays one.

pub mod spec;
