//! Every scenario file of the project does what it is there for, and files of every user's own are checked and played.

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Run, run};

/// A published scenario, and how a run of it with the built-in sample ends.
struct Published {
    file: &'static str,
    status: i32,
    /// The mode at its end.
    mode: &'static str,
    rules: &'static [&'static str],
}

const fn clean(file: &'static str, mode: &'static str) -> Published {
    Published { file, status: 0, mode, rules: &[] }
}

const PUBLISHED: &[Published] = &[
    clean("default.toml", "remapping"),
    clean("linked-adapters.toml", "remapping"),
    clean("two-adapters.toml", "remapping"),
    clean("power-cycle.toml", "remapping"),
    clean("pressure.toml", "remapping"),
    clean("limited-device.toml", "remapping"),
    clean("surprise-removal.toml", "remapping"),
    clean("late-attach.toml", "isolation"),
    clean("secure-vm.toml", "isolation"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn rules(run: &Run) -> Vec<&str> {
    let findings = run.report["findings"].as_array().expect("findings");
    findings.iter().filter_map(|finding| finding["rule"].as_str()).collect()
}

#[test]
fn every_published_scenario_ends_as_it_says() {
    for Published { file, status, mode, rules: expected } in PUBLISHED {
        let path = folder().join(file);
        let path = path.to_str().expect("UTF-8");
        let run = run(&["--scenario", path]);
        assert_eq!((run.status, run.text("/machine/iommu_mode")), (*status, *mode), "{}", run.told());
        assert_eq!(rules(&run), *expected, "{}", run.told());
        assert_eq!(run.text("/scenario/name"), path);
        assert_eq!(run.report["scenario"]["unmet"], Value::Array(vec![]), "{}", run.told());
        let steps = run.report["scenario"]["steps"].as_array().expect("steps");
        assert!(steps.iter().all(|step| step["status"] != Value::Null), "{}", run.told());
        let life = run.report["life"].as_array().expect("a life");
        assert!(life.iter().any(|entry| entry["ddi"] == "DxgkDdiUnload"), "{}", run.told());
    }
}

#[test]
fn every_file_of_the_folder_is_published_and_in_the_readme() {
    let readme = std::fs::read_to_string(folder().join("../README.md")).expect("README.md");
    let listed: BTreeSet<String> = PUBLISHED.iter().map(|one| one.file.to_owned()).collect();
    let there: BTreeSet<String> = std::fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(listed, there);
    for file in there {
        assert!(readme.contains(&format!("scenarios/{file}")), "{file} is not in README.md");
    }
}

/// Plays a scenario of these lines.
fn play(text: &str, arguments: &[&str]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, text).expect("the file");
    let path = path.to_str().expect("UTF-8");
    run(&[&["--scenario", path], arguments].concat())
}

fn steps(verbs: &[&str]) -> String {
    verbs.iter().map(|step| format!("[[step]]\ndo = {step}\n")).collect()
}

/// The DDIs of a life, in order.
fn life(run: &Run) -> Vec<&str> {
    let life = run.report["life"].as_array().expect("a life");
    life.iter().filter_map(|entry| entry["ddi"].as_str()).collect()
}

#[test]
fn the_default_scenario_is_what_a_run_does_without_one() {
    let path = folder().join("default.toml");
    let mut file = run(&["--scenario", path.to_str().expect("UTF-8")]).report;
    file["scenario"]["name"] = Value::from("default");
    assert_eq!(run(&[]).report, file);
    assert_eq!(run(&["--scenario", "default"]).report, file);
}

#[test]
fn a_bad_file_is_one_line_with_its_place_and_nothing_starts() {
    let cases: [(&str, &[&str]); 4] = [
        ("[[step]]\ndo = \"dance\"", &["mine.toml: line 2, column 6", "dance", "start, stop"]),
        ("[[step]]\ndo = \"start\"\nwhy = 1", &["line 3, column 1", "why"]),
        ("[machine]\nram = \"lots\"\n[[step]]\ndo = \"start\"", &["line 2, column 1", "--ram", "lots"]),
        ("[[step", &["line 1"]),
    ];
    for (text, words) in cases {
        for run in [play(text, &[]), play(text, &["--in-process"])] {
            assert_eq!((run.status, run.stdout.as_str(), run.json.as_str()), (2, "", ""), "{}", run.told());
            assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.told());
            for word in words {
                assert!(run.stderr.contains(word), "{word:?} is not said: {}", run.told());
            }
        }
    }
    let run = run(&["--scenario", "/nowhere/x.toml"]);
    assert_eq!(run.status, 2, "{}", run.told());
    assert!(run.stderr.contains("/nowhere/x.toml"), "{}", run.told());
}

