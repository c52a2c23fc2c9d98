//! `dxgk run`: one miniport through its life, and what was found.

pub(crate) mod child;
pub(crate) mod config;
pub(crate) mod cost;
mod device;
mod expect;
mod handover;
mod linked;
mod options;
mod outside;
mod parent;
mod play;
mod registry;
mod rig;
pub(crate) mod session;
mod unit;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use cost::Costs;
use options::Color;
pub(crate) use options::RunOptions;

use crate::report::{Format, Outcome, Report, Style, render};
use crate::scenario;
use crate::symbols::{Sources, Symbols};
use crate::usage::Usage;

/// The hidden command under which a run's process starts.
pub(crate) const CHILD: &str = "__child";

/// Runs, reports, and gives the exit status.
///
/// `arguments` are those of the command line: the options of a scenario's file go below them.
pub(crate) fn run(options: &RunOptions, arguments: impl IntoIterator<Item = OsString>) -> Result<u8> {
    if options.demo.as_deref() == Some("list") {
        list_demos(&mut io::stdout().lock())?;
        return Ok(0);
    }
    let loaded = scenario::load(&options.scenario)?;
    let options = &RunOptions::over(&loaded, arguments)?;
    let config = options.config(loaded.scenario)?;
    let formats = options.report.iter().map(|path| Format::of(path)).collect::<Result<Vec<_>, Usage>>()?;
    let driver = config.driver.as_deref().map(read_driver).transpose()?;
    let sha256 = driver.as_ref().map(|(_, bytes)| hex(&Sha256::digest(bytes)));
    let sources = Sources {
        driver: config.driver.clone().zip(driver.as_ref().map(|(_, bytes)| bytes.clone())),
        asked: options.symbols()?,
    };
    let (session, outcome) = if options.in_process {
        parent::in_process(&config, options.log)?
    } else {
        parent::in_child(&config, driver, options.log)?
    };
    let mut report = Report::new(&config, sha256, outcome, &session, &Symbols::new(sources));
    report.cost = session.costs.as_ref().map(Costs::lines).unwrap_or_default();
    let mut out = io::stdout().lock();
    if options.log {
        parent::print_trace(&session, &mut out)?;
    }
    let mut printed = false;
    // A report that cannot be written keeps neither the others nor the terminal from telling of the run.
    let mut unwritten = None;
    for (path, format) in options.report.iter().zip(formats) {
        printed |= path.as_path() == Path::new("-");
        if let Err(error) = write_report(&report, path, format, options, &mut out) {
            unwritten.get_or_insert(error);
        }
    }
    if !printed {
        out.write_all(render(&report, style(options)).as_bytes())?;
    }
    match unwritten {
        Some(error) => Err(error),
        None => Ok(outcome_status(outcome)),
    }
}

fn outcome_status(outcome: Outcome) -> u8 {
    outcome.exit_status()
}

fn style(options: &RunOptions) -> Style {
    let color = match options.color {
        Color::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        Color::Always => true,
        Color::Never => false,
    };
    Style { color, quiet: options.quiet, verbose: options.verbose }
}

fn write_report(
    report: &Report,
    path: &Path,
    format: Format,
    options: &RunOptions,
    out: &mut impl Write,
) -> Result<()> {
    let plain = Style { color: false, ..style(options) };
    let text = match format {
        Format::Json => serde_json::to_string_pretty(report)? + "\n",
        Format::Text if path == Path::new("-") => render(report, style(options)),
        Format::Text => render(report, plain),
    };
    if path == Path::new("-") {
        return out.write_all(text.as_bytes()).context("standard output");
    }
    std::fs::write(path, text).map_err(|error| Usage::file(path, error).into())
}

/// The driver's file name and bytes.
pub(crate) fn read_driver(path: &Path) -> Result<(String, Vec<u8>), Usage> {
    let refused = |error: io::Error| Usage::file(path, error);
    let file = File::open(path).map_err(refused)?;
    let length = file.metadata().map_err(refused)?.len();
    if length > handover::LARGEST_DRIVER {
        return Err(Usage::file(path, format!("{length} bytes are more than a driver has")));
    }
    let mut bytes = Vec::new();
    file.take(handover::LARGEST_DRIVER).read_to_end(&mut bytes).map_err(refused)?;
    let name =
        path.file_name().map_or_else(|| "driver.sys".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok((name, bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn list_demos(out: &mut impl Write) -> io::Result<()> {
    for demo in dxgk_miniport_edu::DEMOS {
        writeln!(
            out,
            "{:<18} {:<9} {} (modes: {})",
            demo.name,
            demo.rule,
            demo.summary,
            demo.modes.join(", ")
        )?;
    }
    Ok(())
}
