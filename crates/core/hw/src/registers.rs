//! A block of memory-mapped registers.

/// A unit's register file, little-endian, by byte offset from its base. An access that the hardware does not
/// decode reads as all ones and writes nothing, as on a bus.
pub trait Registers: Send + Sync {
    /// Reads 4 bytes; `offset` is a multiple of 4.
    fn read32(&self, offset: u64) -> u32;
    /// Writes 4 bytes; `offset` is a multiple of 4.
    fn write32(&self, offset: u64, value: u32);
    /// Reads 8 bytes; `offset` is a multiple of 8.
    fn read64(&self, offset: u64) -> u64;
    /// Writes 8 bytes; `offset` is a multiple of 8.
    fn write64(&self, offset: u64, value: u64);
}
