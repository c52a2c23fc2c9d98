//! The event log (manual 2.5).

use dxgk_hw::MachineMemory;
use dxgk_iopt::amdvi::spec::{EventCode, EventFlags, EventHead};

use super::registers::RegisterFile;

impl RegisterFile {
    /// Logs an event; the entry as it stands, or zeros when the log did not take it.
    pub(super) fn log(
        &mut self,
        memory: &dyn MachineMemory,
        code: EventCode,
        flags: EventFlags,
        device_id: u16,
        domain_id: u16,
        address: u64,
    ) -> [u64; 2] {
        let Some(entries) = self.events.entries().filter(|_| self.status.event_log_run()) else {
            return [0; 2];
        };
        let next = (self.events.tail + 1) % entries;
        if next == self.events.head || self.events.tail >= entries {
            // The log stands until software has switched it off and on (2.5.1).
            self.status.set_event_overflow(true);
            self.status.set_event_log_run(false);
            return [0; 2];
        }
        let head = EventHead::new()
            .with_device_id(device_id)
            .with_domain_id(domain_id)
            .with_flags(flags.into_bits())
            .with_code(code);
        let entry = [head.into_bits(), address];
        let whole = u128::from(entry[0]) | u128::from(entry[1]) << 64;
        // A log that is no memory swallows the write, as a bus does.
        let _ = memory.write(self.events.address(self.events.tail), &whole.to_le_bytes());
        self.events.tail = next;
        self.status.set_event_log_int(true);
        entry
    }
}
