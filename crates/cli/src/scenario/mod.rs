//! Scenarios: what happens to the adapters of a run, written down in a file (`--scenario FILE.toml`).
//!
//! A file has options of the command line (`[machine]`, `[driver]`), which the command line itself overrides, and steps
//! (`[[step]]`), which the child plays one after the other (`crate::run::play`). The life that a run has without a file is a
//! file, too: `scenarios/default.toml`.

mod parse;
mod settings;
mod step;
#[cfg(test)]
mod tests;

use std::fs::File as OpenFile;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use settings::{File, Setting};
pub(crate) use step::{
    Allocation, Dma, Expect, ModeName, OfAdapter, Power, PowerState, Remove, Step, StepEnd, SurpriseRemove,
    Work,
};

use crate::usage::Usage;

/// The name of the built-in scenario.
pub(crate) const DEFAULT: &str = "default";
const DEFAULT_TEXT: &str = include_str!("../../../../scenarios/default.toml");
/// Bytes of a file at most (our choice).
const LONGEST: u64 = 1 << 20;

/// What is played, and what it is called.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Scenario {
    /// `default`, or the file as written on the command line.
    pub(crate) name: String,
    /// In order.
    pub(crate) steps: Vec<Step>,
}

impl Scenario {
    /// A life without steps: what checks an option alone.
    fn nothing() -> Self {
        Self { name: String::new(), steps: Vec::new() }
    }
}

/// A scenario with the options that its file gives.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) scenario: Scenario,
    pub(crate) settings: Vec<Setting>,
    /// `[driver] path`.
    pub(crate) driver: Option<std::path::PathBuf>,
}

/// Reads the scenario that is meant: the built-in one, or a file's.
///
/// # Errors
/// What is wrong with the file, and where.
pub(crate) fn load(name: &str) -> Result<Loaded, Usage> {
    if name == DEFAULT {
        return parse::parse(DEFAULT, DEFAULT_TEXT, Path::new(""))
            .map_err(|error| Usage::option("--scenario", error));
    }
    let path = Path::new(name);
    let refused = |error: std::io::Error| Usage::file(path, error);
    let mut text = String::new();
    OpenFile::open(path).map_err(refused)?.take(LONGEST + 1).read_to_string(&mut text).map_err(refused)?;
    if text.len() as u64 > LONGEST {
        return Err(Usage::file(path, format!("the scenario is longer than {LONGEST} bytes")));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    parse::parse(name, &text, folder).map_err(|error| Usage::file(path, error))
}