#[test]
fn what_a_scenario_leaves_running_is_stopped_removed_and_unloaded() {
    let run = play(&steps(&["\"start\""]), &[]);
    assert_eq!(run.status, 0, "{}", run.told());
    let life = life(&run);
    assert_eq!(life[life.len() - 3..], ["DxgkDdiStopDevice", "DxgkDdiRemoveDevice", "DxgkDdiUnload"]);
}

/// Shows S-ISO-20.
#[test]
fn an_adapter_starts_again_after_a_stop_in_the_mode_that_it_had() {
    for mode in ["remapping", "isolation", "off"] {
        let run = play(
            &steps(&["\"start\"", "\"stop\"", "\"start\"", "\"power\"", "\"stop\""]),
            &["--iommu", mode],
        );
        assert_eq!((run.status, run.text("/machine/iommu_mode")), (0, mode), "{}", run.told());
        let life = life(&run);
        let count = |ddi: &str| life.iter().filter(|one| **one == ddi).count();
        assert_eq!((count("DxgkDdiStartDevice"), count("DxgkDdiStopDevice")), (2, 2), "{}", run.told());
        // Once attached it stays so: there is no second window.
        assert_eq!(count("DxgkDdiBeginExclusiveAccess"), usize::from(mode == "isolation"), "{}", run.told());
    }
}

#[test]
fn options_of_the_file_are_overridden_by_the_command_line() {
    let text = format!("[machine]\niommu = \"isolation\"\nseed = 9\n{}", steps(&["\"start\""]));
    let run = play(&text, &[]);
    assert_eq!(
        (run.text("/machine/iommu_mode"), &run.report["machine"]["seed"]),
        ("isolation", &Value::from(9))
    );
    let run = play(&text, &["--iommu", "off"]);
    assert_eq!((run.text("/machine/iommu_mode"), &run.report["machine"]["seed"]), ("off", &Value::from(9)));
}

#[test]
fn what_was_expected_and_did_not_come_about_is_told_and_is_no_clean_run() {
    let cases: [(&str, &[&str]); 7] = [
        ("outcome = \"findings\"", &["step 2 (expect)", "findings was expected", "clean"]),
        ("outcome = \"bugcheck\"", &["bug check was expected", "clean"]),
        ("finding = \"DMA-001\"", &["DMA-001 was expected and not found"]),
        ("step = \"failed\"", &["step 2 of the scenario (expect)", "the step before succeeded"]),
        ("mode = \"off\"", &["the adapter is in mode remapping"]),
        ("mode = \"off\"\nadapter = 3", &["no adapter 3", "has 1"]),
        ("memory = { address = 0xffff_ffff_0000, bytes = \"00\" }", &["no RAM at 0xffffffff0000"]),
    ];
    for (expected, words) in cases {
        let run = play(&format!("{}{expected}\n", steps(&["\"start\"", "\"expect\""])), &[]);
        assert_eq!((run.status, run.text("/outcome")), (1, "findings"), "{}", run.told());
        let unmet = run.text("/scenario/unmet/0");
        for word in words {
            assert!(unmet.contains(word), "{word:?} is not said: {}", run.told());
        }
        assert!(run.stdout.contains(unmet) && run.stdout.contains("not as expected"), "{}", run.told());
        assert!(life(&run).contains(&"DxgkDdiUnload"), "{}", run.told());
    }
}

/// Shows S-ISO-02, S-ISO-03.
#[test]
fn a_transfer_that_the_device_makes_of_itself_is_refused_and_is_the_devices_fault() {
    for mode in ["remapping", "isolation"] {
        let text = steps(&["\"start\"", "\"dma\"", "\"expect\"\nfinding = \"DMA-001\""]);
        let run = play(&text, &["--iommu", mode]);
        assert_eq!((run.status, rules(&run)), (1, vec!["DMA-001"]), "{}", run.told());
        assert_eq!(run.text("/findings/0/culprit"), "device", "{}", run.told());
    }
}

