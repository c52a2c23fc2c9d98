//! What things cost, on this machine now: the border between driver and host, page tables beside their peers, and a
//! whole run.

use anyhow::{Context, Result, ensure};

use crate::shell;

/// Runs of the sample that the figures of a run are taken from.
const RUNS: usize = 25;

pub(crate) fn run() -> Result<()> {
    shell::run("cargo", &["bench", "--quiet", "--package", "dxgk-host", "--bench", "crossings"], &[])?;
    shell::run("cargo", &["bench", "--quiet", "--package", "dxgk-iopt", "--bench", "against_peers"], &[])?;
    shell::run("cargo", &["build", "--quiet", "--release", "--package", "dxgk"], &[])?;
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let program = metadata.target_directory.join("release").join("dxgk");
    whole_runs(program.as_str())
}

/// Prints the median of each stage of the sample's run, and the least sum.
fn whole_runs(program: &str) -> Result<()> {
    let mut stages: Vec<(String, Vec<f64>)> = Vec::new();
    for _ in 0..RUNS {
        let text = shell::output(program, &["run", "--verbose"]).context("the sample does not run")?;
        for line in text.lines().filter_map(|line| line.strip_prefix("  cost: ")) {
            let (name, time) = line
                .split_once(" ms CPU")
                .context("a cost without a unit")?
                .0
                .rsplit_once(' ')
                .context("a cost without a name")?;
            let time: f64 = time.parse().context("a cost that is no number")?;
            let name = name.trim();
            match stages.iter_mut().find(|(known, _)| known == name) {
                Some((_, times)) => times.push(time),
                None => stages.push((name.to_owned(), vec![time])),
            }
        }
    }
    ensure!(!stages.is_empty(), "the sample's run prints no cost");
    println!("the sample, {RUNS} runs: ms of CPU, least and median");
    for (name, mut times) in stages {
        times.sort_by(f64::total_cmp);
        let least = times.first().copied().unwrap_or_default();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        println!("  {name:<20} {least:8.3} {median:8.3}");
    }
    Ok(())
}
