//! Which QEMU is installed, and what it can do.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::board::Architecture;
use crate::error::QemuError;

/// A QEMU that runs on this machine. Prints as `QEMU <version>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    path: PathBuf,
    version: String,
    qtest_accelerator: bool,
}

impl Installed {
    /// The binary.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version as it prints it, without the distributor's suffix: `7.2.22`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The first number of its version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|first| first.parse().ok()).unwrap_or(0)
    }

    /// Whether it was built with the `qtest` accelerator (no CPU runs, the clock stands until it is stepped). The
    /// qtest *socket* is in every build.
    #[must_use]
    pub fn has_qtest_accelerator(&self) -> bool {
        self.qtest_accelerator
    }
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QEMU {}", self.version)
    }
}

/// Looks for QEMU's binary for an architecture: the one that the architecture's
/// [`variable`](Architecture::variable) names, else the first on `PATH`; and asks it for its version and accelerators.
///
/// # Errors
/// [`QemuError::NotInstalled`] says why there is none.
pub fn find_qemu(architecture: Architecture) -> Result<Installed, QemuError> {
    let named = env::var_os(architecture.variable()).filter(|name| !name.is_empty());
    let path = match named {
        Some(name) => PathBuf::from(name),
        None => on_path(architecture.binary(), env::var_os("PATH").as_deref()).ok_or_else(|| {
            let (binary, variable) = (architecture.binary(), architecture.variable());
            not_installed(format!("{binary} is not on PATH and {variable} is not set"))
        })?,
    };
    let printed = ask_version(&path)?;
    let version = parse_version(&printed).ok_or_else(|| {
        not_installed(format!(
            "{} --version does not name a QEMU version: {:?}",
            path.display(),
            printed.lines().next().unwrap_or_default()
        ))
    })?;
    let qtest_accelerator = starts_with_qtest_accelerator(&path)?;
    Ok(Installed { path, version, qtest_accelerator })
}

fn not_installed(reason: String) -> QemuError {
    QemuError::NotInstalled { reason }
}

fn on_path(binary: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    env::split_paths(path?).map(|folder| folder.join(binary)).find(|file| file.is_file())
}

fn ask_version(path: &Path) -> Result<String, QemuError> {
    let output = Command::new(path).arg("--version").output().map_err(|error| does_not_run(path, &error))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn does_not_run(path: &Path, error: &io::Error) -> QemuError {
    not_installed(format!("{} does not run: {error}", path.display()))
}

/// `-accel help` leaves the qtest accelerator out, so an empty machine is started with it and ends at once, because
/// its monitor is told to quit.
fn starts_with_qtest_accelerator(path: &Path) -> Result<bool, QemuError> {
    let mut process = Command::new(path)
        .args(["-no-user-config", "-nodefaults", "-display", "none", "-M", "none"])
        .args(["-accel", "qtest", "-monitor", "stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| does_not_run(path, &error))?;
    if let Some(mut monitor) = process.stdin.take() {
        // Without the accelerator QEMU is gone already, and nobody reads this.
        let _ = monitor.write_all(b"quit\n");
    }
    Ok(process.wait().map_err(|error| does_not_run(path, &error))?.success())
}

/// `QEMU emulator version 7.2.22 (Debian 1:7.2...)` -> `7.2.22`.
fn parse_version(printed: &str) -> Option<String> {
    let rest = printed.lines().next()?.strip_prefix("QEMU emulator version ")?;
    let version = rest.split_whitespace().next()?;
    version.starts_with(|first: char| first.is_ascii_digit()).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_first_word_after_the_banner() {
        let debian = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright (c) 2003-2022\n";
        assert_eq!(parse_version(debian).as_deref(), Some("7.2.22"));
        assert_eq!(parse_version("QEMU emulator version 11.1.3\n").as_deref(), Some("11.1.3"));
    }

    #[test]
    fn another_program_is_not_taken_for_qemu() {
        assert_eq!(parse_version("bash, version 5.2\n"), None);
        assert_eq!(parse_version("QEMU emulator version \n"), None);
        assert_eq!(parse_version(""), None);
    }

    #[test]
    fn nothing_is_found_on_an_empty_path() {
        let binary = Architecture::X86_64.binary();
        assert_eq!(on_path(binary, None), None);
        assert_eq!(on_path(binary, Some(OsStr::new("/nonexistent-folder"))), None);
    }
}
