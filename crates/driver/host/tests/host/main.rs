//! The low level of the driver host, run on machine code.

mod calls;
mod fibers;
mod image;
mod pe;
mod registers;
mod sandbox;
