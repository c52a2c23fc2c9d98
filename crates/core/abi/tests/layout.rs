//! The layout table three ways: what the compiler made, what `layout.csv` says, and what the source text declares.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use dxgk_abi::structures::STRUCTURES;

/// Structure, field (empty for the structure itself), offset, size.
type Row = (String, String, usize, usize);

const HEADER: &str = "structure,field,offset,size";

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows that the compiler's numbers give.
fn compiled() -> Vec<Row> {
    let mut rows = Vec::new();
    for structure in STRUCTURES {
        rows.push((structure.windows.to_string(), String::new(), 0, structure.size));
        for field in structure.fields {
            rows.push((structure.windows.to_string(), field.name.to_string(), field.offset, field.size));
        }
    }
    rows
}

fn checked_in() -> Vec<Row> {
    let text = fs::read_to_string(crate_folder().join("layout.csv")).expect("layout.csv");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(HEADER));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(',').collect();
            let [structure, field, offset, size] = parts[..] else { panic!("not four columns: {line}") };
            let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
            (structure.to_string(), field.to_string(), number(offset), number(size))
        })
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("source folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn source_texts() -> Vec<(PathBuf, String)> {
    let mut paths = Vec::new();
    sources(&crate_folder().join("src"), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("source");
            (path, text)
        })
        .collect()
}

fn number(text: &str) -> Option<usize> {
    match text.strip_prefix("0x") {
        Some(digits) => usize::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// What the source declares: each structure's size, and each field's offset.
fn declared() -> BTreeMap<String, (usize, BTreeMap<String, usize>)> {
    let mut structures = BTreeMap::new();
    for (path, text) in source_texts() {
        let mut current: Option<String> = None;
        for line in text.lines().map(str::trim) {
            if let Some((name, rest)) = line.strip_prefix('"').and_then(|line| line.split_once("\" [")) {
                let size = rest.trim_end_matches(']').split(' ').next().and_then(number);
                let size = size.unwrap_or_else(|| panic!("{}: no size: {line}", path.display()));
                let before = structures.insert(name.to_string(), (size, BTreeMap::new()));
                assert!(before.is_none(), "declared twice: {name}");
                current = Some(name.to_string());
            } else if let Some((offset, rest)) = line.split_once(" => ") {
                let (Some(offset), Some(structure)) = (number(offset), current.as_ref()) else { continue };
                let field: String =
                    rest.chars().take_while(|it| it.is_ascii_alphanumeric() || *it == '_').collect();
                let fields = &mut structures.get_mut(structure).expect("declared").1;
                assert!(fields.insert(field.clone(), offset).is_none(), "{structure}.{field} twice");
            }
        }
    }
    structures
}

#[test]
fn layout_csv_is_what_the_compiler_made() {
    let compiled = compiled();
    let (compiled, checked_in): (BTreeSet<Row>, BTreeSet<Row>) =
        (compiled.into_iter().collect(), checked_in().into_iter().collect());
    let only_compiled: Vec<_> = compiled.difference(&checked_in).collect();
    let only_checked_in: Vec<_> = checked_in.difference(&compiled).collect();
    assert!(only_compiled.is_empty(), "not in layout.csv: {only_compiled:?}");
    assert!(only_checked_in.is_empty(), "only in layout.csv: {only_checked_in:?}");
}

#[test]
fn layout_csv_has_no_row_twice() {
    let rows = checked_in();
    let places: BTreeSet<_> = rows.iter().map(|(structure, field, ..)| (structure, field)).collect();
    assert_eq!(places.len(), rows.len());
}

#[test]
fn every_declared_structure_and_field_is_listed() {
    let declared = declared();
    assert!(declared.len() > 100, "the source was not understood: {} structures", declared.len());
    let mut listed = BTreeMap::new();
    for structure in STRUCTURES {
        let fields: BTreeMap<String, usize> =
            structure.fields.iter().map(|field| (field.name.to_string(), field.offset)).collect();
        let before = listed.insert(structure.windows.to_string(), (structure.size, fields));
        assert!(before.is_none(), "listed twice: {}", structure.windows);
    }
    for (name, there) in &declared {
        assert_eq!(Some(there), listed.get(name), "{name}");
    }
    for name in listed.keys() {
        assert!(declared.contains_key(name), "listed but not declared: {name}");
    }
}

#[test]
fn fields_cover_their_structure_without_a_hole() {
    for structure in STRUCTURES {
        let mut at = 0;
        for field in structure.fields {
            assert_eq!(field.offset, at, "{}.{}", structure.windows, field.name);
            at += field.size;
        }
        assert_eq!(at, structure.size, "{}", structure.windows);
    }
}

#[test]
fn no_structure_is_declared_outside_the_layout_macros() {
    for (path, text) in source_texts() {
        if path.ends_with("layout.rs") {
            continue;
        }
        assert!(!text.contains("repr(C"), "{}: a layout that nothing checks", path.display());
    }
}
