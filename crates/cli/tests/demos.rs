//! Each mistake that the sample can be told to make is found as exactly that, in every mode where it shows, and as
//! nothing else where it does not; linked and as a Windows driver alike.

#[path = "support/files.rs"]
mod files;
mod support;

use dxgk_miniport_edu::{DEMOS, Demo, Ending, MemoryApi};
use object::LittleEndian as LE;
use object::read::pe::{ImageNtHeaders, PeFile64};
use serde_json::Value;
use support::{Run, run};

const MODES: [&str; 3] = ["remapping", "isolation", "off"];

/// What decides about a run of a demo.
#[derive(Clone, Copy)]
struct Case {
    demo: &'static Demo,
    api: MemoryApi,
    mode: &'static str,
    /// The mistake shows.
    shows: bool,
}

/// Every demo in every mode that its personality claims.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for demo in DEMOS {
        for api in [MemoryApi::Wddm29, MemoryApi::Wddm24] {
            if demo.memory_api.is_some_and(|needed| needed != api) {
                continue;
            }
            for mode in MODES {
                if mode == "remapping" && api == MemoryApi::Wddm24 {
                    continue;
                }
                cases.push(Case { demo, api, mode, shows: demo.modes.contains(&mode) });
            }
        }
    }
    cases
}

/// As a driver file the demo is chosen in the registry, as for any driver.
fn run_case(case: Case, driver: Option<&str>) -> Run {
    let api = match case.api {
        MemoryApi::Wddm24 => "MemoryApi=dword:24",
        MemoryApi::Wddm29 => "MemoryApi=dword:29",
    };
    let adapters = case.demo.adapters().to_string();
    let common = ["--iommu", case.mode, "--registry", api, "--adapters", &adapters];
    match driver {
        None => run(&[&["--demo", case.demo.name], &common[..]].concat()),
        Some(path) => {
            let chosen = format!("Demo=string:{}", case.demo.name);
            run(&[&[path, "--registry", &chosen], &common[..]].concat())
        }
    }
}

/// Done as it is right, with everything else as in the demo.
#[test]
fn the_correct_twin_of_each_demo_is_clean_in_every_mode() {
    for case in cases() {
        let api = match case.api {
            MemoryApi::Wddm24 => "MemoryApi=dword:24",
            MemoryApi::Wddm29 => "MemoryApi=dword:29",
        };
        let twin = ["--demo", case.demo.name, "--registry", "Twin=dword:1"];
        let run = run(&[&twin[..], &["--iommu", case.mode, "--registry", api]].concat());
        assert_eq!((run.status, run.text("/outcome")), (0, "clean"), "{}", run.told());
        assert_eq!(run.report["findings"].as_array().map(Vec::len), Some(0), "{}", run.told());
        assert_eq!(run.text("/machine/iommu_mode"), case.mode, "{}", run.told());
        let an_answer = matches!(case.demo.name, "caps-disagree" | "reserved-range");
        if !an_answer && case.shows {
            assert!(
                run.json.contains(&format!("edu: demo {}", case.demo.name)),
                "it was its turn: {}",
                run.told()
            );
        }
    }
}

/// Rules that a run of the sample cannot break, and the test that shows each.
const SHOWN_ELSEWHERE: &[(&str, &str)] = &[
    // Checks of our own: no driver can bring them about.
    ("ADL-001", "crates/core/verify/tests/objects.rs"),
    ("MODE-003", "crates/core/verify/tests/mode.rs"),
    // A run's driver stays in one process.
    ("PROC-001", "crates/core/verify/tests/objects.rs"),
    // A driver's imports are its file's.
    ("IMP-001", "crates/cli/tests/imports.rs"),
];

