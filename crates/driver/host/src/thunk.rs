//! Doors from the driver to Rust.
//!
//! A driver calls an export or a table slot at an address; there must stand code that first notes where the call came from,
//! because Rust's prologue would bury it. [`crate::thunk!`] writes that code: ten stores into the block at `gs` (`Capture`), then the
//! Rust body, whose panics become a stop of the run instead of an abort of the process.

use std::cell::RefCell;
use std::panic::PanicHookInfo;

use crate::processor;
use crate::stop::{StopReason, stop};
use crate::unwind::StackTrace;

thread_local! {
    static PANIC_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The panic hook of a sealed process.
pub(crate) fn note_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    PANIC_PLACE.with(|slot| slot.replace(place));
}

/// Runs the body of a callback: marks the processor as being in our code, counts a boundary, and turns a panic into a stop.
/// Called by [`crate::thunk!`].
pub fn enter<R>(body: impl FnOnce() -> R) -> R {
    let Some(block) = processor::block() else { return body() };
    let before = block.in_callback.replace(1);
    processor::next_boundary();
    crate::call::measure_depth(block.capture.get().rsp);
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)) {
        Ok(result) => {
            crate::patch::shared_data::update(crate::run::of(block));
            block.in_callback.set(before);
            processor::clear_volatile_registers();
            result
        }
        Err(payload) => {
            let message = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let message = message.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
            drop(payload);
            let message = PANIC_PLACE.with_borrow_mut(|place| match std::mem::take(place) {
                place if place.is_empty() => message,
                place => format!("{message} at {place}"),
            });
            stop(StopReason::HostPanic { message, stack: StackTrace::of_caller() })
        }
    }
}

/// Arguments of a variadic call of the Windows x64 convention: eight-byte slots, one after the other. The values are the
/// driver's; reading beyond what it passed reads whatever lies there.
#[derive(Clone, Copy, Debug)]
pub struct VaList {
    next: u64,
}

impl VaList {
    /// The list whose first slot is at `address`: a `va_list` that the driver passed (`vDbgPrintEx`, `_vsnwprintf`).
    pub const fn at(address: u64) -> Self {
        Self { next: address }
    }

    /// The next slot; `None` when it is not readable.
    pub fn next_slot(&mut self) -> Option<u64> {
        let mut bytes = [0; 8];
        crate::guarded::read(self.next, &mut bytes).ok()?;
        self.next += 8;
        Some(u64::from_le_bytes(bytes))
    }
}

/// Defines entry points that a driver can call.
///
/// `thunk! { /// doc \n pub fn KeSetEvent(event: u64, increment: i32, wait: u8) -> i32 => set_event; }` where `set_event` is an
/// ordinary function of those arguments. Floating-point arguments are not supported. For a variadic function write
/// `pub fn DbgPrint(format: u64, ...) -> u32 => print;`: `print(format, VaList)`; at most three fixed arguments.
/// The address is `KeSetEvent as *const () as u64`. Callable only by driver code on a thread with a `Processor`.
#[macro_export]
macro_rules! thunk {
    () => {};
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? => $target:path; $($rest:tt)*) => {
        $(#[$meta])*
        #[unsafe(naked)]
        $vis extern "win64" fn $name($($arg: $type),*) $(-> $ret)? {
            extern "win64" fn body($($arg: $type),*) $(-> $ret)? {
                $crate::thunk::enter(move || $target($($arg),*))
            }
            $crate::thunk_capture!("jmp {body}", body = sym body)
        }
        $crate::thunk! { $($rest)* }
    };
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),+, ...) $(-> $ret:ty)? => $target:path; $($rest:tt)*) => {
        $(#[$meta])*
        #[unsafe(naked)]
        $vis extern "win64" fn $name($($arg: $type),+) $(-> $ret)? {
            // The home slots directly above the return address are the callee's to use, and the stack arguments follow them,
            // so that after spilling the registers the whole argument list is one array.
            extern "win64" fn body(slots: u64) $(-> $ret)? {
                $crate::thunk::enter(move || {
                    let mut list = $crate::thunk::VaList::at(slots);
                    $(let $arg = list.next_slot().unwrap_or(0) as $type;)+
                    $target($($arg),+, list)
                })
            }
            $crate::thunk_capture!(
                "mov [rsp + 8], rcx",
                "mov [rsp + 16], rdx",
                "mov [rsp + 24], r8",
                "mov [rsp + 32], r9",
                "lea rcx, [rsp + 8]",
                "jmp {body}",
                body = sym body
            )
        }
        $crate::thunk! { $($rest)* }
    };
}

/// The capturing instructions of [`crate::thunk!`], then the given ones. The offsets are those of `processor::Capture` in the block.
#[doc(hidden)]
#[macro_export]
macro_rules! thunk_capture {
    ($($tail:tt)*) => {
        core::arch::naked_asm!(
            "cld",
            "mov rax, [rsp]",
            "mov gs:[0x800], rax",
            "mov gs:[0x808], rsp",
            "mov gs:[0x810], rbx",
            "mov gs:[0x818], rbp",
            "mov gs:[0x820], rsi",
            "mov gs:[0x828], rdi",
            "mov gs:[0x830], r12",
            "mov gs:[0x838], r13",
            "mov gs:[0x840], r14",
            "mov gs:[0x848], r15",
            $($tail)*
        )
    };
}
