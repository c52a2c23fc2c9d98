//! The firmware of the machine: one that stops at once.
//!
//! Distribution builds of QEMU lack the `qtest` accelerator, so a virtual CPU runs and has to be given something to
//! do. It starts 16 bytes below 4 GiB, in the last 16 bytes of the ROM (Intel SDM volume 3, section "First
//! Instruction Executed").

/// Bytes in the ROM: the smallest size that the machine accepts and that covers the reset vector.
const ROM_BYTES: usize = 64 * 1024;

/// `cli; hlt`, and a jump back to the `hlt`'s predecessor should anything wake the CPU.
const STOP: [u8; 4] = [0xfa, 0xf4, 0xeb, 0xfd];

/// The image to give to `-bios`.
pub(crate) fn halt_rom() -> Vec<u8> {
    let reset_vector = ROM_BYTES - 16;
    let mut image = vec![0xf4; reset_vector];
    image.extend_from_slice(&STOP);
    image.resize(ROM_BYTES, 0xf4);
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rom_halts_at_the_reset_vector() {
        let image = halt_rom();
        assert_eq!(image.len(), 0x10000);
        assert_eq!(image[0xfff0..0xfff4], [0xfa, 0xf4, 0xeb, 0xfd]);
    }
}
