//! Stand-ins for imports that nobody serves: each says its name when it is called, and fails.
//!
//! A stub is a few bytes of code on a page of its own: it puts its number where the first argument was and goes on to the one
//! door below. A missing variable reads as those bytes; there is no telling from an import which of the two it is.

use dxgk_abi::NtStatus;

use super::space::lock;
use super::state::{Kernel, serving};
use crate::guarded;
use crate::layout::{LayoutError, PAGE_SIZE, Protection, Region, Reservation};

/// Bytes of a stub: `mov ecx, number; mov rax, door; jmp rax`, and the rest `int3`.
const STUB_BYTES: u64 = 32;
/// Stubs at most: more than all of a driver's imports together usually are.
const MOST_STUBS: u64 = 8 * PAGE_SIZE / STUB_BYTES;
/// Calls of one name that are logged; more would say nothing new.
const LOGGED_CALLS: u64 = 8;

/// A missing import and how often it was called.
#[derive(Clone, Debug)]
pub(crate) struct MissingCalls {
    name: String,
    calls: u64,
}

crate::thunk! {
    fn missing_door(number: u32) -> u64 => called;
}

fn called(number: u32) -> u64 {
    let kernel = serving();
    let text = {
        let mut missing = lock(&kernel.missing);
        missing.get_mut(number as usize).and_then(|entry| {
            entry.calls += 1;
            let last = if entry.calls == LOGGED_CALLS { "; further calls are not logged" } else { "" };
            (entry.calls <= LOGGED_CALLS)
                .then(|| format!("missing import {} was called: STATUS_NOT_SUPPORTED{last}", entry.name))
        })
    };
    if let Some(text) = text {
        kernel.log(&text);
    }
    if kernel.is_anything_due() {
        kernel.deliver();
    }
    NtStatus::NOT_SUPPORTED.0.into()
}

/// A page range for stubs: written while the driver is loaded, executable afterwards.
#[derive(Debug)]
pub struct MissingStubs {
    memory: Reservation,
    used: u64,
}

impl MissingStubs {
    /// Room for stubs. Like images, before the process is sealed.
    ///
    /// # Errors
    /// [`LayoutError`] without address space.
    pub fn new(region: &mut Region) -> Result<Self, LayoutError> {
        let memory = region.reserve(MOST_STUBS * STUB_BYTES, 0)?;
        memory.commit(0, memory.bytes(), Protection::ReadWrite)?;
        Ok(Self { memory, used: 0 })
    }

    /// Address of a stub for the import `name`; `None` when there is no room for one more.
    pub fn add(&mut self, kernel: &Kernel, name: &str) -> Option<u64> {
        if self.used >= MOST_STUBS {
            return None;
        }
        let at = self.memory.address() + self.used * STUB_BYTES;
        let number = {
            let mut missing = lock(&kernel.missing);
            missing.push(MissingCalls { name: name.to_owned(), calls: 0 });
            u32::try_from(missing.len() - 1).ok()?
        };
        let door = missing_door as *const () as u64;
        let mut code = vec![0xB9];
        code.extend_from_slice(&number.to_le_bytes());
        code.extend_from_slice(&[0x48, 0xB8]);
        code.extend_from_slice(&door.to_le_bytes());
        code.extend_from_slice(&[0xFF, 0xE0]);
        code.resize(STUB_BYTES as usize, 0xCC);
        guarded::write(at, &code).ok()?;
        self.used += 1;
        Some(at)
    }

    /// Makes the stubs executable.
    ///
    /// # Errors
    /// [`LayoutError`] when the host system refuses.
    pub fn finish(&self) -> Result<(), LayoutError> {
        self.memory.protect(0, self.memory.bytes(), Protection::ReadExecute)
    }
}
