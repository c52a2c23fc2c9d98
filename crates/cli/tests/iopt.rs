//! `dxgk iopt` from outside: what it prints, and how it refuses.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn dxgk(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dxgk")).arg("iopt").args(arguments).output().unwrap()
}

fn build(folder: &Path, ops: &Value) -> Output {
    build_in("vtd-ss4", folder, ops)
}

fn build_in(format: &str, folder: &Path, ops: &Value) -> Output {
    let (list, image) = (folder.join("ops.json"), folder.join("out.bin"));
    std::fs::write(&list, ops.to_string()).unwrap();
    dxgk(&[
        "build",
        "--format",
        format,
        "--load-address",
        "0x10000000",
        "--ops",
        list.to_str().unwrap(),
        "--image",
        image.to_str().unwrap(),
    ])
}

fn walk(folder: &Path, iova: &str) -> String {
    walk_in("vtd-ss4", folder, iova)
}

fn walk_in(format: &str, folder: &Path, iova: &str) -> String {
    let image = folder.join("out.bin");
    let (at, image) = ("0x10000000", image.to_str().unwrap());
    let tables = ["walk", "--format", format, "--image", image, "--load-address", at, "--root", at];
    let output = dxgk(&[&tables[..], &["--iova", iova]].concat());
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_list_becomes_an_image_that_a_walk_explains() {
    let folder = tempfile::tempdir().unwrap();
    let ops = json!([
        { "op": "map", "iova": "0x40000000", "phys": "0x80000000", "pages": 262144, "access": "rw" },
        { "op": "map", "iova": "0x1000", "phys": ["0x5000", "0x9000"], "pages": 2, "access": "r" },
        { "op": "unmap", "iova": "0x40201000", "pages": 1 },
        { "op": "map", "iova": "0x7fff00000000", "phys": "0x3000", "pages": 1, "access": "w" },
        { "op": "unmap", "iova": "0x7fff00000000", "pages": 1 },
    ]);
    let output = build(folder.path(), &ops);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({ "root": "0x10000000", "levels": 4, "format": "vtd-ss4", "table_pages": 6,
        "leaves": { "4K": 513, "2M": 511, "1G": 0 } });
    assert_eq!(summary, expected);
    assert_eq!(std::fs::metadata(folder.path().join("out.bin")).unwrap().len(), 6 * 4096);
    let said = walk(folder.path(), "0x2123");
    assert!(said.contains("mapped to 0x9123 by a 4K leaf: read\n"), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("level ")).count(), 4);
    assert!(walk(folder.path(), "0x40201000").contains("not mapped"));
    assert!(walk(folder.path(), "0x40400000").contains("mapped to 0x80400000 by a 2M leaf"));
}

