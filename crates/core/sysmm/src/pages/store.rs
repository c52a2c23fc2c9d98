//! The zones and what is counted of them. The lock is around this.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use dxgk_hw::{PageRun, Pfn, RamRange};

use super::zone::{PageState, Zone};
use crate::random::Random;

/// Why a list of pages cannot be given back, or held for a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageListError {
    /// This page is not installed RAM.
    NotRam(Pfn),
    /// This page belongs to nobody, to somebody else, or is a translation table.
    NotOwned(Pfn),
    /// This page is mapped for devices as often as can be counted.
    TooManyMaps(Pfn),
    /// Devices may only read this page, and what would be mapped is for reading and writing.
    ReadOnly(Pfn),
}

pub(super) struct Store {
    pub(super) zones: Vec<Zone>,
    pub(super) random: Random,
    pub(super) counts: [u64; PageState::COUNT],
    /// First pages of the large pages in the cache.
    pub(super) large: BTreeSet<u64>,
    /// Large pages that the cache holds at most.
    pub(super) most_large: u64,
    /// Free pages that are promised.
    pub(super) charged: u64,
}

impl Store {
    pub(super) fn new(ranges: &[RamRange], seed: u64, large_pages: u64) -> Self {
        let zones: Vec<Zone> = ranges
            .iter()
            .map(|range| Zone::new(range.start.page().get(), range.bytes >> dxgk_hw::PAGE_SHIFT, range.node))
            .collect();
        let total = zones.iter().map(Zone::pages).sum();
        let mut store = Self {
            zones,
            random: Random::new(seed),
            counts: [0; PageState::COUNT],
            large: BTreeSet::new(),
            most_large: large_pages,
            charged: 0,
        };
        store.count(PageState::Free, total, 0);
        if store.zone_of(0).is_some() {
            store.mark(0, 1, PageState::Reserved);
        }
        store.fill_large_cache();
        store
    }

    fn count(&mut self, state: PageState, more: u64, fewer: u64) {
        if let Some(count) = self.counts.get_mut(state as usize) {
            *count = (*count + more).saturating_sub(fewer);
        }
    }

    /// Free pages that are not promised.
    pub(super) fn uncharged(&self) -> u64 {
        let of = |state: PageState| self.counts.get(state as usize).copied().unwrap_or(0);
        (of(PageState::Free) + of(PageState::Cached)).saturating_sub(self.charged)
    }

    /// The first page of the run that is RAM and not set aside.
    pub(super) fn first_managed(&self, run: PageRun) -> Option<Pfn> {
        let (start, end) = (run.start.get(), run.start.get().saturating_add(run.pages));
        self.zones.iter().find_map(|zone| {
            let mut inside = start.max(zone.start())..end.min(zone.end());
            inside.find(|page| zone.state(*page) != PageState::Reserved).map(Pfn::new)
        })
    }

    pub(super) fn zone_of(&self, page: u64) -> Option<usize> {
        let index = self.zones.partition_point(|zone| zone.end() <= page);
        self.zones.get(index).filter(|zone| zone.contains(page)).map(|_| index)
    }

    pub(super) fn state(&self, page: u64) -> Option<PageState> {
        self.zone_of(page).and_then(|zone| self.zones.get(zone)).map(|zone| zone.state(page))
    }

    pub(super) fn pins(&self, page: u64) -> u16 {
        self.zone_of(page).and_then(|zone| self.zones.get(zone)).map_or(0, |zone| zone.pins(page))
    }

    /// Gives pages a state. They all had one and the same state before.
    pub(super) fn mark(&mut self, first: u64, pages: u64, state: PageState) {
        let (mut at, end) = (first, first.saturating_add(pages));
        while at < end {
            let Some(index) = self.zone_of(at) else { return };
            let Some(zone) = self.zones.get_mut(index) else { return };
            let to = end.min(zone.end());
            let before = zone.state(at);
            zone.mark(at, to, state);
            self.count(before, 0, to - at);
            self.count(state, to - at, 0);
            at = to;
        }
    }