#[test]
fn every_rule_has_a_demo_or_says_where_it_is_shown() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for rule in dxgk_verify::RULES {
        let demo = DEMOS.iter().any(|demo| demo.rule == rule.id);
        let elsewhere = SHOWN_ELSEWHERE.iter().find(|(id, _)| *id == rule.id);
        match elsewhere {
            None => assert!(demo, "{} has no demo", rule.id),
            Some((id, place)) => {
                assert!(!demo, "{id} has a demo: it is not shown elsewhere only");
                let text = std::fs::read_to_string(root.join(place)).expect("the file of tests");
                assert!(text.contains(id), "{place} does not speak of {id}");
            }
        }
    }
    for (id, _) in SHOWN_ELSEWHERE {
        assert!(dxgk_verify::RULES.iter().any(|rule| rule.id == *id), "{id} is no rule");
    }
}

/// The one finding of a case that shows; nothing for one that does not.
fn finding(case: Case, run: &Run) -> Option<&Value> {
    assert_eq!(run.stderr, "", "{}", run.told());
    assert_eq!(run.text("/machine/iommu_mode"), case.mode, "{}", run.told());
    let ending = if case.shows { case.demo.ending } else { Ending::Unload };
    assert_eq!(run.report["bugcheck"] != Value::Null, ending == Ending::BugCheck, "{}", run.told());
    assert_eq!(run.report["failure"] != Value::Null, ending == Ending::NotStarted, "{}", run.told());
    let findings = run.report["findings"].as_array().expect("findings");
    let rules: Vec<&str> = findings.iter().filter_map(|finding| finding["rule"].as_str()).collect();
    if !case.shows {
        assert_eq!((run.status, run.text("/outcome")), (0, "clean"), "{}", run.told());
        assert_eq!(rules, [""; 0], "{}", run.told());
        return None;
    }
    let outcome = if ending == Ending::BugCheck { (3, "bugcheck") } else { (1, "findings") };
    assert_eq!((run.status, run.text("/outcome")), outcome, "{}", run.told());
    assert_eq!(rules, [case.demo.rule], "{}", run.told());
    Some(&findings[0])
}

/// Ends of things in a driver that a finding must lie inside.
struct Code {
    text: std::ops::Range<u64>,
}

impl Code {
    fn of(path: &str) -> Self {
        let file = std::fs::read(path).expect("the driver's file");
        let pe = PeFile64::parse(file.as_slice()).expect("a PE64 file");
        assert_eq!(pe.nt_headers().file_header().machine.get(LE), object::pe::IMAGE_FILE_MACHINE_AMD64);
        let section =
            pe.section_table().iter().find(|section| section.raw_name() == b".text").expect(".text");
        let start = u64::from(section.virtual_address.get(LE));
        Self { text: start..start + u64::from(section.virtual_size.get(LE)) }
    }

