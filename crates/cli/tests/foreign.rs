//! Miniports that others wrote, with their sources public and their binaries not here: `DXGK_DRIVERS` names a folder.

mod support;

use std::path::PathBuf;

use serde_json::Value;
use support::{Run, run};

/// STATUS_NOT_SUPPORTED: what a driver answers to a question that is newer than it.
const NOT_SUPPORTED: &str = "0xC00000BB";
/// STATUS_GRAPHICS_CHILD_DESCRIPTOR_NOT_SUPPORTED: a child without a descriptor, by design (KMDOD has no EDID).
const NO_DESCRIPTOR: &str = "0xC01E0401";

/// The builds of KMDOD, the display-only sample.
fn builds_of_kmdod() -> Vec<PathBuf> {
    builds_of("KMDOD")
}

/// Every `.sys` whose name begins so.
fn builds_of(driver: &str) -> Vec<PathBuf> {
    let Some(folder) = std::env::var_os("DXGK_DRIVERS").filter(|folder| !folder.is_empty()) else {
        skipped("DXGK_DRIVERS names no folder of public drivers");
        return Vec::new();
    };
    let entries = std::fs::read_dir(&folder).expect("DXGK_DRIVERS names a folder").filter_map(Result::ok);
    let is_build = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        name.starts_with(&driver.to_lowercase()) && name.ends_with(".sys")
    };
    let mut builds: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_build).collect();
    builds.sort();
    if builds.is_empty() {
        skipped(&format!("the folder that DXGK_DRIVERS names holds no {driver}*.sys"));
    }
    builds
}

/// Nobody should take a test that did nothing for one that passed.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}; the tests that load one did not run");
}

fn check_life(run: &Run) {
    let life = run.report["life"].as_array().expect("a life");
    for entry in life {
        let status = entry["status"].as_str().expect("a status");
        let accepted = match entry["ddi"].as_str() {
            Some("DxgkDdiQueryAdapterInfo") => &["0x00000000", NOT_SUPPORTED][..],
            Some("DxgkDdiQueryDeviceDescriptor") => &["0x00000000", NO_DESCRIPTOR],
            _ => &["0x00000000"],
        };
        assert!(accepted.contains(&status), "{entry}: {}", run.told());
    }
    let order: Vec<&str> = life.iter().filter_map(|entry| entry["ddi"].as_str()).collect();
    assert_eq!(order.first(), Some(&"DriverEntry"), "{}", run.told());
    assert_eq!(order.last(), Some(&"DxgkDdiUnload"), "{}", run.told());
    let mut rest = order.iter();
    for milestone in [
        "DxgkDdiAddDevice",
        "DxgkDdiStartDevice",
        "DxgkDdiQueryChildRelations",
        "DxgkDdiQueryChildStatus",
        "DxgkDdiSetPowerState",
        "DxgkDdiStopDevice",
        "DxgkDdiRemoveDevice",
    ] {
        assert!(rest.any(|ddi| *ddi == milestone), "{milestone} is missing or out of order: {order:?}");
    }
    // The capabilities of the driver itself must be answered.
    let driver_caps = life.iter().find(|entry| {
        entry["ddi"] == "DxgkDdiQueryAdapterInfo" && entry["argument"].as_str().is_some_and(is_driver_caps)
    });
    assert_eq!(driver_caps.map(|entry| &entry["status"]), Some(&Value::from("0x00000000")), "{}", run.told());
}

/// DXGKQAITYPE_DRIVERCAPS, as a number or by name.
fn is_driver_caps(argument: &str) -> bool {
    matches!(argument, "0x1" | "DRIVERCAPS")
}

