//! What a sealed process can and cannot do. Every case seals a child: this test binary, executed again.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::process::{Command, exit};

use dxgk_host::image::Image;
use dxgk_host::layout::{PAGE_SIZE, Protection, Purpose, Region, Reservation, RunGuard};
use dxgk_host::sandbox::{self, Piece, Policy};
use dxgk_host::trap::{self, FATAL_EXIT, FatalReport};
use dxgk_host::{CallOutcome, Processor, StopReason, call_driver, guarded, thunk};

use crate::pe;

const CASE: &str = "DXGK_HOST_TEST_CASE";
const FILE: &str = "DXGK_HOST_TEST_FILE";
/// Where the child maps the file that the parent reads afterwards.
const REPORT: u64 = Purpose::Pool.bounds().0;

fn report(index: u64, value: u64) {
    guarded::write_struct(REPORT + index * 8, &value).expect("the report page");
}

fn on_fatal(fatal: &FatalReport) {
    report(0, 2);
    report(1, fatal.address);
    report(2, u64::from(fatal.system_call));
    report(3, fatal.rip);
}

fn open_a_file() -> u64 {
    u64::from(std::fs::File::open("/etc/passwd").is_ok())
}

fn has_a_defect() -> u64 {
    let zero = std::hint::black_box(0u64);
    1 / zero
}

fn nothing() -> u64 {
    0
}

thunk! {
    /// Our own code doing what it must not.
    fn opens() -> u64 => open_a_file;
    /// Panics.
    fn panics() -> u64 => has_a_defect;
    /// Does nothing.
    fn harmless() -> u64 => nothing;
}

/// `mov eax, number; syscall` in place of the driver's first instructions.
fn system_call(number: u8) -> Vec<u8> {
    pe::driver(&[(pe::OUTER, &[0xB8, number, 0, 0, 0, 0x0F, 0x05])])
}

/// A system call instruction outside of the driver, as in a library.
#[unsafe(naked)]
extern "win64" fn borrowed() {
    core::arch::naked_asm!("mov eax, 57", "syscall", "ret")
}

fn child(case: &str, file: &str) -> ! {
    let file = std::fs::File::options().read(true).write(true).open(file).expect("the report file");
    let guard = RunGuard::acquire();
    let mut pool = Region::new(Purpose::Pool, &guard);
    let mut images = Region::new(Purpose::Images, &guard);
    let page = pool.reserve(PAGE_SIZE, 0).expect("addresses");
    page.map_file(0, PAGE_SIZE, file.as_fd(), 0, Protection::ReadWrite).expect("the report page");
    let spare = pool.reserve(1 << 20, 0).expect("addresses");
    let processor = Processor::attach(&guard).expect("a processor");
    let sys = match case {
        "execve" => system_call(59),
        "munmap" => system_call(11),
        "crash" => pe::driver(&[(pe::OUTER, &[0x0F, 0x0B])]),
        _ => pe::driver(&[]),
    };
    let import = match case {
        "open" => opens as *const (),
        "panic" => panics as *const (),
        _ => harmless as *const (),
    } as u64;
    let image = Image::load(&sys, "test.sys", &mut images, &mut |_, _| Some(import)).expect("loads");
    trap::set_fatal_hook(on_fatal);
    let policy = Policy { namespaces: false, ..Policy::default() };
    let sealing = sandbox::seal(&policy).expect("sealed");
    report(4, u64::from(sealing.landlock == Piece::Enforced || sealing.landlock == Piece::Partial));
    report(5, u64::from(sealing.limits == Piece::Enforced));

    let entry = match case {
        "borrowed" => borrowed as *const () as u64,
        _ => image.entry(),
    };
    if case == "executable" {
        let _ = spare.commit(0, PAGE_SIZE, Protection::ReadExecute);
    }
    work(&spare, &mut pool);
    let outcome = call_driver(entry, &[]);
    match outcome {
        CallOutcome::Returned(_) => report(0, 1),
        CallOutcome::Stopped(StopReason::SystemCall { number, rip, .. }) => {
            report(0, 3);
            report(1, number as u64);
            report(3, rip.wrapping_sub(image.base()));
        }
        CallOutcome::Stopped(StopReason::Exception(exception)) => {
            report(0, 4);
            report(1, u64::from(exception.code.0));
            report(3, exception.rip.wrapping_sub(image.base()));
        }
        CallOutcome::Stopped(StopReason::HostPanic { message, .. }) => {
            report(0, 6);
            report(1, u64::from(message.contains("divide by zero") && message.contains("sandbox.rs:")));
        }
        CallOutcome::Stopped(_) => report(0, 5),
    }
    drop(processor);
    exit(0)
}