#[test]
fn memory_is_expected_to_hold_what_the_device_wrote_or_was_kept_from_writing() {
    let written = "\"dma\"\naddress = 0x10_0000\nbytes = 4\nwrite = true\nfill = 0x5a";
    let holds = |bytes| format!("\"expect\"\nmemory = {{ address = 0x10_0000, bytes = \"{bytes}\" }}");
    let run = play(&steps(&["\"start\"", written, &holds("5a5A 5a 5a")]), &["--iommu", "off"]);
    assert_eq!(run.report["scenario"]["unmet"], Value::Array(vec![]), "{}", run.told());
    let run = play(&steps(&["\"start\"", written, &holds("5a")]), &["--iommu", "remapping"]);
    let unmet = run.text("/scenario/unmet/0");
    assert!(unmet.contains("the byte at 0x100000 is") && unmet.contains("not 0x5a"), "{}", run.told());
}

#[test]
fn a_step_that_fails_ends_the_scenario_unless_it_was_expected() {
    let run = play(&steps(&["\"work\"", "\"start\""]), &[]);
    assert_eq!(run.status, 1, "{}", run.told());
    assert!(run.text("/failure").contains("step 1 of the scenario (work): the adapter is not started"));
    assert!(!life(&run).contains(&"DxgkDdiStartDevice"), "{}", run.told());
    let run = play(&steps(&["\"work\"", "\"expect\"\nstep = \"failed\"", "\"start\"", "\"expect\""]), &[]);
    assert_eq!(run.status, 0, "{}", run.told());
}

#[test]
fn an_expectation_in_the_middle_speaks_of_what_was_found_by_then_and_the_last_of_the_whole_run() {
    // The leak is found when the device is removed, after the last step.
    let leak = ["--demo", "leak"];
    let run =
        play(&steps(&["\"start\"", "\"expect\"", "\"power\"", "\"expect\"\nfinding = \"LEAK-001\""]), &leak);
    assert_eq!(run.report["scenario"]["unmet"], Value::Array(vec![]), "{}", run.told());
    let run = play(&steps(&["\"start\"", "\"expect\"\nfinding = \"LEAK-001\"", "\"power\""]), &leak);
    assert!(run.text("/scenario/unmet/0").contains("LEAK-001 was expected and not found"), "{}", run.told());
    let run = play(&steps(&["\"start\"", "\"power\"", "\"expect\"\nno-finding = \"LEAK-001\""]), &leak);
    assert!(run.text("/scenario/unmet/0").contains("LEAK-001 was found"), "{}", run.told());
}

#[test]
fn the_schema_of_scenarios_is_printed() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_dxgk")).args(["schema", "scenario"]).output().expect("it runs");
    let schema: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(schema["properties"]["step"].is_object(), "{schema}");
}

/// Shows S-ISO-36, S-RMP-09, S-RMP-10.
#[test]
fn linked_adapters_live_clean_in_every_mode_and_personality_and_in_any_order_of_removal() {
    for (api, modes) in [("29", &["remapping", "isolation", "off"][..]), ("24", &["isolation", "off"])] {
        for mode in modes {
            for order in ["", "\norder = [0, 1, 2]", "\norder = [1, 0, 2]"] {
                let text = steps(&["\"start\"", "\"power\"", &format!("\"remove\"{order}")]);
                let api = format!("MemoryApi=dword:{api}");
                let run = play(&text, &["--adapters", "3", "--iommu", mode, "--registry", &api]);
                assert_eq!((run.status, run.text("/machine/iommu_mode")), (0, *mode), "{}", run.told());
                assert_eq!(run.report["machine"]["adapters"], 3);
                let life = run.report["life"].as_array().expect("a life").iter();
                let count = |ddi: &str| -> u64 {
                    let calls = life.clone().filter(|one| one["ddi"] == ddi);
                    calls.filter_map(|one| one["count"].as_u64()).sum()
                };
                for ddi in
                    ["DxgkDdiAddDevice", "DxgkDdiLinkDevice", "DxgkDdiStartDevice", "DxgkDdiRemoveDevice"]
                {
                    assert_eq!(count(ddi), 3, "{ddi}: {}", run.told());
                }
                let begun = count("DxgkDdiBeginExclusiveAccess");
                assert_eq!(begun, u64::from(*mode == "isolation"), "the lead's: {}", run.told());
            }
        }
    }
}

