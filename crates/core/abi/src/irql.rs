//! Interrupt request levels (wdm.h; "Managing Hardware Priorities").

open_enum! {
    /// `KIRQL`: the level at which a processor runs; work of a lower level waits. x86-64 has 0 to 15.
    pub struct Irql(u8) {
        PASSIVE_LEVEL = 0, "`PASSIVE_LEVEL`: ordinary threads; waiting and paging are allowed.";
        APC_LEVEL = 1, "`APC_LEVEL`: asynchronous procedure calls are held back; waiting is still allowed.";
        DISPATCH_LEVEL = 2, "`DISPATCH_LEVEL`: the scheduler is held back; no waiting, no paging.";
        CMCI_LEVEL = 5, "`CMCI_LEVEL`: corrected machine checks.";
        CLOCK_LEVEL = 13, "`CLOCK_LEVEL`: the clock interrupt.";
        IPI_LEVEL = 14, "`IPI_LEVEL`: interrupts between processors (also `DRS_LEVEL` and `POWER_LEVEL`).";
        HIGH_LEVEL = 15, "`HIGH_LEVEL`: everything is held back (also `PROFILE_LEVEL`).";
    }
}

impl Irql {
    /// Levels 3 to 12: those of device interrupts ("DIRQL").
    pub const fn is_device(self) -> bool {
        self.0 >= 3 && self.0 <= 12
    }
}

impl core::fmt::Display for Irql {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None if self.is_device() => write!(f, "DIRQL {}", self.0),
            None => write!(f, "IRQL {}", self.0),
        }
    }
}
