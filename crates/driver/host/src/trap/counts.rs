//! How often what trapped: the price of a run, by kind.

use std::cell::Cell;

/// Traps of a run so far.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct TrapCounts {
    /// Accesses to register windows, done on their target.
    pub registers: u64,
    /// Loads at the address of KUSER_SHARED_DATA that the loader did not find.
    pub shared_data: u64,
    /// Guards that were touched.
    pub guards: u64,
    /// `in`, `out` and their string forms, and privileged instructions other than the level's.
    pub privileged: u64,
    /// `mov` from and to cr8.
    pub level: u64,
    /// Exceptions of the driver, handled or not.
    pub exceptions: u64,
}

/// The counting end.
#[derive(Default)]
pub(crate) struct Counters(Cell<TrapCounts>);

impl Counters {
    pub(super) fn count(&self, kind: impl FnOnce(&mut TrapCounts) -> &mut u64) {
        let mut counts = self.0.get();
        *kind(&mut counts) += 1;
        self.0.set(counts);
    }

    pub(crate) fn get(&self) -> TrapCounts {
        self.0.get()
    }
}
