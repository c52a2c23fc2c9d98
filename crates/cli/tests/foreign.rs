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
    let Some(folder) = std::env::var_os("DXGK_DRIVERS").filter(|folder| !folder.is_empty()) else {
        skipped("DXGK_DRIVERS names no folder of public drivers");
        return Vec::new();
    };
    let entries = std::fs::read_dir(&folder).expect("DXGK_DRIVERS names a folder").filter_map(Result::ok);
    let is_build = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        name.starts_with("kmdod") && name.ends_with(".sys")
    };
    let mut builds: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_build).collect();
    builds.sort();
    if builds.is_empty() {
        skipped("the folder that DXGK_DRIVERS names holds no KMDOD*.sys");
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
