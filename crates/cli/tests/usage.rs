//! Mistakes on the command line and files that are no drivers: one clear line, exit status 2, nothing started.

#[path = "support/files.rs"]
mod files;
#[path = "support/pe.rs"]
mod pe;
mod support;

use std::path::Path;
use std::process::{Command, Output};

use pe::{DATA, Driver};
use serde_json::Value;
use support::run;

fn dxgk(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dxgk")).args(arguments).output().expect("the command runs")
}

/// Refused before anything was started: no report, no life, one line that holds all these words.
fn refused(arguments: &[&str], words: &[&str]) {
    let run = run(arguments);
    assert_eq!(run.status, 2, "{}", run.told());
    assert_eq!(run.stdout, "", "{}", run.told());
    assert_eq!(run.json, "", "a report of a run that was not: {}", run.told());
    assert_eq!(run.stderr.trim_end().lines().count(), 1, "not one line: {}", run.told());
    for word in words {
        assert!(run.stderr.contains(word), "{word:?} is not said: {}", run.told());
    }
}

#[test]
fn alone_it_prints_its_help() {
    let output = dxgk(&[]);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("Usage: dxgk") && text.contains("run") && text.contains("iopt"), "{text}");
    assert!(!text.contains("__child"), "the hidden command is shown: {text}");
}

