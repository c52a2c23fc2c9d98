//! What can be wrong with a server.

use std::io;

/// Why a device model cannot be used, or not any more. Each reads as what the model did: "did not answer ...".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody listens there.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// It took too long.
    #[error("did not answer {what} within {seconds} seconds")]
    Silent {
        /// What was asked.
        what: String,
        /// How long it had.
        seconds: f32,
    },
    /// It closed the connection, or ended.
    #[error("closed the connection {when}")]
    Closed {
        /// When, in words.
        when: String,
    },
    /// The connection broke.
    #[error("cannot be reached any more: {0}")]
    Broken(io::Error),
    /// It speaks another version.
    #[error("speaks version {major}.{minor} of vfio-user; dxgk speaks 0.1 and 0.0")]
    Version {
        /// The version that it answered.
        major: u16,
        /// Likewise.
        minor: u16,
    },
    /// It refused what it cannot do without.
    #[error("refused {what}: {why}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its error.
        why: io::Error,
    },
    /// It is no PCI device, or lacks what every one has.
    #[error("{0}")]
    NoDevice(&'static str),
    /// What it sent is no message of the protocol, or none that was due.
    #[error("broke the vfio-user protocol: {0}")]
    Nonsense(String),
}
