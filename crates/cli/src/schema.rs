//! `dxgk schema`: JSON schemas of the files that users write and read.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use schemars::schema_for;

/// Options of `dxgk schema`.
#[derive(Args, Debug)]
pub(crate) struct Schema {
    /// The kind of file
    #[arg(value_enum)]
    file: File,
}

/// What there are schemas of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum File {
    /// The report of a run, `--report FILE.json`
    Report,
    /// A device description, `--device FILE.toml`
    Device,
    /// A scenario, `--scenario FILE.toml`
    Scenario,
}

/// Prints one.
pub(crate) fn print(asked: &Schema, out: &mut dyn Write) -> io::Result<()> {
    let schema = match asked.file {
        File::Report => schema_for!(crate::report::Report),
        File::Device => schema_for!(dxgk_model::Description),
        File::Scenario => schema_for!(crate::scenario::File),
    };
    writeln!(out, "{}", serde_json::to_string_pretty(&schema)?)
}
