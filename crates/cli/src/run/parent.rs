//! The side that watches a run: starts it, reads its events, applies the rules, and stops what does not end.

use std::error::Error as _;
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dxgk_event::{Event, FailureKind, StopCause};
use dxgk_host::launch::at_fixed_addresses;
use dxgk_host::sink::HostSink;
use dxgk_host::trap::ThreadId;
use dxgk_shm::{ARENA_BYTES, ArenaReader, Ram, RamLayout, RingReader};
use dxgk_verify::Severity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use sha2::{Digest, Sha256};

use super::child;
use super::config::{RunConfig, Strictness};
use super::cost::Costs;
use super::expect::{Expectations, above_note};
use super::handover::{Files, Handover};
use super::outside::Outside;
use super::rig::{DriverSource, stack_policy};
use super::session::Session;
use crate::report::Outcome;
use crate::usage::Usage;

/// Records in the ring: 8 MiB, enough that a short run never waits for its reader.
const RING_RECORDS: u64 = 1 << 16;
/// How long the reader waits for a record before it looks after the child.
const LOOK_AFTER: Duration = Duration::from_millis(50);

/// How long a child that hangs has for saying where it is.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How the run's process or thread ended.
enum End {
    /// By itself.
    Done,
    /// With this status, by itself.
    Exited(ExitStatus),
    /// Stopped by us after the time-out.
    TimedOut,
}

/// What the driver runs in.
enum Runner<'a> {
    Process(&'a mut Child),
    Thread { handle: &'a JoinHandle<()>, id: &'a OnceLock<ThreadId> },
}

impl Runner<'_> {
    /// How it ended, if it did.
    fn ended(&mut self) -> io::Result<Option<End>> {
        match self {
            Self::Process(child) => Ok(child.try_wait()?.map(End::Exited)),
            Self::Thread { handle, .. } => Ok(handle.is_finished().then_some(End::Done)),
        }
    }

    /// Waits until it has ended, or until `patience` is over.
    fn wait(&self, patience: Duration) {
        match self {
            Self::Process(child) => {
                let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                let Some(Ok(process)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else { return };
                let patience =
                    Timespec { tv_sec: 0, tv_nsec: patience.min(LOOK_AFTER).subsec_nanos().into() };
                // Whatever comes of it, the caller looks at the process itself.
                let _ = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&patience));
            }
            Self::Thread { .. } => std::thread::yield_now(),
        }
    }

    /// Interrupts the driver's code.
    fn alarm(&self) {
        match self {
            Self::Process(child) => {
                if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    // A child that ended meanwhile needs no signal.
                    let _ = kill_process(pid, Signal::ALARM);
                }
            }
            Self::Thread { id, .. } => {
                if let Some(id) = id.get() {
                    id.interrupt();
                }
            }
        }
    }

    /// Ends it whatever it does. A thread cannot be ended: it is left behind.
    fn kill(&mut self) -> io::Result<End> {
        match self {
            Self::Process(child) => {
                child.kill()?;
                Ok(End::Exited(child.wait()?))
            }
            Self::Thread { .. } => Ok(End::Done),
        }
    }
}

/// A run under way, as its reader sees it.
struct Watch<'a> {
    config: &'a RunConfig,
    ring: RingReader,
    arena: ArenaReader,
    session: Session,
    expectations: Expectations,
    /// The device model, where it is in another process.
    outside: Option<Outside>,
}

/// Runs in a sandboxed child process.
pub(crate) fn in_child(
    config: &RunConfig,
    driver: Option<(String, Vec<u8>)>,
    log: bool,
) -> Result<(Session, Outcome)> {
    let mut costs = Costs::begin();
    let mut watch = Watch::new(config, log)?;
    // In a thread of this process the sample's addresses are random.
    watch.session.bytes = Some(Sha256::new());
    let ram = ram(config)?;
    let (name, bytes) = driver.map_or((None, Vec::new()), |(name, bytes)| (Some(name), bytes));
    let device = watch.outside.as_ref().map(Outside::handover);
    let device = device.map(|(link, shape)| (link, shape.clone()));
    let files = Files { ring: watch.ring.fd(), arena: watch.arena.fd(), ram: ram.fd(), device };
    let driver = name.map(|name| (name, bytes.len() as u64));
    let handover = Handover::new(config, &files, driver).context("cannot prepare the child's files")?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.arg(super::CHILD).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = at_fixed_addresses(|| command.spawn()).context("cannot start the child process")?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that died at once breaks the pipe; its exit status says more.
        let _ = handover.write(&mut stdin, &bytes);
    }
    costs.started();
    let end = watch.follow(&mut Runner::Process(&mut child))?;
    watch.drain();
    costs.ended(&watch.ring);
    watch.session.costs = Some(costs);
    let outcome = watch.outcome(&end);
    Ok((watch.session, outcome))
}

