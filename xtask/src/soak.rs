//! Tests that take long: the same as CI runs, with more of what they try.

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::{driver, shell};

/// What is tried for long.
#[derive(Subcommand)]
pub(crate) enum Soak {
    /// Copies of the sample's driver file with bytes changed at random: what becomes of them, in a table.
    Mutated {
        /// How many.
        #[arg(long, default_value_t = 1000)]
        copies: u32,
    },
    /// Random maps, unmaps and changes of permission in every page-table format, against a flat list of pages.
    Iopt {
        /// How many a format.
        #[arg(long, default_value_t = 1_000_000)]
        steps: u32,
    },
}

pub(crate) fn run(what: &Soak) -> Result<()> {
    match what {
        Soak::Iopt { steps } => shell::run(
            "cargo",
            &[
                "test",
                "--quiet",
                "--package",
                "dxgk-iopt",
                "--test",
                "page_tables",
                "random",
                "--",
                "--nocapture",
            ],
            &[("DXGK_IOPT_STEPS", &steps.to_string())],
        ),
        Soak::Mutated { copies } => {
            let driver = driver::build()?;
            let driver = driver.to_str().context("the driver's path is not UTF-8")?;
            shell::run(
                "cargo",
                &["test", "--quiet", "--package", "dxgk", "--test", "mutated", "--", "--nocapture"],
                &[("DXGK_EDU_SYS", driver), ("DXGK_MUTATIONS", &copies.to_string())],
            )
        }
    }
}
