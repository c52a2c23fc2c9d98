//! The table of ways out.

/// What a driver is given; addresses that it would otherwise find in our tables.
#[derive(Clone, Copy, Debug)]
pub(super) enum Argument {
    Number(u64),
    /// A system call instruction in our code.
    Gadget,
    Execve,
    Open,
    Mmap,
    Mprotect,
    Munmap,
    Exit,
    HostCode,
    HostData,
    HostConstant,
    HostStack,
    SignalStack,
}

/// What it may come to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expect {
    /// Stopped as this system call.
    SystemCall(u64),
    /// Stopped as this exception.
    Exception(u32),
    /// Stopped and named, one way or the other: processors differ.
    Stopped,
    /// Stopped by the watchdog.
    Watchdog,
    /// It comes back with a number in this range, having changed nothing outside.
    Returns(u64, u64),
    /// The process is damaged, and ends in any way but by itself going on.
    Over,
    /// The process exits as the driver wanted, and says nothing: the parent knows by the missing report.
    Silent,
    /// The parent has to end it: the driver switched the watchdog's signal off.
    Killed,
}

use Argument::{
    Execve, Exit, Gadget, HostCode, HostConstant, HostData, HostStack, Mmap, Mprotect, Munmap, Number, Open,
    SignalStack,
};

/// A way out.
pub(super) struct Attempt {
    pub(super) name: &'static str,
    pub(super) entry: &'static str,
    pub(super) arguments: [Argument; 2],
    pub(super) expect: Expect,
}

const fn attempt(
    name: &'static str,
    entry: &'static str,
    arguments: [Argument; 2],
    expect: Expect,
) -> Attempt {
    Attempt { name, entry, arguments, expect }
}

/// A system call of the driver's own.
const fn raw(name: &'static str, number: i64) -> Attempt {
    let number = number as u64;
    attempt(name, "syscall", [Number(number), Number(0)], Expect::SystemCall(number))
}

/// A system call with an instruction of ours.
const fn borrowed(name: &'static str, number: i64, expect: Expect) -> Attempt {
    attempt(name, "gadget", [Gadget, Number(number as u64)], expect)
}

const fn plain(name: &'static str, entry: &'static str, expect: Expect) -> Attempt {
    attempt(name, entry, [Number(0), Number(0)], expect)
}

const ACCESS_VIOLATION: u32 = 0xC000_0005;
const BREAKPOINT: u32 = 0x8000_0003;
const ILLEGAL: u32 = 0xC000_001D;
const PRIVILEGED: u32 = 0xC000_0096;
const SINGLE_STEP: u32 = 0x8000_0004;
const MISALIGNED: u32 = 0x8000_0002;
const FLOAT: u32 = 0xC000_0090;

