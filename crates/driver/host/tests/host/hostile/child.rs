//! The sealed process that a hostile driver runs in.

use std::os::fd::AsFd;
use std::process::exit;

use dxgk_host::image::Image;
use dxgk_host::layout::{PAGE_SIZE, Protection, Purpose, Region, RunGuard};
use dxgk_host::sandbox::{self, Policy};
use dxgk_host::trap::{self, FatalReport};
use dxgk_host::{CallOutcome, Processor, StopReason, call_driver, guarded, thunk};

use super::attempts::{ATTEMPTS, Argument};
use super::code;
use super::kind;
use crate::portable;

const REPORT: u64 = Purpose::Pool.bounds().0;

fn report(index: u64, value: u64) {
    guarded::write_struct(REPORT + index * 8, &value).expect("the report page");
}

fn on_fatal(fatal: &FatalReport) {
    report(0, kind::FATAL);
    report(1, fatal.address);
}

fn touch(value: u64) -> u64 {
    // Enough to use memory, thread-local storage and floating point.
    let words: Vec<u64> = (0..64).map(|index| index ^ value).collect();
    words.iter().map(|&word| word as f64 / 3.0).sum::<f64>() as u64
}

thunk! {
    /// Does some work for the driver.
    fn works(value: u64) -> u64 => touch;
}

#[unsafe(naked)]
extern "win64" fn gadget() {
    core::arch::naked_asm!("syscall", "ret")
}

static mut WRITABLE: [u64; 8] = [0; 8];
static READ_ONLY: [u64; 8] = [1; 8];

fn argument(kind: Argument) -> u64 {
    let local = 0u64;
    match kind {
        Argument::Number(value) => value,
        Argument::Gadget => gadget as *const () as u64,
        Argument::Execve => libc::execve as *const () as u64,
        Argument::Open => libc::open as *const () as u64,
        Argument::Mmap => libc::mmap as *const () as u64,
        Argument::Mprotect => libc::mprotect as *const () as u64,
        Argument::Munmap => libc::munmap as *const () as u64,
        Argument::Exit => libc::_exit as *const () as u64,
        Argument::HostCode => touch as *const () as u64,
        Argument::HostData => &raw const WRITABLE as u64,
        Argument::HostConstant => &raw const READ_ONLY as u64,
        Argument::HostStack => &raw const local as u64,
        // The first reservation of the region of stacks is the block, the second the signal stack.
        Argument::SignalStack => Purpose::Stacks.bounds().0,
    }
}

thread_local! {
    static THREAD: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

#[expect(unsafe_code, reason = "asks for the thread's number")]
fn thread() -> u32 {
    // SAFETY: takes nothing and changes nothing.
    unsafe { libc::gettid() as u32 }
}

pub(super) fn child(case: &str, folder: &str) -> ! {
    let attempt = ATTEMPTS.iter().find(|attempt| attempt.name == case).expect("a row");
    let path = std::path::Path::new(folder).join("report");
    let file = std::fs::File::options().read(true).write(true).open(path).expect("the report file");
    let guard = RunGuard::acquire();
    let mut pool = Region::new(Purpose::Pool, &guard);
    let mut images = Region::new(Purpose::Images, &guard);
    let page = pool.reserve(PAGE_SIZE, 0).expect("addresses");
    page.map_file(0, PAGE_SIZE, file.as_fd(), 0, Protection::ReadWrite).expect("the report page");
    let processor = Processor::attach(&guard).expect("a processor");
    let sys = portable::driver(&code::text(), code::at(attempt.entry), &[], &["Work"]);
    let work = works as *const () as u64;
    let image = Image::load(&sys, "test.sys", &mut images, &mut |_, _| Some(work)).expect("loads");
    trap::set_fatal_hook(on_fatal);
    THREAD.set(thread());
    sandbox::seal(&Policy::default()).expect("sealed");
    report(2, u64::from(THREAD.get()));
    let [first, second] = attempt.arguments;
    let outcome = call_driver(image.entry(), &[argument(first), argument(second)]);
    match outcome {
        CallOutcome::Returned(value) => {
            report(1, value);
            report(0, kind::RETURNED);
        }
        CallOutcome::Stopped(StopReason::SystemCall { number, .. }) => {
            report(1, number as u64);
            report(0, kind::SYSTEM_CALL);
        }
        CallOutcome::Stopped(StopReason::Exception(exception)) => {
            report(1, u64::from(exception.code.0));
            report(0, kind::EXCEPTION);
        }
        CallOutcome::Stopped(StopReason::Watchdog { .. }) => report(0, kind::WATCHDOG),
        CallOutcome::Stopped(_) => report(0, kind::OTHER),
    }
    drop(processor);
    exit(0)
}