    /// `edu.sys+0x1234` lies in the file's code; what symbols add to it is behind a space.
    fn holds(&self, place: &str) -> bool {
        let place = place.split(' ').next().unwrap_or("");
        let offset = place.strip_prefix("edu.sys+").and_then(hexadecimal);
        offset.is_some_and(|offset| self.text.contains(&offset))
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// Places inside the driver at which the object's history happened.
fn history_places(finding: &Value) -> Vec<&str> {
    let history = finding["history"].as_array().expect("a history");
    history
        .iter()
        .filter_map(|entry| entry["where"].as_str())
        .filter(|at| at.starts_with("edu.sys"))
        .collect()
}

/// What a finding of a rule has beside its rule, message, documentation and mend.
struct Expected {
    severity: &'static str,
    /// Different places in the driver that its history names.
    places: usize,
    /// It is about an object of a page.
    page: bool,
    /// It has a place in the driver.
    place: bool,
}

/// An object that was never made has only its doorbell, one that was never given back only its making; what is wrong
/// with a call has the call; what is wrong with answers has no place at all.
fn expected(case: Case) -> Expected {
    let severity = match case.demo.rule {
        "IFC-001" | "IRQL-002" | "EXCL-002" => "warning",
        "MODE-001" if case.mode != "remapping" => "warning",
        _ => "error",
    };
    let (places, page) = match case.demo.rule {
        "DMA-001" => (1, false),
        "LEAK-001" => (1, true),
        "DMA-004" => (2, true),
        "DMA-002" | "FREE-001" => (3, true),
        _ => (0, false),
    };
    Expected { severity, places, page, place: !matches!(case.demo.rule, "MODE-002" | "RSV-001") }
}

fn check_told_in_full(case: Case, run: &Run, finding: &Value) {
    let text = |field: &str| finding[field].as_str().unwrap_or("");
    let expected = expected(case);
    assert_eq!((text("severity"), text("culprit")), (expected.severity, "driver"), "{}", run.told());
    assert!(text("message").len() > 20, "{}", run.told());
    assert!(text("fix").len() > 20, "{}", run.told());
    assert!(!text("windows").is_empty(), "{}", run.told());
    assert_eq!(finding["count"], 1, "{}", run.told());
    let documentation = finding["documentation"].as_array().expect("a list");
    assert!(!documentation.is_empty(), "{}", run.told());
    assert!(documentation.iter().all(|page| page.as_str().is_some_and(|page| !page.is_empty())));
    if expected.place {
        let module = finding["where"]["module"].as_str().unwrap_or("");
        assert!(module.starts_with("edu.sys"), "{}", run.told());
        let offset = finding["where"]["offset"].as_str().and_then(hexadecimal);
        assert!(offset.is_some_and(|offset| offset > 0), "{}", run.told());
    }
    let mut places = history_places(finding);
    places.sort_unstable();
    places.dedup();
    assert!(places.len() >= expected.places, "{places:?}: {}", run.told());
    if case.demo.rule == "DMA-001" {
        assert_eq!(finding["object"], Value::Null, "nothing was ever there: {}", run.told());
    }
    if expected.page {
        let object = &finding["object"];
        assert!(object["kind"].as_str().is_some_and(|kind| !kind.is_empty()), "{}", run.told());
        assert_eq!(object["size"], 4096, "{}", run.told());
        assert!(object["handle"].as_str().and_then(hexadecimal).is_some(), "{}", run.told());
    }
}

/// Shows S-BE6-09.
#[test]
fn each_mistake_of_the_linked_sample_is_found_as_its_rule_and_nothing_else() {
    for case in cases() {
        let run = run_case(case, None);
        if let Some(finding) = finding(case, &run) {
            check_told_in_full(case, &run, finding);
        }
    }
}

#[test]
fn each_mistake_of_the_driver_file_is_found_at_its_place_in_the_file() {
    let Some(path) = files::edu_sys() else { return };
    let code = Code::of(&path);
    for case in cases() {
        let run = run_case(case, Some(&path));
        let Some(finding) = finding(case, &run) else { continue };
        check_told_in_full(case, &run, finding);
        if !expected(case).place {
            continue;
        }
        assert_eq!(finding["where"]["module"], "edu.sys", "{}", run.told());
        let offset = finding["where"]["offset"].as_str().unwrap_or("");
        assert!(code.holds(&format!("edu.sys+{offset}")), "{offset} is not in .text: {}", run.told());
        for place in history_places(finding) {
            assert!(code.holds(place), "{place} is not in .text: {}", run.told());
        }
        let stack = finding["where"]["stack"].as_array().expect("a stack");
        assert!(!stack.is_empty() || !expected(case).page, "{}", run.told());
        for frame in stack {
            assert!(code.holds(frame.as_str().unwrap_or("")), "{frame} is not in .text: {}", run.told());
        }
    }
}

#[test]
fn linked_and_as_a_driver_file_a_mistake_reads_the_same() {
    let Some(path) = files::edu_sys() else { return };
    for case in cases().into_iter().filter(|case| case.shows) {
        let (linked, file) = (run_case(case, None), run_case(case, Some(&path)));
        let pair = [&linked, &file].map(|run| finding(case, run).expect("it shows").clone());
        for part in ["message", "object", "documentation", "windows", "fix", "severity", "culprit", "count"] {
            assert_eq!(pair[0][part], pair[1][part], "{} of {}: {}", part, case.demo.name, file.told());
        }
        let happened = |finding: &Value| -> Vec<(Value, Value)> {
            let history = finding["history"].as_array().expect("a history");
            history.iter().map(|entry| (entry["what"].clone(), entry["at"].clone())).collect()
        };
        assert_eq!(happened(&pair[0]), happened(&pair[1]), "{}", file.told());
        for part in ["life", "callbacks", "dma"] {
            assert_eq!(linked.report[part], file.report[part], "{part} of {}", case.demo.name);
        }
    }
}

/// Addresses in a sentence.
fn addresses(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(hexadecimal).collect()
}

#[test]
fn a_physical_address_is_named_with_its_object_and_the_address_to_use_instead() {
    let case = cases().into_iter().find(|case| case.demo.rule == "DMA-004" && case.shows).expect("a demo");
    let run = run_case(case, None);
    let finding = finding(case, &run).expect("it shows");
    let message = finding["message"].as_str().expect("a message");
    let history = finding["history"].as_array().expect("a history");
    let entry = |wanted: &str| {
        let what = history.iter().filter_map(|entry| entry["what"].as_str());
        let found = what.clone().find(|what| what.contains(wanted)).map(addresses);
        found
            .and_then(|found| found.first().copied())
            .unwrap_or_else(|| panic!("no {wanted}: {}", run.told()))
    };
    // What the device was given, and where the object really is for it.
    let (given, logical) = (entry("the device was given address"), entry("mapped for the device at"));
    let handle = finding["object"]["handle"].as_str().and_then(hexadecimal).expect("an object");
    let named = addresses(message);
    for (what, address) in
        [("the physical address", given), ("the logical one", logical), ("the object", handle)]
    {
        assert!(named.contains(&address), "{what} {address:#x} is not in the message: {message}");
    }
    assert!(message.contains("physical address"), "{message}");
    assert_ne!(given, logical);
    let fix = finding["fix"].as_str().unwrap_or("");
    assert!(addresses(fix).contains(&logical), "the mend does not name {logical:#x}: {fix}");
}

#[test]
fn the_list_of_demos_names_each_with_its_rule_and_modes() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_dxgk"))
        .args(["run", "--demo", "list"])
        .output()
        .expect("the command runs");
    assert!(output.status.success());
    let list = String::from_utf8(output.stdout).expect("text");
    assert_eq!(list.lines().count(), DEMOS.len(), "{list}");
    for (line, demo) in list.lines().zip(DEMOS) {
        assert!(line.starts_with(demo.name) && line.contains(demo.rule), "{line}");
        assert!(line.contains(&demo.modes.join(", ")), "{line}");
    }
}

/// Shows S-BE6-01, S-BE6-02, S-BE6-03, S-BE6-04, S-BE6-10.
#[test]
fn as_strict_as_windows_a_device_fault_stops_the_machine_and_is_still_explained() {
    let run = run(&["--demo", "never-mapped", "--strictness", "windows"]);
    assert_eq!((run.status, run.text("/outcome")), (3, "bugcheck"), "{}", run.told());
    assert_eq!(run.text("/bugcheck/code"), "0xE6", "{}", run.told());
    assert_eq!(run.text("/bugcheck/parameters/0"), "0x26", "{}", run.told());
    let parameter = |index: usize| hexadecimal(run.text(&format!("/bugcheck/parameters/{index}")));
    let device_object = parameter(1).expect("a number");
    assert_ne!(device_object, 0, "{}", run.told());
    let address = parameter(2).expect("a number");
    let message = run.text("/findings/0/message");
    assert!(addresses(message).contains(&address), "{address:#x}: {message}");
    // Bits 103 to 96 of a VT-d fault record are its reason: 5 for a write, 6 for a read that no entry allows.
    let reason = parameter(3).map(|word| word >> 32 & 0xff);
    assert!(matches!(reason, Some(5 | 6)), "{}", run.told());
    assert_eq!(run.text("/findings/0/rule"), "DMA-001", "{}", run.told());
    let life = run.report["life"].as_array().expect("a life");
    let unloaded = life.iter().any(|entry| entry["ddi"] == "DxgkDdiUnload");
    assert!(!unloaded, "the driver went on to its end: {}", run.told());
}
