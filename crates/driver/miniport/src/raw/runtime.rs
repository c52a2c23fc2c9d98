//! What the compiler expects of a `.sys` that has no C runtime under it.

use core::ffi::c_void;

// Memory routines that the compiler calls: all of them exports of the kernel.
#[expect(dead_code, reason = "called by what the compiler writes, not by this crate")]
#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    fn memcpy(to: *mut c_void, from: *const c_void, bytes: usize) -> *mut c_void;
    fn memmove(to: *mut c_void, from: *const c_void, bytes: usize) -> *mut c_void;
    fn memset(to: *mut c_void, byte: i32, bytes: usize) -> *mut c_void;
    fn memcmp(left: *const c_void, right: *const c_void, bytes: usize) -> i32;
}

/// The linker looks for this as soon as floating-point code is there; `core` has some.
#[unsafe(no_mangle)]
static _fltused: i32 = 0;

/// A panic cannot unwind into the kernel: it stops the machine with `FAST_FAIL_FATAL_APP_EXIT`.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: the instruction does not return.
    unsafe { core::arch::asm!("int 0x29", in("ecx") 7, options(noreturn, nostack)) }
}
