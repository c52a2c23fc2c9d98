//! The sample as a driver from before the IOMMU (`MemoryApi` = 20): clean where it belongs, and what is said of it when a
//! mode is forced on it that it never claimed.

mod support;

use serde_json::Value;
use support::{Run, run};

fn legacy(rest: &[&str]) -> Run {
    let run = run(&[&["--registry", "MemoryApi=dword:20"], rest].concat());
    assert_eq!(run.stderr, "", "{}", run.told());
    assert_eq!(run.report["bugcheck"], Value::Null, "{}", run.told());
    assert_eq!(run.report["failure"], Value::Null, "{}", run.told());
    lives_to_its_unload(&run);
    uses_no_memory_callback_but_map_memory(&run);
    run
}

fn lives_to_its_unload(run: &Run) {
    let life = run.report["life"].as_array().expect("a life");
    for entry in life {
        // The questions that a driver of WDDM 2.0 cannot know: PHYSICAL_MEMORY_CAPS and IOMMU_CAPS.
        let unknown = entry["ddi"] == "DxgkDdiQueryAdapterInfo"
            && (entry["argument"] == "0x22" || entry["argument"] == "0x23");
        let expected = if unknown { "0xC00000BB" } else { "0x00000000" };
        assert_eq!(entry["status"], expected, "{entry}: {}", run.told());
    }
    let ddis: Vec<&str> = life.iter().filter_map(|entry| entry["ddi"].as_str()).collect();
    let end = ["DxgkDdiStopDevice", "DxgkDdiRemoveDevice", "DxgkDdiUnload"];
    assert!(ddis.ends_with(&end), "{ddis:?}");
}

fn uses_no_memory_callback_but_map_memory(run: &Run) {
    let callbacks: Vec<&str> =
        run.report["callbacks"].as_object().expect("callbacks").keys().map(String::as_str).collect();
    assert_eq!(callbacks, ["DxgkCbGetDeviceInformation", "DxgkCbMapMemory", "DxgkCbUnmapMemory"]);
}

fn dma(run: &Run, field: &str) -> u64 {
    run.report["dma"][field].as_u64().expect("a count")
}

fn log_says(run: &Run, text: &str) -> usize {
    let log = run.report["log"].as_array().expect("a log");
    log.iter().filter_map(Value::as_str).filter(|line| line.contains(text)).count()
}

fn findings(run: &Run) -> &[Value] {
    run.report["findings"].as_array().expect("findings")
}

/// Each is about a pool block, by the driver, and names the physical address that the device was given.
fn assert_about_pool(run: &Run, finding: &Value) {
    assert_eq!(finding["culprit"], "driver", "{}", run.told());
    assert_eq!(finding["severity"], "error", "{}", run.told());
    assert_eq!(finding["object"]["kind"], "pool block", "{}", run.told());
    assert_eq!(finding["object"]["size"], 16384, "{}", run.told());
    let rung = finding["history"].as_array().and_then(|history| history.last()).expect("a history");
    let given = rung["what"].as_str().and_then(|what| what.strip_prefix("the device was given address "));
    let given = given.and_then(|what| what.split(' ').next()).expect("the address that was given");
    let message = finding["message"].as_str().expect("a message");
    assert!(message.contains(given), "{given}: {message}");
    assert!(message.contains("pool block of 0x4000 bytes"), "{message}");
}

#[test]
fn it_is_clean_in_passthrough_and_no_mode_is_imposed_unless_forced() {
    let none = "the driver claims no support for the IOMMU";
    for asked in ["auto", "remapping", "isolation"] {
        let run = legacy(&["--iommu", asked]);
        assert_eq!(run.status, 0, "{}", run.told());
        assert_eq!(run.text("/outcome"), "clean", "{}", run.told());
        assert_eq!(run.text("/machine/iommu_mode"), "off", "{}", run.told());
        assert_eq!(run.text("/machine/iommu_mode_reason"), none, "{}", run.told());
        assert_eq!(dma(&run, "faults"), 0, "{}", run.told());
        assert!(dma(&run, "bytes") > 0, "{}", run.told());
        assert_eq!(log_says(&run, "differs"), 0, "{}", run.told());
    }
}

#[test]
fn under_forced_remapping_each_pool_block_is_named_by_its_physical_address() {
    let run = legacy(&["--force-iommu", "--iommu", "remapping"]);
    assert_eq!(run.status, 1, "{}", run.told());
    assert_eq!(run.text("/machine/iommu_mode"), "remapping", "{}", run.told());
    assert!(run.text("/machine/iommu_mode_reason").starts_with("forced"), "{}", run.told());
    // The device never sees a physical address: not one byte went through, the start's included.
    assert_eq!(dma(&run, "bytes"), 0, "{}", run.told());
    assert!(dma(&run, "faults") > 0, "{}", run.told());
    // A round in StartDevice, and one at the return to D0.
    assert_eq!(findings(&run).len(), 2, "{}", run.told());
    for finding in findings(&run) {
        assert_eq!(finding["rule"], "DMA-004", "{}", run.told());
        assert_about_pool(&run, finding);
        let message = finding["message"].as_str().expect("a message");
        assert!(message.contains("which is the physical address of"), "{message}");
        assert!(message.contains("it is not mapped for the device at all"), "{message}");
    }
    assert_eq!(log_says(&run, "going on"), 2, "{}", run.told());
}

/// Shows S-ISO-24, S-ISO-15, S-ISO-45.
#[test]
fn under_forced_isolation_the_start_comes_before_the_attach_and_the_later_round_faults() {
    let run = legacy(&["--force-iommu", "--iommu", "isolation"]);
    assert_eq!(run.status, 1, "{}", run.told());
    assert_eq!(run.text("/machine/iommu_mode"), "isolation", "{}", run.told());
    assert!(run.text("/machine/iommu_mode_reason").starts_with("forced"), "{}", run.told());
    let life = run.report["life"].as_array().expect("a life");
    let place = |ddi: &str| life.iter().position(|entry| entry["ddi"] == ddi).expect("the DDI");
    let (begin, end) = (place("DxgkDdiBeginExclusiveAccess"), place("DxgkDdiEndExclusiveAccess"));
    assert!(place("DxgkDdiStartDevice") < begin, "{}", run.told());
    assert_eq!(begin + 1, end, "nothing is called in the window: {}", run.told());
    // The first round passed as ever.
    let passthrough = legacy(&["--iommu", "off"]);
    assert_eq!(dma(&run, "bytes") * 2, dma(&passthrough, "bytes"), "{}", run.told());
    assert!(dma(&run, "faults") > 0, "{}", run.told());
    assert_eq!(log_says(&run, "going on"), 1, "{}", run.told());
    let [finding] = findings(&run) else { panic!("one finding: {}", run.told()) };
    assert_eq!(finding["rule"], "DMA-001", "{}", run.told());
    assert_about_pool(&run, finding);
}

/// Shows S-ISO-11.
#[test]
fn the_registry_can_impose_isolation_too() {
    let run = legacy(&["--iommu-flags", "0xf"]);
    assert_eq!(run.text("/machine/iommu_mode"), "isolation", "{}", run.told());
    assert!(dma(&run, "faults") > 0, "{}", run.told());
}

#[test]
fn it_has_no_demos() {
    let run = run(&["--registry", "MemoryApi=dword:20", "--demo", "leak"]);
    assert_ne!(run.status, 0, "{}", run.told());
    assert!(!run.text("/failure").is_empty(), "{}", run.told());
    assert_eq!(log_says(&run, "needs another MemoryApi"), 1, "{}", run.told());
}
