//! `dxgk scan`: what a driver's file says before anything of it runs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use dxgk_host::image::{ImportSite, Survey, survey};
use dxgk_host::kernel::is_exported;
use serde::Serialize;

use crate::run::read_driver;
use crate::usage::Usage;

/// Options of `dxgk scan`. Exit status: 0, 1 when imports are missing, 2 when the file cannot be loaded at all.
#[derive(Args, Debug)]
pub(crate) struct Scan {
    /// The driver's file
    driver: PathBuf,

    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
}

/// Version of the JSON.
const SCHEMA: u32 = 1;
/// Exit status when imports are missing.
const MISSING: u8 = 1;
/// Places that are printed of one import or kind of instruction; JSON has all.
const PRINTED_PLACES: usize = 6;
/// What IMP-001 is about: routines that give or lock memory behind the memory manager's back.
const REPLACED_BY_CALLBACKS: [&str; 7] = [
    "MmAllocateContiguousMemory",
    "MmAllocateContiguousMemorySpecifyCache",
    "MmFreeContiguousMemory",
    "MmAllocatePagesForMdl",
    "MmAllocatePagesForMdlEx",
    "MmFreePagesFromMdl",
    "MmProbeAndLockPages",
];
/// Control codes that name a driver's kind.
const FULL_CODES: [u32; 2] = [0x23_003F, 0x23_0047];
const DISPLAY_ONLY_CODE: u32 = 0x23_0043;

#[derive(Serialize)]
struct Report {
    schema: u32,
    driver: String,
    kind: &'static str,
    bytes: u32,
    entry: String,
    pdb: Option<String>,
    security_cookie: Option<String>,
    sections: Vec<Section>,
    imports: Vec<Import>,
    functions: usize,
    instructions: BTreeMap<&'static str, Vec<String>>,
    warnings: Vec<String>,
    rules: Vec<Rule>,
}

#[derive(Serialize)]
struct Section {
    name: String,
    at: String,
    bytes: u32,
    executable: bool,
    writable: bool,
}

#[derive(Serialize)]
struct Import {
    module: String,
    name: String,
    missing: bool,
    used_at: Vec<String>,
}

#[derive(Serialize)]
struct Rule {
    rule: &'static str,
    condition: &'static str,
    message: String,
}

/// Looks at the file and prints what it says; the exit status.
pub(crate) fn scan(asked: &Scan, out: &mut impl Write) -> Result<u8> {
    let (name, bytes) = read_driver(&asked.driver)?;
    let survey = survey(&bytes).map_err(|error| Usage::file(&asked.driver, error))?;
    let report = report(name, &survey);
    if asked.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        print(&report, out)?;
    }
    Ok(if report.imports.iter().any(|import| import.missing) { MISSING } else { 0 })
}

fn place(at: u32) -> String {
    format!("+{at:#x}")
}

fn report(driver: String, survey: &Survey) -> Report {
    let mut instructions: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for found in &survey.special {
        instructions.entry(found.kind.name()).or_default().push(place(found.at));
    }
    Report {
        schema: SCHEMA,
        driver,
        kind: kind(survey),
        bytes: survey.bytes,
        entry: place(survey.entry),
        pdb: survey.pdb.clone(),
        security_cookie: survey.cookie.map(place),
        sections: survey
            .sections
            .iter()
            .map(|section| Section {
                name: section.name.clone(),
                at: place(section.at),
                bytes: section.bytes,
                executable: section.executable,
                writable: section.writable,
            })
            .collect(),
        imports: survey
            .imports
            .iter()
            .map(|import| Import {
                module: import.module.clone(),
                name: import.name.clone(),
                missing: !is_exported(&import.module, &import.name),
                used_at: import.callers.iter().copied().map(place).collect(),
            })
            .collect(),
        functions: survey.functions,
        instructions,
        warnings: survey.warnings.iter().map(ToString::to_string).collect(),
        rules: replaced_imports(&survey.imports).into_iter().collect(),
    }
}

/// A driver says what it is by how it asks for the graphics port's entry point.
fn kind(survey: &Survey) -> &'static str {
    let has = |code: u32| survey.control_codes.binary_search(&code).is_ok();
    match (FULL_CODES.into_iter().any(has), has(DISPLAY_ONLY_CODE)) {
        (true, false) => "full",
        (false, true) => "display-only",
        (true, true) => "full or display-only",
        (false, false) => "unknown",
    }
}

fn replaced_imports(imports: &[ImportSite]) -> Option<Rule> {
    let found: Vec<String> = imports
        .iter()
        .filter(|import| REPLACED_BY_CALLBACKS.contains(&import.name.as_str()))
        .map(|import| {
            let places: Vec<String> = import.callers.iter().copied().map(place).collect();
            format!("{}{}", import.name, used_at(&places))
        })
        .collect();
    (!found.is_empty()).then(|| Rule {
        rule: "IMP-001",
        condition: "if the driver reports isolation support",
        message: format!("it may not import {}", found.join(", ")),
    })
}

fn used_at(places: &[String]) -> String {
    let named: Vec<&str> = places.iter().take(PRINTED_PLACES).map(String::as_str).collect();
    match (named.is_empty(), places.len().saturating_sub(PRINTED_PLACES)) {
        (true, _) => String::new(),
        (false, 0) => format!(" (used at {})", named.join(", ")),
        (false, more) => format!(" (used at {} and {more} more)", named.join(", ")),
    }
}

fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "driver       {} ({})", report.driver, report.kind)?;
    writeln!(
        out,
        "image        {} bytes, entry {}, {} functions",
        report.bytes, report.entry, report.functions
    )?;
    writeln!(out, "pdb          {}", report.pdb.as_deref().unwrap_or("none"))?;
    writeln!(out, "cookie       {}", report.security_cookie.as_deref().unwrap_or("none"))?;
    for (index, section) in report.sections.iter().enumerate() {
        let head = if index == 0 { "sections" } else { "" };
        let access = match (section.executable, section.writable) {
            (true, true) => "read, write, execute",
            (true, false) => "read, execute",
            (false, true) => "read, write",
            (false, false) => "read",
        };
        writeln!(
            out,
            "{head:<12} {:<8} {:>9} {:>8} bytes  {access}",
            section.name, section.at, section.bytes
        )?;
    }
    for warning in &report.warnings {
        writeln!(out, "note         {warning}")?;
    }
    let missing: Vec<&Import> = report.imports.iter().filter(|import| import.missing).collect();
    let state =
        if missing.is_empty() { "all there".to_owned() } else { format!("{} missing", missing.len()) };
    writeln!(out, "imports      {}, {state}", report.imports.len())?;
    for import in missing {
        writeln!(out, "  missing    {}!{}{}", import.module, import.name, used_at(&import.used_at))?;
    }
    if report.instructions.is_empty() {
        writeln!(out, "special      none")?;
    }
    for (index, (kind, places)) in report.instructions.iter().enumerate() {
        let head = if index == 0 { "special" } else { "" };
        writeln!(out, "{head:<12} {kind}: {}{}", places.len(), used_at(places))?;
    }
    for rule in &report.rules {
        writeln!(out, "rule         {} {}: {}", rule.rule, rule.condition, rule.message)?;
    }
    Ok(())
}