#[test]
fn help_names_every_option_of_the_contract() {
    let output = dxgk(&["run", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout);
    for option in [
        "--device",
        "--adapters",
        "--scenario",
        "--iommu",
        "--force-iommu",
        "--logical-base",
        "--iommu-unit",
        "--hardware",
        "--ram",
        "--wddm",
        "--highest-visible-address",
        "--registry",
        "--iommu-flags",
        "--demo",
        "--in-process",
        "--log",
        "--stacks",
        "--seed",
        "--strictness",
        "--report",
        "--timeout",
        "--quiet",
        "--verbose",
        "--color",
    ] {
        assert!(text.contains(option), "{option} is not in the help");
    }
}

#[test]
fn an_unknown_option_or_command_is_named() {
    refused(&["--no-such-option"], &["--no-such-option"]);
    refused(&["--iommuu", "off"], &["--iommuu"]);
    let output = dxgk(&["rnu"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("rnu"));
}

#[test]
fn a_bad_value_is_refused_with_the_option_and_what_it_accepts() {
    let cases: [(&str, &str, &[&str]); 19] = [
        ("--adapters", "0", &["1 to 29"]),
        ("--adapters", "30", &["1 to 29"]),
        ("--logical-adapters", "-1", &[]),
        ("--device", "toaster", &["edu", "none"]),
        ("--iommu", "on", &["auto", "remapping", "isolation", "off"]),
        ("--logical-base", "0", &["safe", "windows"]),
        ("--iommu-unit", "smmu", &["vtd", "vtd-scalable", "amdvi", "smmuv3"]),
        ("--hardware", "abacus", &["model"]),
        ("--highest-visible-address", "high", &["hexadecimal"]),
        ("--wddm", "9.9", &["3.1"]),
        ("--wddm", "", &[]),
        ("--registry", "MemoryApi=29", &["dword", "string"]),
        ("--iommu-flags", "0x100000000", &["32 bits"]),
        ("--seed", "-1", &[]),
        ("--strictness", "lax", &["report", "windows"]),
        ("--stacks", "some", &["all", "few", "none"]),
        ("--timeout", "soon", &["decimal"]),
        ("--timeout", "0", &["1 second or more"]),
        ("--color", "red", &["auto", "always", "never"]),
    ];
    for (option, value, accepted) in cases {
        refused(&[&format!("{option}={value}")], &[&[option], accepted].concat());
    }
}

#[test]
fn an_option_without_its_value_is_refused() {
    for option in ["--ram", "--seed", "--demo", "--iommu", "--registry"] {
        let output = dxgk(&["run", option]);
        assert_eq!(output.status.code(), Some(2), "{option}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(option));
    }
}

#[test]
fn registry_values_are_checked() {
    for bad in ["X", "=dword:1", "X=qword:1", "X=dword:", "X=dword:0x100000000", "a\\\\b=dword:1"] {
        refused(&["--registry", bad], &["--registry", "NAME=dword:N", "NAME=string:S"]);
    }
}

#[test]
fn ram_that_no_machine_has_is_refused() {
    for bad in [
        "",
        "lots",
        "0",
        "4G@",
        "@4G",
        "1G@0,1G@512M",
        "1G@100",
        "1000",
        "-1G",
        "99999999999999999999G",
        "1G@0xffffffffffff0000",
        "1G@0:node",
        "1G@0,",
        "1G;2G",
        // Too little for a machine, too much for this one.
        "4K",
        "256T",
        "1000T",
    ] {
        refused(&[&format!("--ram={bad}")], &["--ram"]);
    }
}

#[test]
fn an_unknown_demo_gets_the_list_of_names() {
    let names: Vec<&str> = dxgk_miniport_edu::DEMOS.iter().map(|demo| demo.name).collect();
    refused(&["--demo", "nope"], &[&["--demo", "nope"], &names[..]].concat());
    refused(&["--demo", ""], &["--demo"]);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let Some(path) = a_driver() else { return };
    refused(&[&path, "--in-process"], &["--in-process"]);
    refused(&[&path, "--demo", "leak"], &["--demo"]);
    refused(&["--quiet", "--verbose"], &["--quiet", "--verbose"]);
    refused(&["one.sys", "two.sys"], &["two.sys"]);
}

fn a_driver() -> Option<String> {
    files::edu_sys()
}

#[test]
fn a_report_of_an_unknown_kind_is_refused_with_the_kinds() {
    for bad in ["x.foo", "x", ".json.bak"] {
        refused(&["--report", bad], &["--report", ".json", ".txt"]);
        assert!(!Path::new(bad).exists());
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing.sys");
    let missing = missing.to_str().expect("UTF-8");
    refused(&[missing], &[missing, "No such file"]);
    let directory = folder.path().to_str().expect("UTF-8");
    refused(&[directory], &[directory, "directory"]);
}

/// Every file that is no driver is told apart by why; no code of it runs.
#[test]
fn a_file_that_is_no_driver_is_reported_with_the_reason() {
    // sub rsp, 28h; call KeGetCurrentIrql; add rsp, 28h; ret
    let driver = Driver::new(&[0x48, 0x83, 0xEC, 0x28])
        .call("ntoskrnl.exe", "KeGetCurrentIrql")
        .then(&[0x48, 0x83, 0xC4, 0x28, 0xC3])
        .build();
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = driver.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let mut program = std::fs::read(env!("CARGO_BIN_EXE_dxgk")).expect("this program is an ELF file");
    program.truncate(0x4000);
    let cases: [(&str, Vec<u8>, &[&str]); 13] = [
        ("an empty file", vec![], &["not a PE image"]),
        ("text", b"This is not a driver.\n".to_vec(), &["not a PE image"]),
        ("an ELF file", program, &["not a PE image"]),
        ("the letters MZ alone", b"MZ".to_vec(), &["PE"]),
        ("half of the headers", driver[..0x80].to_vec(), &["truncated"]),
        ("headers without sections", driver[..0x400].to_vec(), &["truncated"]),
        ("no PE signature", patched(0x40, b"NE"), &["not a PE image"]),
        ("a header outside of the file", patched(0x3C, &[0xFF; 4]), &["PE"]),
        ("a 32-bit image", patched(0x44, &[0x4C, 0x01]), &["machine 0x14c"]),
        ("a PE32 optional header", patched(0x58, &[0x0B, 0x01]), &["64-bit"]),
        ("an image for Arm", patched(0x44, &[0x64, 0xAA]), &["machine 0xaa64"]),
        ("an entry point in data", patched(0x58 + 16, &DATA.to_le_bytes()), &["entry point"]),
        ("an impossible size", patched(0x58 + 56, &[0xFF, 0xFF, 0xFF, 0xFF]), &["image"]),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (what, bytes, words) in cases {
        let path = folder.path().join("no-driver.sys");
        std::fs::write(&path, bytes).expect("the file");
        let run = run(&[path.to_str().expect("UTF-8")]);
        assert_eq!((run.status, run.text("/outcome")), (2, "load-failed"), "{what}: {}", run.told());
        let failure = run.text("/failure");
        assert_eq!(failure.lines().count(), 1, "{what}: {failure}");
        for word in words {
            assert!(failure.contains(word), "{what}: {word:?} is not said: {failure}");
        }
        assert!(run.stdout.contains(failure), "{what}: the terminal does not say it: {}", run.told());
        assert_eq!(run.report["life"], Value::Array(vec![]), "{what}: {}", run.told());
    }
}

/// Each prefix of a driver's file either loads as the whole does, or is refused as truncated.
#[test]
fn a_driver_file_that_ends_early_never_runs() {
    let Some(path) = files::edu_sys() else { return };
    let whole = std::fs::read(path).expect("the driver's file");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edu.sys");
    for length in [1, 63, 64, 100, 200, 400, 600, 1023, whole.len() / 4, whole.len() / 2, whole.len() - 512] {
        std::fs::write(&path, &whole[..length]).expect("the file");
        let run = run(&[path.to_str().expect("UTF-8")]);
        assert_eq!((run.status, run.text("/outcome")), (2, "load-failed"), "{length}: {}", run.told());
    }
}
