//! Register access of an SMMU.

use alloc::sync::Arc;
use core::fmt;

use dxgk_hw::{Pfn, Registers, UnitError};
use dxgk_iopt::smmu::spec::{
    Control0, GlobalError, Idr0, Idr1, Idr5, QueueBase, StreamTableBase, StreamTableConfig, offset,
};

/// How often a status is read before the unit is said to hang. Our choice: real units answer within
/// microseconds, and one read of a register takes about one.
pub(super) const POLLS: u32 = 100_000;

/// SMMU_CR2.RECINVSID: unknown streams are recorded.
const RECORD_BAD_IDS: u32 = 1 << 1;
/// SMMU_CR1: tables and queues are inner shareable and write-back.
const WRITE_BACK: u32 = 0b11 << 10 | 1 << 8 | 1 << 6 | 0b11 << 4 | 1 << 2 | 1;

/// The register file.
#[derive(Clone)]
pub(crate) struct Unit(Arc<dyn Registers>);

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unit({:?})", self.control())
    }
}

impl Unit {
    pub(super) fn new(registers: Arc<dyn Registers>) -> Self {
        Self(registers)
    }

    /// Whether nobody answers.
    pub(super) fn is_absent(&self) -> bool {
        self.0.read32(offset::IDR0) == u32::MAX
    }

    pub(super) fn idr0(&self) -> Idr0 {
        Idr0::from_bits(self.0.read32(offset::IDR0))
    }

    pub(super) fn idr1(&self) -> Idr1 {
        Idr1::from_bits(self.0.read32(offset::IDR1))
    }

    pub(super) fn idr5(&self) -> Idr5 {
        Idr5::from_bits(self.0.read32(offset::IDR5))
    }

    fn control(&self) -> Control0 {
        Control0::from_bits(self.0.read32(offset::CR0ACK))
    }

    /// Switches, and waits until it is acknowledged.
    pub(super) fn switch(&self, to: Control0) -> Result<(), UnitError> {
        self.0.write32(offset::CR0, to.into_bits());
        for _ in 0..POLLS {
            if self.control() == to {
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(UnitError::Hung)
    }

    pub(super) fn set_attributes(&self) {
        self.0.write32(offset::CR1, WRITE_BACK);
        self.0.write32(offset::CR2, RECORD_BAD_IDS);
    }

    pub(super) fn set_stream_table(&self, base: Pfn, config: StreamTableConfig) {
        let base = StreamTableBase::new().with_addr((base.get() << 6) & ((1 << 46) - 1)).with_ra(true);
        self.0.write64(offset::STRTAB_BASE, base.into_bits());
        self.0.write32(offset::STRTAB_BASE_CFG, config.into_bits());
    }

    /// An empty command queue.
    pub(super) fn set_command_queue(&self, base: Pfn, log2size: u8) {
        self.0.write64(offset::CMDQ_BASE, queue(base, log2size));
        self.0.write32(offset::CMDQ_PROD, 0);
        self.0.write32(offset::CMDQ_CONS, 0);
    }

    /// An empty event queue.
    pub(super) fn set_event_queue(&self, base: Pfn, log2size: u8) {
        self.0.write64(offset::EVENTQ_BASE, queue(base, log2size));
        self.0.write32(offset::EVENTQ_PROD, 0);
        self.0.write32(offset::EVENTQ_CONS, 0);
    }

    pub(super) fn set_command_producer(&self, to: u32) {
        self.0.write32(offset::CMDQ_PROD, to);
    }

    pub(super) fn command_consumer(&self) -> u32 {
        self.0.read32(offset::CMDQ_CONS)
    }

    pub(super) fn event_producer(&self) -> u32 {
        self.0.read32(offset::EVENTQ_PROD)
    }

    pub(super) fn event_consumer(&self) -> u32 {
        self.0.read32(offset::EVENTQ_CONS)
    }

    pub(super) fn set_event_consumer(&self, to: u32) {
        self.0.write32(offset::EVENTQ_CONS, to);
    }

    /// The errors that stand, and acknowledges them.
    pub(super) fn take_errors(&self) -> GlobalError {
        let errors = self.0.read32(offset::GERROR);
        let active = errors ^ self.0.read32(offset::GERRORN);
        if active != 0 {
            self.0.write32(offset::GERRORN, errors);
        }
        GlobalError::from_bits(active)
    }

    /// Whether the command queue stands for an error that nobody has acknowledged.
    pub(super) fn command_error(&self) -> bool {
        GlobalError::from_bits(self.0.read32(offset::GERROR) ^ self.0.read32(offset::GERRORN)).cmdq_err()
    }
}

fn queue(base: Pfn, log2size: u8) -> u64 {
    QueueBase::new()
        .with_log2size(log2size & 0x1f)
        .with_addr((base.get() << 7) & ((1 << 47) - 1))
        .with_ra(true)
        .into_bits()
}
