//! A domain that remembers what a device could still reach.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, Weak};

use dxgk_hw::{
    Access, DomainId, DomainOps, LogicalAddr, LogicalPage, MapError, PAGE_SIZE, PageRun, Pfn, UnitError,
};
use dxgk_sysmm::PageDatabase;

use crate::machine::{BAR, MIB, Machine, pages};

#[derive(Default)]
pub(crate) struct Tables {
    pub(crate) entries: BTreeMap<u64, u64>,
    /// Pages that were mapped without the right to write.
    pub(crate) read_only: BTreeSet<u64>,
    /// Cleared, but still in the unit's cache.
    pub(crate) stale: BTreeMap<u64, u64>,
    pub(crate) syncs: u64,
    pub(crate) longest_map: u64,
    maps_left: Option<u64>,
}

/// A domain without tables. At every invalidation it looks whether a page that it is about for is free already.
#[derive(Default)]
pub(crate) struct BookDomain {
    pub(crate) tables: Mutex<Tables>,
    pub(crate) unit_hangs: AtomicBool,
    pub(crate) pages: OnceLock<Weak<PageDatabase<Machine>>>,
}

impl BookDomain {
    /// The n-th map from now on, and all later ones, fail.
    pub(crate) fn fail_after(&self, maps: Option<u64>) {
        self.tables.lock().expect("unpoisoned").maps_left = maps;
    }

    /// Frames that the device can reach, by what the tables say or the unit still believes.
    pub(crate) fn reachable(&self) -> Vec<u64> {
        let tables = self.tables.lock().expect("unpoisoned");
        let mut frames: Vec<u64> = tables.entries.values().chain(tables.stale.values()).copied().collect();
        frames.sort_unstable();
        frames.dedup();
        frames
    }

    fn owned(&self, frame: u64) -> bool {
        // Registers are the device's for ever.
        if (BAR..BAR + MIB).contains(&(frame * PAGE_SIZE)) {
            return true;
        }
        let pages = self.pages.get().and_then(Weak::upgrade);
        // Held pages are nobody's, but they are not free: nobody can be given one.
        pages.is_none_or(|pages| pages.owner(Pfn::new(frame)).is_some() || pages.counts().held != 0)
    }
}

impl DomainOps for BookDomain {
    fn id(&self) -> DomainId {
        DomainId(7)
    }

    fn highest(&self) -> LogicalAddr {
        LogicalAddr::new((1 << 48) - 1)
    }

    fn map(&self, at: LogicalPage, runs: &[PageRun], access: Access) -> Result<(), MapError> {
        self.map_singly(at, runs, access)?;
        let mut tables = self.tables.lock().expect("unpoisoned");
        tables.longest_map = tables.longest_map.max(pages(runs).count() as u64);
        Ok(())
    }

    fn map_singly(&self, at: LogicalPage, runs: &[PageRun], access: Access) -> Result<(), MapError> {
        assert!(access.contains(Access::READ));
        let mut tables = self.tables.lock().expect("unpoisoned");
        match &mut tables.maps_left {
            Some(0) => return Err(MapError::NoFrame),
            Some(left) => *left -= 1,
            None => {}
        }
        let list: Vec<(u64, u64)> = (at.get()..).zip(pages(runs)).collect();
        if let Some((page, _)) = list.iter().find(|(page, _)| tables.entries.contains_key(page)) {
            return Err(MapError::Occupied(LogicalPage::new(*page)));
        }
        if !access.contains(Access::WRITE) {
            tables.read_only.extend(list.iter().map(|(page, _)| *page));
        }
        tables.entries.extend(list);
        Ok(())
    }

    fn unmap(&self, at: LogicalPage, count: u64) -> Result<(), MapError> {
        let mut tables = self.tables.lock().expect("unpoisoned");
        for page in at.get()..at.get() + count {
            let frame = tables.entries.remove(&page).ok_or(MapError::NotMapped(LogicalPage::new(page)))?;
            tables.read_only.remove(&page);
            tables.stale.insert(page, frame);
        }
        Ok(())
    }

    fn sync(&self, at: LogicalPage, count: u64) -> Result<(), UnitError> {
        let mut tables = self.tables.lock().expect("unpoisoned");
        for (_, frame) in tables.stale.range(at.get()..at.get() + count) {
            assert!(self.owned(*frame), "page {frame:#x} was given back before its invalidation");
        }
        if self.unit_hangs.load(Ordering::Relaxed) {
            return Err(UnitError::Hung);
        }
        tables.syncs += 1;
        tables.stale.retain(|page, _| *page < at.get() || *page >= at.get() + count);
        Ok(())
    }
}
