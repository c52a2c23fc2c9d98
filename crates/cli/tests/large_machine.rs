//! Machines with more RAM than the host, and devices that do not see all of it.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::run;

/// What a run on 2 TiB of RAM may keep resident, in KiB.
const MOST_RESIDENT: u64 = 64 * 1024;

fn scenario(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(file);
    path.to_str().expect("UTF-8").to_owned()
}

/// A number of /proc/PID/status, in KiB.
fn status(process: u32, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// The process that the run happens in.
fn child_of(parent: u32) -> Option<u32> {
    let path = PathBuf::from(format!("/proc/{parent}/task/{parent}/children"));
    std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_machine_of_two_tebibytes_starts_and_works_in_less_than_64_mebibytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("long.toml");
    let text = "[[step]]\ndo = \"start\"\n[[step]]\ndo = \"power\"\ntimes = 20\n";
    std::fs::write(&path, text).expect("the file");
    let mut parent = Command::new(env!("CARGO_BIN_EXE_dxgk"))
        .args(["run", "--ram", "2T", "--scenario"])
        .arg(&path)
        .stdout(Stdio::null())
        .spawn()
        .expect("the command starts");
    let mut peak = (0, 0);
    let mut looks = 0;
    let ended = loop {
        if let Some(ended) = parent.try_wait().expect("a status") {
            break ended;
        }
        if let Some(child) = child_of(parent.id()) {
            // The peak of all that was resident, and what of RAM is at the moment.
            let seen = (status(child, "VmHWM").unwrap_or(0), status(child, "RssShmem").unwrap_or(0));
            peak = (peak.0.max(seen.0), peak.1.max(seen.1));
            looks += u32::from(seen.1 != 0);
        }
        std::thread::yield_now();
    };
    assert!(ended.success(), "{ended}");
    assert!(looks > 5, "the child was seen {looks} times");
    assert!(peak.0 > 0 && peak.0 < MOST_RESIDENT, "{} KiB resident, {} of them shared", peak.0, peak.1);
}

/// Shows S-RMP-05, S-RMP-06, S-RMP-08.
#[test]
fn a_device_of_40_bits_is_remapped_by_itself_and_given_no_address_above_its_limit() {
    for extra in [&[][..], &["--logical-base", "windows"]] {
        let run = run(&[&["--log", "--scenario", &scenario("limited-device.toml")], extra].concat());
        assert_eq!((run.status, run.text("/machine/iommu_mode")), (0, "remapping"), "{}", run.told());
        assert_eq!(run.text("/machine/iommu_mode_reason"), "the device cannot see all of RAM");
        // Every address of the device is one that the ADLs gave; a fault would say otherwise.
        assert_eq!(run.report["dma"]["faults"], 0, "{}", run.told());
        assert!(run.report["dma"]["bytes"].as_u64() > Some(0), "{}", run.told());
    }
}

/// Shows S-RMP-05.
#[test]
fn without_remapping_a_device_of_40_bits_does_not_start_and_the_reason_is_given() {
    let file = scenario("limited-device.toml");
    let without: [&[&str]; 5] = [
        &["--iommu", "isolation"],
        &["--iommu", "off"],
        &["--iommu-flags", "0x0"],
        &["--wddm", "2.9"],
        &["--registry", "MemoryApi=dword:24"],
    ];
    for options in without {
        let run = run(&[&["--scenario", &file][..], options].concat());
        assert_eq!(run.status, 1, "{}", run.told());
        let reason = run.text("/machine/iommu_mode_reason");
        assert!(reason.contains("start refused: the device cannot see all of RAM"), "{}", run.told());
        let life = run.report["life"].as_array().expect("a life");
        assert!(life.iter().all(|entry| entry["ddi"] != "DxgkDdiStartDevice"), "{}", run.told());
    }
}

/// Shows S-RMP-05.
#[test]
fn a_limit_that_equals_the_highest_address_needs_remapping_and_one_above_it_does_not() {
    // 1 GiB from 1 TiB on: the last byte is at 0x1003fffffff.
    let ram = "1G@0,1G@1T";
    for (limit, reason) in [
        ("0x1003fffffff", "the device cannot see all of RAM"),
        ("0x10040000000", "the strongest that the driver claims"),
    ] {
        let run = run(&["--ram", ram, "--highest-visible-address", limit]);
        assert_eq!((run.status, run.text("/machine/iommu_mode_reason")), (0, reason), "{}", run.told());
    }
}

#[test]
fn ram_lies_where_it_is_wanted_and_nodes_and_holes_change_nothing_for_a_driver() {
    for ram in
        ["1G@0,1G@1T", "64M@0,1G@3T:node1,1G@6T:node2", "2G@0:node0,2G@4G:node1", "16M@0,8G@200T:node3"]
    {
        for mode in ["remapping", "isolation", "off"] {
            let run = run(&["--ram", ram, "--iommu", mode]);
            let refused = run.text("/machine/iommu_mode_reason").contains("cannot see all of RAM");
            // The sample's device has 48 address bits; 200 TiB need no more.
            assert!(!refused, "{}", run.told());
            assert_eq!((run.status, run.text("/machine/iommu_mode")), (0, mode), "{}", run.told());
        }
    }
}
