//! A child process that cannot outlive this one.
//!
//! `PR_SET_PDEATHSIG` would have to be set between fork and exec, which the standard library offers only as unsafe
//! code, and it fires when the *thread* that started the child ends. Instead a POSIX shell stands between: it
//! watches a pipe whose only writing end is held here. When that end closes, because the value is dropped or
//! because this process was killed in any way, the shell kills the program; when the program ends first, the shell
//! hands on its exit status.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};

/// Descriptor 3 keeps the pipe, because a shell without job control gives background commands /dev/null as input.
/// The watcher is ended before the shell, so it can never act on a process id that was given to somebody else.
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- & program=$!
{ read -r _ <&3; kill -9 "$program"; } 2>/dev/null & watcher=$!
exec 3<&-
wait "$program" 2>/dev/null; status=$?
kill -9 "$watcher" 2>/dev/null
exit "$status"
"#;

/// A running program, killed and reaped on drop.
#[derive(Debug)]
pub(crate) struct Watched {
    shell: Child,
}

impl Watched {
    /// Starts `program`; both its outputs go to `output`.
    pub(crate) fn start<'a>(
        program: &OsStr,
        arguments: impl IntoIterator<Item = &'a OsStr>,
        output: &File,
    ) -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "watchdog"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .spawn()?;
        Ok(Self { shell })
    }

    /// The exit status, if the program has ended.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.shell.try_wait()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Closing the pipe is the signal; the shell ends as soon as the program is dead and reaped.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;

    fn run(arguments: &[&str]) -> (Watched, tempfile::NamedTempFile) {
        let output = tempfile::NamedTempFile::new().unwrap();
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let watched = Watched::start(OsStr::new("/bin/sh"), arguments, output.as_file()).unwrap();
        (watched, output)
    }

    fn wait_for<T>(mut ready: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(value) = ready() {
                return value;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "waited in vain");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn the_exit_status_and_the_last_words_are_handed_on() {
        let (mut watched, output) = run(&["-c", "echo last words >&2; exit 7"]);
        let status = wait_for(|| watched.ended().unwrap());
        assert_eq!(status.code(), Some(7));
        assert_eq!(std::fs::read_to_string(output.path()).unwrap(), "last words\n");
    }

    #[test]
    fn dropping_kills_the_program() {
        let (watched, output) = run(&["-c", "echo $$; exec sleep 1000"]);
        let pid = wait_for(|| {
            let mut text = String::new();
            File::open(output.path()).unwrap().read_to_string(&mut text).unwrap();
            text.trim().parse::<u32>().ok()
        });
        let process = format!("/proc/{pid}");
        assert!(Path::new(&process).exists());
        drop(watched);
        assert!(!Path::new(&process).exists(), "the program is still there after the drop");
    }
}