#[test]
fn an_adapter_that_was_removed_does_nothing_more() {
    for next in ["\"start\"", "\"remove\"", "\"stop\"", "\"power\""] {
        let run = play(&steps(&["\"start\"", "\"remove\"", next]), &[]);
        assert_eq!(run.status, 1, "{}", run.told());
        assert!(run.text("/failure").contains("the adapter is removed"), "{}", run.told());
    }
    let run = play(&steps(&["\"remove\"\norder = [1, 0]"]), &[]);
    assert!(run.text("/failure").contains("the order names 2 adapters; the chain has 1"), "{}", run.told());
}

/// Shows S-ISO-14, S-ISO-19.
#[test]
fn a_secure_virtual_machine_is_not_created_when_the_driver_has_no_isolation_whatever_iommuflags_say() {
    let text =
        steps(&["\"start\"", "\"secure-vm\"", "\"expect\"\nstep = \"failed\"\nmode = \"off\"", "\"power\""]);
    for flags in ["0x7", "0x1f"] {
        let arguments = ["--iommu", "off", "--iommu-flags", flags, "--registry", "MemoryApi=dword:20"];
        let run = play(&text, &arguments);
        assert_eq!(run.status, 0, "{}", run.told());
        assert!(!life(&run).contains(&"DxgkDdiBeginExclusiveAccess"), "{}", run.told());
    }
    let bare = play(
        &steps(&["\"start\"", "\"secure-vm\""]),
        &["--iommu", "off", "--registry", "MemoryApi=dword:20"],
    );
    let told = "the secure virtual machine is not created: the driver does not claim isolation";
    assert!(bare.text("/failure").contains(told), "{}", bare.told());
}

/// Shows S-ISO-16, S-ISO-17, S-ISO-38.
#[test]
fn an_attach_that_nothing_stands_against_comes_once_between_begin_and_end() {
    for how in ["\"attach\"", "\"secure-vm\""] {
        for api in ["24", "29"] {
            let api = format!("MemoryApi=dword:{api}");
            let text = steps(&["\"start\"", "\"power\"", how, how, "\"power\""]);
            let run = play(&text, &["--iommu", "off", "--registry", &api]);
            assert_eq!((run.status, run.text("/machine/iommu_mode")), (0, "isolation"), "{}", run.told());
            let life = life(&run);
            let begin = life.iter().position(|one| *one == "DxgkDdiBeginExclusiveAccess").expect("begun");
            assert_eq!(life[begin + 1], "DxgkDdiEndExclusiveAccess", "{}", run.told());
            assert_eq!(life.iter().filter(|one| **one == "DxgkDdiBeginExclusiveAccess").count(), 1);
        }
    }
}

#[test]
fn a_device_that_vanishes_in_a_transfer_leaves_a_part_of_it_and_a_driver_that_goes_cleanly() {
    for mode in ["remapping", "isolation", "off"] {
        let [in_transfer, idle] = ["", "\nidle = true"].map(|how| {
            let run = play(&steps(&["\"start\"", &format!("\"surprise-remove\"{how}")]), &["--iommu", mode]);
            assert_eq!(run.status, 0, "{}", run.told());
            let told = life(&run);
            assert_eq!(told[told.len() - 3..], ["DxgkDdiStopDevice", "DxgkDdiRemoveDevice", "DxgkDdiUnload"]);
            run.report["dma"]["bytes"].as_u64().expect("bytes")
        });
        assert!(in_transfer > idle, "{in_transfer} and {idle} bytes");
    }
}

#[test]
fn an_allocation_that_fails_is_told_to_the_driver_and_the_next_round_works() {
    for kind in ["pages", "handle", "logical-range", "view", "table-page"] {
        let armed = format!("\"pressure\"\nkind = \"{kind}\"");
        let run = play(&steps(&["\"start\"", &armed, "\"power\"", "\"power\""]), &[]);
        assert_eq!(run.status, 0, "{}", run.told());
        let life = run.report["life"].as_array().expect("a life").iter();
        let ups: Vec<&str> = life
            .filter(|entry| entry["ddi"] == "DxgkDdiSetPowerState" && entry["argument"] == "0x1")
            .filter_map(|entry| entry["status"].as_str())
            .collect();
        let [first, second] = ups[..] else { panic!("{kind}: {}", run.told()) };
        // Table pages are kept for the next tables: not every round needs one. A save area that cannot be pinned is
        // saved in pieces.
        let told = first != "0x00000000" || run.stdout.contains("the save area cannot be pinned");
        assert!(told || kind == "table-page", "{kind}: {}", run.told());
        assert_eq!(second, "0x00000000", "{kind}: {}", run.told());
    }
}