#[test]
fn a_broken_table_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("out.bin");
    for (word, expected) in [
        (0x10000003u64, "0x10000000 by a 4K leaf"),
        (0x83, "a leaf at a level that has none"),
        (0x20000003, "the table at 0x20000000 is not in the image"),
        (0x803, "reserved bits 0x800 are set"),
    ] {
        std::fs::write(&image, word.to_le_bytes()).unwrap();
        let said = walk(folder.path(), "0x0");
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn what_is_wrong_is_refused_by_index_and_reason_without_an_image() {
    let map = |iova: &str, phys: Value, pages: u64, access: &str| json!({ "op": "map", "iova": iova, "phys": phys, "pages": pages, "access": access });
    let good = || map("0x3000", json!("0x1000"), 1, "rw");
    for (bad, reason) in [
        (map("0x1000", json!("0x1000"), 4, "rw"), "logical address 0x3000 is mapped already"),
        (json!({ "op": "unmap", "iova": "0x3000", "pages": 2 }), "logical address 0x4000 is not mapped"),
        (map("0xfffffffff000", json!("0x1000"), 2, "rw"), "beyond the 48 bits"),
        (map("0x10000", json!("0xfffffffffe000"), 3, "rw"), "physical address is beyond the 52 bits"),
        (map("0x10000", json!(["0x1000"]), 2, "rw"), "1 frames for 2 pages"),
        (map("0x10001", json!("0x1000"), 1, "rw"), "iova: 0x10001 is not a multiple of 0x1000"),
        (map("0x10000", json!("0x1000"), 1, "x"), "accepted: r, w, rw"),
        (map("0x10000", json!("0x1000"), 0, "r"), "pages: 0"),
        (map("far", json!("0x1000"), 1, "r"), "iova: \"far\" is not an address"),
        (json!({ "op": "remap" }), "expected `map` or `unmap`"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = build(folder.path(), &json!([good(), bad]));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("operation 1: ") && said.contains(reason), "{said}");
        assert_eq!((said.lines().count(), output.stdout.len()), (1, 0), "{said}");
        assert!(!folder.path().join("out.bin").exists());
    }
}

#[test]
fn an_unknown_format_is_refused_with_those_accepted() {
    let output = dxgk(&[
        "walk",
        "--format",
        "vtd-ss9",
        "--image",
        "/dev/null",
        "--load-address",
        "0",
        "--root",
        "0",
        "--iova",
        "0",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("--format")
            && said.contains("accepted: vtd-ss3, vtd-ss4, ")
            && said.lines().count() == 1,
        "{said}"
    );
}

/// Format, levels, granule in 4 KiB pages, and what the Arm formats add.
type Shape = (&'static str, u64, u64, Option<u64>, Option<u64>);

const FORMATS: [Shape; 14] = [
    ("vtd-ss3", 3, 1, None, None),
    ("vtd-ss4", 4, 1, None, None),
    ("vtd-ss5", 5, 1, None, None),
    ("vtd-fs4", 4, 1, None, None),
    ("amdv1-3", 3, 1, None, None),
    ("amdv1-4", 4, 1, None, None),
    ("amdv1-5", 5, 1, None, None),
    ("amdv1-6", 6, 1, None, None),
    ("smmu-s1-4k", 4, 1, Some(16), None),
    ("smmu-s1-16k", 4, 4, Some(16), None),
    ("smmu-s1-64k", 3, 16, Some(16), None),
    ("smmu-s2-4k", 4, 1, Some(20), Some(2)),
    ("smmu-s2-16k", 3, 4, Some(20), Some(2)),
    ("smmu-s2-64k", 3, 16, Some(20), Some(2)),
];

#[test]
fn every_format_is_built_explained_and_dumped() {
    for (format, levels, granule, tsz, sl0) in FORMATS {
        let folder = tempfile::tempdir().unwrap();
        // 64 MiB at 1 GiB, one granule far up, and a hole cut into the large leaves.
        let ops = json!([
            { "op": "map", "iova": "0x40000000", "phys": "0x80000000", "pages": 16384, "access": "rw" },
            { "op": "map", "iova": "0x7000000000", "phys": "0x12340000", "pages": granule, "access": "r" },
            { "op": "unmap", "iova": "0x41230000", "pages": granule },
        ]);
        let output = build_in(format, folder.path(), &ops);
        assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&summary["format"], &summary["levels"]), (&json!(format), &json!(levels)));
        assert_eq!(
            (summary.get("tsz"), summary.get("sl0")),
            (tsz.map(|n| json!(n)).as_ref(), sl0.map(|n| json!(n)).as_ref())
        );
        let size = std::fs::metadata(folder.path().join("out.bin")).unwrap().len();
        assert!(size >= summary["table_pages"].as_u64().unwrap() * 4096);
        let said = walk_in(format, folder.path(), "0x41000123");
        assert!(said.contains("mapped to 0x81000123 by a "), "{said}");
        assert!(!said.contains("stopped"), "{said}");
        let said = walk_in(format, folder.path(), "0x7000000000");
        assert!(said.contains("mapped to 0x12340000") && said.contains("a write is stopped: "), "{said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("level ")).count() as u64, levels, "{said}");
        let said = walk_in(format, folder.path(), "0x41230000");
        assert!(said.contains("not mapped") && said.contains("a read is stopped: "), "{said}");
        let image = folder.path().join("out.bin");
        let (at, image) = ("0x10000000", image.to_str().unwrap());
        let dump = dxgk(&["dump", "--format", format, "--image", image, "--load-address", at, "--root", at]);
        let dump = String::from_utf8(dump.stdout).unwrap();
        let total: u64 = summary["leaves"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
        assert_eq!(dump.lines().filter(|line| line.contains(" leaf at ")).count() as u64, total, "{dump}");
        assert!(!dump.contains("broken"), "{dump}");
    }
}

#[test]
fn what_a_format_cannot_do_is_said_in_its_own_terms() {
    let map = |iova: &str, phys: &str, pages: u64, access: &str| json!({ "op": "map", "iova": iova, "phys": phys, "pages": pages, "access": access });
    for (format, op, reason) in [
        ("vtd-fs4", map("0x0", "0x0", 1, "w"), "the format cannot express 'w'"),
        ("smmu-s1-4k", map("0x0", "0x0", 1, "w"), "the format cannot express 'w'"),
        ("vtd-fs4", map("0x800000000000", "0x0", 1, "r"), "beyond the 47 bits"),
        ("vtd-ss3", map("0x8000000000", "0x0", 1, "r"), "beyond the 39 bits"),
        ("amdv1-6", map("0xfffffffffffff000", "0x0", 2, "r"), "beyond the 64 bits"),
        ("smmu-s2-4k", map("0x100000000000", "0x0", 1, "w"), "beyond the 44 bits"),
        ("smmu-s1-4k", map("0x0", "0x1000000000000", 1, "r"), "beyond the 48 bits"),
        ("smmu-s1-16k", map("0x1000", "0x0", 4, "r"), "off the format's granule of 0x4000"),
        ("smmu-s2-64k", map("0x0", "0x0", 15, "r"), "off the format's granule of 0x10000"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = build_in(format, folder.path(), &json!([op]));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{format}: {said}");
        assert!(said.contains("operation 0: ") && said.contains(reason), "{format}: {said}");
        assert!(!folder.path().join("out.bin").exists());
    }
}