#[test]
fn kmdod_lives_from_driver_entry_to_unload() {
    for driver in builds_of_kmdod() {
        let path = driver.to_str().expect("a UTF-8 path");
        let run = run(&[path]);
        assert_eq!((run.status, run.text("/outcome")), (0, "clean"), "{}", run.told());
        assert_eq!(run.stderr, "", "{}", run.told());
        assert_eq!(run.text("/driver/kind"), "display-only", "{}", run.told());
        assert_eq!(run.text("/machine/iommu_mode"), "off");
        assert_eq!(run.text("/machine/iommu_mode_reason"), "the driver claims no support for the IOMMU");
        assert_eq!(run.report["bugcheck"], Value::Null, "{}", run.told());
        assert_eq!(run.report["findings"], Value::Array(vec![]), "{}", run.told());
        assert_eq!(run.report["driver"]["missing_imports"], Value::Array(vec![]), "{}", run.told());
        let imports = run.report["driver"]["imports"].as_array().expect("imports");
        for needed in ["IoBuildDeviceIoControlRequest", "MmMapIoSpaceEx", "MmUserProbeAddress"] {
            assert!(imports.iter().any(|import| import == needed), "{needed} is not among the imports");
        }
        assert_eq!(run.text("/driver/sha256").len(), 64);
        check_life(&run);
    }
}

#[test]
fn kmdod_gives_the_same_report_twice() {
    for driver in builds_of_kmdod() {
        let path = driver.to_str().expect("a UTF-8 path");
        assert_eq!(run(&[path, "--log"]).json, run(&[path, "--log"]).json, "{path}");
    }
}

#[test]
fn kmdod_keeps_its_mode_when_a_stronger_one_is_asked_for() {
    for driver in builds_of_kmdod() {
        let path = driver.to_str().expect("a UTF-8 path");
        for asked in ["remapping", "isolation"] {
            let run = run(&[path, "--iommu", asked]);
            assert_eq!(run.status, 0, "{}", run.told());
            assert_eq!(run.text("/machine/iommu_mode"), "off", "{}", run.told());
            check_life(&run);
        }
    }
}

#[test]
fn kmdod_forced_behind_an_iommu_still_lives_for_it_does_no_dma() {
    for driver in builds_of_kmdod() {
        let path = driver.to_str().expect("a UTF-8 path");
        let run = run(&[path, "--iommu", "remapping", "--force-iommu"]);
        assert_eq!(run.status, 0, "{}", run.told());
        assert_eq!(run.text("/machine/iommu_mode"), "remapping", "{}", run.told());
        let reason = run.text("/machine/iommu_mode_reason");
        assert!(reason.contains("forced") && reason.contains("does not claim it"), "{reason}");
        check_life(&run);
    }
}

/// DDIs with their arguments.
type Calls = [(&'static str, &'static str)];

/// The work that both full samples are given: a fill, the contents in, the contents out (`DXGK_OPERATION_FILL` is 1,
/// `DXGK_OPERATION_TRANSFER` 0), each with a fence, an interrupt and a DPC.
const MOVED: &Calls = &[
    ("DxgkDdiBuildPagingBuffer", "0x1"),
    ("DxgkDdiSubmitCommand", "0x1"),
    ("DxgkDdiDpcRoutine", "0x0"),
    ("DxgkDdiBuildPagingBuffer", "0x0"),
    ("DxgkDdiSubmitCommand", "0x2"),
    ("DxgkDdiDpcRoutine", "0x0"),
    ("DxgkDdiBuildPagingBuffer", "0x0"),
    ("DxgkDdiSubmitCommand", "0x3"),
    ("DxgkDdiDpcRoutine", "0x0"),
];
const MADE: &Calls = &[
    ("DxgkDdiGetStandardAllocationDriverData", "0x1"),
    ("DxgkDdiCreateAllocation", "0x0"),
    ("DxgkDdiOpenAllocation", "0x0"),
];
const UNMADE: &Calls = &[("DxgkDdiCloseAllocation", "0x0"), ("DxgkDdiDestroyAllocation", "0x0")];
const BEGIN: &Calls = &[("DxgkDdiCreateDevice", "0x0"), ("DxgkDdiCreateContext", "0x0")];
const END: &Calls = &[("DxgkDdiDestroyContext", "0x0"), ("DxgkDdiDestroyDevice", "0x0")];
/// `DXGK_OPERATION_MAP_APERTURE_SEGMENT` and `DXGK_OPERATION_UNMAP_APERTURE_SEGMENT`, of the paging buffer.
const MAPPED: &Calls = &[("DxgkDdiBuildPagingBuffer", "0x5")];
const UNMAPPED: &Calls = &[("DxgkDdiBuildPagingBuffer", "0x6")];

/// A full sample: its builds' names, the question about segments that its model has, its life between start and power,
/// and the callbacks that it makes.
struct Full {
    driver: &'static str,
    segments: &'static str,
    work: &'static [&'static Calls],
    callbacks: &'static [&'static str],
}

