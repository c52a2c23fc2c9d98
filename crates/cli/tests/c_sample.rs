//! The sample in C against the one in Rust: the same life, the same callbacks, the same DMA, the same mistakes found.

mod support;

use dxgk_miniport_edu::{DEMOS, Demo, MemoryApi};
use serde_json::Value;
use support::{Run, run};

/// What two runs of the same work have in common. Places differ, and so does what is told of the driver.
const SAME: [&str; 6] = ["life", "callbacks", "dma", "machine", "outcome", "bugcheck"];

/// The C sample; says so when it is not there.
fn driver() -> Option<String> {
    let path = std::env::var("DXGK_EDU_C_SYS").ok().filter(|path| !path.is_empty());
    if path.is_none() {
        skipped();
    }
    path
}

/// Nobody should take a test that did nothing for one that passed.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skipped() {
    eprintln!(
        "SKIPPED: DXGK_EDU_C_SYS does not name the C sample's driver file (`cargo xtask c-driver` prints it); the tests \
         that load it did not run"
    );
}

fn rules(run: &Run) -> Vec<&str> {
    let findings = run.report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    findings.iter().filter_map(|finding| finding["rule"].as_str()).collect()
}

/// Both samples with the same settings; the C one's run.
fn alike(driver: &str, mode: &str, adapters: u32, registry: &[String]) -> Run {
    let adapters = adapters.to_string();
    let mut arguments = vec!["--iommu", mode, "--adapters", &adapters];
    for value in registry {
        arguments.extend(["--registry", value]);
    }
    let rust = run(&arguments);
    let c = run(&[&[driver], &arguments[..]].concat());
    assert_eq!(c.stderr, "", "{}", c.told());
    assert_eq!(c.status, rust.status, "{}{}", c.told(), rust.told());
    assert_eq!(rules(&c), rules(&rust), "{}{}", c.told(), rust.told());
    for part in SAME {
        let (ours, theirs) = (comparable(&c.report[part]), comparable(&rust.report[part]));
        assert_eq!(ours, theirs, "{part}: {}", c.arguments);
    }
    c
}

/// Without the places where something happened: they are in two different files.
fn comparable(part: &Value) -> Value {
    match part {
        Value::Object(fields) if fields.contains_key("code") => fields["code"].clone(),
        other => other.clone(),
    }
}

#[test]
fn each_personality_lives_clean_in_every_mode_as_the_rust_sample_does() {
    let Some(driver) = driver() else { return };
    for api in ["29", "24", "20"] {
        for mode in ["remapping", "isolation", "off"] {
            let c = alike(&driver, mode, 1, &[format!("MemoryApi=dword:{api}")]);
            assert_eq!((c.status, c.text("/outcome")), (0, "clean"), "{}", c.told());
            assert_eq!(rules(&c), [""; 0], "{}", c.told());
            assert_eq!(c.text("/driver/kind"), "full", "{}", c.told());
            assert!(c.report["dma"]["bytes"].as_u64() > Some(0), "{}", c.told());
            assert_eq!(c.report["driver"]["missing_imports"], Value::Array(vec![]), "{}", c.told());
        }
    }
}

/// The personalities that can make a mistake, each with a mode in which it shows.
fn shown(demo: &'static Demo) -> impl Iterator<Item = (&'static str, &'static str)> {
    [(MemoryApi::Wddm29, "29"), (MemoryApi::Wddm24, "24")].into_iter().filter_map(|(api, number)| {
        if demo.memory_api.is_some_and(|needed| needed != api) {
            return None;
        }
        let mut modes = demo.modes.iter().copied();
        // A driver of WDDM 2.4 cannot be remapped.
        modes.find(|mode| *mode != "remapping" || api == MemoryApi::Wddm29).map(|mode| (number, mode))
    })
}

#[test]
fn every_demo_of_the_rust_sample_is_found_in_the_c_sample_as_the_same_mistake() {
    let Some(driver) = driver() else { return };
    for demo in DEMOS {
        for (api, mode) in shown(demo) {
            let registry = [format!("MemoryApi=dword:{api}"), format!("Demo=string:{}", demo.name)];
            let c = alike(&driver, mode, demo.adapters(), &registry);
            assert_eq!(rules(&c), [demo.rule], "{}", c.told());
            assert_ne!(c.status, 0, "{}", c.told());
        }
    }
}

#[test]
fn a_finding_names_the_c_function_and_its_line() {
    let Some(driver) = driver() else { return };
    let c = run(&[&driver, "--registry", "Demo=string:double-free"]);
    assert_eq!(rules(&c), ["FREE-001"], "{}", c.told());
    assert!(c.json.contains("object_unlist") || c.json.contains("page_unmap"), "{}", c.told());
    assert!(c.json.contains("memory.c") || c.json.contains("demo.c"), "{}", c.told());
}

#[test]
fn a_demo_or_a_personality_that_it_does_not_know_is_refused() {
    let Some(driver) = driver() else { return };
    for registry in ["Demo=string:no-such-demo", "MemoryApi=dword:25"] {
        let c = run(&[&driver, "--registry", registry]);
        assert_ne!((c.status, c.text("/outcome")), (0, "clean"), "{}", c.told());
    }
}
