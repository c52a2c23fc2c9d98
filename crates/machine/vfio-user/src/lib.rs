//! Device models in other processes, over the vfio-user protocol.
//!
//! The protocol is libvfio-user's and QEMU's (QEMU, `docs/interop/vfio-user.rst`; version 0.1): messages over a UNIX
//! socket. We are the client: a [`Connection`] agrees on a version and asks what the device is, and a [`Proxy`] then
//! carries accesses, transfers and interrupts between the socket and a [link](dxgk_shm::link) to the process that the
//! machine is in. That process is sealed and could not use a socket.
//!
//! Memory is announced to the server without a file, so that each of its accesses is a message to us, and goes through
//! the machine's IOMMU. A server is not trusted more than it has to be: what it sends is checked, and what it does not
//! send is waited for only so long.
//!
//! [`server`] is the other side, for tests and for device models in Rust.

#![forbid(unsafe_code)]

mod connection;
mod error;
mod proxy;
pub mod server;
mod socket;
pub mod wire;

pub use connection::{Connection, Facts};
pub use error::Error;
pub use proxy::Proxy;
