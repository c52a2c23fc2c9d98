//! Reading the event queue (manual 7).

use core::fmt;

use dxgk_hw::{LogicalAddr, RequesterId};
use dxgk_iopt::smmu::spec::{EventCode, EventFirst, EventSecond};

/// Something that the unit recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub code: EventCode,
    /// Whose request.
    pub requester: RequesterId,
    /// How it came about, where the event is a translation fault.
    pub details: EventSecond,
    /// What was asked for, in translation faults; in others 0 or an address in memory.
    pub address: LogicalAddr,
}

impl Event {
    pub(super) fn from_words([first, second, address]: [u64; 3]) -> Self {
        let first = EventFirst::from_bits(first);
        Self {
            code: first.code(),
            requester: RequesterId(first.sid() as u16),
            details: EventSecond::from_bits(second),
            address: LogicalAddr::new(address),
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.name() {
            Some(name) => write!(f, "{name}")?,
            None => write!(f, "event {:#x}", self.code.0)?,
        }
        let what = if self.details.rnw() { "read" } else { "write" };
        write!(f, "({}, {what} at {})", self.requester, self.address)
    }
}

/// What a look at the queue gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventSummary {
    /// Records read and taken out.
    pub read: u32,
    /// The queue was full: some events are lost.
    pub overflow: bool,
}
