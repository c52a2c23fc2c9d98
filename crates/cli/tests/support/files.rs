//! Driver files that a test needs and may not have.

use std::path::PathBuf;

/// The sample as a Windows driver; says so when it is not there.
pub(crate) fn edu_sys() -> Option<String> {
    let Some(path) = std::env::var("DXGK_EDU_SYS").ok().filter(|path| !path.is_empty()) else {
        skipped("DXGK_EDU_SYS does not name the sample's driver file (`cargo xtask driver` prints it)");
        return None;
    };
    assert!(PathBuf::from(&path).is_file(), "DXGK_EDU_SYS names no file: {path}");
    Some(path)
}

/// Nobody should take a test that did nothing for one that passed.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}; the tests that load it did not run");
}
