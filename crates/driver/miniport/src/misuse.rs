//! Mistakes on purpose, for drivers that show what a verifier finds.
//!
//! Nothing here breaks Rust's own rules: no memory of this program is reached through it. But a device that is told a
//! wrong address, and a port driver that is told to release something twice, can corrupt a real machine. A driver
//! that is meant to work uses nothing of this module.

use crate::address::DeviceAddress;
use crate::adl::{Adl, AdlRelease};
use crate::pages::{MappingRelease, MdlMapping, MdlPages, PagesRelease};

/// Any number as if the device might use it.
pub const fn device_address(bits: u64) -> DeviceAddress<'static> {
    DeviceAddress::new(bits)
}

/// Frees a list, and then frees it again: `DxgkCbFreeAdl` twice.
pub fn free_twice(adl: Adl<'_>) {
    let again = AdlRelease { adapter: adl.release.adapter, argument: adl.release.argument };
    drop(adl);
    drop(again);
}

/// Frees pages, and then frees them again: `DxgkCbFreePagesFromMdl` twice.
pub fn free_pages_twice(pages: MdlPages<'_>) {
    let again = PagesRelease { adapter: pages.release.adapter, argument: pages.release.argument };
    drop(pages);
    drop(again);
}

/// Unmaps an MDL, and then unmaps it again: `DxgkCbUnmapMdlFromIoMmu` twice.
pub fn unmap_twice(mapping: MdlMapping<'_>) {
    let again = MappingRelease { adapter: mapping.release.adapter, argument: mapping.release.argument };
    drop(mapping);
    drop(again);
}
