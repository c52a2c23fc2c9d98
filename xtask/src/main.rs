//! Everything that is more than one cargo command. The same commands run here and in CI.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool for developers")]

mod arrows;
mod bench;
mod c_driver;
mod conformance;
mod differences;
mod driver;
mod header;
mod licences;
mod limits;
mod shell;
mod soak;
mod test;
mod witness;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Developer commands of dxgk")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Hold the house to its rules: dependency arrows, unsafe budget, licences, file sizes, binary-interface offsets.
    Check,
    /// All that CI runs. Installs the rustup targets and, as root, the Debian packages that it needs.
    Test,
    /// Let QEMU's IOMMUs judge the drivers and page tables: random scenarios, each three ways.
    Witness {
        /// Scenarios a format family.
        #[arg(long, default_value_t = 1000)]
        scenarios: u64,
    },
    /// Build the sample miniport as a Windows driver and print where it is.
    Driver,
    /// Build the sample miniport in C as a Windows driver and print where it is. Needs clang.
    CDriver,
    /// Write docs/conformance.md: which documented statements the tests show.
    ///
    /// A test names the statements of docs/conformance/statements.csv that it would fail for, were they turned round, in a doc
    /// line directly above `#[test]`: `/// Shows S-MMI-01, S-MMI-04.` (over several lines if need be). In a test that goes
    /// through a table, a plain comment of that form beside a case counts for the test. Rows that mean nothing off Windows stand
    /// in docs/conformance/not-applicable.csv with the reason.
    Conformance,
    /// Measure what crossing from a driver to the host costs, page tables beside other crates, and a run of the sample.
    Bench,
    /// Try for long what CI tries briefly.
    #[command(subcommand)]
    Soak(soak::Soak),
    /// Write docs/differences.md: what is our choice, or differs from Windows.
    ///
    /// It lists every sentence of a comment that says "our choice", with its place.
    Differences,
    /// Make the C header of the driver's binary interface anew.
    Header,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result<()> {
    match command {
        Command::Check => check(),
        Command::Test => test::run(),
        Command::Witness { scenarios } => witness::run(*scenarios),
        Command::Driver => {
            println!("{}", driver::build()?.display());
            Ok(())
        }
        Command::CDriver => {
            println!("{}", c_driver::build()?.display());
            Ok(())
        }
        Command::Conformance => {
            let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
            println!("{}", conformance::write(&metadata.workspace_root)?);
            Ok(())
        }
        Command::Bench => bench::run(),
        Command::Soak(what) => soak::run(what),
        Command::Differences => {
            let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
            println!("{} choices", differences::write(&metadata.workspace_root)?);
            Ok(())
        }
        Command::Header => {
            println!("{}", header::write()?.display());
            Ok(())
        }
    }
}

fn check() -> Result<()> {
    let metadata = cargo_metadata::MetadataCommand::new().exec()?;
    let mut broken = arrows::check(&metadata);
    broken.extend(licences::check(&metadata)?);
    broken.extend(limits::check(&metadata.workspace_root)?);
    broken.extend(conformance::check(&metadata.workspace_root)?);
    if broken.is_empty() {
        // Every offset of the binary interface is asserted by the compiler; these tests hold the table itself.
        shell::run("cargo", &["test", "--quiet", "--package", "dxgk-abi"], &[])?;
        println!("check: arrows, licences, unsafe budget, file sizes, statement tags and offsets hold");
        return Ok(());
    }
    for line in &broken {
        eprintln!("{line}");
    }
    anyhow::bail!("{} rule(s) of the house broken", broken.len())
}
