//! The export table: every name that a driver can import, with its address and the highest level at which it may be called.
//!
//! One list for ntoskrnl.exe and hal.dll alike: import libraries disagree about which of the two a routine comes from. The
//! levels are those of the wdm.h pages' Requirements; a call above its level is recorded and served all the same, for a rule to
//! judge.

use dxgk_abi::{Irql, NtStatus};
use dxgk_event::{Callback, Event, Misuse, MisuseKind, Phase};

use super::exceptions;
pub use super::exports::FUNCTIONS;
use super::state::{Kernel, end, serving};
use super::trouble::{Outcome, Trouble};
use crate::processor;

/// [`Callback::slot`] of the first export; the n-th of [`FUNCTIONS`] has the n-th number from here.
pub const FIRST_SLOT: u16 = 0x8000;

/// Whether an import is called or read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportKind {
    /// Code.
    Function,
    /// A variable; the import slot holds its address.
    Data,
}

/// What a name resolves to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Export {
    /// What the import slot must hold.
    pub address: u64,
    /// Code or data.
    pub kind: ExportKind,
    /// Highest level at which it may be called.
    pub max_irql: Irql,
}

/// A function of the table.
pub struct FunctionExport {
    /// Its name.
    pub name: &'static str,
    /// Highest level at which it may be called.
    pub max_irql: Irql,
    /// Whether every call is recorded as [`Callback`] events; the others only when they were misuse.
    pub recorded: bool,
    pub(super) address: fn() -> u64,
}

impl core::fmt::Debug for FunctionExport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// The name of the export with this number in [`Callback::slot`].
#[must_use]
pub fn name_of_slot(slot: u16) -> Option<&'static str> {
    let index = slot.checked_sub(FIRST_SLOT)?;
    FUNCTIONS.get(usize::from(index)).map(|function| function.name)
}

fn is_kernel_module(module: &str) -> bool {
    ["ntoskrnl.exe", "hal.dll"].iter().any(|known| known.eq_ignore_ascii_case(module))
}

/// Whether a driver that imports `name` from `module` gets it.
#[must_use]
pub fn is_exported(module: &str, name: &str) -> bool {
    is_kernel_module(module)
        && (super::data::is_variable(name) || FUNCTIONS.iter().any(|function| function.name == name))
}

impl Kernel {
    /// What `name` of `module` is. Both modules export everything.
    #[must_use]
    pub fn resolve(&self, module: &str, name: &str) -> Option<Export> {
        if !is_kernel_module(module) {
            return None;
        }
        if let Some(address) = self.data.address(name) {
            return Some(Export { address, kind: ExportKind::Data, max_irql: Irql::HIGH_LEVEL });
        }
        let function = FUNCTIONS.iter().find(|function| function.name == name)?;
        let address = (function.address)();
        Some(Export { address, kind: ExportKind::Function, max_irql: function.max_irql })
    }

    /// Records that the driver called export number `index` above `highest`.
    pub(super) fn check_level(&self, index: u16, highest: Irql) {
        if processor::irql() > highest.0 {
            self.events.emit_with_stack(&Event::Misuse(Misuse {
                va: (FIRST_SLOT + index).into(),
                object: 0,
                offset: highest.0.into(),
                kind: MisuseKind::LevelTooHigh,
                write: 0,
                reserved: [0; 6],
            }));
        }
    }

    /// All names that [`resolve`](Self::resolve) knows.
    pub fn export_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        FUNCTIONS.iter().map(|function| function.name).chain(self.data.names())
    }
}

/// A result as a word of a record.
pub(super) trait Word {
    fn word(&self) -> u64;
}

impl Word for () {
    fn word(&self) -> u64 {
        0
    }
}

macro_rules! words {
    ($($number:ty),*) => {$(
        impl Word for $number {
            fn word(&self) -> u64 {
                *self as u64
            }
        }
    )*};
}

words!(u8, i32, u32, u64);

/// One call of an export, on its way into the records.
struct Call<'a> {
    kernel: &'a Kernel,
    index: u16,
    arguments: &'a [u64],
}

impl Call<'_> {
    fn event(&self, phase: Phase, entry: u64, words: &[u64], status: NtStatus, duration: u32) -> Event {
        let mut all = [0; 6];
        all.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        Event::Callback(Callback {
            entry,
            words: all,
            slot: FIRST_SLOT + self.index,
            phase,
            unimplemented: 0,
            status: status.0,
            adapter: u32::MAX,
            duration,
        })
    }

    fn entered(&self) -> u64 {
        self.kernel.events.emit(&self.event(Phase::Entered, 0, self.arguments, NtStatus::SUCCESS, 0)).0
    }

    fn returned(&self, entry: u64, words: &[u64], status: NtStatus, duration: u32) {
        self.kernel.events.emit(&self.event(Phase::Returned, entry, words, status, duration));
    }
}

/// Serves an export, recording the call when it is to be recorded anyway or was a misuse that the driver survives.
pub(super) fn serve<R: Word + Default>(
    index: u16,
    recorded: bool,
    arguments: &[u64],
    body: impl FnOnce(&Kernel) -> Outcome<R>,
) -> R {
    let kernel = serving();
    let call = Call { kernel, index, arguments };
    if let Some(export) = FUNCTIONS.get(usize::from(index)) {
        kernel.check_level(index, export.max_irql);
    }
    let before = processor::boundary();
    let entry = if recorded { call.entered() } else { 0 };
    let outcome = body(kernel);
    if kernel.is_anything_due() {
        kernel.deliver();
    }
    match outcome {
        Ok(result) => {
            if recorded {
                let duration = (processor::boundary() - before) as u32;
                call.returned(entry, &[result.word()], NtStatus::SUCCESS, duration);
            }
            result
        }
        Err(Trouble::Misuse { code, parameters: [a, b, c, d] }) if kernel.goes_on() => {
            let entry = if recorded { entry } else { call.entered() };
            call.returned(entry, &[u64::from(code.0), a, b, c, d], NtStatus::INVALID_PARAMETER, 0);
            R::default()
        }
        Err(trouble) => {
            // The driver may have a handler for it; then this returns, into the dispatcher of exceptions.
            let Some(status) = exceptions::raise(trouble) else { end(trouble) };
            if recorded {
                call.returned(entry, &[], status, (processor::boundary() - before) as u32);
            }
            R::default()
        }
    }
}
