//! Tests against a kernel and a port driver that only keep books: each call is a line in a log.

mod callbacks;
mod kernel;
mod life;
mod memory;
mod misuse;
mod values;
