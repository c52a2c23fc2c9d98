//! The register file (manual 6), and the two queues' pointers (3.5).

use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_iopt::smmu::spec::{
    CommandQueueError, Control0, EVENT_BYTES, EventFirst, EventSecond, GlobalError, QueueBase,
    StreamTableBase, StreamTableConfig, offset,
};

use super::config::{QUEUE_BITS, REGISTER_BYTES, SmmuConfig};
use super::stream::StreamCaches;
use super::walk::Space;
use crate::unit::{Iotlb, StructureCache};

/// SMMU_GBPA: requests are aborted while translation is off. The update bit always reads as 0.
const GBPA_ABORT: u32 = 1 << 20;
const GBPA_UPDATE: u32 = 1 << 31;
/// SMMU_EVENTQ_PROD.OVFLG and SMMU_EVENTQ_CONS.OVACKFLG.
const OVERFLOW: u32 = 1 << 31;

/// A queue's base and indices. An index has one bit more than it needs: it tells full from empty.
#[derive(Default)]
pub(super) struct Queue {
    pub base: QueueBase,
    pub prod: u32,
    pub cons: u32,
}

impl Queue {
    fn bits(&self) -> u8 {
        self.base.log2size().min(QUEUE_BITS)
    }

    fn index_mask(&self) -> u32 {
        (1 << self.bits()) - 1
    }

    /// Index and wrap bit.
    fn pointer_mask(&self) -> u32 {
        (2 << self.bits()) - 1
    }

    pub(super) fn is_empty(&self) -> bool {
        (self.prod ^ self.cons) & self.pointer_mask() == 0
    }

    fn is_full(&self) -> bool {
        (self.prod ^ self.cons) & self.pointer_mask() == 1 << self.bits()
    }

    fn step(&self, pointer: u32) -> u32 {
        pointer & !self.pointer_mask() | (pointer.wrapping_add(1) & self.pointer_mask())
    }

    /// Where the entry of a pointer is.
    pub(super) fn address(&self, pointer: u32, bytes: u64) -> PhysAddr {
        let index = u64::from(pointer & self.index_mask());
        PhysAddr::new((self.base.addr() << 5) + index * bytes)
    }

    pub(super) fn consume(&mut self) {
        self.cons = self.step(self.cons);
    }
}

pub(super) struct RegisterFile {
    pub config: SmmuConfig,
    pub control: Control0,
    pub record_bad_ids: bool,
    pub abort_while_off: bool,
    pub table: StreamTableBase,
    pub table_config: StreamTableConfig,
    pub commands: Queue,
    pub command_error: CommandQueueError,
    pub events: Queue,
    pub caches: StreamCaches,
    pub structures: StructureCache<Space>,
    pub tlb: Iotlb<Space>,
    errors: GlobalError,
    acknowledged: u32,
    control_1: u32,
    control_2: u32,
}

fn halves(value: u64, at: u64) -> u32 {
    if at & 4 == 0 { value as u32 } else { (value >> 32) as u32 }
}

fn merge(old: u64, at: u64, half: u32) -> u64 {
    if at & 4 == 0 { old & !0xffff_ffff | u64::from(half) } else { old & 0xffff_ffff | u64::from(half) << 32 }
}

impl RegisterFile {
    pub(super) fn new(config: SmmuConfig) -> Self {
        let config = config.in_range();
        Self {
            config,
            control: Control0::new(),
            record_bad_ids: false,
            abort_while_off: false,
            table: StreamTableBase::new(),
            table_config: StreamTableConfig::new(),
            commands: Queue::default(),
            command_error: CommandQueueError::NONE,
            events: Queue::default(),
            caches: StreamCaches::new(config.stream_entries),
            structures: StructureCache::new(config.structure_entries),
            tlb: Iotlb::new(config.tlb_sets, config.tlb_ways),
            errors: GlobalError::new(),
            acknowledged: 0,
            control_1: 0,
            control_2: 0,
        }
    }

    /// Errors that software has not acknowledged.
    pub(super) fn active_errors(&self) -> GlobalError {
        GlobalError::from_bits(self.errors.into_bits() ^ self.acknowledged)
    }

