//! Whose code a frame is: the driver's own, or glue that every driver has around it.

use super::Frame;

/// Headers of the driver kits whose inline functions drivers call (WRITE_REGISTER_ULONG and its like are in wdm.h).
const HEADERS: [&str; 9] = [
    "wdm.h",
    "ntddk.h",
    "ntifs.h",
    "ntdef.h",
    "winnt.h",
    "dispmprt.h",
    "d3dkmddi.h",
    "intrin.h",
    "displib.h",
];

/// Whether the frame is of Rust's own libraries, of `dxgk-miniport` (the wrapper of the display DDI), or of a header of the
/// driver kits. Whose source is unknown counts as a library's: there would be no line to show.
pub(crate) fn is_library(frame: &Frame) -> bool {
    let Some(file) = &frame.file else { return true };
    let path = file.replace('\\', "/").to_ascii_lowercase();
    let of_rust = path.contains("/rustc/")
        || ["core", "alloc", "std"].iter().any(|name| path.contains(&format!("/library/{name}/src/")));
    let of_wrapper = path.contains("crates/driver/miniport/src/") || path.contains("/dxgk-miniport-0.");
    let name = path.rsplit('/').next().unwrap_or(&path);
    of_rust || of_wrapper || path.contains("/windows kits/") || HEADERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::{Frame, is_library};

    #[test]
    fn wrappers_and_headers_are_told_from_the_drivers_own_source() {
        let of = |file: &str| is_library(&Frame::new(Some("f"), Some(file), Some(1)));
        for library in [
            "/rustc/0123456789abcdef/library/core/src/ptr/mod.rs",
            "/home/me/.rustup/toolchains/x/lib/rustlib/src/rust/library/alloc/src/vec/mod.rs",
            "/home/me/dxgk/crates/driver/miniport/src/raw/mmio.rs",
            "crates/driver/miniport/src/lib.rs",
            r"C:\Program Files (x86)\Windows Kits\10\Include\10.0.22621.0\km\wdm.h",
            "/home/me/wdk/km/wdm.h",
        ] {
            assert!(of(library), "{library}");
        }
        for own in ["/home/me/dxgk/miniports/edu/src/device.rs", r"C:\drv\hw.cpp", "core/src/main.c"] {
            assert!(!of(own), "{own}");
        }
        assert!(is_library(&Frame::default()));
    }
}
