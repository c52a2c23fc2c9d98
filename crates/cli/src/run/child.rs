//! The disposable process that a run happens in. It is sealed before the driver's first instruction; its parent believes
//! nothing that it says.

use std::io;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use anyhow::{Context, Result};
use dxgk_event::FailureKind;
use dxgk_host::cost::Stage;
use dxgk_host::sandbox;
use dxgk_host::sink::HostSink;
use dxgk_model::Remote;
use dxgk_shm::{ArenaWriter, Ram, RamLayout, RingWriter};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::config::RunConfig;
use super::handover::Handover;
use super::outside;
use super::rig::{DriverSource, Rig, RigError, stack_policy};

/// Exit status of a child that could not take over what it was handed.
const BAD_HANDOVER: u8 = 71;

/// The hidden command that a parent starts.
pub(crate) fn main() -> ExitCode {
    match take_over() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "not sealed yet, and nobody else to tell")]
            {
                eprintln!("dxgk: child: {error:#}");
            }
            ExitCode::from(BAD_HANDOVER)
        }
    }
}

fn take_over() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("parent-death signal")?;
    let (handover, driver) = Handover::read(&mut io::stdin().lock()).context("handover")?;
    let files = handover.open().context("inherited files")?;
    let config = &handover.config;
    let layout = RamLayout::from_str(&config.ram).context("RAM layout")?;
    let ram = Arc::new(Ram::from_fd(files.ram, &layout).context("RAM")?);
    let ring = RingWriter::from_fd(files.ring).context("event ring")?;
    let arena = ArenaWriter::from_fd(files.arena).context("list arena")?;
    let sink = Arc::new(HostSink::new(ring, arena, stack_policy(config)));
    sink.mark(Stage::Spawn);
    let driver = driver.map_or(DriverSource::Linked, |(name, bytes)| DriverSource::File(name, bytes));
    let device = files.device.map(|(link, shape)| outside::taken_over(link, &shape)).transpose()?;
    run(config, ram, &sink, &driver, device, true);
    sink.finish();
    Ok(())
}

/// The whole run. What goes wrong with the driver is in the event stream, also when it cannot be loaded.
pub(crate) fn run(
    config: &RunConfig,
    ram: Arc<Ram>,
    sink: &Arc<HostSink>,
    driver: &DriverSource,
    device: Option<Remote>,
    sealed: bool,
) {
    match Rig::build(config, ram, sink, driver, device) {
        Ok(rig) => {
            sink.mark(Stage::Load);
            if sealed && let Err(error) = sandbox::seal(&sandbox::Policy::default()) {
                sink.fail(FailureKind::Internal, &format!("the process cannot be sealed: {error}"));
                return;
            }
            if sealed {
                sink.mark(Stage::Sandbox);
            }
            rig.live(config);
            sink.mark(Stage::Life);
            if sealed {
                // Taking the rig apart needs system calls that a sealed process does not have; the process ends anyway.
                std::mem::forget(rig);
            }
        }
        Err(RigError::Load(error)) => sink.fail(FailureKind::LoadFailed, &error.to_string()),
        Err(RigError::Host(error)) => sink.fail(FailureKind::Internal, &error),
    }
}
