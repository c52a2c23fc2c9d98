//! The firmware of the machine: one that stops at once.
//!
//! Distribution builds of QEMU lack the `qtest` accelerator, so a virtual CPU runs and has to be given something to
//! do. A PC's starts 16 bytes below 4 GiB, in the last 16 bytes of the ROM (Intel SDM volume 3, section "First
//! Instruction Executed"); the Arm machine's starts at the ROM's first byte.

use crate::board::Board;

/// Bytes in the ROM: the smallest size that a PC accepts and that covers the reset vector.
const ROM_BYTES: usize = 64 * 1024;

/// `cli; hlt`, and a jump back to the `hlt`'s predecessor should anything wake the CPU.
const STOP: [u8; 4] = [0xfa, 0xf4, 0xeb, 0xfd];

/// `wfi`, and a branch back to it.
const STOP_ARM: [u8; 8] = [0x7f, 0x20, 0x03, 0xd5, 0xff, 0xff, 0xff, 0x17];

/// The image to give to `-bios`.
pub(crate) fn halt_rom(board: Board) -> Vec<u8> {
    match board {
        Board::Q35 => {
            let reset_vector = ROM_BYTES - 16;
            let mut image = vec![0xf4; reset_vector];
            image.extend_from_slice(&STOP);
            image.resize(ROM_BYTES, 0xf4);
            image
        }
        Board::Virt => STOP_ARM.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rom_halts_at_the_reset_vector() {
        let image = halt_rom(Board::Q35);
        assert_eq!(image.len(), 0x10000);
        assert_eq!(image[0xfff0..0xfff4], [0xfa, 0xf4, 0xeb, 0xfd]);
    }
}
