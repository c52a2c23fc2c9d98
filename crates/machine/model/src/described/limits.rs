//! How large a description may be (our choice). What exceeds them is refused when the description is read.

/// Bytes of all RAM-backed BARs and device memories together.
pub const MEMORY_BYTES: u64 = 64 << 20;
/// Bytes of all memory BARs together: they always find addresses below 4 GiB then.
pub const MEMORY_BAR_BYTES: u64 = 256 << 20;
/// Ports of one port BAR (PCI Local Bus 3.0, 6.2.5.1).
pub const PORTS: u64 = 256;
/// Registers.
pub const REGISTERS: usize = 4096;
/// DMA engines.
pub const ENGINES: usize = 64;
/// Device memories, interrupts, timers: of each.
pub const OTHERS: usize = 64;
/// Actions of one register, engine or timer.
pub const ACTIONS: usize = 16;
/// Bytes of a name.
pub const NAME_BYTES: usize = 64;
/// Bytes of a description's text.
pub const TEXT_BYTES: usize = 1 << 20;
