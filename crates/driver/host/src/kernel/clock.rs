//! Virtual time: boundaries, and what was skipped.
//!
//! A boundary (the unit that runs are reproducible in) counts as one microsecond (our choice). Stalls and waits skip ahead.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::space::lock;
use super::state::TimePassing;
use crate::processor;

/// 100 ns units that one boundary stands for.
pub const HUNDREDS_PER_BOUNDARY: u64 = 10;

pub(crate) struct Clock {
    time: Arc<dyn TimePassing>,
    skipped: AtomicU64,
    /// Times at which some thread wants to be woken, with the number of threads.
    deadlines: Mutex<BTreeMap<u64, usize>>,
}

impl Clock {
    pub(crate) fn new(time: Arc<dyn TimePassing>) -> Self {
        Self { time, skipped: AtomicU64::new(0), deadlines: Mutex::default() }
    }

    /// 100 ns units since the start of the run.
    pub(crate) fn now(&self) -> u64 {
        let counted = processor::boundary().saturating_mul(HUNDREDS_PER_BOUNDARY);
        counted.saturating_add(self.skipped.load(Ordering::Relaxed))
    }

    /// Lets time pass at once. Boundaries that pass meanwhile (devices may count them) are part of it.
    pub(crate) fn skip(&self, hundreds: u64) {
        let before = processor::boundary();
        self.time.passed(hundreds);
        let counted = processor::boundary().saturating_sub(before).saturating_mul(HUNDREDS_PER_BOUNDARY);
        self.skipped.fetch_add(hundreds.saturating_sub(counted), Ordering::Relaxed);
    }

    /// The driver stalls: time passes, and a device that lives in real time gets as much of it, or until it acts.
    pub(crate) fn stall(&self, hundreds: u64) {
        self.time.wait_outside(Some(hundreds));
        self.skip(hundreds);
    }

    /// Asks that time does not pass `deadline` unnoticed.
    pub(crate) fn want(&self, deadline: u64) {
        *lock(&self.deadlines).entry(deadline).or_insert(0) += 1;
    }

    /// Takes a [`want`](Self::want) back.
    pub(crate) fn unwant(&self, deadline: u64) {
        let mut deadlines = lock(&self.deadlines);
        if let Some(count) = deadlines.get_mut(&deadline) {
            *count -= 1;
            if *count == 0 {
                deadlines.remove(&deadline);
            }
        }
    }

    /// All threads wait: lets the device act, else skips to the nearest deadline. Whether either could be done.
    pub(crate) fn idle(&self) -> bool {
        if self.time.idle() {
            return true;
        }
        let nearest = lock(&self.deadlines).keys().next().copied();
        let left = nearest.map(|nearest| nearest.saturating_sub(self.now()));
        if let Some(took) = self.time.wait_outside(left) {
            self.skip(took);
            return true;
        }
        let Some(nearest) = nearest else { return false };
        self.skip(nearest.saturating_sub(self.now()));
        true
    }
}
