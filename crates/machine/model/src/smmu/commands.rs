//! The command queue (manual 4).

use dxgk_hw::MachineMemory;
use dxgk_iopt::smmu::spec::{
    COMMAND_BYTES, CommandQueueError, Opcode, RANGE_ALL, StreamCommand, TlbCommand, TlbOperand,
};

use super::registers::RegisterFile;
use super::walk::Space;

/// The command is none.
struct Illegal;

impl RegisterFile {
    /// Executes commands up to the producer's pointer, or up to one that cannot be, which stops the queue there.
    pub(super) fn run_commands(&mut self, memory: &dyn MachineMemory) {
        // No more than there can be: pointers may have been written to anything.
        for _ in 0..2u32 << super::config::QUEUE_BITS {
            let stands = !self.control.cmdqen() || self.active_errors().cmdq_err();
            if stands || self.commands.is_empty() {
                return;
            }
            let mut bytes = [0; COMMAND_BYTES as usize];
            let at = self.commands.address(self.commands.cons, COMMAND_BYTES);
            if memory.read(at, &mut bytes).is_err() {
                self.stop_commands(CommandQueueError::ABORT);
                return;
            }
            let whole = u128::from_le_bytes(bytes);
            if let Err(Illegal) = self.execute(whole as u64, (whole >> 64) as u64) {
                self.stop_commands(CommandQueueError::ILLEGAL);
                return;
            }
            self.commands.consume();
        }
    }

    fn execute(&mut self, first: u64, second: u64) -> Result<(), Illegal> {
        let (stream, tlb) = (StreamCommand::from_bits(first), TlbCommand::from_bits(first));
        let (vmid, asid) = (tlb.vmid(), tlb.asid());
        let operand = TlbOperand::from_bits(second);
        match tlb.opcode() {
            // All before is done already.
            Opcode::SYNC => {}
            Opcode::CFGI_STE => self.caches.forget_streams(stream.sid(), stream.sid()),
            Opcode::CFGI_STE_RANGE => {
                let range = second & 0x1f;
                let last = if range == RANGE_ALL { u32::MAX } else { (2u32 << range).wrapping_sub(1) };
                let first = stream.sid() & !last;
                self.caches.forget_streams(first, first | last);
            }
            Opcode::CFGI_CD | Opcode::CFGI_CD_ALL if self.config.stage_1 => {
                self.caches.forget_contexts(stream.sid());
            }
            Opcode::TLBI_NH_ALL if self.config.stage_1 => {
                self.forget(|space| space.asid.is_some() && space.vmid == vmid);
            }
            Opcode::TLBI_NH_ASID if self.config.stage_1 => {
                self.forget(|space| space == Space { vmid, asid: Some(asid) });
            }
            Opcode::TLBI_NH_VA if self.config.stage_1 => {
                self.forget_page(Space { vmid, asid: Some(asid) }, operand);
            }
            Opcode::TLBI_S12_VMALL if self.config.stage_2 => self.forget(|space| space.vmid == vmid),
            Opcode::TLBI_S2_IPA if self.config.stage_2 => {
                self.forget_page(Space { vmid, asid: None }, operand)
            }
            Opcode::TLBI_NSNH_ALL => self.forget(|_| true),
            _ => return Err(Illegal),
        }
        Ok(())
    }

    fn forget(&mut self, of: impl Fn(Space) -> bool) {
        self.tlb.invalidate_tags(&of);
        self.structures.invalidate_tags(&of);
    }

    /// One address. What it says of a larger page goes with it.
    fn forget_page(&mut self, space: Space, operand: TlbOperand) {
        let page = operand.address();
        self.tlb.invalidate_pages(|tag| tag == space, page, page);
        if !operand.leaf() {
            self.structures.invalidate_pages(|tag| tag == space, page, page);
        }
    }
}