/// All of them.
pub(super) static ATTEMPTS: &[Attempt] = &[
    raw("system call open", libc::SYS_open),
    raw("system call openat", libc::SYS_openat),
    raw("system call write", libc::SYS_write),
    raw("system call fork", libc::SYS_fork),
    raw("system call clone", libc::SYS_clone),
    raw("system call clone3", libc::SYS_clone3),
    raw("system call execve", libc::SYS_execve),
    raw("system call kill", libc::SYS_kill),
    raw("system call ptrace", libc::SYS_ptrace),
    raw("system call socket", libc::SYS_socket),
    raw("system call mprotect", libc::SYS_mprotect),
    raw("system call mmap", libc::SYS_mmap),
    raw("system call munmap", libc::SYS_munmap),
    raw("system call prctl", libc::SYS_prctl),
    raw("system call seccomp", libc::SYS_seccomp),
    raw("system call io_uring_setup", libc::SYS_io_uring_setup),
    raw("system call memfd_create", libc::SYS_memfd_create),
    raw("system call unshare", libc::SYS_unshare),
    raw("system call process_vm_writev", libc::SYS_process_vm_writev),
    raw("system call rt_sigaction", libc::SYS_rt_sigaction),
    raw("system call rt_sigreturn", libc::SYS_rt_sigreturn),
    raw("system call exit_group", libc::SYS_exit_group),
    raw("system call userfaultfd", libc::SYS_userfaultfd),
    raw("system call bpf", libc::SYS_bpf),
    attempt("int 80h", "int80", [Number(2), Number(0)], Expect::Stopped),
    plain("sysenter", "sysenter", Expect::Stopped),
    borrowed("borrowed instruction fork", libc::SYS_fork, Expect::SystemCall(57)),
    borrowed("borrowed instruction kill", libc::SYS_kill, Expect::SystemCall(62)),
    borrowed("borrowed instruction arch_prctl", libc::SYS_arch_prctl, Expect::SystemCall(158)),
    borrowed("borrowed instruction x32 getpid", 0x4000_0027, Expect::SystemCall(0x4000_0027)),
    // Allowed with a bad frame: the kernel answers with SIGSEGV.
    borrowed("borrowed instruction rt_sigreturn", libc::SYS_rt_sigreturn, Expect::Over),
    attempt("execve in libc", "execve", [Execve, Number(0)], Expect::SystemCall(59)),
    attempt("open in libc", "open", [Open, Number(0)], Expect::SystemCall(257)),
    attempt("mmap in libc, executable", "mmap", [Mmap, Number(7)], Expect::SystemCall(9)),
    attempt("mprotect in libc, executable", "mprotect", [Mprotect, Number(0)], Expect::SystemCall(10)),
    attempt("munmap of its own code", "unmap_self", [Munmap, Number(0)], Expect::Exception(ACCESS_VIOLATION)),
    attempt("munmap of our code", "unmap", [Munmap, HostCode], Expect::Over),
    attempt("munmap of our data", "unmap", [Munmap, HostData], Expect::Over),
    attempt("munmap of the signal stack", "unmap", [Munmap, SignalStack], Expect::Over),
    attempt("exit in libc", "exit", [Exit, Number(0)], Expect::Silent),
    attempt("memory until there is none", "memory", [Mmap, Number(0)], Expect::Returns(1, 16)),
    attempt("mappings until there are none", "mappings", [Mmap, Number(0)], Expect::Over),
    plain("wrfsbase, then a fault", "wrfsbase", Expect::Exception(BREAKPOINT)),
    plain("wrfsbase, then a callback", "wrfsbase_callback", Expect::Stopped),
    plain("wrgsbase", "wrgsbase", Expect::Exception(ACCESS_VIOLATION)),
    plain("wrgsbase, then a callback", "wrgsbase_callback", Expect::Stopped),
    plain("overwriting the processor block", "block", Expect::Over),
    attempt("smashing our stack", "fill_and_return", [HostStack, Number(0x4000)], Expect::Over),
    attempt("overwriting our data", "fill_and_return", [HostData, Number(64)], Expect::Returns(1, 1)),
    attempt("overwriting the signal stack", "fill_and_break", [SignalStack, Number(0x40000)], Expect::Over),
    attempt("writing our code", "write", [HostCode, Number(0)], Expect::Exception(ACCESS_VIOLATION)),
    attempt("writing our constants", "write", [HostConstant, Number(0)], Expect::Exception(ACCESS_VIOLATION)),
    plain("writing its own code", "write_self", Expect::Exception(ACCESS_VIOLATION)),
    plain("jumping to its data", "jump_data", Expect::Exception(ACCESS_VIOLATION)),
    plain("jumping to its stack", "jump_stack", Expect::Exception(ACCESS_VIOLATION)),
    attempt("jumping to our data", "jump", [HostData, Number(0)], Expect::Exception(ACCESS_VIOLATION)),
    attempt("jumping into the middle of our code", "jump_middle", [HostCode, Number(0)], Expect::Over),
    attempt(
        "jumping to no address",
        "jump",
        [Number(1 << 62), Number(0)],
        Expect::Exception(ACCESS_VIOLATION),
    ),
    plain("recursion without end", "recursion", Expect::Exception(ACCESS_VIOLATION)),
    plain("a loop without end", "loop", Expect::Watchdog),
    plain("its data as a stack", "pivot", Expect::Exception(ILLEGAL)),
    plain("its data as a stack for a callback", "pivot_callback", Expect::Over),
    plain("garbage as a stack", "bad_stack", Expect::Stopped),
    plain("no stack", "zero_stack", Expect::Exception(BREAKPOINT)),
    plain("no stack for a callback", "bad_stack_callback", Expect::Over),
    attempt("popf with the trap flag", "flags", [Number(0x302), Number(0)], Expect::Exception(SINGLE_STEP)),
    attempt(
        "popf with the alignment flag",
        "flags",
        [Number(0x4_0202), Number(0)],
        Expect::Exception(MISALIGNED),
    ),
    attempt(
        "a callback with the direction flag",
        "flags_callback",
        [Number(0x602), Number(0)],
        Expect::Returns(1, 1),
    ),
    attempt(
        "a callback with the alignment flag",
        "flags_callback",
        [Number(0x4_0202), Number(0)],
        Expect::Over,
    ),
    plain("floating-point exceptions unmasked", "mxcsr", Expect::Exception(FLOAT)),
    plain("cli", "cli", Expect::Exception(PRIVILEGED)),
    plain("sti", "sti", Expect::Exception(PRIVILEGED)),
    plain("hlt", "hlt", Expect::Exception(PRIVILEGED)),
    plain("lgdt", "lgdt", Expect::Stopped),
    plain("mov cr3", "cr3", Expect::Exception(PRIVILEGED)),
    plain("wrmsr", "wrmsr", Expect::Exception(PRIVILEGED)),
    plain("swapgs", "swapgs", Expect::Stopped),
    attempt("a far return to 32-bit code", "far", [Number(0x23), Number(0)], Expect::Over),
    attempt("a far return to a kernel selector", "far", [Number(0x10), Number(0)], Expect::Stopped),
    attempt("iretq to a kernel selector", "iret", [Number(0x10), Number(0)], Expect::Stopped),
    attempt("every signal blocked, then a loop", "deaf", [Gadget, Number(0)], Expect::Killed),
    attempt("every signal blocked, then fork", "deaf_fork", [Gadget, Number(0)], Expect::Over),
    plain("an interrupt of its own", "int", Expect::Stopped),
    attempt("a borrowed wait for ever", "gadget", [Gadget, Number(libc::SYS_futex as u64)], Expect::Over),
];
