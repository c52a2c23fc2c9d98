//! Reading the event log (manual 2.5).

use core::fmt;

use dxgk_hw::{LogicalAddr, PhysAddr, RequesterId};
use dxgk_iopt::amdvi::spec::{EventCode, EventFlags, EventHead};

/// Something that the unit logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub code: EventCode,
    /// Whose request; 0 for command errors.
    pub requester: RequesterId,
    /// Of which domain.
    pub domain: u16,
    /// How it came about.
    pub flags: EventFlags,
    /// The second word: an address, see [`asked_for`](Self::asked_for) and [`in_memory`](Self::in_memory).
    pub address: u64,
}

impl Event {
    pub(super) fn from_words([head, address]: [u64; 2]) -> Self {
        let head = EventHead::from_bits(head);
        Self {
            code: head.code(),
            requester: RequesterId(head.device_id()),
            domain: head.domain_id(),
            flags: EventFlags::from_bits(head.flags()),
            address,
        }
    }

    fn is_of_memory(&self) -> bool {
        matches!(
            self.code,
            EventCode::DEV_TAB_HARDWARE_ERROR
                | EventCode::PAGE_TAB_HARDWARE_ERROR
                | EventCode::ILLEGAL_COMMAND_ERROR
                | EventCode::COMMAND_HARDWARE_ERROR
        )
    }

    /// The address that the device asked for, where the event is about one.
    #[must_use]
    pub fn asked_for(&self) -> Option<LogicalAddr> {
        (!self.is_of_memory()).then(|| LogicalAddr::new(self.address))
    }

    /// Where in memory the table entry or the command is, where the event is about one.
    #[must_use]
    pub fn in_memory(&self) -> Option<PhysAddr> {
        self.is_of_memory().then(|| PhysAddr::new(self.address))
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.name() {
            Some(name) => write!(f, "{name}")?,
            None => write!(f, "event {:#x}", self.code.0)?,
        }
        let flags = self.flags;
        write!(f, "({}, domain {}, address {:#x}", self.requester, self.domain, self.address)?;
        let named = [
            (flags.pr(), "PR"),
            (flags.rw(), "RW"),
            (flags.pe(), "PE"),
            (flags.rz(), "RZ"),
            (flags.i(), "I"),
        ];
        for (_, name) in named.iter().filter(|(set, _)| *set) {
            write!(f, " {name}")?;
        }
        write!(f, ")")
    }
}

/// What a look at the log gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EventSummary {
    /// Entries read and taken out.
    pub read: u32,
    /// The log was full: some events are lost.
    pub overflow: bool,
}
