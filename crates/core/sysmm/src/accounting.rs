//! Totals, for tests that prove that they balance.

use crate::SysMm;
use crate::objects::{Entry, Memory};
use crate::pages::PageCounts;
use crate::platform::Platform;
use crate::save_area::{PinState, SaveArea};

/// What exists at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    /// Pages by what they are.
    pub pages: PageCounts,
    /// Live allocations of pages for an MDL, and mapped MDLs.
    pub page_mappings: u64,
    /// Physical memory objects, those included that live on after their destruction.
    pub physical_objects: u64,
    /// Adapter memory objects.
    pub adapter_objects: u64,
    /// ADLs.
    pub adls: u64,
    /// CPU views of physical memory objects.
    pub views: u64,
    /// Pinned save areas.
    pub pins: u64,
    /// CPU views of save areas.
    pub save_views: u64,
    /// Pages of sections that have no frame.
    pub paged_out: u64,
    /// Maps of registers and ports.
    pub register_maps: u64,
    /// Over all domains: pages with an entry (isolation), or logical pages handed out, guards included (remapping).
    pub mapped_pages: u64,
    /// Invalidations that the unit did not confirm, since the start.
    pub failed_invalidations: u64,
}

impl<P: Platform> SysMm<P> {
    /// The totals.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut totals = Statistics {
            pages: self.pages.counts(),
            failed_invalidations: self.failed_invalidations(),
            ..Statistics::default()
        };
        let records = self.records.lock();
        for (_, entry) in records.handles.iter() {
            match entry {
                Entry::Adapter(_) => {}
                Entry::Pages(_) => totals.page_mappings += 1,
                Entry::Physical(object) => {
                    totals.physical_objects += 1;
                    if let Memory::Section(section) = &object.memory {
                        totals.paged_out += section.kept();
                    }
                }
                Entry::AdapterMemory(_) => totals.adapter_objects += 1,
            }
        }
        totals.adls = records.adls.len() as u64;
        totals.views = records.views.len() as u64;
        totals.save_views = records.save_views.len() as u64;
        let pinned = |area: &&SaveArea<P>| matches!(area.pin, PinState::Pinned(_));
        totals.pins = records.save_areas.values().filter(pinned).count() as u64;
        totals.register_maps = records.registers.values().map(|maps| maps.len() as u64).sum();
        totals.mapped_pages = records.logical.iter().map(|adapter| adapter.domain.mapped_pages()).sum();
        totals
    }
}
