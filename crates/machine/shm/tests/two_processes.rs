//! A writer in another process, with only the system calls of a sealed sandbox.

use std::env;
use std::fs::File;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use dxgk_event::{Event, ListRef, Object, ObjectKind, ObjectStep, Record, Stamp};
use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_shm::{ArenaReader, ArenaWriter, Ram, RamLayout, RingReader, RingWriter};
use seccompiler::{SeccompAction, SeccompFilter};

const CHILD: &str = "DXGK_SHM_TEST_FDS";
const COUNT: u64 = 20_000;
const RAM: &str = "1M@0,1M@1T";

/// What is allowed after a sandbox is sealed, by number: mmap, mprotect, munmap, rt_sigreturn, futex, exit_group; and
/// sigaltstack, which only `std::process::exit` makes, at the end of this test.
const ALLOWED: &[i64] = if cfg!(target_arch = "x86_64") {
    &[9, 10, 11, 15, 202, 231, 131]
} else {
    &[222, 226, 215, 139, 98, 94, 132]
};

fn seal() {
    let rules = ALLOWED.iter().map(|number| (*number, Vec::new())).collect();
    let arch = env::consts::ARCH.try_into().expect("an architecture with seccomp");
    let filter =
        SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch).expect("filter");
    let program: seccompiler::BpfProgram = filter.try_into().expect("program");
    // This thread only: the test harness's own thread may still be in the middle of starting this one.
    seccompiler::apply_filter(&program).expect("sealed");
}

fn inherited(number: &str) -> OwnedFd {
    let path = format!("/proc/self/fd/{number}");
    File::options().read(true).write(true).open(path).expect("an inherited file").into()
}

fn object(number: u64, pages: ListRef) -> Record {
    let event = Event::Object(Object {
        object: number,
        handle: 0,
        parent: 0,
        bytes: 0,
        va: 0,
        logical_page: 0,
        pages,
        adapter: 0,
        kind: ObjectKind::Adl,
        step: ObjectStep::Created,
        cache: 0,
        flags: 0,
    });
    Record::new(Stamp::default(), 0, &event)
}

/// Not a test of its own: the body of the child process.
#[test]
#[ignore = "the other process of the test below"]
fn child() {
    let files = env::var(CHILD).expect("started by the test below");
    let mut files = files.split(',').map(inherited);
    let mut next = || files.next().expect("three files");
    let mut ring = RingWriter::from_fd(next()).expect("ring");
    let mut arena = ArenaWriter::from_fd(next()).expect("arena");
    let ram = Ram::from_fd(next(), &RAM.parse().expect("layout")).expect("RAM");
    seal();
    for number in 0..COUNT {
        let pages = arena.append(&mut (0..number % 7).map(|i| number * i)).expect("room");
        ring.push(&object(number, pages));
    }
    ram.write(PhysAddr::new((1 << 40) + 5), b"done").expect("RAM");
    drop(ring);
    std::process::exit(0);
}

fn let_inherit(file: BorrowedFd<'_>) -> OwnedFd {
    let copy = file.try_clone_to_owned().expect("a duplicate");
    rustix::io::fcntl_setfd(&copy, rustix::io::FdFlags::empty()).expect("inheritable");
    copy
}

#[test]
fn a_sealed_process_writes_events_lists_and_ram() {
    let mut reader = RingReader::create(64).expect("ring");
    let arena = ArenaReader::create(16 << 20).expect("arena");
    let layout: RamLayout = RAM.parse().expect("layout");
    let ram = Ram::create(&layout).expect("RAM");
    let files = [let_inherit(reader.fd()), let_inherit(arena.fd()), let_inherit(ram.fd())];
    let numbers = files.each_ref().map(|file| file.as_raw_fd().to_string()).join(",");
    let mut child = Command::new(env::current_exe().expect("this test"))
        .args(["child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(CHILD, numbers)
        .spawn()
        .expect("child");
    for number in 0..COUNT {
        let record = reader.next(Duration::from_secs(30)).expect("honest").expect("nothing is lost");
        let Ok(Event::Object(object)) = record.decode() else { panic!("record {number}") };
        assert_eq!(object.object, number);
        let expected: Vec<u64> = (0..number % 7).map(|i| number * i).collect();
        assert_eq!(arena.get(object.pages), Ok(expected));
    }
    assert!(reader.next(Duration::from_secs(30)) == Ok(None));
    assert!(child.wait().expect("child").success(), "the sandbox was not broken");
    let mut word = [0; 4];
    ram.read(PhysAddr::new((1 << 40) + 5), &mut word).expect("RAM");
    assert_eq!(&word, b"done");
}