    /// Gives back pages of `owner`; those that a device still reaches are held. `freeing` sees each stretch just before
    /// it becomes free. Returns how many became free.
    pub(super) fn release(
        &mut self,
        runs: &[PageRun],
        owner: PageState,
        freeing: &dyn Fn(PageRun),
    ) -> Result<u64, PageListError> {
        for page in pages(runs) {
            match self.state(page) {
                None => return Err(PageListError::NotRam(Pfn::new(page))),
                Some(state) if state != owner => return Err(PageListError::NotOwned(Pfn::new(page))),
                Some(_) => {}
            }
        }
        let mut freed = 0;
        for run in runs {
            let (mut at, end) = (run.start.get(), run.start.get().saturating_add(run.pages));
            while at < end {
                // A list that names a page twice frees it once.
                let (held, owned) = (self.pins(at) != 0, self.state(at) == Some(owner));
                let alike = |page: &u64| {
                    (self.pins(*page) != 0) == held && (self.state(*page) == Some(owner)) == owned
                };
                let stop = (at + 1..end).find(|page| !alike(page)).unwrap_or(end);
                if owned && !held {
                    freeing(PageRun::new(Pfn::new(at), stop - at));
                }
                if owned {
                    if held {
                        self.mark(at, stop - at, PageState::Held);
                    } else {
                        self.mark(at, stop - at, PageState::Free);
                        self.keep_large(at, stop - at);
                        freed += stop - at;
                    }
                }
                at = stop;
            }
        }
        Ok(freed)
    }

    /// Counts one more device mapping of each page, or of none. Pages that devices may only read have to be permitted.
    pub(super) fn pin(&mut self, runs: &[PageRun], may_read_only: bool) -> Result<(), PageListError> {
        for (done, page) in pages(runs).enumerate() {
            let refused = match self.state(page) {
                None => Some(PageListError::NotRam(Pfn::new(page))),
                Some(PageState::Driver | PageState::Kernel | PageState::ReadOnly)
                    if self.pins(page) == u16::MAX =>
                {
                    Some(PageListError::TooManyMaps(Pfn::new(page)))
                }
                Some(PageState::Driver | PageState::Kernel) => None,
                Some(PageState::ReadOnly) if !may_read_only => Some(PageListError::ReadOnly(Pfn::new(page))),
                Some(PageState::ReadOnly) => None,
                Some(_) => Some(PageListError::NotOwned(Pfn::new(page))),
            };
            if let Some(refused) = refused {
                pages(runs).take(done).for_each(|page| {
                    self.add_pins(page, -1);
                });
                return Err(refused);
            }
            self.add_pins(page, 1);
        }
        Ok(())
    }

    /// Counts one device mapping less. Returns how many pages, given back by their owner before, became free.
    pub(super) fn unpin(&mut self, runs: &[PageRun], freeing: &dyn Fn(PageRun)) -> u64 {
        let mut freed = 0;
        for page in pages(runs) {
            if self.add_pins(page, -1) == 0 && self.state(page) == Some(PageState::Held) {
                freeing(PageRun::new(Pfn::new(page), 1));
                self.mark(page, 1, PageState::Free);
                freed += 1;
            }
        }
        freed
    }

    /// Keeps a page that nothing holds from being held, for whoever is about to free it.
    pub(super) fn withhold(&mut self, page: u64, owner: PageState) -> bool {
        let free_to_go = self.state(page) == Some(owner) && self.pins(page) == 0;
        if free_to_go {
            self.mark(page, 1, PageState::Held);
        }
        free_to_go
    }

    /// Ends a [`withhold`](Self::withhold).
    pub(super) fn settle(&mut self, page: u64, state: PageState) {
        if self.state(page) == Some(PageState::Held) && self.pins(page) == 0 {
            self.mark(page, 1, state);
        }
    }

    fn add_pins(&mut self, page: u64, by: i16) -> u16 {
        let Some(zone) = self.zone_of(page).and_then(|index| self.zones.get_mut(index)) else { return 0 };
        let pins = zone.pins(page).saturating_add_signed(by);
        zone.set_pins(page, pins);
        pins
    }
}

/// The page numbers of a list, in order.
fn pages(runs: &[PageRun]) -> impl Iterator<Item = u64> {
    runs.iter().flat_map(|run| run.start.get()..run.start.get().saturating_add(run.pages))
}
