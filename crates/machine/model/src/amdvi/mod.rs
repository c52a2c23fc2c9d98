//! An AMD-Vi unit, after the AMD I/O Virtualization Technology (IOMMU) Specification, revision 3.10 (document 48882).
//!
//! The parts are the manual's: registers (3.4), command buffer (2.4), device table (2.2.2), host page tables (2.2.3),
//! event log (2.5), and the caches that commands invalidate: of device table entries, of directory entries and of
//! translations. What the unit does not have, its feature register says: guest translation, page requests,
//! performance counters, the guest virtual APIC. Interrupt remapping is not modelled, nor is the capability block in
//! configuration space: the register window is on from the start. HyperTransport's special address ranges (2.1.2)
//! are ordinary addresses here, as our devices are no HyperTransport devices.
//!
//! One lock is held over a translation and the access that it allows, so that no invalidation completes between
//! the two.

mod commands;
mod config;
mod device_table;
mod events;
mod registers;
mod translate;
mod walk;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dxgk_hw::{LogicalAddr, MachineMemory, NotRam, PhysAddr, Registers, RequesterId};

pub use config::AmdviConfig;
use registers::RegisterFile;

pub(crate) use config::REGISTER_BYTES;

use crate::unit::{Refusal, Unit};

/// The unit. Its registers are reached through [`Registers`], its translation through a
/// [`RequesterPort`](crate::RequesterPort).
pub struct AmdviUnit {
    memory: Arc<dyn MachineMemory>,
    registers: Mutex<RegisterFile>,
}

impl AmdviUnit {
    /// A unit after power-on: translation, command buffer and event log off, caches empty.
    #[must_use]
    pub fn new(config: AmdviConfig, memory: Arc<dyn MachineMemory>) -> Self {
        Self { memory, registers: Mutex::new(RegisterFile::new(config)) }
    }

    fn lock(&self) -> MutexGuard<'_, RegisterFile> {
        // A panic elsewhere leaves registers that are still registers.
        self.registers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unit for AmdviUnit {
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

impl Registers for AmdviUnit {
    fn read32(&self, offset: u64) -> u32 {
        if !offset.is_multiple_of(4) {
            return u32::MAX;
        }
        let word = self.lock().read(offset & !7);
        if offset & 4 == 0 { word as u32 } else { (word >> 32) as u32 }
    }

    /// Half a register; the other half stays.
    fn write32(&self, offset: u64, value: u32) {
        if !offset.is_multiple_of(4) {
            return;
        }
        let mut registers = self.lock();
        let (value, mask) = if offset & 4 == 0 {
            (u64::from(value), 0xffff_ffff)
        } else {
            (u64::from(value) << 32, !0xffff_ffff)
        };
        registers.write(offset & !7, value, mask, self.memory.as_ref());
    }

    fn read64(&self, offset: u64) -> u64 {
        if offset.is_multiple_of(8) { self.lock().read(offset) } else { u64::MAX }
    }

    fn write64(&self, offset: u64, value: u64) {
        if offset.is_multiple_of(8) {
            self.lock().write(offset, value, u64::MAX, self.memory.as_ref());
        }
    }
}
