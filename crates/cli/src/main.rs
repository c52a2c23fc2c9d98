//! The `dxgk` command.

mod iopt;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "dxgk", version, about, arg_required_else_help = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build and explain I/O page tables, outside any run
    Iopt(iopt::Iopt),
}

fn main() -> ExitCode {
    let Verb::Iopt(iopt) = Command::parse().verb;
    match iopt::run(&iopt, &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refused) => {
            // Nothing is left to be done about a standard error that cannot be written.
            let _ = writeln!(std::io::stderr(), "dxgk: {refused}");
            ExitCode::from(2)
        }
    }
}
