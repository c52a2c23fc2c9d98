//! Mistakes to look at, one for each rule that can be shown with this device.
//!
//! Each is a small file, whose correct twin is one line away, in a comment at the line that is wrong. After its mistake
//! a demo goes on and ends with success: a device that was refused just completes, as the hardware would.

mod device_address_never_mapped;
mod device_address_unmapped;
mod freed_twice;
mod leak;
mod physical_address;

use dxgk_miniport::Result;

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
    run: fn(&Work<'_>) -> Result<()>,
}

impl Demo {
    /// Makes the mistake.
    pub(crate) fn show(&self, work: &Work<'_>) -> Result<()> {
        (self.run)(work)
    }
}

/// The demo of that name; case does not matter.
pub(crate) fn find(name: &str) -> Option<&'static Demo> {
    DEMOS.iter().find(|demo| demo.name.eq_ignore_ascii_case(name))
}

/// All demos.
pub static DEMOS: &[Demo] = &[
    Demo {
        name: "never-mapped",
        rule: "DMA-001",
        summary: "tells the device to read from an address that nothing was ever mapped at",
        memory_api: None,
        modes: &["remapping", "isolation"],
        run: device_address_never_mapped::run,
    },
    Demo {
        name: "use-after-unmap",
        rule: "DMA-002",
        summary: "lets the device read pages after it has unmapped them",
        memory_api: None,
        modes: &["remapping", "isolation"],
        run: device_address_unmapped::run,
    },
    Demo {
        name: "physical-address",
        rule: "DMA-004",
        summary: "gives the device what MmGetPhysicalAddress says, where it needs a logical address",
        memory_api: Some(MemoryApi::Wddm29),
        modes: &["remapping"],
        run: physical_address::run,
    },
    Demo {
        name: "leak",
        rule: "LEAK-001",
        summary: "stops without having freed its memory",
        memory_api: None,
        modes: &["remapping", "isolation", "off"],
        run: leak::run,
    },
    Demo {
        name: "double-free",
        rule: "FREE-001",
        summary: "frees an address descriptor list, or unmaps an MDL, twice",
        memory_api: None,
        modes: &["remapping", "isolation", "off"],
        run: freed_twice::run,
    },
];

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
