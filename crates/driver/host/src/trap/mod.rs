//! Signals as traps: what the driver's code makes the processor refuse is emulated, attributed, or ends the run.
//!
//! * The guarded copy faulted: it returns an error.
//! * A register window was touched: the instruction is decoded and done on the register target (`emulate`).
//! * A guard was touched: its target is told, and decides.
//! * `in`, `out`, moves of cr8: done on the port target and the processor block (`privileged`).
//! * SIGALRM is the watchdog's, sent by the parent or a timer when no boundary was counted for too long: driver code that does
//!   not come back is stopped where it is; while our own code runs it is ignored.
//! * Anything else while driver code runs is an exception, reported with code, registers and stack, and ends the run: the
//!   interrupted context is replaced by the one that called the driver.
//! * Anything else is our own defect, and goes to whoever handled the signal before, or to the fatal hook once sealed.
#![expect(unsafe_code, reason = "installs signal handlers and edits interrupted contexts")]

mod alu;
mod classify;
mod context;
mod counts;
mod emulate;
mod privileged;
mod strings;
mod watch;

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

pub(crate) use counts::Counters;
pub use counts::TrapCounts;
pub(crate) use watch::Watches;
pub use watch::{
    GuardAction, GuardTarget, RegisterTarget, WatchError, add_guard, add_window, remove_guard, remove_window,
    set_ports,
};

use crate::patch::detour;
use crate::processor::{self, Block};
use crate::run::{self, Run};
use context::Interrupted;

const SIGNALS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGSYS, libc::SIGALRM];

/// The status with which the process exits when its own code faults, or makes a forbidden system call, after sealing.
pub const FATAL_EXIT: i32 = 70;

/// What the fatal hook is told: our own code cannot go on.
#[derive(Clone, Copy, Debug)]
pub struct FatalReport {
    /// The signal's number.
    pub signal: i32,
    /// The instruction.
    pub rip: u64,
    /// The address touched; for SIGSYS the system call's number.
    pub address: u64,
    /// For SIGSYS: whether it was a forbidden system call.
    pub system_call: bool,
    /// Where the driver was when it called us, 0 when unknown.
    pub driver: u64,
}

struct Previous(UnsafeCell<[MaybeUninit<libc::sigaction>; SIGNALS.len()]>);

// SAFETY: written once, before any of the handlers that read it is installed.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new([const { MaybeUninit::zeroed() }; SIGNALS.len()]));
static INSTALL: Once = Once::new();
static FATAL_HOOK: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
static SEALED: AtomicU64 = AtomicU64::new(0);

/// Installs the handlers, once a process. Decodes an instruction too: the decoder builds its tables on first use, which must
/// not happen inside a handler.
pub(crate) fn install() {
    INSTALL.call_once(|| {
        emulate::warm_up();
        for (index, &signal) in SIGNALS.iter().enumerate() {
            // SAFETY: an all-zero sigaction is valid.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = on_entry as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            // The watchdog must not interrupt a handler. SAFETY: both are valid.
            unsafe { libc::sigaddset(&raw mut action.sa_mask, libc::SIGALRM) };
            let previous = PREVIOUS.0.get().cast::<libc::sigaction>();
            // SAFETY: the index is below the length of the array.
            let previous = unsafe { previous.add(index) };
            // SAFETY: both pointers are valid; the handler is async-signal-safe as long as it interrupts driver code only, which
            // it checks, and it has the signature that SA_SIGINFO asks for.
            unsafe { libc::sigaction(signal, &raw const action, previous) };
        }
    });
}

/// A thread of this process, for interrupting the driver's code on it.
#[derive(Clone, Copy, Debug)]
pub struct ThreadId(i32);

impl ThreadId {
    /// The calling thread.
    #[must_use]
    pub fn of_this() -> Self {
        // SAFETY: takes nothing and cannot fail.
        Self(unsafe { libc::gettid() })
    }

    /// The watchdog's signal: driver code that executes on the thread is stopped where it is; while our own does, nothing
    /// happens. Does nothing before any thread became a processor, when nobody would take the signal.
    pub fn interrupt(self) {
        if INSTALL.is_completed() {
            let (process, signal) = (std::process::id(), libc::SIGALRM);
            // SAFETY: sends a signal that has a handler; a thread that is gone is an error without consequences.
            unsafe { libc::syscall(libc::SYS_tgkill, process, self.0, signal) };
        }
    }
}

/// Sets what is told when our own code cannot go on after sealing; the process exits with [`FATAL_EXIT`] when it returns. It runs
/// in a signal handler: no allocation, no locks.
pub fn set_fatal_hook(hook: fn(&FatalReport)) {
    FATAL_HOOK.store(hook as *mut (), Ordering::Release);
}

