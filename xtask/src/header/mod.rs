//! The C header of the binary interface, made from `dxgk-abi`.
//!
//! cbindgen is of no use here: the crate declares its structures through its own macros, which cbindgen sees only with the
//! expansion of an unstable compiler, and what they are called on Windows is in their documentation. So this reads the
//! declarations itself, takes the numbers from the compiled table, and lets the C compiler check both.

mod names;
mod source;
mod write;

use std::path::PathBuf;

use anyhow::{Context, Result};

/// Where it is, from the workspace's root.
const HEADER: &str = "miniports/c/dxgk_abi.h";

/// The workspace's root.
pub(crate) fn root() -> Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    Ok(folder.parent().context("xtask has no folder above it")?.to_owned())
}

/// Makes the header's text.
fn text() -> Result<String> {
    let declarations = source::Declarations::read(&root()?.join("crates/core/abi/src"))?;
    write::header(&declarations)
}

/// Writes the header and says where it is.
pub(crate) fn write() -> Result<PathBuf> {
    let path = root()?.join(HEADER);
    std::fs::write(&path, text()?).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use dxgk_abi::structures::STRUCTURES;

    use super::{HEADER, root, text};
    use crate::{c_driver, driver, shell};

    #[test]
    fn the_header_is_what_the_crate_says_now() {
        let path = root().expect("the root").join(HEADER);
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(there == text().expect("the declarations"), "not up to date: run `cargo xtask header`");
    }

    #[test]
    fn the_header_asserts_sizes_and_offsets_of_all_callback_structures_and_both_tables() {
        let text = text().expect("the declarations");
        for line in [
            "_Static_assert(sizeof(DXGKRNL_INTERFACE) == 576, \"DXGKRNL_INTERFACE\");",
            "_Static_assert(sizeof(DRIVER_INITIALIZATION_DATA) == 1376, \"DRIVER_INITIALIZATION_DATA\");",
            "_Static_assert(sizeof(KMDDOD_INITIALIZATION_DATA) == 336, \"KMDDOD_INITIALIZATION_DATA\");",
        ] {
            assert!(text.contains(line), "{line}");
        }
        let mut callbacks = 0;
        for structure in STRUCTURES.iter().filter(|it| it.windows.starts_with("DXGKARGCB_")) {
            if structure.windows.contains('.') {
                continue;
            }
            let line = format!("_Static_assert(sizeof({}) == {},", structure.windows, structure.size);
            assert!(text.contains(&line), "{line}");
            callbacks += 1;
        }
        assert!(callbacks >= 20, "{callbacks} structures of callbacks");
    }

    #[test]
    fn every_assertion_of_the_header_holds_for_a_c_compiler_of_drivers() {
        let Some(clang) = c_driver::clang() else {
            eprintln!("SKIPPED: there is no clang; the C header was not compiled");
            return;
        };
        let path = root().expect("the root").join(HEADER);
        let path = path.to_str().expect("a UTF-8 path");
        let target = format!("--target={}", driver::TARGET);
        let options =
            ["-std=c11", "-ffreestanding", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c"];
        let arguments = [&[target.as_str()], &options[..], &[path]].concat();
        shell::run(&clang, &arguments, &[]).expect("all assertions hold");
    }
}
