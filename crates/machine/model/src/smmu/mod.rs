//! An Arm SMMUv3, after the System Memory Management Unit Architecture Specification (IHI 0070, issue F.b).
//!
//! The parts are the manual's: registers (6), command queue (4), stream table and context descriptors (5), stage 1 and
//! stage 2 walks of AArch64 tables with every granule (3.4; DDI 0487, D8), event queue (7), and the caches that commands
//! invalidate: of stream table entries, of context descriptors, of tables and of translations. The StreamID is the
//! requester's. What the unit does not have: substreams, stalls, page requests, MSIs, hardware updates of flags, memory
//! attributes. Both stages at once (STE.Config 0b111) are refused as C_BAD_STE (our choice).
//!
//! One lock is held over a translation and the access that it allows, so that no invalidation completes between
//! the two.

mod commands;
mod config;
mod registers;
mod stream;
mod translate;
mod walk;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dxgk_hw::{LogicalAddr, MachineMemory, NotRam, PhysAddr, Registers, RequesterId};

pub use config::SmmuConfig;
use registers::RegisterFile;

pub(crate) use config::REGISTER_BYTES;

use crate::unit::{Refusal, Unit};

/// The unit. Its registers are reached through [`Registers`], its translation through a
/// [`RequesterPort`](crate::RequesterPort).
pub struct SmmuUnit {
    memory: Arc<dyn MachineMemory>,
    registers: Mutex<RegisterFile>,
}

impl SmmuUnit {
    /// A unit after power-on: translation and queues off, caches empty.
    #[must_use]
    pub fn new(config: SmmuConfig, memory: Arc<dyn MachineMemory>) -> Self {
        Self { memory, registers: Mutex::new(RegisterFile::new(config)) }
    }

    fn lock(&self) -> MutexGuard<'_, RegisterFile> {
        // A panic elsewhere leaves registers that are still registers.
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unit for SmmuUnit {
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

impl Registers for SmmuUnit {
    fn read32(&self, offset: u64) -> u32 {
        if offset.is_multiple_of(4) { self.lock().read(offset) } else { u32::MAX }
    }

    fn write32(&self, offset: u64, value: u32) {
        if offset.is_multiple_of(4) {
            self.lock().write(offset, value, self.memory.as_ref());
        }
    }

    fn read64(&self, offset: u64) -> u64 {
        if !offset.is_multiple_of(8) {
            return u64::MAX;
        }
        let registers = self.lock();
        u64::from(registers.read(offset)) | u64::from(registers.read(offset | 4)) << 32
    }

    fn write64(&self, offset: u64, value: u64) {
        if offset.is_multiple_of(8) {
            let mut registers = self.lock();
            registers.write(offset, value as u32, self.memory.as_ref());
            registers.write(offset | 4, (value >> 32) as u32, self.memory.as_ref());
        }
    }
}
