//! What devices do: registers, doorbells, transfers, faults.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

wire! {
    /// A trapped register or port access.
    pub struct RegisterAccess {
        /// Physical address, or port number.
        pub address: u64,
        /// Value written or read.
        pub value: u64,
        /// Bytes.
        pub width: u8,
        /// 1 for a write.
        pub write: u8,
        /// 1 for a port.
        pub is_port: u8,
        /// Padding.
        pub reserved: [u8; 5],
    }
}

wire! {
    /// A register write made a device start DMA.
    pub struct Doorbell {
        /// Physical address of the register.
        pub register: u64,
        /// The address that the device was given; the value written, where `bytes` is 0.
        pub address: u64,
        /// Bytes to transfer; 0: not known, the write may be a doorbell.
        pub bytes: u64,
        /// Requester id.
        pub requester: u16,
        /// 1 when the device will write memory.
        pub write: u8,
        /// Padding.
        pub reserved: [u8; 5],
    }
}

wire! {
    /// A DMA transfer, done or refused.
    pub struct DmaTransfer {
        /// The doorbell's record, or 0.
        pub cause: u64,
        /// First logical address.
        pub address: u64,
        /// Bytes asked for.
        pub bytes: u64,
        /// Bytes that went through.
        pub done: u64,
        /// The fault's record when it was refused, or 0.
        pub fault: u64,
        /// Requester id.
        pub requester: u16,
        /// 1 when the device wrote memory.
        pub write: u8,
        /// 1 when the request was translated (0: passthrough).
        pub translated: u8,
        /// Padding.
        pub reserved: [u8; 4],
    }
}

wire! {
    /// Why a unit refused a request, whatever its own code for it.
    pub enum FaultReason {
        /// The device has no (valid) entry in the unit's device tables.
        NoDevice = 0,
        /// An entry on the way is not present.
        NotPresent = 1,
        /// Reading is not allowed.
        NoRead = 2,
        /// Writing is not allowed.
        NoWrite = 3,
        /// The address is beyond the domain's width.
        BeyondWidth = 4,
        /// A table or entry is malformed (reserved bits, or outside memory).
        Malformed = 5,
        /// The translated address is no memory.
        NoMemory = 6,
    }
}

wire! {
    /// An IOMMU fault: the unit's own record as it stands, and what the walk found.
    pub struct Fault {
        /// The unit's fault record, raw, low word first.
        pub record: [u64; 2],
        /// The address that was refused.
        pub address: u64,
        /// The last table entry read, or 0.
        pub entry: u64,
        /// Where that entry is in memory.
        pub entry_at: u64,
        /// Requester id.
        pub requester: u16,
        /// 1 for a write.
        pub write: u8,
        /// Why.
        pub reason: FaultReason,
        /// Level of the last entry, 1 = leaf table; 0 = device tables.
        pub level: u8,
        /// 1 when a cached translation refused it.
        pub cached: u8,
        /// Domain number, or 0.
        pub domain: u16,
    }
}
