//! Register access of a VT-d unit: typed, and commands with their acknowledgement.

use alloc::sync::Arc;
use core::fmt;

use dxgk_hw::{Registers, UnitError};
use dxgk_iopt::vtd::spec::{
    Capability, ExtendedCapability, FaultStatus, GCMD_KEEP, GlobalCommand, GlobalStatus,
    InvalidationQueueAddress, QueueIndex, RootTableAddress, offset,
};

/// How often a status is read before the unit is said to hang. Our choice: real units answer within
/// microseconds, and one read of a register takes about one.
pub(super) const POLLS: u32 = 100_000;

/// The register file.
#[derive(Clone)]
pub(super) struct Unit(Arc<dyn Registers>);

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unit(status {:?})", self.global_status())
    }
}

impl Unit {
    pub(super) fn new(registers: Arc<dyn Registers>) -> Self {
        Self(registers)
    }

    /// VER_REG, raw.
    pub(super) fn version(&self) -> u32 {
        self.0.read32(offset::VER)
    }

    pub(super) fn capability(&self) -> Capability {
        Capability::from_bits(self.0.read64(offset::CAP))
    }

    pub(super) fn extended_capability(&self) -> ExtendedCapability {
        ExtendedCapability::from_bits(self.0.read64(offset::ECAP))
    }

    pub(super) fn global_status(&self) -> GlobalStatus {
        GlobalStatus::from_bits(self.0.read32(offset::GSTS))
    }

    pub(super) fn fault_status(&self) -> FaultStatus {
        FaultStatus::from_bits(self.0.read32(offset::FSTS))
    }

    /// Clears the write-1-to-clear bits that are set in `which`.
    pub(super) fn clear_fault_status(&self, which: FaultStatus) {
        self.0.write32(offset::FSTS, which.into_bits());
    }

    /// Changes the bits of `mask` to those of `to`, which is one bit of the command register, and waits until the
    /// status register shows it (11.4.4.1: one command at a time, and the others carried over).
    pub(super) fn command(&self, mask: GlobalCommand, on: bool) -> Result<(), UnitError> {
        let mask = mask.into_bits();
        let keep = self.global_status().into_bits() & GCMD_KEEP;
        self.0.write32(offset::GCMD, if on { keep | mask } else { keep & !mask });
        for _ in 0..POLLS {
            if (self.global_status().into_bits() & mask != 0) == on {
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(UnitError::Hung)
    }

    pub(super) fn set_root_table(&self, root: RootTableAddress) {
        self.0.write64(offset::RTADDR, root.into_bits());
    }

    pub(super) fn set_queue(&self, queue: InvalidationQueueAddress) {
        self.0.write64(offset::IQA, queue.into_bits());
    }

    pub(super) fn set_queue_tail(&self, index: u16) {
        self.0.write64(offset::IQT, QueueIndex::new().with_index(index).into_bits());
    }

    /// Both words of fault record `nth`.
    pub(super) fn fault_record(&self, fro: u16, nth: u16) -> (u64, u64) {
        let at = record_offset(fro, nth);
        (self.0.read64(at), self.0.read64(at + 8))
    }

    /// Frees fault record `nth`: F is bit 127, write 1 to clear, and 32-bit writes reach it in any unit.
    pub(super) fn free_fault_record(&self, fro: u16, nth: u16) {
        self.0.write32(record_offset(fro, nth) + 12, 1 << 31);
    }
}

fn record_offset(fro: u16, nth: u16) -> u64 {
    (u64::from(fro) + u64::from(nth)) * 16
}
