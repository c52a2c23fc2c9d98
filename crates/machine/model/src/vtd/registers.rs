//! The register file (manual 11.4).

use dxgk_hw::MachineMemory;
use dxgk_iopt::vtd::spec::{
    FaultStatus, GlobalCommand, GlobalStatus, Granularity, InvalidationQueueAddress, IotlbInvalidateAddress,
    RootTableAddress, TranslationTableMode, Version, offset,
};

use super::config::{FAULT_RECORDS, IOTLB_REGISTERS, REGISTER_BYTES, VtdConfig};
use super::context_cache::ContextCache;
use super::fault::FaultLog;
use super::pasid_cache::PasidCaches;
use super::queue::Queue;
use super::space::Space;
use crate::unit::{Iotlb, StructureCache};

/// IECTL_REG.IM, set after reset.
const INTERRUPT_MASKED: u32 = 1 << 31;
/// IVA_REG and IOTLB_REG (11.4.6.2, 11.4.6.1).
const IVA: u64 = IOTLB_REGISTERS;
const IOTLB: u64 = IOTLB_REGISTERS + 8;
/// Bits of IQT_REG and IQA_REG that hold something.
const TAIL_BITS: u64 = 0x7fff0;
const QUEUE_ADDRESS_BITS: u64 = !0xfff | 1 << 11 | 0b111;
/// Bits of RTADDR_REG that hold something.
const ROOT_ADDRESS_BITS: u64 = !0xfff | 0b11 << 10;

pub(super) struct RegisterFile {
    pub config: VtdConfig,
    pub contexts: ContextCache,
    pub pasids: PasidCaches,
    pub iotlb: Iotlb<Space>,
    pub structures: StructureCache<Space>,
    pub faults: FaultLog,
    pub queue: Queue,
    /// The root table in use: RTADDR_REG as it was when GCMD_REG.SRTP was last written.
    pub root: RootTableAddress,
    status: GlobalStatus,
    root_register: u64,
    context_command: u64,
    iotlb_command: u64,
    iotlb_address: u64,
    completion_control: u32,
    completion_message: [u32; 3],
}

fn halves(value: u64, offset: u64) -> u32 {
    if offset & 4 == 0 { value as u32 } else { (value >> 32) as u32 }
}

fn merge(old: u64, offset: u64, half: u32) -> u64 {
    if offset & 4 == 0 {
        old & !0xffff_ffff | u64::from(half)
    } else {
        old & 0xffff_ffff | u64::from(half) << 32
    }
}

impl RegisterFile {
    pub(super) fn new(config: VtdConfig) -> Self {
        let config = config.in_range();
        Self {
            config,
            contexts: ContextCache::new(config.context_entries),
            pasids: PasidCaches::new(config.context_entries),
            iotlb: Iotlb::new(config.iotlb_sets, config.iotlb_ways),
            structures: StructureCache::new(config.structure_entries),
            faults: FaultLog::new(config.fault_records),
            queue: Queue::default(),
            root: RootTableAddress::new(),
            status: GlobalStatus::new(),
            root_register: 0,
            context_command: 0,
            iotlb_command: 0,
            iotlb_address: 0,
            completion_control: INTERRUPT_MASKED,
            completion_message: [0; 3],
        }
    }

    pub(super) fn translating(&self) -> bool {
        self.status.tes()
    }

    /// Whether the root table in use is one of scalable mode.
    pub(super) fn is_scalable(&self) -> bool {
        self.config.scalable && self.root.ttm() == TranslationTableMode::Scalable
    }

    pub(super) fn queue_enabled(&self) -> bool {
        self.status.qies()
    }

    /// Reads 4 bytes. Reserved registers read as 0; beyond the unit's page, and unaligned, all ones.
    pub(super) fn read(&self, at: u64) -> u32 {
        if at >= REGISTER_BYTES || !at.is_multiple_of(4) {
            return u32::MAX;
        }
        if let Some(value) = at.checked_sub(FAULT_RECORDS).and_then(|within| self.faults.read(within)) {
            return value;
        }
        match at {
            offset::VER => Version::new().with_max(6).into_bits(),
            offset::GSTS => self.status.into_bits(),
            offset::FSTS => self.fault_status().into_bits(),
            offset::FECTL => self.faults.control(),
            offset::FEDATA => self.faults.message[0],
            offset::FEADDR => self.faults.message[1],
            offset::FEUADDR => self.faults.message[2],
            offset::ICS => u32::from(self.queue.completed),
            offset::IECTL => self.completion_control,
            0xa4 => self.completion_message[0],
            0xa8 => self.completion_message[1],
            0xac => self.completion_message[2],
            _ => halves(self.read_wide(at & !7), at),
        }
    }

