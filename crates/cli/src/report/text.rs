//! The report as text: the life as it went, findings most severe first, one summary line.

use std::fmt::Write as _;
use std::time::Duration;

use super::json::{FindingReport, Location, Report};
use super::names;
use super::outcome::Outcome;
use super::places::short;
use crate::run::cost::CostLine;

/// How it looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Style {
    /// ANSI colours.
    pub(crate) color: bool,
    /// Findings and summary only.
    pub(crate) quiet: bool,
    /// Everything.
    pub(crate) verbose: bool,
}

const RED: &str = "31;1";
const YELLOW: &str = "33;1";
const GREEN: &str = "32;1";
const BOLD: &str = "1";
const DIM: &str = "2";

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The whole report.
pub(crate) fn render(report: &Report, style: Style) -> String {
    let mut out = String::new();
    if !style.quiet {
        out.push_str(&render_life(report, style));
    }
    match (&report.not_started, &report.failure) {
        (Some(start), _) => {
            let refused = start.ddi.zip(start.status.as_deref());
            let refused =
                refused.map_or_else(String::new, |(ddi, status)| format!("{ddi} returned {status}; "));
            line(&mut out, &format!("{} {refused}{}", style.paint(RED, "not started:"), start.why));
        }
        (None, Some(failure)) => line(&mut out, &format!("{} {failure}", style.paint(RED, "failed:"))),
        (None, None) => {}
    }
    // A driver that could not be loaded for them names them in the failure already.
    if report.outcome != Outcome::LoadFailed && !report.driver.missing_imports.is_empty() {
        line(&mut out, &format!("missing imports: {}", report.driver.missing_imports.join(", ")));
    }
    if let Some(stop) = &report.bugcheck {
        stopped(&mut out, stop, style);
    }
    for (index, finding) in report.findings.iter().enumerate() {
        one_finding(&mut out, index + 1, finding, style);
    }
    for note in &report.symbols {
        line(&mut out, "");
        line(&mut out, &format!("{} {note}", style.paint(YELLOW, "symbols:")));
    }
    if style.verbose {
        cost(&mut out, &report.cost);
    }
    summary(&mut out, report, style);
    out
}

/// What the run cost: lines of their own, because no two runs have the same.
fn cost(out: &mut String, stages: &[CostLine]) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    for stage in stages {
        let CostLine { name, cpu, wall } = *stage;
        line(
            out,
            &format!("  cost: {name:<8} {:8.3} ms CPU {:8.3} ms", milliseconds(cpu), milliseconds(wall)),
        );
    }
    // What the driver's developer waits for, without what this command makes of it.
    let run = ["spawn", "machine", "load", "sandbox", "life"];
    if !stages.is_empty() {
        let cpu: Duration =
            stages.iter().filter(|stage| run.contains(&stage.name)).map(|stage| stage.cpu).sum();
        line(out, &format!("  cost: from spawn to life {:.3} ms CPU", milliseconds(cpu)));
    }
}

/// The life of the adapter, one line a DDI.
fn render_life(report: &Report, style: Style) -> String {
    let mut out = String::new();
    line(
        &mut out,
        &format!("{} {} ({})", style.paint(BOLD, "driver"), report.driver.path, report.driver.kind),
    );
    let machine = &report.machine;
    let device = match (machine.logical_adapters, machine.adapters) {
        (1, 1) => machine.device.clone(),
        (1, linked) => format!("{} ({linked} linked adapters)", machine.device),
        (beside, 1) => format!("{} ({beside} adapters)", machine.device),
        (beside, linked) => format!("{} ({beside} adapters of {linked} linked ones)", machine.device),
    };
    line(
        &mut out,
        &format!(
            "{} {} RAM, device {device}, IOMMU {} ({})",
            style.paint(BOLD, "machine"),
            machine.ram,
            machine.iommu_unit,
            machine.hardware
        ),
    );
    for entry in &report.life {
        let times = if entry.count > 1 { format!(" x{}", entry.count) } else { String::new() };
        let status = match entry.status.as_deref() {
            Some("0x00000000") => style.paint(GREEN, "ok"),
            Some(other) => style.paint(YELLOW, other),
            None => style.paint(RED, "did not return"),
        };
        line(&mut out, &format!("  {:<44} {status}{times}", names::call(entry.ddi, &entry.argument)));
    }
    if style.verbose {
        for (name, count) in &report.callbacks {
            let note = if count.not_supported { ", not supported" } else { "" };
            line(&mut out, &format!("  {name}: {} calls, {} failed{note}", count.calls, count.failed));
        }
    }
    if let (true, Some(tally)) = (style.verbose, &report.tally) {
        line(
            &mut out,
            &format!(
                "  {} boundaries; traps: {} registers, {} privileged, {} cr8 ({} sites rewritten, {} left), \
                 {} shared data ({} sites rewritten), {} guards; {} exceptions, {} handled by the driver",
                tally.boundaries,
                tally.register_traps,
                tally.privileged_traps,
                tally.level_traps,
                tally.level_rewritten,
                tally.level_not_rewritten,
                tally.shared_data_traps,
                tally.shared_data_rewritten,
                tally.guard_traps,
                tally.exceptions,
                tally.exceptions_handled
            ),
        );
    }
    for text in &report.log {
        line(&mut out, &format!("  {} {text}", style.paint(DIM, "driver:")));
    }
    for (name, count) in report.callbacks.iter().filter(|(_, count)| count.not_supported) {
        line(&mut out, &format!("  {name} is not supported yet; called {} times", count.calls));
    }
    out
}

