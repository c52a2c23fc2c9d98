//! The `dxgk` command.

mod explain;
mod iopt;
mod report;
mod run;
mod scan;
mod scenario;
mod schema;
mod symbols;
mod usage;

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use usage::{Usage, in_one_line};

/// Run an unmodified WDDM display miniport against Dxgkrnl's memory manager and an enforced IOMMU.
#[derive(Parser)]
#[command(name = "dxgk", version, about, arg_required_else_help = true)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a miniport (or the built-in sample) through its life and report what it broke
    Run(Box<run::RunOptions>),
    /// Say what a driver's file needs and holds, without running it
    Scan(scan::Scan),
    /// Build and explain I/O page tables, outside any run
    Iopt(iopt::Iopt),
    /// List the rules that findings are about
    Rules,
    /// Explain a rule: what breaks it, where it stands, what Windows does, how it is mended
    Explain(explain::Explain),
    /// Print the JSON schema of a file that is written or read
    Schema(schema::Schema),
    /// The process that a run happens in
    #[command(name = run::CHILD, hide = true)]
    Child,
}

/// Exit status of a mistake in the command line, or in what it names.
const USAGE: u8 = 2;
/// The program's name and the command's come before them.
const ARGUMENTS_OF_RUN: usize = 2;
/// Exit status of a failure of our own.
const OWN_FAILURE: u8 = 4;

fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error)
            if error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            return complain(&in_one_line(&error), USAGE);
        }
        Err(error) => {
            // Help and version; a closed standard output is no error of ours.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    match command.verb {
        Verb::Child => run::child::main(),
        Verb::Run(options) => match run::run(&options, std::env::args_os().skip(ARGUMENTS_OF_RUN)) {
            Ok(status) => ExitCode::from(status),
            Err(error) if error.is::<Usage>() => complain(&error.to_string(), USAGE),
            Err(error) => complain(&format!("{error:#}"), OWN_FAILURE),
        },
        Verb::Rules => printed(explain::list(&mut std::io::stdout().lock())),
        Verb::Explain(asked) => match explain::explain(&asked, &mut std::io::stdout().lock()) {
            Ok(written) => printed(written),
            Err(refused) => complain(&refused.to_string(), USAGE),
        },
        Verb::Schema(asked) => printed(schema::print(&asked, &mut std::io::stdout().lock())),
        Verb::Scan(asked) => match scan::scan(&asked, &mut std::io::stdout().lock()) {
            Ok(status) => ExitCode::from(status),
            Err(error) if error.is::<Usage>() => complain(&error.to_string(), USAGE),
            Err(error) => complain(&format!("{error:#}"), OWN_FAILURE),
        },
        Verb::Iopt(iopt) => match iopt::run(&iopt, &mut std::io::stdout().lock()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(refused) => complain(&refused.to_string(), USAGE),
        },
    }
}

/// Text for a terminal; a closed standard output is no error of ours.
fn printed(written: std::io::Result<()>) -> ExitCode {
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            complain(&format!("standard output: {error}"), OWN_FAILURE)
        }
        _ => ExitCode::SUCCESS,
    }
}

fn complain(text: &str, status: u8) -> ExitCode {
    // Nothing is left to be done about a standard error that cannot be written.
    let _ = writeln!(std::io::stderr(), "dxgk: {text}");
    ExitCode::from(status)
}
