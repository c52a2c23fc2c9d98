//! Mistakes to look at, one for each rule that can be shown with this device.
//!
//! Each is a small file, in which the correct twin stands beside what is wrong; the registry's `Twin` = 1 chooses it. After its mistake
//! a demo goes on and ends with success, a device that was refused just completes, as the hardware would, unless the
//! mistake is one that nothing comes after: see [`Ending`].

mod apc_level;
mod caps_disagree;
mod closed_twice;
mod cpu_address;
mod device_address_never_mapped;
mod device_address_unmapped;
mod dispatch_level;
mod exclusive_callback;
mod exclusive_dma;
mod follower_handle;
mod freed_twice;
mod interface_over_read;
mod leak;
mod left_open;
mod list;
mod list_alive;
mod list_flags;
mod list_left;
mod mdl_changed;
mod mdl_freed;
mod mdl_misfit;
mod mdl_not_locked;
mod mdl_too_long;
mod object_type;
mod old_callbacks;
mod opened_twice;
mod overrun;
mod physical_address;
mod read_only;
mod register_beyond;
mod reserved_range;
mod save_too_much;
mod too_high;
mod two_caches;
mod uninitialised;
mod unknown_handle;
mod view_unmapped;
mod wrong_union;

use dxgk_miniport::Result;
use dxgk_miniport::abi::caps::{DriverCaps, VidMmCapsFlags};
use dxgk_miniport::abi::query::PhysicalMemoryRange;

use crate::settings::MemoryApi;
use crate::work::Work;

/// A demo, for those who choose one by name.
#[derive(Clone, Copy, Debug)]
pub struct Demo {
    /// The value of the registry's `Demo`, and of the command's option.
    pub name: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The `MemoryApi` that it needs; nothing: 24 and 29 alike.
    pub memory_api: Option<MemoryApi>,
    /// The IOMMU modes in which it shows, as the command's option has them.
    pub modes: &'static [&'static str],
    /// How the driver's life ends where it shows.
    pub ending: Ending,
    mistake: Mistake,
}

/// How the life of a driver ends that made a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As without it: stopped, removed, unloaded.
    Unload,
    /// The adapter is not started.
    NotStarted,
    /// With a bug check.
    BugCheck,
}

/// When a demo's time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The first round of work after the start.
    Work,
    /// `DxgkDdiBeginExclusiveAccess`.
    ExclusiveAccess,
    /// The capabilities that are asked for after the start.
    Capabilities,
    /// The reserved ranges that are asked for after the start.
    ReservedRanges,
}

/// What is done at its time.
#[derive(Clone, Copy, Debug)]
enum Mistake {
    AtWork(fn(&Work<'_>) -> Result<()>),
    /// As the first, where two adapters are linked.
    InChain(fn(&Work<'_>) -> Result<()>),
    InExclusiveAccess(fn(&Work<'_>) -> Result<()>),
    InCapabilities(fn(VidMmCapsFlags) -> VidMmCapsFlags),
    InReservedRanges(fn() -> Option<PhysicalMemoryRange>),
}

impl Demo {
    /// How many linked adapters it needs.
    pub fn adapters(&self) -> u32 {
        if matches!(self.mistake, Mistake::InChain(_)) { 2 } else { 1 }
    }

    pub(crate) fn occasion(&self) -> Occasion {
        match self.mistake {
            Mistake::AtWork(_) | Mistake::InChain(_) => Occasion::Work,
            Mistake::InExclusiveAccess(_) => Occasion::ExclusiveAccess,
            Mistake::InCapabilities(_) => Occasion::Capabilities,
            Mistake::InReservedRanges(_) => Occasion::ReservedRanges,
        }
    }

    /// Makes the mistake, when it is one of work.
    pub(crate) fn show(&self, work: &Work<'_>) -> Result<()> {
        match self.mistake {
            Mistake::AtWork(run) | Mistake::InChain(run) | Mistake::InExclusiveAccess(run) => run(work),
            Mistake::InCapabilities(_) | Mistake::InReservedRanges(_) => Ok(()),
        }
    }

    /// The mistake, when it is one of reserved ranges.
    pub(crate) fn reserved_range(&self) -> Option<PhysicalMemoryRange> {
        if let Mistake::InReservedRanges(range) = self.mistake { range() } else { None }
    }

    /// Makes the mistake, when it is one of capabilities.
    pub(crate) fn change_caps(&self, caps: &mut DriverCaps) {
        if let Mistake::InCapabilities(change) = self.mistake {
            caps.memory_management_caps.value = change(caps.memory_management_caps.value);
        }
    }
}

/// The demo of that name; case does not matter.
pub(crate) fn find(name: &str) -> Option<&'static Demo> {
    DEMOS.iter().find(|demo| demo.name.eq_ignore_ascii_case(name))
}

pub use list::DEMOS;

#[cfg(test)]
mod tests {
    use super::{DEMOS, find};

    #[test]
    fn every_demo_has_its_own_rule_and_is_found_by_its_name() {
        for (index, demo) in DEMOS.iter().enumerate() {
            assert!(core::ptr::eq(find(demo.name).expect("the name"), demo), "{}", demo.name);
            assert!(!demo.modes.is_empty());
            assert!(DEMOS[..index].iter().all(|other| other.rule != demo.rule), "{}", demo.rule);
        }
        assert!(find("no-such-demo").is_none());
        assert!(find("").is_none());
    }
}