/// What our own code needs after sealing: memory of every kind, maps, panics caught.
fn work(spare: &Reservation, pool: &mut Region) {
    let blocks: Vec<Vec<u8>> = (0..200).map(|index| vec![index as u8; index * 4096]).collect();
    let map: BTreeMap<usize, usize> =
        blocks.iter().map(|block| (block.len(), block.iter().map(|&byte| usize::from(byte)).sum())).collect();
    assert_eq!(map.get(&(3 * 4096)), Some(&(9 * 4096)));
    spare.commit(0, 1 << 20, Protection::ReadWrite).expect("memory");
    spare.protect(0, PAGE_SIZE, Protection::Read).expect("read only");
    spare.decommit(0, 1 << 20).expect("no memory");
    let more = pool.reserve(PAGE_SIZE, 0).expect("addresses");
    pool.release(more).expect("released");
}

/// Runs a case; exit status and report words.
fn run(case: &str) -> (Option<i32>, [u64; 6]) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("sandbox-{case}-{}", std::process::id()));
    std::fs::write(&path, vec![0; PAGE_SIZE as usize]).expect("a file");
    let test = std::env::current_exe().expect("this test");
    let mut command = Command::new(test);
    command
        .args(["--exact", "sandbox::sealed_child", "--test-threads=1", "--nocapture"])
        .env("RUST_BACKTRACE", "1")
        .env(CASE, case)
        .env(FILE, &path);
    let output = command.output().expect("a child");
    let bytes = std::fs::read(&path).expect("the report");
    std::fs::remove_file(&path).expect("removed");
    let word =
        |index: usize| bytes[index * 8..][..8].try_into().map(u64::from_le_bytes).expect("eight bytes");
    if output.status.code().is_none() {
        panic!("{case}: {} {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    (output.status.code(), std::array::from_fn(word))
}

/// Not a test of its own: what the others execute.
#[test]
fn sealed_child() {
    if let (Ok(case), Ok(file)) = (std::env::var(CASE), std::env::var(FILE)) {
        child(&case, &file)
    }
}

#[test]
fn a_harmless_driver_runs_in_a_sealed_process() {
    let (status, [kind, .., landlock, limits]) = run("harmless");
    assert_eq!((status, kind, limits), (Some(0), 1, 1));
    if landlock == 0 {
        say_loudly("landlock is not available here");
    }
}

#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn say_loudly(text: &str) {
    eprintln!("SKIPPED: {text}");
}

#[test]
fn system_calls_from_driver_code_are_violations_even_if_others_may_make_them() {
    for (case, number) in [("execve", 59), ("munmap", 11)] {
        let (status, [kind, found, _, offset, ..]) = run(case);
        assert_eq!((status, kind, found), (Some(0), 3, number), "{case}");
        assert_eq!(offset, u64::from(pe::OUTER) + 7);
    }
}

#[test]
fn a_driver_that_borrows_our_code_for_a_system_call_is_stopped() {
    let (status, [kind, number, ..]) = run("borrowed");
    assert_eq!((status, kind, number), (Some(0), 3, 57));
}

#[test]
fn our_own_forbidden_system_call_ends_the_process_with_a_report() {
    let (status, [kind, number, system_call, ..]) = run("open");
    assert_eq!((status, kind, number, system_call), (Some(FATAL_EXIT), 2, 257, 1));
}

#[test]
fn a_panic_of_ours_is_reported_from_a_sealed_process() {
    let (status, [kind, told, ..]) = run("panic");
    assert_eq!((status, kind, told), (Some(0), 6, 1));
}

#[test]
fn no_memory_becomes_executable_after_sealing() {
    let (status, [kind, number, system_call, ..]) = run("executable");
    assert_eq!((status, kind, number, system_call), (Some(FATAL_EXIT), 2, 9, 1));
}

#[test]
fn a_crashing_driver_is_reported_in_a_sealed_process() {
    let (status, [kind, code, _, offset, ..]) = run("crash");
    assert_eq!((status, kind, code, offset), (Some(0), 4, 0xC000_001D, u64::from(pe::OUTER)));
}
