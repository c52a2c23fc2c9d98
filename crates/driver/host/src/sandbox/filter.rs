//! The system-call filter, as a classic BPF program (seccomp(2); linux/filter.h).
//!
//! Written by hand, because it begins with a test of the instruction pointer: a system call from the driver's code is a
//! violation whatever it asks for. That prefix only helps the diagnosis (a driver can jump into our libc); the allow-list
//! after it is the boundary.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, SECCOMP_RET_TRAP, sock_filter, sock_fprog,
};

// struct seccomp_data.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const POINTER_HIGH: u32 = 12;
/// The low half of argument `index`; the high half is 4 further.
const fn argument(index: u32) -> u32 {
    16 + index * 8
}
const AUDIT_ARCH_X86_64: u32 = 0xC000_003E;

/// Allowed with any arguments.
const ALLOWED: [i64; 8] = [
    libc::SYS_munmap,
    libc::SYS_futex,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Where the vDSO cannot read the clock.
    libc::SYS_clock_gettime,
    libc::SYS_sched_yield,
    // Another thread may just be restoring its mask; a violation while signals are blocked would end the process without a word.
    libc::SYS_rt_sigprocmask,
];

/// Allowed when the third argument asks for no execution.
const WITHOUT_EXECUTION: [i64; 2] = [libc::SYS_mmap, libc::SYS_mprotect];

/// Answered with an error that their callers cope with: the allocator falls back to mmap, hash seeds to another source, and
/// messages to closed ears.
const ANSWERED: [(i64, i32); 5] = [
    (libc::SYS_brk, libc::ENOMEM),
    (libc::SYS_mremap, libc::ENOMEM),
    (libc::SYS_madvise, libc::EINVAL),
    (libc::SYS_sigaltstack, libc::EPERM),
    (libc::SYS_write, libc::EBADF),
];

#[derive(Default)]
struct Program(Vec<sock_filter>);

impl Program {
    fn push(&mut self, code: u32, k: u32, jt: u8, jf: u8) {
        self.0.push(sock_filter { code: code as u16, jt, jf, k });
    }

    fn load(&mut self, offset: u32) {
        self.push(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
    }

    fn finish(&mut self, action: u32) {
        self.push(BPF_RET | BPF_K, action, 0, 0);
    }

    /// Goes on when the loaded word is `k`, else skips `count` instructions.
    fn unless_equal_skip(&mut self, k: u32, count: u8) {
        self.push(BPF_JMP | BPF_JEQ | BPF_K, k, 0, count);
    }
}

/// The program. The driver's code lies from the first address to the second, both multiples of 4 GiB.
fn program((start, end): (u64, u64)) -> Vec<sock_filter> {
    let mut program = Program::default();
    program.load(ARCHITECTURE);
    program.push(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
    program.finish(SECCOMP_RET_TRAP);

    // The high half of the instruction pointer says enough: the region's bounds are multiples of 4 GiB.
    program.load(POINTER_HIGH);
    program.push(BPF_JMP | BPF_JGE | BPF_K, (start >> 32) as u32, 0, 2);
    program.push(BPF_JMP | BPF_JGE | BPF_K, (end >> 32) as u32, 1, 0);
    program.finish(SECCOMP_RET_TRAP);

    program.load(NUMBER);
    for number in ALLOWED {
        program.unless_equal_skip(number as u32, 1);
        program.finish(SECCOMP_RET_ALLOW);
    }
    for (number, errno) in ANSWERED {
        program.unless_equal_skip(number as u32, 1);
        program.finish(SECCOMP_RET_ERRNO | errno as u32);
    }
    for number in WITHOUT_EXECUTION {
        program.unless_equal_skip(number as u32, 5);
        program.load(argument(2));
        program.push(BPF_ALU | BPF_AND | BPF_K, libc::PROT_EXEC as u32, 0, 0);
        program.unless_equal_skip(0, 1);
        program.finish(SECCOMP_RET_ALLOW);
        program.finish(SECCOMP_RET_TRAP);
    }
    // Seeds of hash maps, asked for once a thread: harmless, and there is no other source.
    program.unless_equal_skip(libc::SYS_getrandom as u32, 1);
    program.finish(SECCOMP_RET_ALLOW);
    program.finish(SECCOMP_RET_TRAP);
    program.0
}

#[expect(unsafe_code, reason = "the seccomp system call")]
pub(super) fn install(driver_code: (u64, u64)) -> Result<(), i32> {
    let mut program = program(driver_code);
    let Ok(len) = u16::try_from(program.len()) else { return Err(libc::E2BIG) };
    let filter = sock_fprog { len, filter: program.as_mut_ptr() };
    // SAFETY: the structure points at `len` instructions, which the kernel copies.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const filter,
        )
    };
    match result {
        0 => Ok(()),
        -1 => Err(super::errno()),
        // The number of a thread that could not be synchronised.
        _ => Err(libc::ESRCH),
    }
}
