//! A unit's registers, over the qtest socket.

use std::sync::{Arc, Mutex, PoisonError};

use dxgk_hw::{PhysAddr, Registers};

use crate::error::QemuError;
use crate::machine::Qemu;

/// A register file in guest-physical memory.
///
/// A read that QEMU does not answer is all ones, and a write is lost, as on a bus; the first such failure is kept for
/// [`failure`](Self::failure).
#[derive(Debug)]
pub struct RegisterWindow {
    qemu: Arc<Qemu>,
    base: PhysAddr,
    failure: Mutex<Option<QemuError>>,
}

impl RegisterWindow {
    /// The registers from `base` on.
    #[must_use]
    pub fn new(qemu: Arc<Qemu>, base: PhysAddr) -> Self {
        Self { qemu, base, failure: Mutex::new(None) }
    }

    /// The first access that failed, if any did since the last call.
    pub fn failure(&self) -> Option<QemuError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn at(&self, offset: u64) -> PhysAddr {
        PhysAddr::new(self.base.get().wrapping_add(offset))
    }

    fn note<T>(&self, result: Result<T, QemuError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let mut first = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(error);
                None
            }
        }
    }
}

impl Registers for RegisterWindow {
    fn read32(&self, offset: u64) -> u32 {
        self.note(self.qemu.readl(self.at(offset))).unwrap_or(u32::MAX)
    }

    fn write32(&self, offset: u64, value: u32) {
        self.note(self.qemu.writel(self.at(offset), value));
    }

    fn read64(&self, offset: u64) -> u64 {
        self.note(self.qemu.readq(self.at(offset))).unwrap_or(u64::MAX)
    }

    fn write64(&self, offset: u64, value: u64) {
        self.note(self.qemu.writeq(self.at(offset), value));
    }
}