/// Runs the built-in sample in a thread of this process, without a sandbox.
pub(crate) fn in_process(config: &RunConfig, log: bool) -> Result<(Session, Outcome)> {
    let mut watch = Watch::new(config, log)?;
    let ram = Arc::new(ram(config)?);
    let sink = Arc::new(HostSink::new(watch.ring.writer(), watch.arena.writer(), stack_policy(config)));
    let config = config.clone();
    let device = watch.outside.as_ref().map(Outside::device).transpose()?;
    let id = Arc::new(OnceLock::new());
    let own_id = Arc::clone(&id);
    let runner = std::thread::Builder::new().name("driver".to_owned()).spawn(move || {
        // Nobody has set it before.
        let _ = own_id.set(ThreadId::of_this());
        child::run(&config, ram, &sink, &DriverSource::Linked, device, false);
    });
    let runner = runner.context("cannot start a thread")?;
    let end = watch.follow(&mut Runner::Thread { handle: &runner, id: &id })?;
    watch.drain();
    // One that hangs ends with this process.
    if runner.is_finished() && runner.join().is_err() {
        watch.session.failure = Some((FailureKind::Internal, "dxgk panicked".to_owned()));
    }
    let outcome = watch.outcome(&end);
    Ok((watch.session, outcome))
}

fn ram(config: &RunConfig) -> Result<Ram> {
    let layout = RamLayout::from_str(&config.ram)?;
    // How much this system can hold is known only now; what asked for it is the option, its default included.
    Ram::create(&layout).map_err(|error| {
        let source = error.source().map_or_else(String::new, |source| format!(": {source}"));
        Usage::option("--ram", format!("{error}{source}; accepted: what this system has address space for"))
            .into()
    })
}

impl<'a> Watch<'a> {
    fn new(config: &'a RunConfig, log: bool) -> Result<Self> {
        Ok(Self {
            config,
            ring: RingReader::create(RING_RECORDS).context("cannot make the event ring")?,
            arena: ArenaReader::create(ARENA_BYTES).context("cannot make the list arena")?,
            session: Session::new(log),
            expectations: Expectations::of(&config.scenario),
            outside: Outside::of(config)?,
        })
    }

    /// Reads what comes within `patience`; false when nothing came.
    fn read(&mut self, patience: Duration) -> bool {
        match self.ring.next(patience) {
            Ok(Some(record)) => {
                if let Ok(Event::Step(step)) = record.decode()
                    && step.status == u32::MAX
                {
                    self.expectations.reached(step.index, self.session.verifier.findings());
                }
                self.session.take(&record, &self.arena);
                if self.config.strictness == Strictness::Windows && self.windows_would_stop() {
                    self.ring.request_stop();
                }
                true
            }
            Ok(None) => false,
            Err(error) => {
                let text = format!("the child forged or broke its event stream: {error}");
                self.session.broken.get_or_insert(text);
                false
            }
        }
    }

    fn windows_would_stop(&self) -> bool {
        self.session.verifier.findings().last().is_some_and(|finding| {
            finding.severity == Severity::Error && finding.rule.windows.starts_with("0x")
        })
    }

    /// Reads until the child has ended, or its time is up. Only entering or leaving a DDI is progress: a driver that polls
    /// or prints for ever makes events, too.
    fn follow(&mut self, runner: &mut Runner<'_>) -> io::Result<End> {
        let mut progress = (self.session.boundaries_of_ddis, Instant::now());
        let limit = Duration::from_secs(self.config.timeout_seconds);
        loop {
            if !self.read(LOOK_AFTER) && self.ring.writer_gone() {
                // It ends at any moment, or pretends to.
                runner.wait(LOOK_AFTER);
            }
            if self.session.boundaries_of_ddis != progress.0 {
                progress = (self.session.boundaries_of_ddis, Instant::now());
            }
            if let Some(end) = runner.ended()? {
                return Ok(end);
            }
            if self.session.broken.is_some() {
                return runner.kill();
            }
            if matches!(runner, Runner::Process(_)) && self.device_failure().is_some() {
                // A driver whose device is gone proves nothing any more. A thread cannot be ended, and goes on without it.
                return runner.kill();
            }
            if progress.1.elapsed() >= limit {
                return self.stop_hanging(runner);
            }
        }
    }

    /// Asks a driver that hangs to say where it is, then ends it.
    fn stop_hanging(&mut self, runner: &mut Runner<'_>) -> io::Result<End> {
        let until = Instant::now() + LAST_WORDS;
        runner.alarm();
        while Instant::now() < until && runner.ended()?.is_none() {
            self.read(LOOK_AFTER);
            // Our own code may have been what it interrupted.
            runner.alarm();
        }
        runner.kill()?;
        Ok(End::TimedOut)
    }

