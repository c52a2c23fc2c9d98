//! Mistakes in the command line, or in what it names.

use std::fmt::Display;

/// One line that names the option or the file, and what is accepted; exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

impl Usage {
    /// The value of `option` is refused.
    pub(crate) fn option(option: &str, why: impl Display) -> Self {
        Self(format!("{option}: {why}"))
    }

    /// A file that cannot be read or written, or is not what it should be.
    pub(crate) fn file(path: &std::path::Path, why: impl Display) -> Self {
        Self(format!("{}: {why}", path.display()))
    }
}
