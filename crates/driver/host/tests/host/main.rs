//! The low level of the driver host, run on machine code.

mod calls;
mod exceptions;
mod fibers;
mod hostile;
mod image;
mod layout;
mod level;
mod pe;
mod portable;
mod registers;
mod sandbox;
mod shared_data;
