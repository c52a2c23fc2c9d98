//! A device's way to memory.

use crate::LogicalAddr;

/// A transfer was refused by the IOMMU, or went to no memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DmaError {
    /// The first address that was refused.
    pub at: LogicalAddr,
    /// Bytes that went through before it.
    pub done: u64,
}

/// Upstream requests of one requester. Each call is one transfer; the port splits it at pages and stops at the
/// first page refused.
pub trait DmaPort: Send + Sync {
    /// The device reads memory. `cause` is the number of the event (a doorbell) that made it do so, or 0.
    ///
    /// # Errors
    /// [`DmaError`]; `out` beyond `done` is all ones.
    fn read(&self, at: LogicalAddr, out: &mut [u8], cause: u64) -> Result<(), DmaError>;

    /// The device writes memory. `cause` as above.
    ///
    /// # Errors
    /// [`DmaError`]; nothing beyond `done` was written.
    fn write(&self, at: LogicalAddr, bytes: &[u8], cause: u64) -> Result<(), DmaError>;
}
