//! The machine code at the edges of exception handling: in from a trap or a raising export, out to a handler, back to a context.

use std::arch::naked_asm;

use super::dispatch;
use super::records::Context;

/// Bytes below the driver's stack pointer that an entry takes: a CONTEXT, then an EXCEPTION_RECORD, rounded up.
pub(super) const FRAME_BYTES: u64 = 0x580;
/// The record's place in it.
pub(super) const RECORD: u64 = 0x4D0;

const _: () = assert!(size_of::<Context>() as u64 == RECORD);

/// Entered from a trap, with rsp and rdi at the frame that the trap handler wrote.
#[unsafe(naked)]
pub(super) extern "sysv64" fn trapped() {
    naked_asm!("call {body}", "ud2", body = sym dispatch::trapped)
}

/// Where an export that raises returns to, in place of its caller: every preserved register is its caller's again.
#[unsafe(naked)]
extern "sysv64" fn raised() {
    naked_asm!(
        "mov rax, rsp",
        "sub rsp, 0x580",
        "and rsp, -64",
        "mov qword ptr [rsp + 0x78], 0",
        "mov qword ptr [rsp + 0x80], 0",
        "mov qword ptr [rsp + 0x88], 0",
        "mov [rsp + 0x90], rbx",
        "mov [rsp + 0x98], rax",
        "mov [rsp + 0xA0], rbp",
        "mov [rsp + 0xA8], rsi",
        "mov [rsp + 0xB0], rdi",
        "mov qword ptr [rsp + 0xB8], 0",
        "mov qword ptr [rsp + 0xC0], 0",
        "mov qword ptr [rsp + 0xC8], 0",
        "mov qword ptr [rsp + 0xD0], 0",
        "mov [rsp + 0xD8], r12",
        "mov [rsp + 0xE0], r13",
        "mov [rsp + 0xE8], r14",
        "mov [rsp + 0xF0], r15",
        "mov dword ptr [rsp + 0x44], 0x202",
        "fxsave64 [rsp + 0x100]",
        "cld",
        "mov rdi, rsp",
        "call {body}",
        "ud2",
        body = sym dispatch::raised,
    )
}

pub(super) fn raised_address() -> u64 {
    raised as *const () as u64
}

/// Where in [`invoke`] the called handler returns to.
const INVOKE_RETURN: u64 = 64;

/// Calls a handler, filter or `__finally` block of the driver with four arguments. Like `switch::invoke`, but walks know it.
///
/// # Safety
/// `arguments` must be valid. `entry` is the driver's, and may be anything.
#[unsafe(naked)]
unsafe extern "sysv64" fn invoke(entry: u64, arguments: &[u64; 4]) -> u64 {
    naked_asm!(
        "2: push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 40",
        "mov rax, rdi",
        "mov rcx, [rsi]",
        "mov rdx, [rsi + 8]",
        "mov r8, [rsi + 16]",
        "mov r9, [rsi + 24]",
        ".skip 62 - (. - 2b), 0x90",
        "call rax",
        // INVOKE_RETURN.
        "cld",
        "lea rsp, [rbp - 40]",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// The return address that a walk finds above a handler.
pub(super) fn handler_return() -> u64 {
    invoke as *const () as u64 + INVOKE_RETURN
}

/// Calls driver code from the dispatcher, keeping what the processor block says of the caller.
pub(super) fn call(entry: u64, arguments: &[u64; 4]) -> u64 {
    let Some(block) = crate::processor::block() else { return 0 };
    let capture = block.capture.get();
    let before = block.in_callback.replace(0);
    // SAFETY: as for `call::enter_driver`: the code is foreign, and what it does wrong traps; the arguments are valid.
    let result = unsafe { invoke(entry, arguments) };
    block.in_callback.set(before);
    block.capture.set(capture);
    result
}

/// Loads every register from the context, and goes on there.
///
/// # Safety
/// Nothing on the abandoned stack may be needed, and flags and MXCSR must be loadable.
#[unsafe(naked)]
pub(super) unsafe extern "sysv64" fn load(context: &Context) -> ! {
    naked_asm!(
        "fxrstor64 [rdi + 0x100]",
        "xor eax, eax",
        "mov eax, ss",
        "push rax",
        "push qword ptr [rdi + 0x98]",
        "mov eax, [rdi + 0x44]",
        "push rax",
        "mov eax, cs",
        "push rax",
        "push qword ptr [rdi + 0xF8]",
        "mov rax, [rdi + 0x78]",
        "mov rcx, [rdi + 0x80]",
        "mov rdx, [rdi + 0x88]",
        "mov rbx, [rdi + 0x90]",
        "mov rbp, [rdi + 0xA0]",
        "mov rsi, [rdi + 0xA8]",
        "mov r8, [rdi + 0xB8]",
        "mov r9, [rdi + 0xC0]",
        "mov r10, [rdi + 0xC8]",
        "mov r11, [rdi + 0xD0]",
        "mov r12, [rdi + 0xD8]",
        "mov r13, [rdi + 0xE0]",
        "mov r14, [rdi + 0xE8]",
        "mov r15, [rdi + 0xF0]",
        "mov rdi, [rdi + 0xB0]",
        "iretq",
    )
}

/// Bytes that [`capture_context`] is padded to.
const CAPTURE_BYTES: u64 = 192;

/// `void RtlCaptureContext(CONTEXT *)`. A fault in it is the fault of its caller.
#[unsafe(naked)]
pub(crate) extern "win64" fn capture_context(context: u64) {
    naked_asm!(
        "2: pushfq",
        "pop [rcx + 0x40]",
        "mov eax, [rcx + 0x40]",
        "mov [rcx + 0x44], eax",
        "mov dword ptr [rcx + 0x30], 0x10000F",
        "stmxcsr [rcx + 0x34]",
        "mov word ptr [rcx + 0x38], 0x10",
        "mov word ptr [rcx + 0x42], 0x18",
        "mov [rcx + 0x80], rcx",
        "mov [rcx + 0x88], rdx",
        "mov [rcx + 0x90], rbx",
        "lea rax, [rsp + 8]",
        "mov [rcx + 0x98], rax",
        "mov [rcx + 0xA0], rbp",
        "mov [rcx + 0xA8], rsi",
        "mov [rcx + 0xB0], rdi",
        "mov [rcx + 0xB8], r8",
        "mov [rcx + 0xC0], r9",
        "mov [rcx + 0xC8], r10",
        "mov [rcx + 0xD0], r11",
        "mov [rcx + 0xD8], r12",
        "mov [rcx + 0xE0], r13",
        "mov [rcx + 0xE8], r14",
        "mov [rcx + 0xF0], r15",
        "mov rax, [rsp]",
        "mov [rcx + 0xF8], rax",
        "fxsave64 [rcx + 0x100]",
        "ret",
        ".skip 192 - (. - 2b), 0xCC",
    )
}

/// Whether the address is in [`capture_context`].
pub(crate) fn capture_context_contains(address: u64) -> bool {
    address.wrapping_sub(capture_context as *const () as u64) < CAPTURE_BYTES
}
