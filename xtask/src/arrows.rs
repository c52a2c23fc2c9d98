//! Who may depend on whom. ARCHITECTURE.md draws it; this table decides.

use cargo_metadata::{DependencyKind, Metadata};

/// Each crate of the product with the crates of the product that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("dxgk-abi", &[]),
    ("dxgk-hw", &["dxgk-abi"]),
    ("dxgk-event", &["dxgk-abi", "dxgk-hw"]),
    ("dxgk-iopt", &["dxgk-hw"]),
    ("dxgk-iommu", &["dxgk-hw", "dxgk-iopt", "dxgk-event"]),
    ("dxgk-sysmm", &["dxgk-abi", "dxgk-hw", "dxgk-event"]),
    ("dxgk-port", &["dxgk-abi", "dxgk-hw", "dxgk-event", "dxgk-sysmm"]),
    ("dxgk-verify", &["dxgk-abi", "dxgk-hw", "dxgk-event"]),
    ("dxgk-shm", &["dxgk-hw", "dxgk-event"]),
    ("dxgk-model", &["dxgk-abi", "dxgk-hw", "dxgk-event", "dxgk-iopt", "dxgk-shm"]),
    ("dxgk-qemu", &["dxgk-hw", "dxgk-event", "dxgk-shm"]),
    ("dxgk-vfio-user", &["dxgk-hw", "dxgk-shm"]),
    (
        "dxgk-host",
        &[
            "dxgk-abi",
            "dxgk-hw",
            "dxgk-event",
            "dxgk-iopt",
            "dxgk-iommu",
            "dxgk-sysmm",
            "dxgk-port",
            "dxgk-shm",
        ],
    ),
    ("dxgk-miniport", &["dxgk-abi", "dxgk-hw"]),
    ("dxgk-miniport-edu", &["dxgk-miniport", "dxgk-abi", "dxgk-hw"]),
];

/// Crates that may depend on everything: the command, and these tasks.
const ANYTHING: &[&str] = &["dxgk", "xtask"];

/// Crates that judge or play hardware; what they must not know, not even in their tests.
const WITNESSES: &[&str] = &["dxgk-verify", "dxgk-model", "dxgk-qemu", "dxgk-vfio", "dxgk-vfio-user"];
const JUDGED: &[&str] = &["dxgk-sysmm", "dxgk-port", "dxgk-iommu"];

pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        if ANYTHING.contains(&name) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(krate, _)| *krate == name) else {
            broken.push(format!("arrows: {name} is in no row of xtask/src/arrows.rs"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.name.starts_with("dxgk"))
        {
            let to = dependency.name.as_str();
            let in_product = dependency.kind != DependencyKind::Development;
            if in_product && !allowed.contains(&to) {
                broken.push(format!("arrows: {name} may not depend on {to}"));
            }
            if WITNESSES.contains(&name) && JUDGED.contains(&to) {
                broken.push(format!("arrows: {name} is a witness and may not know {to}, not even in tests"));
            }
        }
    }
    broken
}
