//! Register access of an AMD-Vi unit.

use alloc::sync::Arc;
use core::fmt;

use dxgk_hw::{Pfn, Registers, UnitError};
use dxgk_iopt::amdvi::spec::{
    Control, DeviceTableBase, ExtendedFeature, Log2Entries, QueuePointer, RingBase, Status, offset,
};

/// How often a status is read before the unit is said to hang. Our choice: real units answer within
/// microseconds, and one read of a register takes about one.
pub(super) const POLLS: u32 = 100_000;

/// The register file.
#[derive(Clone)]
pub(crate) struct Unit(Arc<dyn Registers>);

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unit({:?})", self.status())
    }
}

fn ring(base: Pfn) -> u64 {
    RingBase::new().with_base(base.get() & ((1 << 40) - 1)).with_len(Log2Entries::ONE_PAGE).into_bits()
}

fn index(pointer: u64) -> u16 {
    QueuePointer::from_bits(pointer).index()
}

fn pointer(index: u16) -> u64 {
    QueuePointer::new().with_index(index).into_bits()
}

impl Unit {
    pub(super) fn new(registers: Arc<dyn Registers>) -> Self {
        Self(registers)
    }

    /// Whether nobody answers.
    pub(super) fn is_absent(&self) -> bool {
        self.0.read64(offset::CONTROL) == u64::MAX
    }

    pub(super) fn extended_feature(&self) -> ExtendedFeature {
        ExtendedFeature::from_bits(self.0.read64(offset::EXTENDED_FEATURE))
    }

    pub(super) fn status(&self) -> Status {
        Status::from_bits(self.0.read64(offset::STATUS))
    }

    /// Clears the write-1-to-clear bits that are set in `which`.
    pub(super) fn clear_status(&self, which: Status) {
        self.0.write64(offset::STATUS, which.into_bits());
    }

    pub(super) fn control(&self) -> Control {
        Control::from_bits(self.0.read64(offset::CONTROL))
    }

    pub(super) fn set_control(&self, control: Control) {
        self.0.write64(offset::CONTROL, control.into_bits());
    }

    /// A table of so many pages.
    pub(super) fn set_device_table(&self, base: Pfn, pages: u64) {
        let base = DeviceTableBase::new()
            .with_base(base.get() & ((1 << 40) - 1))
            .with_size((pages.saturating_sub(1) & 0x1ff) as u16);
        self.0.write64(offset::DEVICE_TABLE, base.into_bits());
    }

    /// An empty command buffer of one page.
    pub(super) fn set_command_buffer(&self, base: Pfn) {
        self.0.write64(offset::COMMAND_BUFFER, ring(base));
        self.0.write64(offset::COMMAND_HEAD, pointer(0));
        self.0.write64(offset::COMMAND_TAIL, pointer(0));
    }

    /// An empty event log of one page.
    pub(super) fn set_event_log(&self, base: Pfn) {
        self.0.write64(offset::EVENT_LOG, ring(base));
        self.0.write64(offset::EVENT_HEAD, pointer(0));
        self.0.write64(offset::EVENT_TAIL, pointer(0));
    }

    pub(super) fn set_command_tail(&self, to: u16) {
        self.0.write64(offset::COMMAND_TAIL, pointer(to));
    }

    pub(super) fn event_head(&self) -> u16 {
        index(self.0.read64(offset::EVENT_HEAD))
    }

    pub(super) fn event_tail(&self) -> u16 {
        index(self.0.read64(offset::EVENT_TAIL))
    }

    pub(super) fn set_event_head(&self, to: u16) {
        self.0.write64(offset::EVENT_HEAD, pointer(to));
    }

    /// Waits until the status register satisfies `done`.
    pub(super) fn wait(&self, done: impl Fn(Status) -> bool) -> Result<(), UnitError> {
        for _ in 0..POLLS {
            if done(self.status()) {
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(UnitError::Hung)
    }
}
