//! The report as a file: the keys and kinds of values that scripts rely on, and where it is written.

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::run;

fn dxgk(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dxgk")).args(arguments).output().expect("the command runs")
}

/// A kind of value of the contract.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Text.
    Text,
    /// An address or a code: `0x` and hexadecimal digits.
    Hex,
    /// A count or a size.
    Number,
    /// A list of any length.
    List,
    /// A structure.
    Map,
    /// Another kind, or null.
    OrNull(&'static Kind),
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Hex => value.as_str().and_then(|text| text.strip_prefix("0x")).is_some_and(is_hexadecimal),
            Self::Number => value.is_u64(),
            Self::List => value.is_array(),
            Self::Map => value.is_object(),
            Self::OrNull(kind) => value.is_null() || kind.fits(value),
        }
    }
}

fn is_hexadecimal(digits: &str) -> bool {
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// More keys are allowed, fewer or others are not.
fn check(value: &Value, contract: &[(&str, Kind)]) {
    for (key, kind) in contract {
        let found = value.get(key).unwrap_or_else(|| panic!("{key} is missing: {value:#}"));
        assert!(kind.fits(found), "{key} is not {kind:?}: {found:#}");
    }
}

const TEXT: &Kind = &Kind::Text;
const NUMBER: &Kind = &Kind::Number;

const WHERE: &[(&str, Kind)] = &[
    ("module", Kind::OrNull(TEXT)),
    ("offset", Kind::Hex),
    ("function", Kind::OrNull(TEXT)),
    ("file", Kind::OrNull(TEXT)),
    ("line", Kind::OrNull(NUMBER)),
    ("stack", Kind::List),
];

fn check_whole(report: &Value) {
    check(
        report,
        &[
            ("schema", Kind::Number),
            ("driver", Kind::Map),
            ("machine", Kind::Map),
            ("outcome", Kind::Text),
            ("bugcheck", Kind::OrNull(&Kind::Map)),
            ("life", Kind::List),
            ("callbacks", Kind::Map),
            ("dma", Kind::Map),
            ("findings", Kind::List),
            ("log", Kind::List),
        ],
    );
    assert_eq!(report["schema"], 1);
    let driver = [("path", Kind::Text), ("sha256", Kind::OrNull(TEXT)), ("imports", Kind::List)];
    check(&report["driver"], &driver);
    check(&report["driver"], &[("interface_version", Kind::Hex), ("kind", Kind::Text)]);
    let machine = ["iommu_mode", "iommu_mode_reason", "iommu_unit", "hardware", "device", "ram", "wddm"];
    check(&report["machine"], &machine.map(|key| (key, Kind::Text)));
    check(&report["machine"], &[("adapters", Kind::Number), ("seed", Kind::Number)]);
    check(&report["dma"], &["reads", "writes", "bytes", "faults"].map(|key| (key, Kind::Number)));
    for calls in report["callbacks"].as_object().expect("a map").values() {
        check(calls, &[("calls", Kind::Number), ("failed", Kind::Number)]);
    }
    for entry in report["life"].as_array().expect("a list") {
        check(entry, &[("ddi", Kind::Text), ("status", Kind::OrNull(&Kind::Hex)), ("count", Kind::Number)]);
        let status = entry["status"].as_str();
        assert!(status.is_none_or(|status| status.len() == "0x00000000".len()), "{entry}");
    }
    for line in report["log"].as_array().expect("a list") {
        assert!(line.is_string(), "{line}");
    }
    if !report["bugcheck"].is_null() {
        let stop = &report["bugcheck"];
        check(stop, &[("code", Kind::Hex), ("name", Kind::Text), ("parameters", Kind::List)]);
        for parameter in stop["parameters"].as_array().expect("a list") {
            assert!(Kind::Hex.fits(parameter), "{parameter}");
        }
    }
    for finding in report["findings"].as_array().expect("a list") {
        check_finding(finding);
    }
}

fn check_finding(finding: &Value) {
    check(
        finding,
        &["rule", "severity", "culprit", "message", "windows", "fix"].map(|key| (key, Kind::Text)),
    );
    check(finding, &[("where", Kind::Map), ("object", Kind::OrNull(&Kind::Map)), ("count", Kind::Number)]);
    check(finding, &[("history", Kind::List), ("documentation", Kind::List)]);
    assert!(
        ["error", "warning", "note"].contains(&finding["severity"].as_str().unwrap_or("")),
        "{finding:#}"
    );
    assert!(["driver", "device", "port"].contains(&finding["culprit"].as_str().unwrap_or("")), "{finding:#}");
    check(&finding["where"], WHERE);
    if !finding["object"].is_null() {
        check(&finding["object"], &[("kind", Kind::Text), ("handle", Kind::Hex), ("size", Kind::Number)]);
    }
    for entry in finding["history"].as_array().expect("a list") {
        check(entry, &[("what", Kind::Text), ("at", Kind::Number), ("where", Kind::Text)]);
    }
    assert!(finding["documentation"].as_array().expect("a list").iter().all(Value::is_string));
}

#[test]
fn every_kind_of_run_has_the_keys_of_the_contract() {
    let runs: [&[&str]; 6] = [
        &[],
        &["--iommu", "off", "--registry", "MemoryApi=dword:24"],
        &["--demo", "use-after-unmap"],
        &["--demo", "leak", "--in-process"],
        &["--demo", "never-mapped", "--strictness", "windows"],
        &["--device", "none"],
    ];
    for arguments in runs {
        let run = run(arguments);
        let outcomes = ["clean", "findings", "bugcheck"];
        assert!(outcomes.contains(&run.text("/outcome")), "{}", run.told());
        check_whole(&run.report);
    }
}

#[test]
fn what_was_asked_for_stands_in_the_report() {
    let asked = ["--seed", "77", "--ram", "2G@0,1G@8G", "--wddm", "3.0", "--iommu", "isolation"];
    let run = run(&asked);
    let machine = &run.report["machine"];
    assert_eq!(machine["seed"], 77);
    assert_eq!(machine["ram"], "2G@0,1G@8G");
    assert_eq!(machine["wddm"], "3.0");
    assert_eq!(machine["iommu_mode"], "isolation");
    assert_eq!(machine["iommu_unit"], "vtd");
    assert_eq!(machine["hardware"], "model");
    assert_eq!(machine["device"], "edu");
    assert_eq!(machine["adapters"], 1);
}

#[test]
fn one_run_writes_every_report_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a UTF-8 path").to_owned();
    let (json, other, text) = (at("a.json"), at("b.json"), at("c.txt"));
    let output = dxgk(&[
        "run", "--demo", "leak", "--report", &json, "--report", &text, "--report", &other, "--report", "-",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let read = |path: &str| std::fs::read_to_string(path).expect("a report");
    assert_eq!(read(&json), read(&other));
    serde_json::from_str::<Value>(&read(&json)).expect("JSON");
    let stdout = String::from_utf8(output.stdout).expect("text");
    assert_eq!(read(&text), stdout, "the text report is what the terminal shows, once");
    assert!(stdout.contains("LEAK-001") && !stdout.contains('\u{1b}'), "{stdout}");
}

#[test]
fn colours_are_for_terminals_only_unless_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("report.txt");
    let text = text.to_str().expect("a UTF-8 path");
    let coloured = dxgk(&["run", "--demo", "leak", "--color", "always", "--report", text]);
    assert!(String::from_utf8_lossy(&coloured.stdout).contains('\u{1b}'));
    assert!(!std::fs::read_to_string(text).expect("a report").contains('\u{1b}'), "a file with colours");
    let plain = dxgk(&["run", "--demo", "leak", "--color", "never"]);
    assert!(!String::from_utf8_lossy(&plain.stdout).contains('\u{1b}'));
}

#[test]
fn quiet_leaves_the_findings_and_the_summary() {
    let loud = dxgk(&["run", "--demo", "leak"]);
    let quiet = dxgk(&["run", "--demo", "leak", "--quiet"]);
    let (loud, quiet) = (String::from_utf8_lossy(&loud.stdout), String::from_utf8_lossy(&quiet.stdout));
    assert!(loud.contains("DxgkDdiStartDevice") && !quiet.contains("DxgkDdiStartDevice"), "{quiet}");
    assert!(quiet.contains("LEAK-001"), "{quiet}");
    assert_eq!(loud.lines().last(), quiet.lines().last(), "the summary");
}

#[test]
fn the_log_has_every_ddi_and_callback_in_order() {
    let run = run(&["--log", "--registry", "MemoryApi=dword:24"]);
    let at = |wanted: &str| {
        let found = run.stdout.lines().position(|line| line.contains(wanted));
        found.unwrap_or_else(|| panic!("{wanted} is not in the log: {}", run.stdout))
    };
    let order =
        ["DriverEntry", "DxgkDdiStartDevice", "DxgkCbMapMdlToIoMmu", "DxgkDdiStopDevice", "DxgkDdiUnload"];
    assert!(order.map(at).is_sorted(), "{}", run.stdout);
}

/// Shows S-BEX-07, S-EEX-04.
#[test]
fn no_ddi_of_a_life_is_called_above_passive_level() {
    let run = run(&["--log", "--iommu", "isolation", "--registry", "MemoryApi=dword:24"]);
    let calls: Vec<&str> = run.stdout.lines().filter(|line| line.contains("-> DxgkDdi")).collect();
    for ddi in ["DxgkDdiBeginExclusiveAccess", "DxgkDdiEndExclusiveAccess", "DxgkDdiStartDevice"] {
        assert!(calls.iter().any(|line| line.contains(ddi)), "{ddi}: {}", run.told());
    }
    // The interrupt routine and the DPC are called above it, and said to be.
    let (high, low): (Vec<&str>, Vec<&str>) = calls.into_iter().partition(|line| line.contains(") at "));
    assert!(high.iter().all(|line| line.contains("Interrupt") || line.contains("Dpc")), "{high:?}");
    assert!(low.iter().all(|line| line.ends_with(')')), "{low:?}");
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_and_the_run_is_still_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = folder.path().join("missing").join("report.json");
    let nowhere = nowhere.to_str().expect("a UTF-8 path");
    let good = folder.path().join("good.json");
    let good = good.to_str().expect("a UTF-8 path");
    let output = dxgk(&["run", "--report", nowhere, "--report", good]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.contains(nowhere), "{stderr}");
    assert!(std::path::Path::new(good).is_file(), "the other report is not written");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.contains("clean:"), "the run is not told: {stdout}");
}