/// Sets what runs when the driver is to be interrupted at a trap: after it lowered its level by a cr8 move, or when
/// [`crate::processor::request_delivery`] was called during a register access. It runs on the driver's stack, as a callback
/// does: it may call the driver (interrupt routines, DPCs), wait, and stop. The driver's registers are kept.
pub fn set_delivery_hook(hook: fn()) {
    if let Some(run) = run::current() {
        run.delivery_hook.set(Some(hook));
    }
}

pub(crate) fn set_sealed() {
    SEALED.store(1, Ordering::Release);
}

pub(crate) fn is_sealed() -> bool {
    SEALED.load(Ordering::Acquire) != 0
}

/// The address space of signal stacks ([`crate::processor`]), and their size, to whose multiple each is aligned.
const STACKS: (u64, u64) = crate::layout::Purpose::Stacks.bounds();

/// Where signals arrive. The thread pointer is the driver's to change (`wrfsbase`), so that before any Rust code it is loaded
/// with what the lowest word of a processor's signal stack says; 0 there where the instruction does not exist.
#[unsafe(naked)]
extern "C" fn on_entry(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    std::arch::naked_asm!(
        "mov rax, rsp",
        "mov rcx, {start}",
        "sub rax, rcx",
        "mov rcx, {bytes}",
        "cmp rax, rcx",
        "jae 2f",
        "mov rax, rsp",
        "and rax, {mask}",
        "mov rax, [rax]",
        "test rax, rax",
        "jz 2f",
        "wrfsbase rax",
        // The kernel clears the direction and trap flags, but not the alignment check, which our code does not bear.
        "2: pushfq",
        "and qword ptr [rsp], -0x40001",
        "popfq",
        "jmp {handler}",
        start = const STACKS.0,
        bytes = const STACKS.1 - STACKS.0,
        mask = const -(processor::SIGNAL_STACK_BYTES as i32),
        handler = sym on_signal,
    )
}

extern "C" fn on_signal(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let raw = context.cast::<libc::ucontext_t>();
    // SAFETY: the kernel passes a valid context to a SA_SIGINFO handler, ours alone until we return.
    let context = unsafe { &mut *raw };
    // SAFETY: likewise the signal's information.
    let information = unsafe { &*info };
    let mut interrupted = Interrupted::new(context, signal, information);

    if matches!(signal, libc::SIGSEGV | libc::SIGBUS)
        && let Some(recovery) = crate::guarded::recovery(interrupted.rip())
    {
        let run = processor::block().and_then(run::of);
        let guard = run.and_then(|run| run.watches.guard(interrupted.address));
        if !guard.is_some_and(|guard| guard.bring_back(interrupted.address)) {
            interrupted.set_rip(recovery);
        }
        return;
    }
    if let Some(block) = processor::block()
        && let Some(run) = run::of(block)
        && handle(&mut interrupted, block, run)
    {
        return;
    }
    if signal == libc::SIGALRM {
        // The watchdog, while our own code runs: it comes again.
        return;
    }
    let (rip, address) = (interrupted.rip(), interrupted.address);
    fatal(signal, rip, address, info, raw);
}

/// Does what there is to do; false when the trap is none of the driver's.
fn handle(interrupted: &mut Interrupted<'_>, block: &'static Block, run: &'static Run) -> bool {
    let by_driver = run.in_driver.get() && block.in_callback.get() == 0;
    // Targets find the driver's place where callbacks find it; what a callback under way has captured comes back after.
    let before = (block.capture.get(), block.in_callback.get());
    if by_driver {
        block.capture.set(interrupted.capture());
    }
    block.in_callback.set(1);
    let verdict = classify::handle(interrupted, run, by_driver);
    block.capture.set(before.0);
    block.in_callback.set(before.1);
    match verdict {
        classify::Verdict::Done { lowered } => {
            processor::next_boundary();
            run.shared_data.update();
            if by_driver
                && (lowered || block.delivery_wanted.replace(0) != 0)
                && run.delivery_hook.get().is_some()
            {
                interrupted.divert(deliver as *const () as u64);
            }
            true
        }
        classify::Verdict::Stop(reason) if by_driver => {
            run.counters.count(|counts| &mut counts.exceptions);
            match crate::seh::begin(run, Box::new(reason), &interrupted.float_bytes()) {
                Ok(entry) => interrupted.enter(entry.rip, entry.frame),
                Err(reason) => {
                    run.set_stopped(*reason);
                    interrupted.resume(run.host.get());
                }
            }
            true
        }
        classify::Verdict::Stop(_) | classify::Verdict::NotOurs => false,
    }
}