fn stopped(out: &mut String, stop: &super::json::BugCheck, style: Style) {
    let parameters = stop.parameters.join(", ");
    line(out, "");
    line(out, &format!("{} {} {} ({parameters})", style.paint(RED, "BUG CHECK"), stop.code, stop.name));
    line(out, &format!("  cause     {}", stop.cause));
    line(out, &format!("  address   {}", stop.address));
    place(out, &stop.place, style, 2);
    let registers: Vec<String> =
        stop.registers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for row in registers.chunks(6) {
        line(out, &format!("  registers {}", row.join(" ")));
    }
}

fn one_finding(out: &mut String, number: usize, finding: &FindingReport, style: Style) {
    let color = if finding.severity == "error" { RED } else { YELLOW };
    let times = if finding.count > 1 { format!(" ({} times)", finding.count) } else { String::new() };
    line(out, "");
    line(
        out,
        &format!(
            "{number}. {} {}{times}",
            style.paint(color, &format!("{} {}", finding.severity, finding.rule)),
            style.paint(BOLD, &finding.message)
        ),
    );
    place(out, &finding.place, style, 3);
    if let Some(object) = &finding.object {
        line(out, &format!("   object   {} {}, {} bytes", object.kind, object.handle, object.size));
    }
    for (index, entry) in finding.history.iter().enumerate() {
        let head = if index == 0 { "history" } else { "" };
        line(out, &format!("   {head:<8} at {:>6}  {}  [{}]", entry.at, entry.what, entry.place));
    }
    line(out, &format!("   culprit  {}", finding.culprit));
    line(out, &format!("   Windows  {}", finding.windows));
    line(out, &format!("   see      {}", finding.documentation.join("; ")));
    line(out, &format!("   mend     {}", style.paint(BOLD, &finding.fix)));
}

/// Where it is, and who called; under `--verbose` also what was inlined there.
fn place(out: &mut String, place: &Location, style: Style, indent: usize) {
    let raw = match &place.module {
        Some(module) => format!("{module}+{}", place.offset),
        None => place.offset.clone(),
    };
    let mut source = String::new();
    if let Some(file) = &place.file {
        let number = place.line.map(|number| format!(":{number}")).unwrap_or_default();
        source = format!(" ({}{number})", short(file));
    }
    let function = place.function.as_deref().unwrap_or("");
    list(out, "where", &[format!("{raw}  {function}{source}").trim_end().to_owned()], indent);
    list(out, "from", &place.callers, indent);
    if style.verbose {
        list(out, "inlined", &place.inlined, indent);
    }
    list(out, "stack", &place.stack, indent);
}

/// A name, and one or more lines beside it.
fn list(out: &mut String, name: &str, lines: &[String], indent: usize) {
    const COLUMN: usize = 12;
    for (index, text) in lines.iter().enumerate() {
        let head = if index == 0 { name } else { "" };
        line(out, &format!("{:<COLUMN$}{text}", format!("{:indent$}{head}", "")));
    }
}

fn summary(out: &mut String, report: &Report, style: Style) {
    let calls: u64 = report.callbacks.values().map(|count| count.calls).sum();
    let verdict = match report.outcome {
        Outcome::Clean => style.paint(GREEN, "clean"),
        Outcome::Findings if !report.scenario.unmet.is_empty() => style.paint(RED, "not as expected"),
        Outcome::Findings if report.findings.is_empty() => style.paint(RED, "not started"),
        other => style.paint(RED, other.words()),
    };
    line(out, "");
    line(
        out,
        &format!(
            "{verdict}: mode {} ({}); {calls} callbacks, {} bytes by DMA, {} faults, {} findings",
            report.machine.iommu_mode,
            report.machine.iommu_mode_reason,
            report.dma.bytes,
            report.dma.faults,
            report.findings.len()
        ),
    );
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
