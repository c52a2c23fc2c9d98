//! The virtual clock.

/// Time as a count of boundaries: the points at which something other than the driver's own code may happen
/// (callback entry and exit, traps, waits, return from a DDI). The only clock that the core knows; two runs with
/// one seed read the same values.
pub trait Clock: Send + Sync {
    /// Boundaries passed since the start of the run.
    fn now(&self) -> u64;
}
