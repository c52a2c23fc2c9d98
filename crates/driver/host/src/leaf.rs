//! Memory routines lent to the driver as they are: `memcpy`, `memmove`, `memset`, `memcmp` and their `Rtl` names.
//!
//! They are stackless leaves without an entry thunk, because drivers call them all the time and on anything: register windows
//! (whose accesses then trap and are emulated one element after the other) and bad pointers (whose fault is attributed to the
//! caller).

use std::arch::naked_asm;

use crate::unwind::Registers;

/// Bytes that each routine is padded to, by which the trap handler knows it.
const BYTES: u64 = 96;

/// `void *memcpy(void *to, const void *from, size_t count)`, also for overlapping ranges (`memmove`, `RtlCopyMemory`).
#[unsafe(naked)]
pub extern "win64" fn memmove(to: u64, from: u64, count: u64) -> u64 {
    naked_asm!(
        "2: mov r10, rdi",
        "mov r11, rsi",
        "mov rax, rcx",
        "mov rdi, rcx",
        "mov rsi, rdx",
        "mov rcx, r8",
        "mov rdx, rdi",
        "sub rdx, rsi",
        "cmp rdx, r8",
        "jb 3f",
        // Eight bytes at a time where possible: devices see few and natural accesses.
        "shr rcx, 3",
        "rep movsq",
        "mov rcx, r8",
        "and ecx, 7",
        "rep movsb",
        "jmp 4f",
        // The target begins inside the source: backwards.
        "3: lea rdi, [rdi + rcx - 1]",
        "lea rsi, [rsi + rcx - 1]",
        "std",
        "rep movsb",
        "cld",
        "4: mov rdi, r10",
        "mov rsi, r11",
        "ret",
        ".skip 96 - (. - 2b), 0xCC",
    )
}

/// `void *memset(void *to, int value, size_t count)`.
#[unsafe(naked)]
pub extern "win64" fn memset(to: u64, value: u64, count: u64) -> u64 {
    naked_asm!(
        "2: mov r10, rdi",
        "mov r11, rsi",
        "mov r9, rcx",
        "mov rdi, rcx",
        "movzx eax, dl",
        "mov rcx, 0x0101010101010101",
        "imul rax, rcx",
        "mov rcx, r8",
        "shr rcx, 3",
        "rep stosq",
        "mov rcx, r8",
        "and ecx, 7",
        "rep stosb",
        "mov rax, r9",
        "mov rdi, r10",
        "ret",
        ".skip 96 - (. - 2b), 0xCC",
    )
}

/// `int memcmp(const void *left, const void *right, size_t count)`.
#[unsafe(naked)]
pub extern "win64" fn memcmp(left: u64, right: u64, count: u64) -> i32 {
    naked_asm!(
        "2: mov r10, rdi",
        "mov r11, rsi",
        "xor r9d, r9d",
        "3: cmp r9, r8",
        "jae 4f",
        "movzx eax, byte ptr [rcx + r9]",
        "cmp al, byte ptr [rdx + r9]",
        "jne 5f",
        "inc r9",
        "jmp 3b",
        "4: xor eax, eax",
        "ret",
        "5: sbb eax, eax",
        "or eax, 1",
        "ret",
        ".skip 96 - (. - 2b), 0xCC",
    )
}

/// If the registers are those of a fault in one of these routines, makes them those of its caller after the call.
pub(crate) fn pretend_at_caller(registers: &mut Registers) {
    if crate::seh::capture_context_contains(registers.rip) {
        let [_, _, _, _, rsp, ..] = &mut registers.gpr;
        // Its only push may be pending: the context was not writable then.
        let pushed = if registers.rip == crate::seh::capture_context_address() + 1 { 8 } else { 0 };
        *rsp = rsp.wrapping_add(pushed);
        if let Ok(rip) = crate::guarded::read_struct::<u64>(*rsp) {
            *rsp = rsp.wrapping_add(8);
            registers.rip = rip;
        }
        return;
    }
    let routines = [memmove as *const () as u64, memset as *const () as u64, memcmp as *const () as u64];
    if !routines.iter().any(|&start| registers.rip >= start && registers.rip - start < BYTES) {
        return;
    }
    let [_, _, _, _, rsp, _, rsi, rdi, _, _, saved_rdi, saved_rsi, ..] = &mut registers.gpr;
    let Ok(rip) = crate::guarded::read_struct::<u64>(*rsp) else { return };
    *rsp = rsp.wrapping_add(8);
    // A fault can only come after both were saved in r10 and r11.
    (*rdi, *rsi) = (*saved_rdi, *saved_rsi);
    registers.rip = rip;
}
