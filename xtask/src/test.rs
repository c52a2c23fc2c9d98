//! What CI runs, in order from cheap to dear.

use anyhow::{Context, Result};

use crate::{c_driver, driver, shell};

/// The core crates, which must build without an operating system.
const CORE: &[&str] = &["abi", "hw", "event", "iopt", "iommu", "sysmm", "port", "verify"];
const BARE_METAL: &str = "x86_64-unknown-none";

pub(crate) fn run() -> Result<()> {
    crate::check()?;
    shell::run("cargo", &["fmt", "--all", "--check"], &[])?;
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])?;
    bare_metal()?;
    let driver = driver::build()?;
    let driver = driver.to_str().context("the driver's path is not UTF-8")?;
    let mut environment = vec![("DXGK_EDU_SYS", driver)];
    // Before the tests: one of them lets clang compile the C header.
    let c_driver = has_clang().then(c_driver::build).transpose()?;
    if let Some(path) = &c_driver {
        environment.push(("DXGK_EDU_C_SYS", path.to_str().context("the C driver's path is not UTF-8")?));
    }
    if has_qemu() {
        environment.push(("DXGK_REQUIRE_QEMU", "1"));
    }
    shell::run("cargo", &["test", "--workspace", "--", "--nocapture"], &environment)?;
    shell::run("cargo", &["doc", "--workspace", "--no-deps", "--quiet"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    skips();
    Ok(())
}

fn bare_metal() -> Result<()> {
    shell::run("rustup", &["target", "add", BARE_METAL], &[])?;
    let packages: Vec<String> = CORE.iter().map(|name| format!("--package=dxgk-{name}")).collect();
    let mut arguments = vec!["build", "--quiet", "--target", BARE_METAL];
    arguments.extend(packages.iter().map(String::as_str));
    shell::run("cargo", &arguments, &[])
}

/// Whether QEMU is there for both architectures, installed just now if need be. It is a witness, not a need: without
/// root, or without a package, the tests that want it skip and say so.
pub(crate) fn has_qemu() -> bool {
    [("qemu-system-x86_64", "qemu-system-x86"), ("qemu-system-aarch64", "qemu-system-arm")].into_iter().all(
        |(binary, package)| {
            shell::output(binary, &["--version"]).is_some() || install(package, "the witness tests")
        },
    )
}

/// Whether clang is there, likewise: the sample in C is built with it.
fn has_clang() -> bool {
    c_driver::clang().is_some() || install("clang", "the tests of the C header and of the C sample")
}

/// Installs a Debian package; says so when it cannot.
fn install(package: &str, tests: &str) -> bool {
    if shell::output("id", &["-u"]).is_none_or(|id| id.trim() != "0") {
        eprintln!("SKIPPED: installing {package} needs root; install it to run {tests}");
        return false;
    }
    let quiet = [("DEBIAN_FRONTEND", "noninteractive")];
    let installed = shell::run("apt-get", &["update", "-qq"], &quiet).and_then(|()| {
        shell::run("apt-get", &["install", "-y", "-qq", "--no-install-recommends", package], &quiet)
    });
    if let Err(error) = &installed {
        eprintln!("SKIPPED: {package} could not be installed ({error:#}); {tests} will skip");
    }
    installed.is_ok()
}

fn skips() {
    if std::env::var_os("DXGK_DRIVERS").is_none() {
        eprintln!(
            "SKIPPED: DXGK_DRIVERS names no folder of public drivers; the tests that load one did not run"
        );
    }
}
