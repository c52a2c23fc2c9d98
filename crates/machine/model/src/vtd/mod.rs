//! An Intel VT-d unit, in legacy and in scalable mode, after the Architecture Specification, revision 4.1 (document 329774).
//!
//! The parts are the manual's: registers (chapter 11), queue (6.5.2), root and context entries (9.1 to 9.4), PASID
//! directory and table (9.5, 9.6), the walks of both stages (3.6, 3.7, 9.7, 9.8), faults (7), the caches of all of these
//! (6.2). What the unit does not have, its capability registers say: requests with PASID, nesting, interrupt remapping,
//! device TLBs, protected memory regions.
//! In caching mode it caches absence.
//!
//! One lock is held over a translation and the access that it allows, so that no invalidation completes between
//! the two.

mod config;
mod context;
mod context_cache;
mod fault;
mod first_stage;
mod pasid_cache;
mod queue;
mod registers;
mod scalable;
mod space;
mod translate;
mod walk;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dxgk_hw::{LogicalAddr, MachineMemory, NotRam, PhysAddr, Registers, RequesterId};

pub use config::VtdConfig;
use registers::RegisterFile;

use crate::unit::{Refusal, Unit};

/// The unit. Its registers are reached through [`Registers`], its translation through a
/// [`RequesterPort`](crate::RequesterPort).
pub struct VtdUnit {
    memory: Arc<dyn MachineMemory>,
    registers: Mutex<RegisterFile>,
}

impl VtdUnit {
    /// A unit after power-on: translation and queue off, caches empty.
    #[must_use]
    pub fn new(config: VtdConfig, memory: Arc<dyn MachineMemory>) -> Self {
        Self { memory, registers: Mutex::new(RegisterFile::new(config)) }
    }

    fn lock(&self) -> MutexGuard<'_, RegisterFile> {
        // A panic elsewhere leaves registers that are still registers.
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unit for VtdUnit {
    fn access(
        &self,
        requester: RequesterId,
        at: LogicalAddr,
        write: bool,
        access: &mut dyn FnMut(PhysAddr) -> Result<(), NotRam>,
    ) -> Result<bool, Refusal> {
        let mut registers = self.lock();
        registers.translate(self.memory.as_ref(), requester, at, write)?.access(access)
    }
}

impl Registers for VtdUnit {
    fn read32(&self, offset: u64) -> u32 {
        self.lock().read(offset)
    }

    fn write32(&self, offset: u64, value: u32) {
        self.lock().write(offset, value, self.memory.as_ref());
    }

    fn read64(&self, offset: u64) -> u64 {
        let registers = self.lock();
        if !offset.is_multiple_of(8) {
            return u64::MAX;
        }
        u64::from(registers.read(offset)) | u64::from(registers.read(offset | 4)) << 32
    }

    fn write64(&self, offset: u64, value: u64) {
        let mut registers = self.lock();
        if offset.is_multiple_of(8) {
            // Registers that act when written act on their upper half, or have nothing in it.
            registers.write(offset, value as u32, self.memory.as_ref());
            registers.write(offset | 4, (value >> 32) as u32, self.memory.as_ref());
        }
    }
}
