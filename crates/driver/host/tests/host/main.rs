//! The low level of the driver host, run on machine code.

mod calls;
mod fibers;
mod image;
mod layout;
mod pe;
mod registers;
mod sandbox;
