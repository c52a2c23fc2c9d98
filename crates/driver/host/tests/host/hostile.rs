//! Drivers that try to get out. Each runs in a sealed child of this test, and is stopped, named and survived.
//!
//! What an attempt may come to is in its row of [`attempts::ATTEMPTS`]. An attempt that only hurts its own process (which the
//! driver shares with our code) ends in any way at all: the parent judges by exit status then, and nothing outside has changed.

mod attempts;
mod child;
mod code;
mod ring;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use attempts::{ATTEMPTS, Attempt, Expect};
use dxgk_host::layout::PAGE_SIZE;
use dxgk_host::trap::FATAL_EXIT;

const CASE: &str = "DXGK_HOST_HOSTILE_CASE";
const FOLDER: &str = "DXGK_HOST_HOSTILE_FOLDER";

/// What a child said, word by word: the kind of its end, a number, a second one.
pub(crate) mod kind {
    pub(crate) const NOTHING: u64 = 0;
    pub(crate) const RETURNED: u64 = 1;
    pub(crate) const SYSTEM_CALL: u64 = 2;
    pub(crate) const EXCEPTION: u64 = 3;
    pub(crate) const WATCHDOG: u64 = 4;
    pub(crate) const FATAL: u64 = 5;
    pub(crate) const OTHER: u64 = 6;
}

/// How an attempt ended.
#[derive(Debug)]
struct End {
    status: ExitStatus,
    /// The parent had to kill it.
    killed: bool,
    kind: u64,
    number: u64,
}

fn start(attempt: &Attempt, folder: &Path) -> Child {
    let test = std::env::current_exe().expect("this test");
    Command::new(test)
        .args(["--exact", "hostile::hostile_child", "--test-threads=1", "--nocapture"])
        .env(CASE, attempt.name)
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

#[expect(unsafe_code, reason = "sends the watchdog's signal")]
fn alarm(child: &Child, folder: &Path) {
    // Not to the process: the test harness has threads of its own.
    let thread = words(folder)[2] as i32;
    if thread != 0 {
        // SAFETY: the child was not waited for, so that its number is still its own.
        unsafe { libc::syscall(libc::SYS_tgkill, child.id() as i32, thread, libc::SIGALRM) };
    }
}

/// What the child reported so far.
fn words(folder: &Path) -> [u64; 3] {
    let bytes = std::fs::read(folder.join("report")).expect("the report");
    let word =
        |index: usize| bytes[index * 8..][..8].try_into().map(u64::from_le_bytes).expect("eight bytes");
    std::array::from_fn(word)
}

/// Waits for the child's end, at most so many milliseconds; whether it came.
#[expect(unsafe_code, reason = "waits for a process with a bound")]
fn ends_within(child: &Child, milliseconds: i32) -> bool {
    // SAFETY: a system call of two integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id() as i32, 0) } as i32;
    assert!(fd >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
    // SAFETY: just opened, and nobody else's.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut wanted = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid structure.
    let found = unsafe { libc::poll(&raw mut wanted, 1, milliseconds) };
    found == 1
}

/// Waits as the parent of a run does: after a while the watchdog's signal, which our own code ignores, then the end.
fn wait(child: &mut Child, folder: &Path) -> (ExitStatus, bool) {
    // Set-up takes some time on a busy machine.
    for _ in 0..6 {
        if ends_within(child, 2000) {
            return (child.wait().expect("a status"), false);
        }
        alarm(child, folder);
    }
    child.kill().expect("killed");
    (child.wait().expect("a status"), true)
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "hostile-{}-{}",
        name.replace(' ', "-"),
        std::process::id()
    ));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("report"), vec![0; PAGE_SIZE as usize]).expect("a file");
    folder
}

fn run(attempt: &Attempt) -> End {
    let folder = folder(attempt.name);
    let mut child = start(attempt, &folder);
    let (status, killed) = wait(&mut child, &folder);
    let [kind, number, _] = words(&folder);
    let names: Vec<_> = std::fs::read_dir(&folder).expect("the folder").collect();
    assert_eq!(names.len(), 1, "{}: a file was made", attempt.name);
    std::fs::remove_dir_all(&folder).expect("removed");
    End { status, killed, kind, number }
}

fn check(attempt: &Attempt, end: &End) -> Result<(), String> {
    let exited = end.status.code();
    let reported = exited == Some(0) && !end.killed;
    let fatal = exited == Some(FATAL_EXIT) && end.kind == kind::FATAL;
    let as_expected = match attempt.expect {
        Expect::SystemCall(number) => reported && (end.kind, end.number) == (kind::SYSTEM_CALL, number),
        Expect::Exception(code) => reported && (end.kind, end.number) == (kind::EXCEPTION, code.into()),
        Expect::Stopped => {
            reported && matches!(end.kind, kind::SYSTEM_CALL | kind::EXCEPTION | kind::WATCHDOG)
        }
        Expect::Watchdog => reported && end.kind == kind::WATCHDOG,
        Expect::Returns(least, most) => {
            reported && end.kind == kind::RETURNED && (least..=most).contains(&end.number)
        }
        // Its own process is damaged: reported, fatal, or dead by a signal, but over.
        Expect::Over => !end.killed && (reported || fatal || end.status.signal().is_some()),
        Expect::Silent => end.kind == kind::NOTHING && exited == Some(0),
        Expect::Killed => end.killed && end.kind == kind::NOTHING,
    };
    if as_expected {
        Ok(())
    } else {
        Err(format!("{}: expected {:?}, {end:?}", attempt.name, attempt.expect))
    }
}

/// Not a test of its own: what the others execute.
#[test]
fn hostile_child() {
    if let (Ok(case), Ok(folder)) = (std::env::var(CASE), std::env::var(FOLDER)) {
        child::child(&case, &folder)
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the table of what was tried")]
fn every_way_out_is_stopped_named_and_survived() {
    assert!(ATTEMPTS.len() >= 30);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        // Most of the time of the slow ones is waiting.
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(attempt) =
                    ATTEMPTS.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    let end = run(attempt);
                    println!("{:<44} {:?}", attempt.name, end);
                    if let Err(failure) = check(attempt, &end) {
                        failures.lock().unwrap().push(failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
}