const ROSKMD: Full = Full {
    driver: "RosKmd",
    segments: "0x5",
    work: &[BEGIN, MAPPED, MADE, MOVED, UNMADE, UNMAPPED, END],
    callbacks: &["DxgkCbGetHandleData"],
};
/// Its paging buffer is in system memory, and it has no aperture.
const COSKMD: Full = Full {
    driver: "CosKmd",
    segments: "0xb",
    work: &[BEGIN, MADE, MOVED, UNMADE, END],
    callbacks: &["DxgkCbAcquireHandleData", "DxgkCbReleaseHandleData"],
};

/// Runs every build of a full sample with these arguments more.
fn runs_of(full: &Full, more: &[&str]) -> Vec<Run> {
    let with = |build: &PathBuf| {
        let path = build.to_str().expect("a UTF-8 path");
        run(&[&[path, "--registry", "RenderOnly=dword:1"], more].concat())
    };
    builds_of(full.driver).iter().map(with).collect()
}

fn check_full_life(run: &Run, work: &[&Calls], segments: &str) {
    assert_eq!((run.status, run.text("/outcome")), (0, "clean"), "{}", run.told());
    assert_eq!(run.text("/driver/kind"), "full", "{}", run.told());
    assert_eq!(run.report["findings"], Value::Array(vec![]), "{}", run.told());
    let life = run.report["life"].as_array().expect("a life");
    for entry in life {
        let asked = entry["ddi"] == "DxgkDdiQueryAdapterInfo" && entry["argument"] != segments;
        let accepted = entry["status"] == "0x00000000" || asked && entry["status"] == NOT_SUPPORTED;
        assert!(accepted, "{entry}: {}", run.told());
    }
    let calls: Vec<(&str, &str)> =
        life.iter().filter_map(|entry| Some((entry["ddi"].as_str()?, entry["argument"].as_str()?))).collect();
    let from =
        calls.iter().position(|call| *call == ("DxgkDdiQueryAdapterInfo", segments)).expect("segments");
    let to = calls.iter().position(|(ddi, _)| *ddi == "DxgkDdiSetPowerState").expect("power");
    assert_eq!(calls[from + 1..to], work.concat(), "{}", run.told());
    assert_eq!(calls.first().map(|(ddi, _)| *ddi), Some("DriverEntry"));
    let end: Vec<&str> = calls[to + 2..].iter().map(|(ddi, _)| *ddi).collect();
    assert_eq!(end, ["DxgkDdiStopDevice", "DxgkDdiRemoveDevice", "DxgkDdiUnload"], "{}", run.told());
}

#[test]
fn full_samples_page_and_live_to_unload() {
    for full in [ROSKMD, COSKMD] {
        for run in runs_of(&full, &[]) {
            check_full_life(&run, full.work, full.segments);
            assert_eq!(run.report["driver"]["missing_imports"], Value::Array(vec![]), "{}", run.told());
            let told =
                ["DxgkCbNotifyInterrupt", "DxgkCbQueueDpc", "DxgkCbNotifyDpc", "DxgkCbSynchronizeExecution"];
            for (callbacks, calls) in [(full.callbacks, 1), (&told, 3)] {
                for name in callbacks {
                    let callback = &run.report["callbacks"][name];
                    assert_eq!(
                        (&callback["calls"], &callback["failed"]),
                        (&calls.into(), &0.into()),
                        "{name}"
                    );
                }
            }
        }
    }
}

/// Shows S-BPD-07.
#[test]
fn paging_operations_are_asked_for_at_passive_level() {
    for full in [ROSKMD, COSKMD] {
        for run in runs_of(&full, &["--log"]) {
            let asked: Vec<&str> =
                run.stdout.lines().filter(|line| line.contains("-> DxgkDdiBuildPagingBuffer")).collect();
            assert!(!asked.is_empty(), "{}", run.told());
            // Above it the level would follow.
            assert!(asked.iter().all(|line| line.ends_with(')')), "{asked:?}");
        }
    }
}

#[test]
fn full_samples_page_behind_an_iommu_that_maps_what_they_are_given() {
    for full in [ROSKMD, COSKMD] {
        for run in runs_of(&full, &["--iommu", "isolation", "--force-iommu"]) {
            assert_eq!(run.text("/machine/iommu_mode"), "isolation", "{}", run.told());
            check_full_life(&run, full.work, full.segments);
        }
    }
}

