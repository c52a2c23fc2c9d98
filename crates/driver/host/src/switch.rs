//! Leaving one stack for another, and calling a win64 function with any number of arguments.
//!
//! A suspended context is one number: its stack pointer, at which lie the callee-saved registers of the System V convention,
//! the two floating-point control words and the address to return to. Registers that only win64 preserves (rsi, rdi,
//! xmm6-15) are saved by the prologues of the Rust functions that the driver called.
#![expect(unsafe_code, reason = "switches stacks in assembly")]

use std::arch::naked_asm;

/// MXCSR and x87 control word of a fresh thread, as [`exchange`] keeps them.
const CONTROL_WORDS: u64 = 0x037F_0000_1F80;

/// Writes onto the new stack below `top` the context of a function that is about to start, and returns its stack pointer.
///
/// # Safety
/// 128 bytes below `top`, a multiple of 16, must be writable and unused, and stay the context's own. `start` must never return.
pub(crate) unsafe fn prepare(top: u64, start: extern "sysv64" fn() -> !) -> u64 {
    // From low to high: control words, r15, r14, r13, r12, rbx, rbp, where to go, and a null return address for stack walks,
    // at which rsp is 8 below a multiple of 16, as a function expects at its entry.
    let frame: [u64; 9] = [CONTROL_WORDS, 0, 0, 0, 0, 0, 0, start as *const () as u64, 0];
    let at = top - size_of_val(&frame) as u64;
    // SAFETY: the caller guarantees that these bytes are writable and unused; `at` is a multiple of 8.
    unsafe { (at as *mut [u64; 9]).write(frame) };
    at
}

/// Suspends the running context, leaving its stack pointer in `*save`, and goes on with the one suspended at `to`.
///
/// # Safety
/// `to` must come from [`prepare`] or from an earlier exchange, be used once, and its stack must be intact.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn exchange(save: *mut u64, to: u64) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rdi], rsp",
        "mov rdi, rsi",
        "jmp {resume}",
        resume = sym resume,
    )
}

/// Goes on with the context suspended at `to`; the running one is gone.
///
/// # Safety
/// As for [`exchange`]. Nothing on the abandoned stack may be needed any more.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn resume(to: u64) -> ! {
    naked_asm!(
        "mov rsp, rdi",
        "cld",
        "fninit",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Calls `entry` with `count` integer arguments by the win64 convention, on the current stack.
///
/// # Safety
/// `entry` must be code of that convention, which takes as many arguments; `arguments` must point at `count` words.
#[unsafe(naked)]
pub(crate) unsafe extern "sysv64" fn invoke(entry: u64, arguments: *const u64, count: u64) -> u64 {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push r15",
        "mov r10, rdi",
        // At least the four home slots, and an even number of slots, so that rsp stays a multiple of 16.
        "mov eax, 4",
        "cmp rdx, rax",
        "cmova rax, rdx",
        "lea rax, [rax*8 + 15]",
        "and rax, -16",
        "sub rsp, rax",
        "xor eax, eax",
        "mov [rsp], rax",
        "mov [rsp + 8], rax",
        "mov [rsp + 16], rax",
        "mov [rsp + 24], rax",
        "xor ecx, ecx",
        "2: cmp rcx, rdx",
        "jae 3f",
        "mov rax, [rsi + rcx*8]",
        "mov [rsp + rcx*8], rax",
        "inc rcx",
        "jmp 2b",
        "3: mov rcx, [rsp]",
        "mov rdx, [rsp + 8]",
        "mov r8, [rsp + 16]",
        "mov r9, [rsp + 24]",
        // Zero marks the outermost frame for walks by the frame pointer.
        "mov rbx, rbp",
        "xor ebp, ebp",
        // What we leave in registers differs from run to run, and reports show them.
        "mov rax, r10",
        "xor r10d, r10d",
        "xor r11d, r11d",
        "xor r12d, r12d",
        "xor r13d, r13d",
        "xor r14d, r14d",
        "xor r15d, r15d",
        "xor esi, esi",
        "xor edi, edi",
        "call rax",
        // Only rbx is trusted to have come back; the rest is ours to restore.
        "cld",
        "lea rsp, [rbx - 40]",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}
