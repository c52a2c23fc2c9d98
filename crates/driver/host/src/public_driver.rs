//! Public drivers for tests: their binaries are not part of this project, `DXGK_DRIVERS` names a folder of them.

use std::io::Write;
use std::path::PathBuf;

/// The file of that name, or `None` after having said loudly that a test skips.
pub(crate) fn driver(name: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("DXGK_DRIVERS").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let found = folder.and_then(|folder| std::fs::read(folder.join(name)).ok());
    if found.is_none() {
        // Past the capture of the test harness, which would swallow `eprintln!`.
        let message = format!("SKIPPED: no {name} in the folder of DXGK_DRIVERS\n");
        std::io::stderr().write_all(message.as_bytes()).unwrap();
    }
    found
}
