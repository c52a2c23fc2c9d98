//! Where unsafe code may be, and how long a file may get.

use anyhow::Result;
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

/// Folders and files in which unsafe code may stand.
const UNSAFE_ROOMS: &[&str] =
    &["crates/driver/host/", "crates/machine/shm/", "crates/machine/vfio/", "crates/driver/miniport/src/raw"];

/// Lines above which a file hides things.
const LONGEST: usize = 600;

pub(crate) fn check(root: &Utf8Path) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for room in ["crates", "miniports", "xtask"] {
        for path in sources(&root.join(room))? {
            let shown = path.strip_prefix(root).unwrap_or(&path);
            let text = std::fs::read_to_string(&path)?;
            let lines = text.lines().count();
            if lines > LONGEST {
                broken.push(format!("limits: {shown} has {lines} lines, more than {LONGEST}"));
            }
            let may = UNSAFE_ROOMS.iter().any(|room| shown.as_str().starts_with(room));
            if !may && let Some(line) = text.lines().position(uses_unsafe) {
                broken.push(format!("limits: {shown}:{} uses unsafe outside its rooms", line + 1));
            }
        }
    }
    Ok(broken)
}

/// Whether a line opens unsafe code, or lets it in. Attributes such as `#[unsafe(no_mangle)]` count too.
fn uses_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or(line);
    ["unsafe {", "unsafe fn", "unsafe impl", "#[unsafe(", "#![expect(unsafe_code"]
        .iter()
        .any(|opening| code.contains(opening) && !code.contains(&format!("\"{opening}")))
}

/// The Rust files below a folder, in the order of the folder.
pub(crate) fn sources(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8()? {
        let path = entry?.into_path();
        if path.is_dir() && path.file_name() != Some("target") {
            found.extend(sources(&path)?);
        } else if path.extension() == Some("rs") {
            found.push(path);
        }
    }
    Ok(found)
}
