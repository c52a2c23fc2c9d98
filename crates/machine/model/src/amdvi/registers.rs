//! The register file (manual 3.4).

use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_iopt::amdvi::spec::{Control, DeviceTableBase, QueuePointer, RingBase, Status, offset};

use super::config::{AmdviConfig, REGISTER_BYTES};
use super::device_table::DeviceCache;
use crate::unit::{Iotlb, StructureCache};

/// Bits of the base registers that hold something.
const DEVICE_TABLE_BITS: u64 = ((1 << 40) - 1) << 12 | 0x1ff;
const RING_BITS: u64 = ((1 << 40) - 1) << 12 | 0xf << 56;
const POINTER_BITS: u64 = 0x7fff0;

/// Command buffer or event log.
#[derive(Default)]
pub(super) struct Ring {
    pub base: RingBase,
    /// Index of the oldest entry that has not been taken out.
    pub head: u64,
    /// Index of the next entry to be put in.
    pub tail: u64,
}

impl Ring {
    /// Entries, and the address of entry `index`; `None` for a reserved length.
    pub(super) fn entries(&self) -> Option<u64> {
        self.base.len().entries()
    }

    pub(super) fn address(&self, index: u64) -> PhysAddr {
        PhysAddr::new((self.base.base() << 12) + index * 16)
    }

    /// A new base starts an empty ring.
    fn set_base(&mut self, base: u64) {
        *self = Self { base: RingBase::from_bits(base & RING_BITS), head: 0, tail: 0 };
    }
}

pub(super) struct RegisterFile {
    pub config: AmdviConfig,
    pub device_table: DeviceTableBase,
    pub control: Control,
    pub status: Status,
    pub commands: Ring,
    pub events: Ring,
    pub devices: DeviceCache,
    pub structures: StructureCache<u16>,
    pub iotlb: Iotlb<u16>,
}

fn pointer(index: u64) -> u64 {
    QueuePointer::new().with_index(index as u16).into_bits()
}

fn index(pointer: u64) -> u64 {
    QueuePointer::from_bits(pointer & POINTER_BITS).index().into()
}

impl RegisterFile {
    pub(super) fn new(config: AmdviConfig) -> Self {
        let config = config.in_range();
        Self {
            config,
            device_table: DeviceTableBase::new(),
            control: Control::new(),
            status: Status::new(),
            commands: Ring::default(),
            events: Ring::default(),
            devices: DeviceCache::new(config.device_entries),
            structures: StructureCache::new(config.structure_entries),
            iotlb: Iotlb::new(config.iotlb_sets, config.iotlb_ways),
        }
    }

    /// Reads a register. Reserved ones read as 0; beyond the unit's pages all ones.
    pub(super) fn read(&self, at: u64) -> u64 {
        match at {
            offset::DEVICE_TABLE => self.device_table.into_bits(),
            offset::COMMAND_BUFFER => self.commands.base.into_bits(),
            offset::EVENT_LOG => self.events.base.into_bits(),
            offset::CONTROL => self.control.into_bits(),
            offset::EXTENDED_FEATURE => self.config.extended_feature().into_bits(),
            offset::COMMAND_HEAD => pointer(self.commands.head),
            offset::COMMAND_TAIL => pointer(self.commands.tail),
            offset::EVENT_HEAD => pointer(self.events.head),
            offset::EVENT_TAIL => pointer(self.events.tail),
            offset::STATUS => self.status.into_bits(),
            REGISTER_BYTES.. => u64::MAX,
            _ => 0,
        }
    }

    /// Writes those bits of a register that `mask` has. What is read-only or reserved takes no notice. Base and
    /// pointer registers are meant to be written while their ring is off; here that always works.
    pub(super) fn write(&mut self, at: u64, value: u64, mask: u64, memory: &dyn MachineMemory) {
        let merged = self.read(at) & !mask | value & mask;
        match at {
            offset::DEVICE_TABLE => {
                self.device_table = DeviceTableBase::from_bits(merged & DEVICE_TABLE_BITS);
            }
            offset::COMMAND_BUFFER => self.commands.set_base(merged),
            offset::EVENT_LOG => self.events.set_base(merged),
            offset::CONTROL => self.set_control(Control::from_bits(merged), memory),
            offset::COMMAND_HEAD => self.commands.head = index(merged),
            offset::COMMAND_TAIL => {
                self.commands.tail = index(merged);
                self.run_commands(memory);
            }
            offset::EVENT_HEAD => self.events.head = index(merged),
            offset::EVENT_TAIL => self.events.tail = index(merged),
            offset::STATUS => self.clear_status(Status::from_bits(value & mask)),
            _ => {}
        }
    }

    /// The two rings run when they and translation are on. Switching one on starts it again after an error.
    fn set_control(&mut self, control: Control, memory: &dyn MachineMemory) {
        let before = std::mem::replace(&mut self.control, control);
        let commands = control.iommu_en() && control.cmd_buf_en();
        let events = control.iommu_en() && control.event_log_en();
        if !commands {
            self.status.set_cmd_buf_run(false);
        } else if !(before.iommu_en() && before.cmd_buf_en()) {
            self.status.set_cmd_buf_run(self.commands.entries().is_some());
            self.run_commands(memory);
        }
        if !events {
            self.status.set_event_log_run(false);
        } else if !(before.iommu_en() && before.event_log_en()) {
            self.status.set_event_log_run(self.events.entries().is_some());
        }
    }

    fn clear_status(&mut self, ones: Status) {
        if ones.event_overflow() {
            self.status.set_event_overflow(false);
        }
        if ones.event_log_int() {
            self.status.set_event_log_int(false);
        }
        if ones.com_wait_int() {
            self.status.set_com_wait_int(false);
        }
    }
}
