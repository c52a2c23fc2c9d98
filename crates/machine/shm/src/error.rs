//! Why shared memory could not be had.

use std::io;

/// A shared region could not be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum ShmError {
    /// The kernel refused one step; which, and its error.
    #[error("cannot {step} a shared memory region of {bytes} bytes")]
    Host {
        /// What was being done.
        step: &'static str,
        /// Size of the region.
        bytes: u64,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The file passed in may still be truncated by somebody, which would make every access to it fatal.
    #[error("the shared memory file is not sealed against resizing")]
    NotSealed,
    /// The file has another size than what it should hold.
    #[error("the shared memory file has {found} bytes, expected {expected}")]
    WrongSize {
        /// Bytes found.
        found: u64,
        /// Bytes that the layout asks for, or the smallest that would do.
        expected: u64,
    },
    /// The size asked for is no size that this kind of region can have.
    #[error("a size of {0} cannot be used for this region")]
    BadSize(u64),
}
