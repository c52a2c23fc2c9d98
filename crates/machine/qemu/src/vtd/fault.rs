//! The unit's primary fault log (VT-d sections 7.2 and 11.4.14).

use dxgk_hw::{LogicalAddr, LogicalPage, RequesterId};

use super::{Vtd, spec};
use crate::error::QemuError;

/// One blocked request, as the unit recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultRecord {
    /// Who asked.
    pub requester: RequesterId,
    /// The page that was asked for.
    pub page: LogicalPage,
    /// Whether it was a read; a write otherwise.
    pub read: bool,
    /// The fault reason, 8 bits (VT-d section 7.1.3, table "Fault Reasons").
    pub reason: u8,
}

impl FaultRecord {
    /// The present bit of the context entry is clear (LCT.2).
    pub const CONTEXT_NOT_PRESENT: u8 = 0x02;
    /// The address has more bits than the table translates (LSS or LAD conditions of the address width).
    pub const BEYOND_ADDRESS_WIDTH: u8 = 0x04;
    /// A write without write permission, a hole included: in a second-stage table both permissions clear is a hole.
    pub const NO_WRITE_PERMISSION: u8 = 0x05;
    /// A read without read permission, a hole included.
    pub const NO_READ_PERMISSION: u8 = 0x06;
    /// A reserved bit is set in an entry that is present.
    pub const RESERVED_BIT: u8 = 0x0c;
}

/// What the log held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FaultLog {
    /// The records, in the order of their registers.
    pub records: Vec<FaultRecord>,
    /// Whether faults were lost for want of a free record.
    pub overflowed: bool,
}

impl FaultLog {
    /// Whether nothing was blocked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && !self.overflowed
    }
}

impl Vtd {
    /// Takes all fault records out of the log.
    ///
    /// A unit merges a fault into a pending record of the same device, and QEMU's has one record: to see every fault,
    /// take after every access.
    ///
    /// # Errors
    /// As [`crate::Qemu::ask`].
    pub fn take_faults(&self) -> Result<FaultLog, QemuError> {
        let status = self.qemu.readl(spec::register(spec::FAULT_STATUS))?;
        let mut log = FaultLog { records: Vec::new(), overflowed: status & spec::FAULT_OVERFLOW != 0 };
        if status & spec::FAULT_PENDING != 0 {
            let first = spec::fault_records(self.capability);
            for index in 0..spec::fault_record_count(self.capability) {
                let record = first + index * 16;
                let halves = self.qemu.readq_all(&[spec::register(record + 8), spec::register(record)])?;
                let &[high, low] = halves.as_slice() else { continue };
                if high & spec::RECORD_VALID == 0 {
                    continue;
                }
                log.records.push(decode(low, high));
                // The valid bit is cleared by writing a one to it (section 11.4.14, field F).
                self.qemu.writel(spec::register(record + 12), 1 << 31)?;
            }
        }
        if log.overflowed {
            self.qemu.writel(spec::register(spec::FAULT_STATUS), spec::FAULT_OVERFLOW)?;
        }
        Ok(log)
    }
}

fn decode(low: u64, high: u64) -> FaultRecord {
    FaultRecord {
        requester: RequesterId((high & 0xffff) as u16),
        page: LogicalAddr::new(low).page(),
        read: high & spec::RECORD_READ != 0,
        reason: ((high >> 32) & 0xff) as u8,
    }
}

#[cfg(test)]
mod tests {
    use dxgk_hw::{LogicalPage, RequesterId};

    use super::*;

    #[test]
    fn a_record_is_taken_apart_as_the_manual_draws_it() {
        let record = decode(0x0000_7fff_1234_5000, (1 << 63) | (1 << 62) | (6 << 32) | 0x18);
        let wanted = FaultRecord {
            requester: RequesterId::new(0, 3, 0),
            page: LogicalPage::new(0x7_fff1_2345),
            read: true,
            reason: FaultRecord::NO_READ_PERMISSION,
        };
        assert_eq!(record, wanted);
        assert!(!decode(0, 1 << 63).read);
    }
}
