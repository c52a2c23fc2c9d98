//! Reading fault records (VT-d 7.2 and 11.4.7).

use dxgk_hw::{LogicalPage, RequesterId};
use dxgk_iopt::vtd::spec::{FaultReason, FaultRecord, FaultRecordLow};

/// A request that the unit refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Whose request.
    pub requester: RequesterId,
    /// The page that it asked for; units do not record the offset.
    pub page: LogicalPage,
    /// It was a write.
    pub write: bool,
    /// Why.
    pub reason: FaultReason,
}

impl Fault {
    /// From a record's words; `None` when the record is free.
    pub(super) fn from_record((low, high): (u64, u64)) -> Option<Self> {
        let (low, high) = (FaultRecordLow::from_bits(low), FaultRecord::from_bits(high));
        high.f().then(|| Self {
            requester: RequesterId(high.sid()),
            page: LogicalPage::new(low.fi()),
            write: !high.t1(),
            reason: FaultReason(high.fr()),
        })
    }
}

/// What a look at the fault records gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultSummary {
    /// Records read and freed.
    pub read: u32,
    /// The unit had more faults than free records: some are lost.
    pub overflow: bool,
}
