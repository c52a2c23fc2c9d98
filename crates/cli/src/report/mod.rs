//! Reports: one structure, several renderings.

mod json;
mod names;
mod outcome;
mod places;
mod text;

use std::path::Path;

pub(crate) use json::{Report, mode_name};
pub(crate) use outcome::Outcome;
pub(crate) use text::{Style, render};

use crate::usage::Usage;

/// A file to be written, by its ending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// `.json`, as `dxgk schema report` describes it.
    Json,
    /// `.txt`, or `-`: what the terminal shows.
    Text,
}

impl Format {
    /// The format that a path asks for.
    pub(crate) fn of(path: &Path) -> Result<Self, Usage> {
        if path == Path::new("-") {
            return Ok(Self::Text);
        }
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => Ok(Self::Json),
            Some("txt") => Ok(Self::Text),
            _ => Err(Usage::option(
                "--report",
                format!("{}: unknown ending; accepted: .json, .txt, -", path.display()),
            )),
        }
    }
}
