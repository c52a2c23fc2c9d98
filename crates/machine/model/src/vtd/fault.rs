//! Primary fault logging (manual 7.2, 11.4.7).

use dxgk_hw::{LogicalAddr, RequesterId};
use dxgk_iopt::vtd::spec::{FaultReason, FaultRecord, FaultRecordLow};

/// The F bit of a record's upper word.
const FILLED: u64 = 1 << 63;
/// FECTL_REG: interrupt mask, interrupt pending.
const MASKED: u32 = 1 << 31;
const PENDING: u32 = 1 << 30;

pub(super) struct FaultLog {
    /// Two words each.
    records: Vec<[u64; 2]>,
    next: usize,
    overflow: bool,
    control: u32,
    /// FEDATA_REG, FEADDR_REG, FEUADDR_REG.
    pub message: [u32; 3],
}

impl FaultLog {
    pub(super) fn new(records: usize) -> Self {
        Self { records: vec![[0; 2]; records], next: 0, overflow: false, control: MASKED, message: [0; 3] }
    }

    /// Records a fault; the record as it stands, or zeros when no record was free.
    pub(super) fn record(
        &mut self,
        requester: RequesterId,
        at: LogicalAddr,
        write: bool,
        code: FaultReason,
    ) -> [u64; 2] {
        let full = self.records.get(self.next).is_none_or(|record| record[1] & FILLED != 0);
        if self.overflow || full {
            // Nothing is recorded until software has cleared the overflow (7.2.1).
            self.overflow = true;
            self.interrupt();
            return [0; 2];
        }
        let low = FaultRecordLow::new().with_fi(at.page().get());
        let high = FaultRecord::new().with_sid(requester.0).with_fr(code.0).with_t1(!write).with_f(true);
        let record = [low.into_bits(), high.into_bits()];
        if let Some(place) = self.records.get_mut(self.next) {
            *place = record;
        }
        self.next = (self.next + 1) % self.records.len();
        self.interrupt();
        record
    }

    fn interrupt(&mut self) {
        // The message goes to no interrupt controller of ours; only what software can see of it is kept.
        if self.control & MASKED != 0 {
            self.control |= PENDING;
        }
    }

    /// FECTL_REG.
    pub(super) fn control(&self) -> u32 {
        self.control
    }

    /// Unmasking lets a pending message go.
    pub(super) fn set_control(&mut self, value: u32) {
        self.control = if value & MASKED != 0 { MASKED | (self.control & PENDING) } else { 0 };
    }

    pub(super) fn overflow(&self) -> bool {
        self.overflow
    }

    pub(super) fn clear_overflow(&mut self) {
        self.overflow = false;
        self.settle();
    }

    fn filled(&self, index: usize) -> bool {
        self.records.get(index).is_some_and(|record| record[1] & FILLED != 0)
    }

    /// FSTS_REG.PPF and FRI: whether a record is filled, and the oldest one.
    pub(super) fn pending(&self) -> (bool, u8) {
        let count = self.records.len();
        let oldest = (0..count).map(|step| (self.next + step) % count).find(|index| self.filled(*index));
        (oldest.is_some(), oldest.unwrap_or(0) as u8)
    }

    /// Nothing left to report means nothing pending.
    fn settle(&mut self) {
        if !self.overflow && !self.pending().0 {
            self.control &= !PENDING;
        }
    }

    /// Reads 4 bytes at `offset` from the first record.
    pub(super) fn read(&self, offset: u64) -> Option<u32> {
        let record = self.records.get((offset / 16) as usize)?;
        let word = record[(offset / 8 % 2) as usize];
        Some((word >> (offset % 8 * 8)) as u32)
    }

    /// Writes 4 bytes: only the F bit takes notice, and 1 clears it.
    pub(super) fn write(&mut self, offset: u64, value: u32) {
        if offset % 16 == 12
            && value >> 31 == 1
            && let Some(record) = self.records.get_mut((offset / 16) as usize)
        {
            record[1] &= !FILLED;
            self.settle();
        }
    }
}
