//! `dxgk iopt`: I/O page tables outside any run, in files.

mod build;
mod format;
mod image;
mod ops;
mod walk;

use clap::{Args, Subcommand};

/// Why nothing was done: one line; exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(String);

/// Arguments of `dxgk iopt`.
#[derive(Args)]
pub(crate) struct Iopt {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build the tables that a list of operations leaves behind
    Build(build::Build),
    /// Explain the translation of one address, level by level
    Walk(walk::Walk),
    /// Print the whole tree
    Dump(walk::Dump),
}

/// Runs it; what it says goes to `out`.
pub(crate) fn run(arguments: &Iopt, out: &mut dyn std::io::Write) -> Result<(), Refused> {
    match &arguments.verb {
        Verb::Build(build) => build.run(out),
        Verb::Walk(walk) => walk.run(out),
        Verb::Dump(dump) => dump.run(out),
    }
}

/// A number as users write it: hex with `0x`, or decimal.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        // from_str_radix would take a sign.
        Some(digits) if digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None if text.bytes().all(|digit| digit.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// The value of an option that is an address.
fn address(option: &str, text: &str) -> Result<u64, Refused> {
    number(text).ok_or_else(|| {
        Refused(format!("{option}: '{text}' is not an address; accepted: hexadecimal with 0x, or decimal"))
    })
}

/// The value of an option that is the address of a page below 2^52.
fn page_address(option: &str, text: &str) -> Result<u64, Refused> {
    match address(option, text)? {
        at if at & 0xfff != 0 => {
            Err(Refused(format!("{option}: {at:#x} is not page-aligned; accepted: multiples of 0x1000")))
        }
        at if at >> 52 != 0 => {
            Err(Refused(format!("{option}: {at:#x} is no physical address; accepted: below 2^52")))
        }
        at => Ok(at),
    }
}

fn written(result: std::io::Result<()>) -> Result<(), Refused> {
    result.map_err(|error| Refused(format!("standard output: {error}")))
}
