//! What a run costs: processor time and time on the wall at the ends of its stages.
//!
//! These are no events: no two runs have the same. They go into the ring's header, where the parent finds them also when the
//! child has died.
#![expect(unsafe_code, reason = "clocks of the system")]

use std::time::Duration;

use dxgk_shm::Mark;

/// A stage of a run, at whose end a mark is made. In this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The process runs our code.
    Spawn,
    /// RAM, devices, IOMMU, memory manager and kernel stand.
    Machine,
    /// The driver's image is in place.
    Load,
    /// The process is sealed.
    Sandbox,
    /// The driver has been unloaded.
    Life,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Spawn, Self::Machine, Self::Load, Self::Sandbox, Self::Life];

    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spawn => "spawn",
            Self::Machine => "machine",
            Self::Load => "load",
            Self::Sandbox => "sandbox",
            Self::Life => "life",
        }
    }
}

/// This process's times so far: processor time of all threads, and time on the wall since some moment that all processes share.
#[must_use]
pub fn now() -> Mark {
    Mark { cpu: clock(libc::CLOCK_PROCESS_CPUTIME_ID), wall: clock(libc::CLOCK_MONOTONIC) }
}

fn clock(which: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a valid structure, which stays zero when the clock is not there.
    unsafe { libc::clock_gettime(which, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Processor time of all child processes that were waited for.
#[must_use]
pub fn of_children() -> Duration {
    // SAFETY: an all-zero structure is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: a valid structure.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage) };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    time(usage.ru_utime) + time(usage.ru_stime)
}
