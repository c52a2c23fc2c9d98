//! Code that was moved: where it runs now, and where the driver has it.
//!
//! Instructions that make room for a jump run beside the image. Whoever asks where the driver is, be it a report, a stack walk or
//! an exception handler, is told the place in the image; whoever goes on there is sent to where the instruction is now.

use std::cell::RefCell;

use crate::run;

/// An instruction that was moved, or what became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Detour {
    /// Where it runs.
    pub(crate) at: u64,
    /// The address after it.
    pub(crate) end: u64,
    /// Its address in the image.
    pub(crate) home: u64,
    /// There it was overwritten, and no jump begins.
    pub(crate) overwritten: bool,
}

/// Those of a run, by where they run.
#[derive(Default)]
pub(crate) struct Detours(RefCell<Vec<Detour>>);

impl Detours {
    pub(crate) fn add(&self, detours: &[Detour]) {
        if let Ok(mut all) = self.0.try_borrow_mut() {
            all.extend_from_slice(detours);
            all.sort_unstable_by_key(|detour| detour.at);
        }
    }

    /// Forgets what belongs to an image, whose addresses another may get.
    pub(crate) fn forget(&self, image: impl Fn(u64) -> bool) {
        if let Ok(mut all) = self.0.try_borrow_mut() {
            all.retain(|detour| !image(detour.home));
        }
    }

    fn home(&self, rip: u64) -> Option<u64> {
        let all = self.0.try_borrow().ok()?;
        let detour = all.get(all.partition_point(|detour| detour.at <= rip).checked_sub(1)?)?;
        (rip < detour.end).then_some(detour.home)
    }

    fn abroad(&self, rip: u64) -> Option<u64> {
        let all = self.0.try_borrow().ok()?;
        all.iter().find(|detour| detour.overwritten && detour.home == rip).map(|detour| detour.at)
    }
}

/// The address in the image of the instruction that runs at `rip`; `rip` itself for what was not moved.
pub(crate) fn home(rip: u64) -> u64 {
    run::current().and_then(|run| run.detours.home(rip)).unwrap_or(rip)
}

/// Where to go on so as to go on at `rip`.
pub(crate) fn abroad(rip: u64) -> u64 {
    run::current().and_then(|run| run.detours.abroad(rip)).unwrap_or(rip)
}
