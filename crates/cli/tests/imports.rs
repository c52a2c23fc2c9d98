//! IMP-001: the sample's file with one more import than it has. What it imports is the file's, so no registry value can show it.

#[path = "support/files.rs"]
mod files;
mod support;

use support::{Run, run};

/// Room for the new section: descriptors, tables and names.
const SECTION_BYTES: u32 = 0x1000;
/// Bytes of an import descriptor, and of a section header.
const DESCRIPTOR: usize = 20;
const HEADER: usize = 40;

fn word(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"))
}

fn put(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// The driver's file with `name` of ntoskrnl.exe imported too: a copy of its import descriptors with one more, in a section
/// behind the others. Nothing calls it.
fn importing(file: &[u8], name: &str) -> Vec<u8> {
    let mut file = file.to_vec();
    let pe = word(&file, 0x3C) as usize;
    let optional = pe + 24;
    let sections = usize::from(u16::from_le_bytes([file[pe + 6], file[pe + 7]]));
    let table = optional + usize::from(u16::from_le_bytes([file[pe + 20], file[pe + 21]]));
    let (alignment, in_file) = (word(&file, optional + 32), word(&file, optional + 36));
    let image_bytes = word(&file, optional + 56);
    let header = table + sections * HEADER;
    let first =
        (0..sections).map(|index| word(&file, table + index * HEADER + 20)).filter(|at| *at != 0).min();
    assert!(
        header + HEADER <= first.expect("a section in the file") as usize,
        "no room for a section header"
    );

    // The descriptors that are there, up to the one of zeroes.
    let directory = optional + 112 + 8;
    let imports = word(&file, directory);
    let place = (0..sections).find_map(|index| {
        let section = table + index * HEADER;
        let (at, bytes) = (word(&file, section + 12), word(&file, section + 16));
        (at..at + bytes).contains(&imports).then(|| word(&file, section + 20) + imports - at)
    });
    let descriptors = place.expect("the imports are in a section") as usize;
    let count =
        (0..).position(|index| word(&file, descriptors + index * DESCRIPTOR + 12) == 0).expect("an end");
    let mut content = file[descriptors..descriptors + count * DESCRIPTOR].to_vec();
    let at = image_bytes.next_multiple_of(alignment);
    // Behind the descriptors: the names' table, the slots, the name with its hint, the module.
    let names = ((count + 2) * DESCRIPTOR).next_multiple_of(8) as u32;
    let (slots, hint, module) = (names + 16, names + 32, names + 96);
    content.resize(SECTION_BYTES as usize, 0);
    for (field, value) in [(0, at + names), (12, at + module), (16, at + slots)] {
        put(&mut content, count * DESCRIPTOR + field, value);
    }
    for slot in [names, slots] {
        put(&mut content, slot as usize, at + hint);
    }
    content[hint as usize + 2..][..name.len()].copy_from_slice(name.as_bytes());
    content[module as usize..][..12].copy_from_slice(b"ntoskrnl.exe");

    let end = file.len().next_multiple_of(in_file as usize);
    file.resize(end, 0);
    file.extend_from_slice(&content);
    file[header..header + 8].copy_from_slice(b".imports");
    for (field, value) in
        [(8, SECTION_BYTES), (12, at), (16, SECTION_BYTES), (20, end as u32), (36, 0xC000_0040)]
    {
        put(&mut file, header + field, value);
    }
    file[pe + 6..pe + 8].copy_from_slice(&(sections as u16 + 1).to_le_bytes());
    put(&mut file, optional + 56, at + SECTION_BYTES);
    put(&mut file, directory, at);
    put(&mut file, directory + 4, ((count + 2) * DESCRIPTOR) as u32);
    file
}

/// The sample with that import, under these options; nothing when the sample's file is not there.
fn run_importing(name: &str, options: &[&str]) -> Option<Run> {
    let whole = std::fs::read(files::edu_sys()?).expect("the driver's file");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edu.sys");
    std::fs::write(&path, importing(&whole, name)).expect("the file");
    let run = run(&[&[path.to_str().expect("UTF-8")], options].concat());
    let imports = run.report["driver"]["imports"].as_array().expect("imports");
    assert!(imports.iter().any(|import| import == name), "{name} is imported: {}", run.told());
    Some(run)
}

fn rules(run: &Run) -> Vec<(&str, &str)> {
    let findings = run.report["findings"].as_array().expect("findings").iter();
    findings.map(|it| (it["rule"].as_str().unwrap_or(""), it["severity"].as_str().unwrap_or(""))).collect()
}

#[test]
fn a_driver_that_claims_isolation_and_imports_memory_routines_is_told() {
    for (name, severity) in [
        ("MmAllocateContiguousMemory", "error"),
        ("MmAllocateContiguousMemorySpecifyCache", "error"),
        ("MmFreeContiguousMemory", "error"),
        ("MmAllocatePagesForMdl", "error"),
        ("MmAllocatePagesForMdlEx", "error"),
        ("MmProbeAndLockPages", "error"),
        // Another page tells drivers to use it.
        ("MmFreePagesFromMdl", "warning"),
    ] {
        for api in ["MemoryApi=dword:29", "MemoryApi=dword:24"] {
            let Some(run) = run_importing(name, &["--registry", api]) else { return };
            assert_eq!(rules(&run), [("IMP-001", severity)], "{}", run.told());
            assert_eq!((run.status, run.text("/outcome")), (1, "findings"), "{}", run.told());
            assert!(run.text("/findings/0/message").ends_with(name), "{}", run.told());
        }
    }
}

/// The twins: another import, and a driver that claims nothing.
#[test]
fn other_imports_and_drivers_that_claim_nothing_are_left_in_peace() {
    for (name, api) in [
        ("MmMapIoSpaceEx", "MemoryApi=dword:29"),
        ("KeQueryPerformanceCounter", "MemoryApi=dword:24"),
        ("MmAllocateContiguousMemory", "MemoryApi=dword:20"),
        ("MmProbeAndLockPages", "MemoryApi=dword:20"),
    ] {
        let Some(run) = run_importing(name, &["--registry", api]) else { return };
        assert_eq!(rules(&run), [], "{}", run.told());
        assert_eq!((run.status, run.text("/outcome")), (0, "clean"), "{}", run.told());
    }
}

#[test]
fn a_scan_of_the_file_says_it_too() {
    let Some(path) = files::edu_sys() else { return };
    let whole = std::fs::read(path).expect("the driver's file");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edu.sys");
    for (name, told) in [("MmAllocateContiguousMemory", true), ("KeQueryPerformanceCounter", false)] {
        std::fs::write(&path, importing(&whole, name)).expect("the file");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_dxgk"))
            .arg("scan")
            .arg(&path)
            .output()
            .expect("the command runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{text}");
        assert_eq!(text.contains("IMP-001") && text.contains(name), told, "{text}");
    }
}