    fn read_wide(&self, at: u64) -> u64 {
        match at {
            offset::CAP => self.config.capability().into_bits(),
            offset::ECAP => self.config.extended_capability().into_bits(),
            offset::RTADDR => self.root_register,
            offset::CCMD => self.context_command,
            offset::IQH => self.queue.head * self.queue.descriptor_bytes(),
            offset::IQT => self.queue.tail,
            offset::IQA => self.queue.address.into_bits(),
            IVA => 0,
            IOTLB => self.iotlb_command,
            _ => 0,
        }
    }

    fn fault_status(&self) -> FaultStatus {
        let (pending, oldest) = self.faults.pending();
        FaultStatus::new()
            .with_pfo(self.faults.overflow())
            .with_ppf(pending)
            .with_iqe(self.queue.error)
            .with_fri(oldest)
    }

    /// Writes 4 bytes. What is read-only, reserved or beyond the page takes no notice.
    pub(super) fn write(&mut self, at: u64, value: u32, memory: &dyn MachineMemory) {
        if at >= REGISTER_BYTES || !at.is_multiple_of(4) {
            return;
        }
        match at {
            offset::GCMD => self.command(GlobalCommand::from_bits(value), memory),
            offset::FSTS => {
                let clear = FaultStatus::from_bits(value);
                if clear.pfo() {
                    self.faults.clear_overflow();
                }
                if clear.iqe() && self.queue.error {
                    self.queue.error = false;
                    self.run_queue(memory);
                }
            }
            offset::FECTL => self.faults.set_control(value),
            offset::FEDATA => self.faults.message[0] = value,
            offset::FEADDR => self.faults.message[1] = value & !0b11,
            offset::FEUADDR => self.faults.message[2] = value,
            offset::ICS => self.queue.completed &= value & 1 == 0,
            offset::IECTL => self.completion_control = value & INTERRUPT_MASKED,
            0xa4 => self.completion_message[0] = value,
            0xa8 => self.completion_message[1] = value & !0b11,
            0xac => self.completion_message[2] = value,
            FAULT_RECORDS.. => self.faults.write(at - FAULT_RECORDS, value),
            _ => self.write_wide(at, value, memory),
        }
    }

    fn write_wide(&mut self, at: u64, half: u32, memory: &dyn MachineMemory) {
        match at & !7 {
            offset::RTADDR => self.root_register = merge(self.root_register, at, half) & ROOT_ADDRESS_BITS,
            // Changing it while the queue runs has no meaning; the register then stays as it is.
            offset::IQA if !self.queue_enabled() => {
                let address = merge(self.queue.address.into_bits(), at, half) & QUEUE_ADDRESS_BITS;
                self.queue.address = InvalidationQueueAddress::from_bits(address);
            }
            offset::IQT => {
                self.queue.tail = merge(self.queue.tail, at, half) & TAIL_BITS;
                self.run_queue(memory);
            }
            offset::CCMD => {
                self.context_command = merge(self.context_command, at, half);
                self.run_context_command();
            }
            IVA => self.iotlb_address = merge(self.iotlb_address, at, half),
            IOTLB => {
                self.iotlb_command = merge(self.iotlb_command, at, half);
                self.run_iotlb_command();
            }
            _ => {}
        }
    }

    /// GCMD_REG: the switches follow the bits written, the one-shot bits act once; all at once, so the status
    /// register shows it at the next read.
    fn command(&mut self, command: GlobalCommand, memory: &dyn MachineMemory) {
        if command.srtp() {
            self.root = RootTableAddress::from_bits(self.root_register);
            self.status.set_rtps(true);
        }
        if command.qie() != self.status.qies() {
            self.status.set_qies(command.qie());
            self.queue.head = 0;
            self.run_queue(memory);
        }
        self.status.set_tes(command.te());
    }

    /// CCMD_REG (11.4.5.1): bit 63 starts, 62:61 is the granularity asked for, 60:59 the one performed. With the
    /// queue on, nothing is performed.
    fn run_context_command(&mut self) {
        let command = self.context_command;
        if command >> 63 == 0 {
            return;
        }
        let g = Granularity::from_bits((command >> 61) as u8);
        let (did, sid, fm) = (command as u16, (command >> 16) as u16, (command >> 32) as u8 & 0b11);
        let performed = !self.queue_enabled() && self.invalidate_contexts(g, did, sid, fm);
        let granularity = if performed { u64::from(g.into_bits()) } else { 0 };
        self.context_command = command & !(1 << 63 | 0b11 << 59) | granularity << 59;
    }

    /// IOTLB_REG (11.4.6.1): bit 63 starts, 61:60 is the granularity asked for, 58:57 the one performed.
    fn run_iotlb_command(&mut self) {
        let command = self.iotlb_command;
        if command >> 63 == 0 {
            return;
        }
        let g = Granularity::from_bits((command >> 60) as u8);
        let at = IotlbInvalidateAddress::from_bits(self.iotlb_address);
        let performed = !self.queue_enabled() && self.invalidate_iotlb(g, (command >> 32) as u16, at);
        let granularity = if performed { u64::from(g.into_bits()) } else { 0 };
        self.iotlb_command = command & !(1 << 63 | 0b11 << 57) | granularity << 57;
    }
}
