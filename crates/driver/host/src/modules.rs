//! Which addresses are whose code: the table that traps and stack walks ask.
//!
//! A fixed table of atomics, because it is read inside signal handlers, where nothing may be locked or allocated.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

const MOST: usize = 16;

struct Entry {
    base: AtomicU64,
    /// Zero: the entry is free.
    bytes: AtomicU64,
    exceptions: AtomicU64,
    exception_bytes: AtomicU64,
}

static TABLE: [Entry; MOST] = [const {
    Entry {
        base: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        exceptions: AtomicU64::new(0),
        exception_bytes: AtomicU64::new(0),
    }
}; MOST];
static NAMES: Mutex<[String; MOST]> = Mutex::new([const { String::new() }; MOST]);

/// Names a module while it stays registered; displays as its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ModuleId(u8);

/// A module of the table, as found; meaningful while the module stays registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Module {
    /// Its name's key.
    pub id: ModuleId,
    /// First address.
    pub base: u64,
    /// Bytes of address space.
    pub bytes: u64,
    /// Address of the exception directory (`.pdata`), 0 when there is none.
    pub exceptions: u64,
    /// Its bytes.
    pub exception_bytes: u64,
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        f.write_str(names.get(usize::from(self.0)).map_or("?", String::as_str))
    }
}

/// Keeps a module in the table; taken out on drop.
#[derive(Debug)]
pub struct Registration(Module);

impl Registration {
    /// Registers `bytes` at `base` as the module `name`, with its exception directory (address and bytes, both 0 without one).
    /// `None` when the table, of 16 entries, is full.
    pub fn new(name: &str, base: u64, bytes: u64, exceptions: u64, exception_bytes: u64) -> Option<Self> {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let free = TABLE.iter().position(|entry| entry.bytes.load(Ordering::Relaxed) == 0)?;
        let entry = TABLE.get(free)?;
        if let Some(slot) = names.get_mut(free) {
            name.clone_into(slot);
        }
        entry.base.store(base, Ordering::Relaxed);
        entry.exceptions.store(exceptions, Ordering::Relaxed);
        entry.exception_bytes.store(exception_bytes, Ordering::Relaxed);
        entry.bytes.store(bytes, Ordering::Release);
        Some(Self(Module { id: ModuleId(free as u8), base, bytes, exceptions, exception_bytes }))
    }

    /// Registers this program itself as the module `name`: for drivers linked into it. There is no exception directory, so that
    /// stack walks have one frame there.
    pub fn of_program(name: &str) -> Option<Self> {
        #[expect(unsafe_code, reason = "names what the linker defines")]
        // SAFETY: both symbols are defined by every linker for this system, and only their addresses are taken.
        unsafe extern "C" {
            #[link_name = "__executable_start"]
            static START: u8;
            #[link_name = "end"]
            static END: u8;
        }
        let start = &raw const START as u64;
        Self::new(name, start, &raw const END as u64 - start, 0, 0)
    }

    /// What was registered.
    pub fn module(&self) -> Module {
        self.0
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(entry) = TABLE.get(usize::from(self.0.id.0)) {
            entry.bytes.store(0, Ordering::Release);
        }
    }
}

/// The module that `address` lies in.
pub fn find(address: u64) -> Option<Module> {
    for (index, entry) in TABLE.iter().enumerate() {
        let bytes = entry.bytes.load(Ordering::Acquire);
        let base = entry.base.load(Ordering::Relaxed);
        if address >= base && address - base < bytes {
            let exceptions = entry.exceptions.load(Ordering::Relaxed);
            let exception_bytes = entry.exception_bytes.load(Ordering::Relaxed);
            return Some(Module { id: ModuleId(index as u8), base, bytes, exceptions, exception_bytes });
        }
    }
    None
}
