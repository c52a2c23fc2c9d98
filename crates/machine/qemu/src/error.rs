//! What can go wrong between this process and QEMU. Every message names the QEMU that was asked, with its version.

use std::io;
use std::path::PathBuf;

use dxgk_hw::PhysAddr;

/// Why QEMU could not be found, started or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QemuError {
    /// No usable QEMU on this machine.
    #[error("no QEMU: {reason}")]
    NotInstalled {
        /// Where it was looked for, and what was there instead.
        reason: String,
    },
    /// A file or socket that the machine needs could not be made or used.
    #[error("{what} {path}: {source}", path = path.display())]
    Host {
        /// What was being done.
        what: &'static str,
        /// The file or socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// QEMU ended, or was not there within the time allowed, before it connected to the qtest socket.
    #[error("{qemu} did not start: {reason}; it said: {stderr}")]
    NotStarted {
        /// Name and version of the QEMU.
        qemu: String,
        /// How it ended, or that it was waited for in vain.
        reason: String,
        /// What it wrote to its standard error.
        stderr: String,
    },
    /// QEMU took a qtest command and refused it.
    #[error("{qemu} refused `{command}`: it answered `{answer}`")]
    Refused {
        /// Name and version of the QEMU.
        qemu: String,
        /// The qtest command.
        command: String,
        /// The whole answer.
        answer: String,
    },
    /// QEMU did not answer a qtest command: it died (some device models abort), or it hangs.
    #[error("{qemu} did not answer `{command}`: {source}; it said: {stderr}")]
    Silent {
        /// Name and version of the QEMU.
        qemu: String,
        /// The qtest command.
        command: String,
        /// What the socket said.
        source: io::Error,
        /// What it wrote to its standard error.
        stderr: String,
    },
    /// A range of guest-physical addresses that is not all RAM.
    #[error("guest-physical {physical}+{length:#x} is not RAM of this machine ({layout})")]
    NotRam {
        /// First address.
        physical: PhysAddr,
        /// Bytes.
        length: u64,
        /// Where the RAM is.
        layout: String,
    },
    /// The device at this place is not the one wanted.
    #[error("{qemu} has {found} at PCI {address}, not {wanted}")]
    WrongDevice {
        /// Name and version of the QEMU.
        qemu: String,
        /// Bus, device, function.
        address: String,
        /// What is there.
        found: String,
        /// What should be there.
        wanted: &'static str,
    },
    /// A register never took the value that the manual promises.
    #[error("{qemu}: {what} did not happen within {waited_ms} ms; the register reads {value:#x}")]
    Stuck {
        /// Name and version of the QEMU.
        qemu: String,
        /// What was waited for.
        what: &'static str,
        /// How long, in milliseconds of host time.
        waited_ms: u64,
        /// The register's last value.
        value: u64,
    },
    /// An argument that the emulated hardware cannot take.
    #[error("{what}: {value:#x} ({limit})")]
    Unsupported {
        /// Which argument.
        what: &'static str,
        /// Its value.
        value: u64,
        /// What is accepted.
        limit: String,
    },
}
