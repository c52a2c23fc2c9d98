//! Readers of foreign files, kept from ending the report.
//!
//! The readers are meant not to panic. One that does has met a damaged file in a way that its author did not foresee: that
//! costs the symbols, not the report, and nobody needs the panic's message.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}
static HOOK: Once = Once::new();

/// The reader panicked. What it was reading is in an unknown state and must not be used again.
pub(super) struct Panicked;

/// Runs a reader.
pub(super) fn run<T>(read: impl FnOnce() -> T) -> Result<T, Panicked> {
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    QUIET.set(before);
    result.map_err(|_| Panicked)
}