/// Keeps every register, gives `$body` the address of the saved ones and of what is above them, and goes back to the
/// address that it finds there, `$above` bytes of the stack removed. Of the vector registers the low 128 bits are kept; more
/// than that drivers may use only inside KeSaveExtendedProcessorState.
macro_rules! keeping_all {
    ($first:literal, $body:path, $above:expr) => {
        std::arch::naked_asm!(
            $first,
            "push rax",
            "push rcx",
            "push rdx",
            "push rbx",
            "push rbp",
            "push rsi",
            "push rdi",
            "push r8",
            "push r9",
            "push r10",
            "push r11",
            "push r12",
            "push r13",
            "push r14",
            "push r15",
            "mov rbp, rsp",
            "cld",
            "sub rsp, 512",
            "and rsp, -64",
            "fxsave64 [rsp]",
            "mov rdi, rbp",
            "call {body}",
            "fxrstor64 [rsp]",
            "mov rsp, rbp",
            "pop r15",
            "pop r14",
            "pop r13",
            "pop r12",
            "pop r11",
            "pop r10",
            "pop r9",
            "pop r8",
            "pop rdi",
            "pop rsi",
            "pop rbp",
            "pop rbx",
            "pop rdx",
            "pop rcx",
            "pop rax",
            "popfq",
            "ret {above}",
            body = sym $body,
            above = const $above,
        )
    };
}

/// Bytes between the address to go back to and the driver's stack pointer: what `divert` stepped over.
const ABOVE_DIVERTED: u64 = context::DIVERT_GAP - 8;
/// Likewise for a rewritten move of cr8: the new level.
const ABOVE_LOWERED: u64 = 8;

/// Entered from an interrupted context by [`Interrupted::divert`]: runs the delivery hook, and goes back.
#[unsafe(naked)]
extern "sysv64" fn deliver() {
    keeping_all!("pushfq", deliver_body, ABOVE_DIVERTED)
}

/// Entered from a rewritten move of cr8 that lowered the level, with the flags on the stack, below the address to go back to:
/// a boundary, as the trap would have been.
#[unsafe(naked)]
pub(crate) extern "sysv64" fn lowered() {
    keeping_all!("", lowered_body, ABOVE_LOWERED)
}

/// The registers that `keeping_all` pushed, last first, and the address to go back to.
type Saved = [u64; 17];

extern "sysv64" fn deliver_body(saved: &Saved) {
    run_delivery_hook(saved, ABOVE_DIVERTED);
}

extern "sysv64" fn lowered_body(saved: &Saved) {
    processor::next_boundary();
    if let Some(run) = run::current() {
        run.shared_data.update();
    }
    run_delivery_hook(saved, ABOVE_LOWERED);
}

fn run_delivery_hook(saved: &Saved, above: u64) {
    let [r15, r14, r13, r12, _, _, _, _, rdi, rsi, rbp, rbx, _, _, _, _, back] = *saved;
    let Some(block) = processor::block() else { return };
    let rsp = (saved.as_ptr() as u64) + 17 * 8 + above;
    let capture = processor::Capture {
        return_address: detour::home(back),
        // A capture's stack pointer points at the return address.
        rsp: rsp - 8,
        rbx,
        rbp,
        rsi,
        rdi,
        r12,
        r13,
        r14,
        r15,
    };
    let before = block.capture.replace(capture);
    if let Some(hook) = run::current().and_then(|run| run.delivery_hook.get()) {
        crate::thunk::enter(hook);
    }
    block.capture.set(before);
}

/// Nobody's trap. Before sealing the handler that was there before us deals with it; after it nothing of that would work.
fn fatal(signal: i32, rip: u64, address: u64, info: *mut libc::siginfo_t, context: *mut libc::ucontext_t) {
    if is_sealed() {
        let hook = FATAL_HOOK.load(Ordering::Acquire);
        if !hook.is_null() {
            // SAFETY: only `set_fatal_hook` stores here, and it stores a function of this type.
            let hook: fn(&FatalReport) = unsafe { std::mem::transmute(hook) };
            hook(&FatalReport {
                signal,
                rip,
                address,
                system_call: signal == libc::SIGSYS,
                driver: processor::captured().return_address,
            });
        }
        // SAFETY: ends the process at once, which is allowed at any place.
        unsafe { libc::_exit(FATAL_EXIT) };
    }
    let index = SIGNALS.iter().position(|&known| known == signal).unwrap_or(0);
    let previous = PREVIOUS.0.get().cast::<libc::sigaction>();
    // SAFETY: the index is below the length of the array.
    let previous = unsafe { previous.add(index) };
    // SAFETY: written by `install` before this handler could run.
    let previous = unsafe { previous.read() };
    if previous.sa_sigaction == libc::SIG_DFL || previous.sa_sigaction == libc::SIG_IGN {
        // SAFETY: an all-zero sigaction is the default action.
        let default: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: valid pointer; the instruction faults again on return and ends the process with the right signal.
        unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
        return;
    }
    type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::ucontext_t);
    // SAFETY: neither default nor ignored, so it is a handler's address; one without SA_SIGINFO ignores the further arguments.
    let handler: Handler = unsafe { std::mem::transmute(previous.sa_sigaction) };
    handler(signal, info, context);
}
