//! `--device vfio-user:SOCKET`: the device model in another process.
//!
//! The run's own process is sealed and could not use a socket. So the parent holds the connection, and the run reaches it
//! over a link of shared memory.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use dxgk_model::{Remote, RemoteShape};
use dxgk_shm::link::{DeviceEnd, MachineEnd};
use dxgk_vfio_user::{Connection, Proxy};

use super::config::{DeviceChoice, RunConfig};
use crate::usage::Usage;

/// How long a device model may take for one answer at most (our choice).
const LONGEST_ANSWER: Duration = Duration::from_secs(10);

/// The device model of a run, connected.
pub(super) struct Outside {
    socket: PathBuf,
    shape: RemoteShape,
    proxy: Proxy,
}

impl Outside {
    /// Connects, if the run has such a device.
    pub(super) fn of(config: &RunConfig) -> Result<Option<Self>> {
        let DeviceChoice::VfioUser { socket } = &config.device else { return Ok(None) };
        // Half of what a driver may take without a sign, so that the silence of a device is not taken for its driver's.
        let limit = LONGEST_ANSWER.min(Duration::from_secs(config.timeout_seconds) / 2);
        let (connection, shape) = connect(socket, limit)?;
        let link = DeviceEnd::create().context("cannot make the link to the device model")?;
        let proxy = Proxy::start(connection, link).context("cannot start the device model's threads")?;
        Ok(Some(Self { socket: socket.clone(), shape, proxy }))
    }

    /// The link's file, and what the device looks like, for the run's process.
    pub(super) fn handover(&self) -> (BorrowedFd<'_>, &RemoteShape) {
        (self.proxy.fd(), &self.shape)
    }

    /// The device, for a run in this process.
    pub(super) fn device(&self) -> Result<Remote> {
        let end = self.proxy.link().machine_end().context("the link to the device model")?;
        Ok(Remote::new(end, self.shape.clone()))
    }

    /// What the device model did that ended it, in a sentence; nothing while all is well.
    pub(super) fn failure(&self) -> Option<String> {
        let failure = self.proxy.failure()?;
        Some(format!("the device model behind {} {failure}", self.socket.display()))
    }
}

/// The device, for a run in a process of its own.
pub(super) fn taken_over(link: OwnedFd, shape: &RemoteShape) -> Result<Remote> {
    let end = MachineEnd::from_fd(link).context("the link to the device model")?;
    Ok(Remote::new(end, shape.clone()))
}

fn connect(socket: &Path, limit: Duration) -> Result<(Connection, RemoteShape), Usage> {
    let name = format!("vfio-user:{}", socket.display());
    let connection = Connection::open(socket, limit).map_err(|error| match error {
        error @ dxgk_vfio_user::Error::Connect(_) => Usage::option("--device", format!("{name}: {error}")),
        error => Usage::option("--device", format!("{name}: the device model {error}")),
    })?;
    let facts = connection.facts();
    let shape = RemoteShape { config: facts.config.clone(), bars: facts.bars.clone() };
    shape.check(&name).map_err(|error| Usage::option("--device", format!("{name}: {error}")))?;
    Ok((connection, shape))
}
