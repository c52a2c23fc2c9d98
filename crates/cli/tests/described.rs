//! `--device FILE.toml`: a device out of a description, from the command line to the driver.

mod support;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use support::run;

/// A description that is published with the project.
fn example(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/devices/");
    format!("{path}{name}")
}

fn dxgk(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dxgk")).args(arguments).output().expect("the command runs");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_sample_does_not_tell_the_described_edu_from_the_built_in_one() {
    let file = example("edu.toml");
    for mode in ["remapping", "isolation", "off"] {
        for more in [&[][..], &["--in-process"]] {
            let arguments = |device| [&["--device", device, "--iommu", mode], more].concat();
            let described = run(&arguments(&file));
            assert_eq!((described.status, described.text("/outcome")), (0, "clean"), "{}", described.told());
            assert_eq!(described.text("/machine/device"), file);
            assert!(described.report["dma"]["bytes"].as_u64() > Some(0), "{}", described.told());
            let mut built_in = run(&arguments("edu")).report;
            built_in["machine"]["device"] = Value::from(file.as_str());
            assert_eq!(built_in, described.report, "{}", described.told());
        }
    }
}

#[test]
fn mistakes_are_found_on_a_described_device_too() {
    let file = example("edu.toml");
    for demo in dxgk_miniport_edu::DEMOS.iter().filter(|demo| demo.rule.starts_with("DMA-")) {
        let mode = demo.modes.first().copied().unwrap_or("remapping");
        let run = run(&["--device", &file, "--demo", demo.name, "--iommu", mode]);
        let findings = run.report["findings"].as_array().expect("findings");
        assert!(findings.iter().any(|finding| finding["rule"] == demo.rule), "{}", run.told());
    }
}

#[test]
fn the_sample_refuses_a_device_that_is_not_its_own_and_is_not_faulted_for_it() {
    for name in ["npu.toml", "display.toml"] {
        let run = run(&["--device", &example(name)]);
        let start = run.report["life"].as_array().expect("a life").iter();
        let start = start.filter(|entry| entry["ddi"] == "DxgkDdiStartDevice").collect::<Vec<_>>();
        assert!(start.iter().any(|entry| entry["status"] != "0x00000000"), "{}", run.told());
        assert_eq!(run.report["bugcheck"], Value::Null, "{}", run.told());
    }
}

#[test]
fn a_bad_description_is_one_line_with_its_place_and_nothing_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bad.toml");
    let text = std::fs::read_to_string(example("npu.toml")).expect("the example");
    let cases: [(String, &[&str]); 4] = [
        (text.replacen("size = 0x1000", "sise = 0x1000", 1), &["bad.toml: line ", "sise", "size"]),
        (
            text.replacen("start = \"load\"", "start = \"lode\"", 1),
            &["on-write[0].start", "lode", "load, store"],
        ),
        (text.replacen("class = 0x120000", "class = 0x12000000", 1), &["line 13", "pci.class"]),
        ("[pci".to_owned(), &["line 1"]),
    ];
    for (text, words) in cases {
        std::fs::write(&path, text).expect("the file");
        let run = run(&["--device", path.to_str().expect("a path")]);
        assert_eq!((run.status, run.stdout.as_str(), run.json.as_str()), (2, "", ""), "{}", run.told());
        assert_eq!(run.stderr.trim_end().lines().count(), 1, "{}", run.told());
        for word in words {
            assert!(run.stderr.contains(word), "{word:?} is not said: {}", run.told());
        }
    }
    let accepted = "accepted: edu, none, FILE.toml, vfio-user:SOCKET";
    let cases = [
        ("/nowhere/x.toml", "x.toml"),
        ("gpu9", accepted),
        ("gpu", "is not there yet"),
        ("qemu:edu", "is not there yet"),
        ("virtio-gpu", "docs/devices/virtio-gpu.toml"),
    ];
    for (device, word) in cases {
        let run = run(&["--device", device]);
        assert_eq!(run.status, 2, "{}", run.told());
        assert!(run.stderr.contains(word), "{}", run.told());
    }
}

/// What a schema says of a table's fields; references are followed.
fn properties<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a serde_json::Map<String, Value>> {
    let schema = match schema["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
        Some(path) => root.pointer(path)?,
        None => schema,
    };
    schema["properties"].as_object()
}

#[test]
fn the_schema_of_devices_has_every_field_of_the_examples() {
    let (status, text) = dxgk(&["schema", "device"]);
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(status, 0);
    assert_eq!(schema["additionalProperties"], false);
    let top = properties(&schema, &schema).expect("properties");
    for name in ["npu.toml", "display.toml", "edu.toml", "virtio-gpu.toml"] {
        let text = std::fs::read_to_string(example(name)).expect("the example");
        let mut fields = Some(top);
        for line in text.lines() {
            if let Some(table) = line.strip_prefix('[').map(|line| line.trim_matches(['[', ']'])) {
                let of = &top[table];
                fields = properties(&schema, if of["items"].is_null() { of } else { &of["items"] });
            } else if let Some((key, _)) =
                line.split_once(" = ").filter(|(key, _)| !key.starts_with([' ', '#']))
            {
                assert!(fields.is_some_and(|fields| fields.contains_key(key)), "{name}: {key}");
            }
        }
    }
}

#[test]
fn the_schema_of_reports_has_every_field_of_a_report() {
    let (status, text) = dxgk(&["schema", "report"]);
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(status, 0);
    let report = run(&["--demo", dxgk_miniport_edu::DEMOS[0].name]).report;
    let top = properties(&schema, &schema).expect("properties");
    assert!(report.as_object().is_some_and(|report| report.keys().all(|key| top.contains_key(key))));
    for (table, value) in
        [("machine", &report["machine"]), ("driver", &report["driver"]), ("findings", &report["findings"][0])]
    {
        let of = &top[table];
        let of = if of["items"].is_null() { of } else { &of["items"] };
        let fields = properties(&schema, of).expect("properties");
        for key in value.as_object().expect("a table").keys() {
            assert!(fields.contains_key(key), "{table}.{key}");
        }
    }
}

#[test]
fn a_schema_of_nothing_is_refused() {
    assert_eq!(dxgk(&["schema", "pony"]).0, 2);
}

/// Builds of KMDOD in the folder of public drivers.
fn builds_of_kmdod() -> Vec<PathBuf> {
    let folder = std::env::var_os("DXGK_DRIVERS").filter(|folder| !folder.is_empty());
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten();
    let builds = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        name.starts_with("kmdod") && name.ends_with(".sys")
    });
    builds.collect()
}

#[test]
fn kmdod_lives_on_the_described_display() {
    let builds = builds_of_kmdod();
    if builds.is_empty() {
        skipped("DXGK_DRIVERS names no folder with a KMDOD*.sys");
    }
    for driver in builds {
        for device in ["display.toml", "npu.toml"] {
            let run = run(&[driver.to_str().expect("a path"), "--device", &example(device)]);
            assert_eq!((run.status, run.text("/outcome")), (0, "clean"), "{}", run.told());
            let life = run.report["life"].as_array().expect("a life");
            assert_eq!(life.last().map(|entry| &entry["ddi"]), Some(&Value::from("DxgkDdiUnload")));
        }
    }
}

/// Nobody should take a test that did nothing for one that passed.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}; the tests that load one did not run");
}
