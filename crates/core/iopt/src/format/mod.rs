//! Table formats: for each a file of bit definitions and a file of tiny functions.

pub mod vtd_ss;