#[test]
fn full_samples_that_cannot_map_by_list_are_given_no_work_when_forced_into_remapping() {
    for full in [ROSKMD, COSKMD] {
        for run in runs_of(&full, &["--iommu", "remapping", "--force-iommu"]) {
            assert_eq!((run.status, run.text("/machine/iommu_mode")), (0, "remapping"), "{}", run.told());
            let life = run.report["life"].as_array().expect("a life");
            assert!(!life.iter().any(|entry| entry["ddi"] == "DxgkDdiCreateDevice"), "{}", run.told());
        }
    }
}

#[test]
fn full_samples_give_the_same_report_twice() {
    for full in [ROSKMD, COSKMD] {
        let reports =
            || -> Vec<String> { runs_of(&full, &["--log"]).into_iter().map(|run| run.json).collect() };
        assert_eq!(reports(), reports(), "{}", full.driver);
    }
}

/// Runs every build of a display driver on a device that a file describes (docs/devices).
fn runs_on(driver: &str, device: &str) -> Vec<Run> {
    let device = format!("{}/../../docs/devices/{device}", env!("CARGO_MANIFEST_DIR"));
    let on = |build: &PathBuf| run(&[build.to_str().expect("a UTF-8 path"), "--device", &device]);
    builds_of(driver).iter().map(on).collect()
}

/// DDIs with their statuses, in order.
fn life_of(run: &Run) -> Vec<(&str, Option<&str>)> {
    let life = run.report["life"].as_array().expect("a life").iter();
    life.map(|entry| (entry["ddi"].as_str().unwrap_or(""), entry["status"].as_str())).collect()
}

/// The device answers no command, so the driver waits for its mode list in vain, and goes on with its own.
#[test]
fn viogpudo_and_qxldod_live_to_unload_on_the_registers_that_a_file_describes_and_leak_their_register_maps() {
    for (driver, device, maps) in [("viogpudo", "virtio-gpu.toml", 1), ("qxldod", "qxl.toml", 3)] {
        for run in runs_on(driver, device) {
            check_life(&run);
            assert_eq!((run.status, run.text("/outcome")), (1, "findings"), "{}", run.told());
            assert_eq!(run.text("/driver/kind"), "display-only", "{}", run.told());
            assert_eq!(run.report["driver"]["missing_imports"], Value::Array(vec![]), "{}", run.told());
            let findings = run.report["findings"].as_array().expect("findings");
            let [leak] = findings.as_slice() else { panic!("{}", run.told()) };
            assert_eq!((&leak["rule"], &leak["count"]), (&"LEAK-001".into(), &maps.into()), "{}", run.told());
            let message = leak["message"].as_str().expect("a message");
            assert!(message.starts_with("the register map (MapMemory)"), "{message}");
        }
    }
}

/// Its StartDevice sets the queues up and then looks for a second block of its EDID 32 KiB behind the first: the arithmetic counts
/// in whole EDIDs. That is the driver's mistake, whatever the device.
#[test]
fn viogpu3d_starts_its_queues_and_stops_in_start_device_where_it_reads_beyond_its_own_memory() {
    for run in runs_on("viogpu3d", "virtio-gpu.toml") {
        assert_eq!((run.status, run.text("/outcome")), (3, "bugcheck"), "{}", run.told());
        let life = life_of(&run);
        let [first @ .., last] = life.as_slice() else { panic!("{}", run.told()) };
        assert_eq!(
            first[..2],
            [("DriverEntry", Some("0x00000000")), ("DxgkDdiAddDevice", Some("0x00000000"))]
        );
        assert_eq!(*last, ("DxgkDdiStartDevice", None), "{}", run.told());
        assert_eq!(run.text("/bugcheck/code"), "0x50", "{}", run.told());
        assert_eq!(run.text("/bugcheck/where/function"), "VioGpuVidPN::GetCTA861Data", "{}", run.told());
        // The queues: the line stands behind their set-up.
        let log = run.report["log"].as_array().expect("a log");
        assert!(log.iter().any(|line| line == "HWInit size 128"), "{}", run.told());
    }
}
