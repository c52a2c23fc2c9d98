//! The words of Intel VT-d that legacy mode needs.
//!
//! Source: Intel Virtualization Technology for Directed I/O, Architecture Specification, revision 4.1: chapter 9
//! (root, context entries), section 6.5 (invalidation), section 7.3 (fault recording), chapter 11 (registers).

use dxgk_hw::PhysAddr;

/// Where QEMU's q35 machine puts the unit's registers.
const REGISTERS: u64 = 0xfed9_0000;

/// The physical address of the register at `offset`.
pub(super) const fn register(offset: u64) -> PhysAddr {
    PhysAddr::new(REGISTERS + offset)
}

pub(super) const VERSION: u64 = 0x00;
pub(super) const CAPABILITY: u64 = 0x08;
pub(super) const EXTENDED_CAPABILITY: u64 = 0x10;
pub(super) const GLOBAL_COMMAND: u64 = 0x18;
pub(super) const GLOBAL_STATUS: u64 = 0x1c;
pub(super) const ROOT_TABLE_ADDRESS: u64 = 0x20;
pub(super) const CONTEXT_COMMAND: u64 = 0x28;
pub(super) const FAULT_STATUS: u64 = 0x34;
pub(super) const QUEUE_HEAD: u64 = 0x80;
pub(super) const QUEUE_TAIL: u64 = 0x88;
pub(super) const QUEUE_ADDRESS: u64 = 0x90;

/// Global Command and Status bits: translation, set root table pointer, queued invalidation.
pub(super) const TRANSLATION: u32 = 1 << 31;
pub(super) const ROOT_TABLE_POINTER: u32 = 1 << 30;
pub(super) const QUEUED_INVALIDATION: u32 = 1 << 26;
/// Global Status bits that a command must repeat; the others are one-shot (section 11.4.4.1).
pub(super) const STATUS_KEPT: u32 = 0x96ff_ffff;

/// Fault Status: a record was lost.
pub(super) const FAULT_OVERFLOW: u32 = 1 << 0;
/// Fault Status: a record is pending.
pub(super) const FAULT_PENDING: u32 = 1 << 1;
/// Fault Status: the unit found the invalidation queue broken (error, completion, time-out).
pub(super) const QUEUE_ERRORS: u32 = 0b111 << 4;
/// Fault record, upper half: this record holds a fault.
pub(super) const RECORD_VALID: u64 = 1 << 63;
/// Fault record, upper half: the request was a read.
pub(super) const RECORD_READ: u64 = 1 << 62;

/// Top bit of the Context Command and IOTLB Invalidate registers: invalidate, and still at it.
pub(super) const INVALIDATE: u64 = 1 << 63;

/// Root and context entry: present.
pub(super) const PRESENT: u64 = 1;
/// Context entry, bits 3:2: requests pass untranslated.
pub(super) const PASS_THROUGH: u64 = 0b10 << 2;

/// Invalidation descriptors: type in the low bits, granularity in bits 5:4.
pub(super) const CONTEXT_DESCRIPTOR: u64 = 1;
pub(super) const IOTLB_DESCRIPTOR: u64 = 2;
/// Drain reads and writes that were translated before.
pub(super) const DRAIN: u64 = 0b11 << 6;
/// Wait descriptor that writes a status word (SW).
pub(super) const WAIT_DESCRIPTOR: u64 = 5 | (1 << 5);
/// 128-bit descriptors in the one page that the queue uses.
pub(super) const QUEUE_ENTRIES: u64 = 256;

/// Offset of the IOTLB registers: Extended Capability IRO, bits 17:8, in 16-byte units.
pub(super) const fn iotlb_registers(extended_capability: u64) -> u64 {
    ((extended_capability >> 8) & 0x3ff) * 16
}

/// Offset of the fault records: Capability FRO, bits 33:24, in 16-byte units.
pub(super) const fn fault_records(capability: u64) -> u64 {
    ((capability >> 24) & 0x3ff) * 16
}

/// Number of fault records: Capability NFR, bits 47:40, plus one.
pub(super) const fn fault_record_count(capability: u64) -> u64 {
    ((capability >> 40) & 0xff) + 1
}

/// Whether second-stage tables of this many levels are walked: Capability SAGAW, bit 1 of bits 12:8 for 3 levels, and
/// so on.
pub(super) const fn walks_levels(capability: u64, levels: u8) -> bool {
    matches!(levels, 3..=5) && (capability >> (8 + levels - 2)) & 1 == 1
}

/// Whether pass-through contexts are supported: Extended Capability PT, bit 6.
pub(super) const fn passes_through(extended_capability: u64) -> bool {
    (extended_capability >> 6) & 1 == 1
}
