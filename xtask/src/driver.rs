//! The sample miniport as a Windows driver: a real PE file, from stable cargo and the linker that rustup brings.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::shell;

/// Target of the driver.
pub(crate) const TARGET: &str = "x86_64-pc-windows-msvc";

/// Builds it and returns where it is.
pub(crate) fn build() -> Result<PathBuf> {
    shell::run("rustup", &["target", "add", TARGET], &[])?;
    shell::run(
        "cargo",
        &[
            "rustc",
            "--quiet",
            "--package",
            "dxgk-miniport-edu",
            "--lib",
            "--target",
            TARGET,
            "--profile",
            "driver",
            "--crate-type",
            "cdylib",
            "--",
            "-Clinker=rust-lld",
            "-Clinker-flavor=lld-link",
            "-Clink-arg=/DRIVER",
            "-Clink-arg=/SUBSYSTEM:NATIVE",
            "-Clink-arg=/ENTRY:DriverEntry",
            "-Clink-arg=/NODEFAULTLIB",
            "-Clink-arg=/RELEASE",
            "-Clink-arg=/Brepro",
        ],
        &[],
    )?;
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    let folder = metadata.target_directory.join(TARGET).join("driver");
    let built = folder.join("dxgk_miniport_edu.dll");
    let driver = folder.join("edu.sys");
    std::fs::copy(&built, &driver).with_context(|| format!("cannot copy {built} to {driver}"))?;
    Ok(driver.into_std_path_buf())
}