    /// What ended the device model.
    fn device_failure(&self) -> Option<String> {
        self.outside.as_ref().and_then(Outside::failure)
    }

    fn drain(&mut self) {
        while self.read(Duration::ZERO) {}
    }

    /// What the run came to, what the scenario expects included.
    fn outcome(&mut self, end: &End) -> Outcome {
        let outcome = self.driver_outcome(end);
        let expectations = std::mem::take(&mut self.expectations);
        let unmet = expectations.ended(outcome, self.session.verifier.findings());
        if unmet.is_empty() {
            return outcome;
        }
        self.session.unmet(unmet);
        if outcome == Outcome::Clean { Outcome::Findings } else { outcome }
    }

    fn driver_outcome(&mut self, end: &End) -> Outcome {
        if self.session.broken.is_some() {
            return Outcome::SandboxViolation;
        }
        if let Some(failure) = self.device_failure() {
            self.session.failure = Some((FailureKind::Internal, failure));
            return Outcome::InternalError;
        }
        if let Some(stop) = &self.session.bug_check {
            return match stop.stop.cause {
                StopCause::Sandbox => Outcome::SandboxViolation,
                StopCause::Host => Outcome::InternalError,
                _ => Outcome::Bugcheck,
            };
        }
        match end {
            End::TimedOut => {
                let text = format!(
                    "the driver did not come back within {} seconds and was stopped; last seen at {}",
                    self.config.timeout_seconds,
                    self.session.last_place()
                );
                self.session.failure.get_or_insert((FailureKind::Hang, text));
                return Outcome::Hang;
            }
            End::Exited(status) if !status.success() => return self.died(*status),
            End::Exited(_) | End::Done => {}
        }
        match self.session.failure.as_ref().map(|(kind, _)| *kind) {
            Some(FailureKind::LoadFailed) => Outcome::LoadFailed,
            Some(FailureKind::Internal) => Outcome::InternalError,
            Some(FailureKind::Hang) => Outcome::Hang,
            Some(FailureKind::NotStarted | FailureKind::Scenario) => Outcome::Findings,
            None if above_note(self.session.verifier.findings()) => Outcome::Findings,
            None => Outcome::Clean,
        }
    }

    /// A child that did not end by itself, and did not say why.
    fn died(&mut self, status: ExitStatus) -> Outcome {
        let fatal = status.code() == Some(dxgk_host::trap::FATAL_EXIT);
        // Nobody may blame a driver that was never called.
        let driver_ran = self.session.boundaries_of_ddis > 0;
        let (outcome, text) = match status.signal() {
            Some(signal) if !driver_ran => (
                Outcome::InternalError,
                format!(
                    "the child was killed by signal {signal} before the driver ran; \
                     is there memory for so much RAM?"
                ),
            ),
            Some(signal) => (Outcome::SandboxViolation, format!("the child was killed by signal {signal}")),
            None if fatal => (
                Outcome::SandboxViolation,
                "code outside the driver faulted, or made a system call that the sandbox forbids: \
                 the driver damaged its process, or dxgk has a defect"
                    .to_owned(),
            ),
            None => (Outcome::InternalError, format!("the child ended with {status}")),
        };
        self.session.failure.get_or_insert((FailureKind::Internal, text));
        outcome
    }
}

/// Prints the trace as it was kept.
pub(crate) fn print_trace(session: &Session, out: &mut impl Write) -> io::Result<()> {
    session.trace.iter().try_for_each(|line| writeln!(out, "{line}"))
}

#[cfg(test)]
mod tests {
    use std::sync::{OnceLock, mpsc};

    use clap::Parser;

    use super::{End, Runner, Watch};
    use crate::report::Outcome;
    use crate::run::RunOptions;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: RunOptions,
    }

    #[test]
    fn a_thread_that_does_not_come_back_is_a_hang_and_is_left_behind() {
        let options = Command::parse_from(["run", "--timeout", "1"]).options;
        let scenario = crate::scenario::load("default").expect("it is built in").scenario;
        let config = options.config(scenario).expect("the defaults");
        let mut watch = Watch::new(&config, false).expect("shared memory");
        let (release, held) = mpsc::channel::<()>();
        let handle = std::thread::spawn(move || {
            let _released = held.recv();
        });
        let end =
            watch.follow(&mut Runner::Thread { handle: &handle, id: &OnceLock::new() }).expect("a watch");
        assert!(matches!(end, End::TimedOut) && !handle.is_finished());
        assert_eq!(watch.outcome(&end), Outcome::Hang);
        assert!(watch.session.told_failure().is_some_and(|text| text.contains("within 1 seconds")));
        drop(release);
        handle.join().expect("it ends");
    }
}
