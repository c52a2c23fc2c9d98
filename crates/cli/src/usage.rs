//! Mistakes in the command line, or in what it names.

use std::fmt::Display;

/// One line that names the option or the file, and what is accepted; exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

impl Usage {
    /// What is wrong, in one line already.
    pub(crate) fn line(what: String) -> Self {
        Self(what)
    }

    /// The value of `option` is refused.
    pub(crate) fn option(option: &str, why: impl Display) -> Self {
        Self(format!("{option}: {why}"))
    }

    /// A file that cannot be read or written, or is not what it should be.
    pub(crate) fn file(path: &std::path::Path, why: impl Display) -> Self {
        Self(format!("{}: {why}", path.display()))
    }
}

/// What clap says is wrong and what is accepted, without the advice that follows it.
pub(crate) fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.split("\n\nUsage:").next().unwrap_or(&text);
    let text = text.split("\n\nFor more information").next().unwrap_or(text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}
