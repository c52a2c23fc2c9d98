//! What a driver does wrong is found alike whichever hardware enforces it.

mod support;

use dxgk_miniport_edu::{DEMOS, MemoryApi};
use serde_json::{Value, json};
use support::{Run, run};

const OTHERS: [&str; 3] = ["vtd-scalable", "amdvi", "smmuv3"];

/// What has to agree: how it ended, what was called, what was transferred and refused, what was found.
fn verdict(run: &Run) -> Value {
    let findings: Vec<Value> = run.report["findings"].as_array().map_or_else(Vec::new, |all| {
        let told = |finding: &Value| {
            json!([finding["rule"], finding["culprit"], finding["severity"], finding["count"]])
        };
        all.iter().map(told).collect()
    });
    json!({
        "status": run.status,
        "mode": run.report["machine"]["iommu_mode"],
        "callbacks": run.report["callbacks"],
        "dma": run.report["dma"],
        "findings": findings,
    })
}

fn same_on_all(arguments: &[&str]) -> Value {
    let first = run(arguments);
    let expected = verdict(&first);
    for unit in OTHERS {
        let other = run(&[arguments, &["--iommu-unit", unit]].concat());
        assert_eq!(other.text("/machine/iommu_unit"), unit, "{}", other.told());
        assert_eq!(verdict(&other), expected, "{}\n{}", first.told(), other.told());
    }
    expected
}

#[test]
fn a_clean_run_is_clean_in_every_mode() {
    for mode in ["remapping", "isolation", "off"] {
        let verdict = same_on_all(&["--iommu", mode]);
        assert_eq!((&verdict["status"], &verdict["mode"]), (&json!(0), &json!(mode)));
        assert_ne!(verdict["dma"]["bytes"], 0);
    }
}

#[test]
fn every_demo_is_found_out_alike() {
    let mut faults = 0;
    for demo in DEMOS {
        let api = match demo.memory_api {
            Some(MemoryApi::Wddm24) => "MemoryApi=dword:24",
            _ => "MemoryApi=dword:29",
        };
        for mode in demo.modes {
            if *mode == "off" {
                continue;
            }
            let verdict = same_on_all(&["--demo", demo.name, "--iommu", mode, "--registry", api]);
            faults += verdict["dma"]["faults"].as_u64().unwrap_or(0);
        }
    }
    assert!(faults > 0, "some of them are refused by the unit");
}
