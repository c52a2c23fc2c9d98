//! What a parent hands its child: the configuration as one line of JSON on the child's standard input, the driver's bytes
//! behind it, and the inherited files (ring, arena, RAM; the link to a device model elsewhere).

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use dxgk_model::RemoteShape;
use rustix::io::{FdFlags, fcntl_setfd};
use serde::{Deserialize, Serialize};

use super::config::RunConfig;

/// The largest driver that is taken: Windows loads none that is near this.
pub(crate) const LARGEST_DRIVER: u64 = 256 << 20;

/// A driver's file: its name without its folder, and its bytes.
pub(crate) type DriverFile = (String, Vec<u8>);

/// The line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handover {
    pub(crate) config: RunConfig,
    ring: RawFd,
    arena: RawFd,
    ram: RawFd,
    /// The link to a device model elsewhere, and what its device looks like.
    device: Option<(RawFd, RemoteShape)>,
    /// Name and length of the driver's file; nothing for the built-in sample.
    driver: Option<(String, u64)>,
}

/// The files of a run.
pub(crate) struct Files<T> {
    pub(crate) ring: T,
    pub(crate) arena: T,
    pub(crate) ram: T,
    /// The link to a device model elsewhere, and what its device looks like.
    pub(crate) device: Option<(T, RemoteShape)>,
}

impl Handover {
    /// Makes the files inheritable and names them.
    pub(crate) fn new(
        config: &RunConfig,
        files: &Files<BorrowedFd<'_>>,
        driver: Option<(String, u64)>,
    ) -> io::Result<Self> {
        let device = files.device.as_ref();
        let link = device.map(|(link, _)| *link);
        for file in [files.ring, files.arena, files.ram].into_iter().chain(link) {
            fcntl_setfd(file, FdFlags::empty())?;
        }
        Ok(Self {
            config: config.clone(),
            ring: files.ring.as_raw_fd(),
            arena: files.arena.as_raw_fd(),
            ram: files.ram.as_raw_fd(),
            device: device.map(|(link, shape)| (link.as_raw_fd(), shape.clone())),
            driver,
        })
    }

    /// Writes it, and the driver's bytes behind it.
    pub(crate) fn write(&self, to: &mut impl Write, driver: &[u8]) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        to.write_all(&line)?;
        to.write_all(driver)?;
        to.flush()
    }

    /// Reads it; the driver's name and bytes with it.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<(Self, Option<DriverFile>)> {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let handover: Self = serde_json::from_str(&line)?;
        let driver = match &handover.driver {
            None => None,
            Some((name, length)) => {
                let mut bytes = Vec::new();
                from.take(*length).read_to_end(&mut bytes)?;
                Some((name.clone(), bytes))
            }
        };
        Ok((handover, driver))
    }

    /// The inherited files, opened anew: a number alone gives no ownership of the file behind it.
    pub(crate) fn open(&self) -> io::Result<Files<OwnedFd>> {
        let device =
            self.device.as_ref().map(|(link, shape)| reopen(*link).map(|link| (link, shape.clone())));
        Ok(Files {
            ring: reopen(self.ring)?,
            arena: reopen(self.arena)?,
            ram: reopen(self.ram)?,
            device: device.transpose()?,
        })
    }
}

fn reopen(file: RawFd) -> io::Result<OwnedFd> {
    let opened: File = OpenOptions::new().read(true).write(true).open(format!("/proc/self/fd/{file}"))?;
    Ok(opened.into())
}