    /// Reads 4 bytes. Reserved registers read as 0; beyond the unit's pages all ones.
    pub(super) fn read(&self, at: u64) -> u32 {
        match at {
            offset::IDR0 => self.config.idr0().into_bits(),
            offset::IDR1 => self.config.idr1().into_bits(),
            offset::IDR5 => self.config.idr5().into_bits(),
            // SMMUv3.1.
            offset::AIDR => 1,
            offset::CR0 | offset::CR0ACK => self.control.into_bits(),
            offset::CR1 => self.control_1,
            offset::CR2 => self.control_2,
            offset::GBPA if self.abort_while_off => GBPA_ABORT,
            offset::GERROR => self.errors.into_bits(),
            offset::GERRORN => self.acknowledged,
            offset::STRTAB_BASE_CFG => self.table_config.into_bits(),
            offset::CMDQ_PROD => self.commands.prod,
            offset::CMDQ_CONS => self.commands.cons | u32::from(self.command_error.0) << 24,
            offset::EVENTQ_PROD => self.events.prod,
            offset::EVENTQ_CONS => self.events.cons,
            REGISTER_BYTES.. => u32::MAX,
            _ => match at & !7 {
                offset::STRTAB_BASE => halves(self.table.into_bits(), at),
                offset::CMDQ_BASE => halves(self.commands.base.into_bits(), at),
                offset::EVENTQ_BASE => halves(self.events.base.into_bits(), at),
                _ => 0,
            },
        }
    }

    /// Writes 4 bytes. What is read-only, reserved or beyond the pages takes no notice. Bases are meant to be written
    /// while what they are for is off; here that always works.
    pub(super) fn write(&mut self, at: u64, value: u32, memory: &dyn MachineMemory) {
        match at {
            offset::CR0 => {
                self.control = Control0::from_bits(value & 0b1101);
                self.run_commands(memory);
            }
            offset::CR1 => self.control_1 = value,
            offset::CR2 => {
                self.control_2 = value;
                self.record_bad_ids = value >> 1 & 1 == 1;
            }
            offset::GBPA if value & GBPA_UPDATE != 0 => self.abort_while_off = value & GBPA_ABORT != 0,
            offset::GERRORN => {
                self.acknowledged = value;
                if !self.active_errors().cmdq_err() {
                    self.run_commands(memory);
                }
            }
            offset::STRTAB_BASE_CFG => self.table_config = StreamTableConfig::from_bits(value),
            offset::CMDQ_PROD => {
                self.commands.prod = value & self.commands.pointer_mask();
                self.run_commands(memory);
            }
            offset::CMDQ_CONS => {
                self.commands.cons = value & self.commands.pointer_mask();
                self.command_error = CommandQueueError((value >> 24) as u8 & 0x7f);
            }
            offset::EVENTQ_PROD => self.events.prod = value & (self.events.pointer_mask() | OVERFLOW),
            offset::EVENTQ_CONS => self.events.cons = value & (self.events.pointer_mask() | OVERFLOW),
            _ => match at & !7 {
                offset::STRTAB_BASE => {
                    self.table = StreamTableBase::from_bits(merge(self.table.into_bits(), at, value));
                }
                offset::CMDQ_BASE => {
                    self.commands.base =
                        QueueBase::from_bits(merge(self.commands.base.into_bits(), at, value));
                }
                offset::EVENTQ_BASE => {
                    self.events.base = QueueBase::from_bits(merge(self.events.base.into_bits(), at, value));
                }
                _ => {}
            },
        }
    }

    /// Stops the command queue: the error is active until software acknowledges it.
    pub(super) fn stop_commands(&mut self, error: CommandQueueError) {
        self.command_error = error;
        let active = self.active_errors().cmdq_err();
        if !active {
            self.errors.set_cmdq_err(!self.errors.cmdq_err());
        }
    }

    /// Records an event; its first two words as they stand, or zeros when the queue did not take it.
    pub(super) fn record(
        &mut self,
        memory: &dyn MachineMemory,
        first: EventFirst,
        second: EventSecond,
        address: u64,
    ) -> [u64; 2] {
        if !self.control.eventqen() {
            return [0; 2];
        }
        if self.events.is_full() {
            // Overflow: OVFLG differs from what software has acknowledged.
            if (self.events.prod ^ self.events.cons) & OVERFLOW == 0 {
                self.events.prod ^= OVERFLOW;
            }
            return [0; 2];
        }
        let words = [first.into_bits(), second.into_bits(), address, 0];
        let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
        let at = self.events.address(self.events.prod, EVENT_BYTES);
        if memory.write(at, &bytes).is_err() {
            if !self.active_errors().eventq_abt_err() {
                self.errors.set_eventq_abt_err(!self.errors.eventq_abt_err());
            }
            return [0; 2];
        }
        self.events.prod = self.events.step(self.events.prod);
        [words[0], words[1]]
    }
}
