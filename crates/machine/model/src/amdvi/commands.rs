//! The command buffer (manual 2.4).

use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_iopt::amdvi::spec::{
    CompletionWait, EventCode, EventFlags, HardwareError, InvalidateDevtabEntry, InvalidateIommuPages, Opcode,
};

use super::registers::RegisterFile;

/// The command breaks the manual's rules.
struct Illegal;

/// Size bit and directory bit of the second word of INVALIDATE_IOMMU_PAGES; bit 2 asks for guest translations.
const S: u64 = 1 << 0;
const PDE: u64 = 1 << 1;
const RESERVED_OR_GUEST: u64 = 0xffc;

impl RegisterFile {
    /// Executes commands up to the tail, or up to one that cannot be, which stops the buffer there.
    pub(super) fn run_commands(&mut self, memory: &dyn MachineMemory) {
        let Some(entries) = self.commands.entries().filter(|_| self.status.cmd_buf_run()) else { return };
        if self.commands.tail >= entries || self.commands.head >= entries {
            self.status.set_cmd_buf_run(false);
            return;
        }
        // Each step moves the head towards a tail inside the ring: at most `entries` of them.
        while self.commands.head != self.commands.tail {
            let at = self.commands.address(self.commands.head);
            let mut bytes = [0; 16];
            let (code, flags) = if memory.read(at, &mut bytes).is_err() {
                let kind = HardwareError::MasterAbort as u8;
                (EventCode::COMMAND_HARDWARE_ERROR, EventFlags::new().with_kind(kind))
            } else {
                let whole = u128::from_le_bytes(bytes);
                match self.execute([whole as u64, (whole >> 64) as u64], memory) {
                    Ok(()) => {
                        self.commands.head = (self.commands.head + 1) % entries;
                        continue;
                    }
                    Err(Illegal) => (EventCode::ILLEGAL_COMMAND_ERROR, EventFlags::new()),
                }
            };
            self.status.set_cmd_buf_run(false);
            self.log(memory, code, flags, 0, 0, at.get());
            return;
        }
    }

    fn execute(&mut self, [first, second]: [u64; 2], memory: &dyn MachineMemory) -> Result<(), Illegal> {
        match Opcode::of(first) {
            Opcode::COMPLETION_WAIT => self.completion_wait(CompletionWait::from_bits(first), second, memory),
            Opcode::INVALIDATE_DEVTAB_ENTRY => {
                let command = InvalidateDevtabEntry::from_bits(first);
                if command.reserved() != 0 || second != 0 {
                    return Err(Illegal);
                }
                self.devices.invalidate(command.device_id());
                Ok(())
            }
            Opcode::INVALIDATE_IOMMU_PAGES => {
                self.invalidate_pages(InvalidateIommuPages::from_bits(first), second)
            }
            Opcode::INVALIDATE_IOMMU_ALL if first << 4 == 0 && second == 0 => {
                self.devices.invalidate_all();
                self.structures.invalidate_all();
                self.iotlb.invalidate_all();
                Ok(())
            }
            // No interrupt is remapped, so none is cached.
            Opcode::INVALIDATE_INTERRUPT_TABLE if first << 4 >> 20 == 0 && second == 0 => Ok(()),
            // The unit has neither device TLBs nor prefetches nor page requests.
            _ => Err(Illegal),
        }
    }

    fn completion_wait(
        &mut self,
        command: CompletionWait,
        data: u64,
        memory: &dyn MachineMemory,
    ) -> Result<(), Illegal> {
        if command.reserved() != 0 {
            return Err(Illegal);
        }
        if command.s() {
            // An address that is no memory swallows the write, as a bus does.
            let _ = memory.write(PhysAddr::new(command.address() << 3), &data.to_le_bytes());
        }
        if command.i() {
            self.status.set_com_wait_int(true);
        }
        Ok(())
    }

    fn invalidate_pages(&mut self, command: InvalidateIommuPages, second: u64) -> Result<(), Illegal> {
        let reserved = command.pasid() != 0 || command.reserved() != 0 || command.reserved_48() != 0;
        if reserved || second & RESERVED_OR_GUEST != 0 {
            return Err(Illegal);
        }
        let page = second >> 12;
        // The lowest zero says the size: one page for each bit below it, and one more bit.
        let order = if second & S == 0 { 0 } else { page.trailing_ones() + 1 };
        let below = if order >= 52 { u64::MAX >> 12 } else { (1 << order) - 1 };
        let (first, last) = (page & !below, page | below);
        let of = |domain| domain == command.domain_id();
        self.iotlb.invalidate_pages(of, first, last);
        if second & PDE != 0 {
            self.structures.invalidate_pages(of, first, last);
        }
        Ok(())
    }
}
