//! A child process that cannot outlive this one.
//!
//! `PR_SET_PDEATHSIG` would have to be set between fork and exec, which the standard library offers only as unsafe
//! code, and it fires when the *thread* that started the child ends. Instead a POSIX shell stands between: it
//! watches a pipe whose only writing end is held here. When that end closes, because the value is dropped or
//! because this process was killed in any way, the shell kills the program; when the program ends first, the shell
//! hands on its exit status. A second pipe, whose writing end only the shell has, tells this side when that is.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Descriptor 3 keeps the pipe, because a shell without job control gives background commands /dev/null as input.
/// The watcher is ended before the shell, so it can never act on a process id that was given to somebody else.
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
"$@" >&2 3<&- & program=$!
{ read -r _ <&3; kill -9 "$program"; } >/dev/null 2>&1 & watcher=$!
exec 3<&-
wait "$program" 2>/dev/null; status=$?
kill -9 "$watcher" 2>/dev/null
exit "$status"
"#;

/// A running program, killed and reaped on drop.
#[derive(Debug)]
pub(crate) struct Watched {
    shell: Child,
    /// Closing it kills the program.
    lifeline: Option<ChildStdin>,
    /// Hangs up when the shell has ended.
    end: ChildStdout,
}

/// What a wait came to.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The program has ended. A shell's convention: 128 + n for a program killed by signal n.
    Ended(ExitStatus),
    /// The descriptor has something to read.
    Readable,
    /// The time ran out.
    Nothing,
}

impl Watched {
    /// Starts `program`; both its outputs go to `output`.
    pub(crate) fn start<'a>(
        program: &OsStr,
        arguments: impl IntoIterator<Item = &'a OsStr>,
        output: &File,
    ) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output.try_clone()?)
            .spawn()?;
        let lifeline = shell.stdin.take();
        let Some(end) = shell.stdout.take() else {
            return Err(io::Error::other("the watchdog has no pipe"));
        };
        Ok(Self { shell, lifeline, end })
    }

    /// Waits until the program ends, at most `patience`.
    pub(crate) fn wait(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        match self.wait_for(None, patience)? {
            Happened::Ended(status) => Ok(Some(status)),
            Happened::Readable | Happened::Nothing => Ok(None),
        }
    }

    /// Waits until the program ends or `other` has something to read, at most `patience`.
    pub(crate) fn wait_or_readable(
        &mut self,
        other: BorrowedFd<'_>,
        patience: Duration,
    ) -> io::Result<Happened> {
        self.wait_for(Some(other), patience)
    }

    fn wait_for(&mut self, other: Option<BorrowedFd<'_>>, patience: Duration) -> io::Result<Happened> {
        let mut watched = vec![PollFd::from_borrowed_fd(self.end.as_fd(), PollFlags::IN)];
        watched.extend(other.map(|other| PollFd::from_borrowed_fd(other, PollFlags::IN)));
        let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
        let ready = rustix::io::retry_on_intr(|| poll(&mut watched, Some(&timeout)))?;
        let ended = watched.first().is_some_and(|end| !end.revents().is_empty());
        if ended {
            return Ok(Happened::Ended(self.shell.wait()?));
        }
        Ok(if ready == 0 { Happened::Nothing } else { Happened::Readable })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // The shell ends as soon as the program is dead and reaped.
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn run(script: &str, argument: &Path, output: &File) -> Watched {
        let arguments = [OsStr::new("-c"), OsStr::new(script), OsStr::new("program"), argument.as_os_str()];
        Watched::start(OsStr::new("/bin/sh"), arguments, output).unwrap()
    }

    #[test]
    fn the_exit_status_and_the_last_words_are_handed_on() {
        let output = tempfile::NamedTempFile::new().unwrap();
        let mut watched = run("echo last words >&2; exit 7", Path::new(""), output.as_file());
        assert_eq!(watched.wait(PATIENCE).unwrap().unwrap().code(), Some(7));
        assert_eq!(std::fs::read_to_string(output.path()).unwrap(), "last words\n");
    }

    #[test]
    fn dropping_kills_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let output = tempfile::tempfile().unwrap();
        let mut watched = run(r#"echo $$ >"$1"; exec sleep 1000"#, &fifo, &output);
        // Opening waits for the program to open its end, reading for it to close it.
        let pid: u32 = std::fs::read_to_string(&fifo).unwrap().trim().parse().unwrap();
        let process = format!("/proc/{pid}");
        assert!(Path::new(&process).exists());
        assert!(watched.wait(Duration::ZERO).unwrap().is_none(), "it runs");
        drop(watched);
        assert!(!Path::new(&process).exists(), "the program is still there after the drop");
    }
}
