//! `dxgk iopt` from outside: what it prints, and how it refuses.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn dxgk(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dxgk")).arg("iopt").args(arguments).output().unwrap()
}

fn build(folder: &Path, ops: &Value) -> Output {
    let (list, image) = (folder.join("ops.json"), folder.join("out.bin"));
    std::fs::write(&list, ops.to_string()).unwrap();
    dxgk(&[
        "build",
        "--format",
        "vtd-ss4",
        "--load-address",
        "0x10000000",
        "--ops",
        list.to_str().unwrap(),
        "--image",
        image.to_str().unwrap(),
    ])
}

fn walk(folder: &Path, iova: &str) -> String {
    let image = folder.join("out.bin");
    let (at, image) = ("0x10000000", image.to_str().unwrap());
    let tables = ["walk", "--format", "vtd-ss4", "--image", image, "--load-address", at, "--root", at];
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
        said.contains("--format") && said.contains("accepted: vtd-ss4") && said.lines().count() == 1,
        "{said}"
    );
}
